// A customer and an operator, both in browsers: chat with receipts and reloads on both sides, then a call from the page.
import { pageHears, Shop, shows } from "./pages.mjs";
import { isOperator, phoneHears } from "./phone.mjs";
import { assert, check, fact } from "./report.mjs";
import { until } from "./wait.mjs";

const HTML = '<img src=x onerror="window.pwned=1"><b>жирно</b> & <script>window.pwned=2</script>';

export async function chatAndCall({ http, shot, desk, customerContext, tones, phone, number }) {
  const { page } = desk;
  const shop = await check("a customer writes, and the flow asks him with buttons", async () => {
    const shop = await Shop.open(customerContext, http);
    await shot(shop.page, "shop");
    await shop.at("start-name").fill("Мария Котова");
    await shop.at("start-contact").fill("maria@example.org");
    await shop.at("start-submit").click();
    await shop.write("Здравствуйте!");
    await shop.page.locator('[data-testid="flow-button"][data-choice="support"]').waitFor();
    await shot(shop.page, "widget-flow");
    return shop;
  });
  await check("his choice brings him to an operator, who sees it before accepting", async () => {
    await shop.page.locator('[data-testid="flow-button"][data-choice="support"]').click();
    const card = desk.page.locator('[data-testid="offer-card"][data-media="chat"]');
    await card.waitFor();
    const text = await card.innerText();
    assert(text.includes("Мария Котова"), `no name: ${text}`);
    assert(/support/.test(text), `no topic: ${text}`);
    await card.getByTestId("offer-accept").click();
    await desk.at("chat-input").waitFor();
    await shop.state("with").waitFor();
    fact("chat.session", await desk.at("session-pane").getAttribute("data-session"));
  });
  await check("each sees the other type, and what he wrote", async () => {
    await desk.at("chat-input").pressSequentially("Чем", { delay: 20 });
    await shop.at("typing").waitFor();
    await desk.write("Чем могу помочь?");
    await shows(shop, "Чем могу помочь?");
    await shop.at("input").pressSequentially("Не приходит", { delay: 40 });
    await desk.at("customer-typing").waitFor();
    await shop.write("Не приходит код подтверждения");
    await shows(desk, "Не приходит код подтверждения");
  });
  await check("messages are delivered and read on both sides", async () => {
    await desk.page.locator('[data-testid="message-tick"][data-tick="read"]').last().waitFor();
    await shop.page.locator('[data-testid="receipt"][data-receipt="read"]').waitFor();
    // Somebody who has minimised the chat has the message but has not read it.
    await shop.at("minimise").click();
    await desk.write("Проверяю, минуту");
    await desk.page.locator('[data-testid="message-tick"][data-tick="delivered"]').last().waitFor();
    await shop.at("unread").waitFor();
    await shop.at("launcher").click();
    await until("it is read", 8000, async () => {
      const ticks = await desk.at("message-tick").evaluateAll((all) => all.map((one) => one.dataset.tick));
      return ticks.at(-1) === "read";
    });
  });
  await check("HTML from a customer is shown as text on both sides", async () => {
    await shop.write(HTML);
    await shows(shop, HTML);
    await shows(desk, HTML);
    for (const side of [shop, desk]) {
      const harm = await side.page.evaluate(() => window.pwned);
      assert(harm === undefined, `it was run: ${harm}`);
      const inside = side.at("message-item").locator("img, b, script");
      assert((await inside.count()) === 0, "it was rendered");
    }
  });
  await check("a reload of either side loses and doubles nothing", async () => {
    const [mine, his] = [await shop.messages(), await desk.messages()];
    const texts = (messages) => messages.map(({ who, text }) => `${who}: ${text}`);
    // What is sent while a side is away is there when it comes back.
    await shop.page.reload();
    await desk.write("Пока вас не было");
    await shop.at("launcher").click();
    await shows(shop, "Пока вас не было");
    const after = await atLeast(shop, mine.length + 1);
    assert(same(after.slice(0, mine.length), mine), `before ${texts(mine)}\nafter ${texts(after)}`);
    assert(after.length === mine.length + 1, `${after.length} messages`);
    await page.reload();
    await shop.write("И пока вас не было");
    await shows(desk, "И пока вас не было");
    const again = await atLeast(desk, his.length + 2);
    assert(same(again.slice(0, his.length), his), `before ${texts(his)}\nafter ${texts(again)}`);
    assert(again.length === his.length + 2, `${again.length} messages`);
    const state = await desk.at("state-select").getAttribute("data-state");
    assert(state === "ready", `the reload made the operator ${state}`);
  });
  await check("the customer calls from the page, and each hears the other", async () => {
    await desk.page.locator('[data-testid="softphone-status"][data-state="registered"]').waitFor();
    await shop.at("call-button").click();
    await shop.at("way-talk").click();
    await desk.at("ringing-card").waitFor();
    await shot(page, "escalation");
    await desk.at("ringing-card").getByTestId("call-answer").click();
    await shop.page.locator('[data-testid="voice-bar"][data-phase="talking"]').waitFor();
    await desk.call("talking").waitFor();
    const operator = await pageHears(page, tones.customer);
    const customer = await pageHears(shop.page, tones.operator);
    await shot(page, "console-browser-call");
    await shot(shop.page, "widget-call");
    assert((await desk.at("session-item").count()) === 1, "the desk shows more than one session");
    return { operator, customer };
  });
  await check("the chat runs on during the call and after it", async () => {
    await shop.write("Слышу вас хорошо");
    await shows(desk, "Слышу вас хорошо");
    await shop.at("voice-hangup").click();
    await desk.at("call-panel").waitFor({ state: "detached" });
    await desk.write("Хорошего дня!");
    await shows(shop, "Хорошего дня!");
  });
  await check("the operator calls the customer's phone out of the chat, and each hears the other", async () => {
    phone.events.length = 0;
    await desk.at("action-call-customer").click();
    await desk.at("call-number").fill(number);
    await desk.at("call-number-submit").click();
    await until("the phone has answered", 10_000, () => phone.happened("CALL_ESTABLISHED"));
    await desk.call("talking").waitFor();
    const customer = await phoneHears(phone, "the operator", isOperator);
    const operator = await pageHears(page, tones.phone);
    await shot(page, "call-out");
    assert((await desk.at("session-item").count()) === 1, "the desk shows more than one session");
    phone.hangUp();
    await desk.at("call-panel").waitFor({ state: "detached" });
    return { operator, customer };
  });
  await check("the end is wrapped up, and the widget can begin anew", async () => {
    await desk.at("action-close-chat").click();
    await shop.at("closed").waitFor();
    await desk.finish("sold", null);
    await desk.at("desk-empty").waitFor();
    await shot(shop.page, "widget-closed");
    await shop.at("new-conversation").click();
    await shop.at("input").waitFor();
  });
  for (const problems of [desk.problems, shop.problems]) assert(problems.length === 0, problems.join("\n"));
}

/** What is on the screen once there are so many: a page that was loaded anew shows the latest first. */
async function atLeast(side, count) {
  let messages = [];
  await until(`${count} messages`, 10_000, async () => {
    messages = await side.messages();
    return messages.length >= count;
  });
  return messages;
}

function same(a, b) {
  return JSON.stringify(a) === JSON.stringify(b);
}
