// A caller with a phone and an operator with a browser: sound both ways, hold, mute, a reload in the middle, a chat beside
// the call, wrap-up, the recording.
import { Console, Shop, ear, pageHears, shows } from "./pages.mjs";
import { assert, check, fact } from "./report.mjs";
import { listen, pieces, read, tail } from "./sound.mjs";
import { until } from "./wait.mjs";

export const CALLER = 1000;
export const OPERATOR = 440;

/** How much of the operator there is in what the phone heard last, and how loud that was. */
export const isOperator = ({ share, level }) => share > 0.5 && level > -45;

export async function phoneHears(phone, what, heard) {
  let last;
  await until(`the phone hears ${what}`, 8000, () => {
    const file = phone.heard();
    last = file && listen(tail(file, 0.6), OPERATOR);
    return last && heard(last);
  }).catch((error) => {
    throw new Error(`${error.message}; last ${JSON.stringify(last)}`);
  });
  return last;
}

export async function phoneCall({ http, sip, shot, desk, phone, visitorContext }) {
  const { page } = desk;
  const hearsOperator = () => phoneHears(phone, "the operator", isOperator);
  const hearsMusic = () => phoneHears(phone, "music", ({ share, level }) => share < 0.2 && level > -40);
  const hearsNothing = () => phoneHears(phone, "nothing", ({ level }) => level < -55);

  await check("the caller hears the greeting", async () => {
    phone.dial(`sip:+74950000000@${sip}`);
    await until("the call is answered", 10_000, () => phone.happened("CALL_ESTABLISHED"));
    return hearsMusic();
  });
  await check("the operator sees who calls, why and since when before accepting", async () => {
    phone.press("2");
    const card = desk.at("offer-card");
    await card.waitFor();
    await until("the operator's own phone rings", 5000, () => page.evaluate(() => document.querySelector("[data-testid=offer-accept]")?.disabled === false));
    const text = await card.innerText();
    assert(text.replace(/\D/g, "").includes("79001112233"), `no number: ${text}`);
    assert(/support/.test(text), `no queue and no topic: ${text}`);
    assert(/\d+:\d\d/.test(text), `no time in the queue: ${text}`);
    assert(Number(await desk.at("offer-countdown").innerText()) > 0, "no countdown");
    await shot(page, "offer");
    return text.replace(/\s+/g, " ");
  });
  await check("after accepting each hears the other", async () => {
    await desk.at("offer-accept").click();
    await desk.call("talking").waitFor();
    fact("phone.session", await desk.at("session-pane").getAttribute("data-session"));
    const caller = await hearsOperator();
    return { caller, operator: await pageHears(page, CALLER) };
  });
  await check("the operator gives the caller a name", async () => {
    await desk.at("customer-rename").click();
    await desk.at("customer-name-input").fill("Иван Петров");
    await page.keyboard.press("Enter");
    await until("the name stands everywhere", 5000, async () => {
      const [card, item] = [desk.at("customer-name"), desk.at("session-item")];
      return (await card.innerText()) === "Иван Петров" && (await item.innerText()).includes("Иван Петров");
    });
  });
  const shop = await check("the caller types the operator's code on the page and is in the same session", async () => {
    const session = await desk.at("session-pane").getAttribute("data-session");
    await desk.at("action-offer-chat").click();
    const code = await desk.at("chat-code").getAttribute("data-code");
    assert(/^\d{6}$/.test(code), `the code is ${code}`);
    const shop = await Shop.open(visitorContext, http);
    await shop.at("start-code").click();
    await shop.at("code-input").fill(code);
    await shop.at("code-submit").click();
    await shop.state("with").waitFor();
    await desk.at("chat-input").waitFor();
    assert((await desk.at("session-pane").getAttribute("data-session")) === session, "the chat is another session");
    assert((await desk.at("session-item").count()) === 1, "the desk shows more than one session");
    return shop;
  });
  await check("call and chat run at once", async () => {
    await desk.write("Отправляю ссылку на заказ: https://shop.example.org/orders/1042");
    await shows(shop, "Отправляю ссылку на заказ: https://shop.example.org/orders/1042");
    await shop.write("Вижу, спасибо! А доставка завтра?");
    await shows(desk, "Вижу, спасибо! А доставка завтра?");
    await desk.write("Да, с 10 до 14.");
    await shows(shop, "Да, с 10 до 14.");
    await desk.call("talking").waitFor();
    await hearsOperator();
    const heard = await ear(page, CALLER);
    assert(heard.share > 0.5, `the operator hears ${JSON.stringify(heard)}`);
    await shot(page, "console");
    await shot(shop.page, "widget-beside-call");
  });
  await check("a held caller hears music, and the operator after it", async () => {
    await desk.at("call-hold").click();
    await desk.call("held").waitFor();
    const held = await hearsMusic();
    await desk.at("call-hold").click();
    await desk.call("talking").waitFor();
    await hearsOperator();
    await pageHears(page, CALLER);
    return held;
  });
  await check("a muted operator is not heard until he unmutes", async () => {
    await desk.at("call-mute").click();
    const muted = await hearsNothing();
    await desk.at("call-mute").click();
    await hearsOperator();
    return muted;
  });
  await check("a reload of the operator's tab gives the caller music and then the operator back", async () => {
    const session = await desk.at("session-pane").getAttribute("data-session");
    const before = read(phone.heard()).samples.length;
    await page.reload();
    // It may all be over before the page is loaded: what counts is what the caller heard.
    const away = await until("music, and then the operator", 12_000, () => {
      const heard = pieces(read(phone.heard()), before).map((piece) => {
        const { share, level } = listen(piece, OPERATOR);
        if (level < -45) return "silence";
        return share > 0.8 ? "operator" : share < 0.3 ? "music" : "both";
      });
      const back = heard.findIndex((what, nth) => what === "operator" && heard.slice(0, nth).includes("music"));
      return back > 0 && heard.slice(0, back).filter((what) => what !== "operator").length / 10;
    });
    assert(!phone.happened("CALL_CLOSED"), "the caller was dropped");
    assert(away < 10, `the operator was away for ${away} s`);
    await desk.call("talking").waitFor();
    await hearsOperator();
    await pageHears(page, CALLER);
    const now = await desk.at("session-pane").getAttribute("data-session");
    assert(now === session, `session ${session} became ${now}`);
    return { away };
  });
  await check("who was muted when he reloaded is muted when he is back", async () => {
    await desk.at("call-mute").click();
    await hearsNothing();
    await page.reload();
    await desk.call("talking").waitFor();
    const muted = await hearsNothing();
    await desk.at("call-mute").click();
    await hearsOperator();
    return muted;
  });
  await check("the operator hangs up, the caller's call ends, and the chat goes on", async () => {
    await desk.at("call-hangup").click();
    await until("the caller's call ends", 8000, () => phone.happened("CALL_CLOSED"));
    await desk.at("call-panel").waitFor({ state: "detached" });
    await shop.write("До свидания!");
    await shows(desk, "До свидания!");
  });
  await check("after the chat is closed he wraps up with a disposition", async () => {
    await desk.at("action-close-chat").click();
    await shop.at("closed").waitFor();
    await desk.at("wrapup-panel").waitFor();
    await shot(page, "wrap-up");
    await desk.finish("resolved", "Доставка завтра, с 10 до 14");
    await desk.at("desk-empty").waitFor();
  });
  await check("the recording plays in the console", async () => {
    await desk.at("nav-recordings").click();
    const row = desk.at("recording-row").first();
    await row.waitFor();
    await row.locator("button").first().click();
    const audio = row.locator("audio");
    const played = await until("it plays", 8000, () =>
      audio.evaluate((element) => element.currentTime > 0.5 && { at: element.currentTime, length: element.duration }),
    );
    await shot(page, "recordings");
    await row.locator("button").first().click();
    await desk.at("nav-desk").click();
    return played;
  });
  for (const problems of [desk.problems, shop.problems]) assert(problems.length === 0, problems.join("\n"));
  await shop.page.close();
}
