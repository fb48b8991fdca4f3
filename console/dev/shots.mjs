// Pictures of every state of the console and the widget, drawn against the fake. `npm run build && npm run shots [name…]`
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { startFake } from "./fake.mjs";

const out = fileURLToPath(new URL("./out/", import.meta.url));
mkdirSync(out, { recursive: true });
const only = process.argv.slice(2);
const wanted = (name) => only.length === 0 || only.some((one) => name.startsWith(one));
const fake = startFake({ port: 4601 });
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: [
    ..."--headless --no-sandbox --disable-gpu --use-fake-ui-for-media-stream --use-fake-device-for-media-stream".split(
      " ",
    ),
    ..."--autoplay-policy=no-user-gesture-required --disable-dev-shm-usage --disable-background-networking --no-first-run".split(
      " ",
    ),
  ],
});

async function page(options = {}) {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 860 },
    locale: "ru-RU",
    colorScheme: "light",
    permissions: ["microphone"],
    ...options,
  });
  const page = await context.newPage();
  page.on("pageerror", (error) => console.error("page:", error.message));
  page.on("console", (message) => message.type() === "error" && console.error("console:", message.text()));
  return page;
}

/** The other end of a call: another page that makes an SDP offer. */
async function farEnd() {
  const far = await page();
  await far.goto(`${fake.url}/shop`);
  const offer = await far.evaluate(async () => {
    const pc = new RTCPeerConnection();
    window.pc = pc;
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    for (const track of stream.getTracks()) pc.addTrack(track, stream);
    await pc.setLocalDescription();
    await new Promise((done) => {
      if (pc.iceGatheringState === "complete") done();
      pc.onicegatheringstatechange = () => pc.iceGatheringState === "complete" && done();
    });
    return pc.localDescription.sdp;
  });
  const answer = (sdp) => far.evaluate((sdp) => window.pc.setRemoteDescription({ type: "answer", sdp }), sdp);
  fake.reoffer = (sdp) =>
    far.evaluate(async (sdp) => {
      await window.pc.setRemoteDescription({ type: "offer", sdp });
      await window.pc.setLocalDescription();
      return window.pc.localDescription.sdp;
    }, sdp);
  return { far, offer, answer };
}

async function desk(name, scenario, { dark = false, act, size, roles } = {}) {
  if (!wanted(name)) return;
  fake.signedIn = true;
  fake.roles = roles ?? ["operator", "supervisor", "admin"];
  fake.set(scenario);
  const p = await page({ colorScheme: dark ? "dark" : "light", ...(size ? { viewport: size } : {}) });
  await p.goto(`${fake.url}/console/`);
  await p.getByTestId("softphone-status").waitFor();
  await p.waitForSelector('[data-testid="softphone-status"][data-state="registered"]', { timeout: 8000 });
  await act?.(p);
  await p.waitForTimeout(500);
  await p.screenshot({ path: `${out}${name}.png` });
  console.log(name);
  await p.context().close();
}

async function inCall(p) {
  const { far, offer, answer } = await farEnd();
  const call = fake.invite(offer, {
    "X-Tandem-Session": "50000000-0000-7000-8000-000000000001",
    "X-Tandem-Reason": "call-customer",
  });
  await answer(await call);
  await p.getByTestId("call-mute").waitFor();
  await p.waitForTimeout(1200);
  return far;
}

if (wanted("signin")) {
  fake.signedIn = false;
  const p = await page();
  await p.goto(`${fake.url}/console/`);
  await p.getByTestId("login-form").waitFor();
  await p.screenshot({ path: `${out}signin.png` });
  await p.context().close();
}
await desk("empty", "empty");
await desk("notready", "notready", { roles: ["operator"] });
await desk("offer", "offer");
await desk("offers", "offers", { dark: true });
await desk("chat", "chat", {
  act: async (p) => {
    fake.typing("50000000-0000-7000-8000-000000000001", true);
    await p.getByTestId("chat-input").fill("Записала вас на субботу");
  },
});
await desk("call", "call", { act: inCall });
const guests = () => {
  const view = fake.world.desk.sessions.find((one) => one.legs.length > 1);
  const guest = (party, address, state) => ({
    ...{ leg: crypto.randomUUID(), medium: "voice", party, address, part: "guest", state, held: false, muted: false },
    since: Date.now() * 1000,
  });
  view.legs.push(guest({ who: "external" }, "+79051234567", "up"));
  view.legs.push(guest({ who: "agent", agent: "a0000000-0000-7000-8000-000000000002" }, "oleg", "ringing"));
  fake.desk();
};
await desk("conference", "call", {
  act: async (p) => {
    await inCall(p);
    guests();
    await p.getByTestId("conference-add").click();
    await p.getByTestId("conference-to").fill("workshop");
  },
});
await desk("conference-narrow", "call", {
  size: { width: 1024, height: 768 },
  act: async (p) => {
    await inCall(p);
    guests();
  },
});
await desk("supervising", "floor", {
  act: async (p) => {
    await p.getByRole("link", { name: /Смена|Floor|Зал/ }).click();
    await p.getByTestId("supervise").first().click();
    await p.getByTestId("supervising").waitFor();
  },
});
await desk("call-dark", "call", {
  dark: true,
  act: async (p) => {
    await inCall(p);
    await p.getByTestId("call-keypad").click();
  },
});
await desk("call-held", "call", {
  act: async (p) => {
    await inCall(p);
    await p.getByTestId("call-hold").click();
    await p.waitForTimeout(600);
  },
});
await desk("code", "empty", {
  act: async (p) => {
    const w = fake.world;
    w.desk.offers.push({
      offer: "x",
      session: "50000000-0000-7000-8000-000000000002",
      queue: "support",
      media: { voice: true, chat: false },
      customer: {
        customer: "c0000000-0000-7000-8000-000000000002",
        name: "Денис Грачёв",
        identities: [{ kind: "phone", value: "+79031110022" }],
        earlier_sessions: 1,
      },
      context: { topic: "sales" },
      waiting_since: Date.now() * 1000 - 60e6,
      deadline: Date.now() * 1000 + 9e6,
    });
    fake.accepted(w.desk.offers[0]);
    await p.getByTestId("action-offer-chat").click();
  },
});
await desk("call-record-paused", "call", {
  act: async (p) => {
    fake.world.desk.sessions[0].recording_paused = true;
    fake.world.journals.get("50000000-0000-7000-8000-000000000001").push({
      session: "50000000-0000-7000-8000-000000000001",
      ...{ seq: 900, at: Date.now() * 1000 - 5e6 },
      change: {
        ...{ type: "recording_paused", paused: true },
        by: { who: "agent", agent: fake.world.desk.agent, name: "Анна Смирнова" },
      },
    });
    await p.reload();
    await p.waitForSelector('[data-testid="softphone-status"][data-state="registered"]', { timeout: 8000 });
    await inCall(p);
  },
});
await desk("wrapup", "wrapup");
for (const dark of [false, true]) {
  await desk(dark ? "player-dark" : "player", "empty", {
    dark,
    act: async (p) => {
      fake.world.alarm = { since: Date.now() * 1000 - 300e6, failed: 3, why: "No space left on device (os error 28)" };
      await p.getByTestId("nav-sessions").click();
      await p.getByTestId("session-row").first().click();
      await p.getByTestId("waveform").waitFor();
      await p.getByTestId("player-only-operator").click();
      await p.getByRole("slider").first().fill("52");
      await p.reload();
      await p.getByTestId("session-row").first().click();
      await p.getByTestId("waveform").waitFor();
      await p.getByRole("slider").first().fill("52");
    },
  });
}
await desk("floor", "floor", { act: (p) => p.getByTestId("nav-floor").click() });
const wall = { size: { width: 1920, height: 1080 }, act: (p) => p.getByTestId("nav-wallboard").click() };
await desk("wallboard", "floor", wall);
await desk("wallboard-dark", "floor", { ...wall, dark: true });
await desk("reports", "floor", { act: (p) => p.getByTestId("nav-reports").click() });
await desk("reports-dark", "floor", { dark: true, act: (p) => p.getByTestId("nav-reports").click() });
await desk("floor-dark", "floor", { dark: true, act: (p) => p.getByTestId("nav-floor").click() });
await desk("sessions", "empty", {
  act: async (p) => {
    await p.getByTestId("nav-sessions").click();
    await p.getByTestId("session-row").first().waitFor();
  },
});
await desk("session-drawer", "empty", {
  act: async (p) => {
    await p.getByTestId("nav-sessions").click();
    await p.getByTestId("session-row").first().click();
    await p.getByTestId("timeline").waitFor();
    await p.waitForTimeout(400);
  },
});
await desk("ladder", "empty", {
  act: async (p) => {
    await p.getByTestId("nav-sessions").click();
    await p.getByTestId("session-row").first().click();
    await p.getByTestId("call-ladder").first().click();
    await p.getByTestId("ladder-message").nth(6).locator("button").click();
    await p.waitForTimeout(400);
  },
});
await desk("recordings", "empty", {
  act: async (p) => {
    await p.getByTestId("nav-recordings").click();
    await p.getByTestId("recording-row").first().waitFor();
  },
});
await desk("dialplans", "empty", {
  act: async (p) => {
    await p.getByTestId("nav-dialplans").click();
    await p.getByTestId("dialplans-check").click();
    await p.getByTestId("dialplans-verdict").waitFor();
  },
});
await desk("users", "empty", {
  act: async (p) => {
    await p.getByTestId("nav-users").click();
    await p.getByTestId("user-row").first().click();
  },
});
await desk("narrow", "call", { size: { width: 1100, height: 760 } });

async function shop(name, options, act) {
  if (!wanted(name)) return;
  fake.chat = { session: null, state: { state: "idle" }, messages: [], seq: 1 };
  const p = await page(options);
  await p.goto(`${fake.url}/shop${options?.query ?? ""}`);
  await p.getByTestId("launcher").waitFor();
  await act?.(p);
  await p.waitForTimeout(600);
  await p.screenshot({ path: `${out}${name}.png`, fullPage: options?.fullPage ?? false });
  console.log(name);
  await p.context().close();
}
const converse = async (p) => {
  await p.getByTestId("launcher").click();
  await p.getByTestId("start-name").fill("Мария");
  await p.getByTestId("start-submit").click();
  await p.getByTestId("input").fill("Здравствуйте! У «Бульвара» скрипит каретка");
  await p.getByTestId("send").click();
  await p.getByTestId("flow-button").last().click();
  await p.getByText("Это Анна").waitFor();
  await p.getByTestId("input").fill("Скрипит под нагрузкой, когда еду в горку. Видео нужно?");
  await p.getByTestId("send").click();
  await p.getByText("Поняла вас").waitFor();
};
await shop("shop", { fullPage: true });
await shop("shop-en", { query: "?lang=en" });
await shop("widget-start", {}, (p) => p.getByTestId("launcher").click());
await shop("widget-chat", {}, converse);
await shop("widget-flow", {}, async (p) => {
  await p.getByTestId("launcher").click();
  await p.getByTestId("start-skip").click();
  await p.getByTestId("input").fill("Здравствуйте");
  await p.getByTestId("send").click();
  await p.getByTestId("flow-button").first().waitFor();
});
await shop("widget-ways", {}, async (p) => {
  await converse(p);
  await p.getByTestId("call-button").click();
});
await shop("widget-code", {}, async (p) => {
  await p.getByTestId("launcher").click();
  await p.getByTestId("start-code").click();
  await p.getByTestId("code-input").fill("482914");
  await p.getByTestId("code-submit").click();
  await p.getByTestId("form-error").waitFor();
});
await shop("widget-invite", {}, async (p) => {
  await converse(p);
  fake.invitation();
  await p.getByTestId("talk-invitation").waitFor();
});
await shop("widget-closed", {}, async (p) => {
  await converse(p);
  await p.getByTestId("call-button").click();
  await p.getByTestId("end-chat").click();
  await p.getByTestId("closed").waitFor();
});
await shop("widget-dark", { colorScheme: "dark" }, converse);
await shop("widget-mobile", { viewport: { width: 390, height: 780 }, isMobile: true, hasTouch: true }, converse);
await shop("shop-mobile", { viewport: { width: 390, height: 780 }, isMobile: true, hasTouch: true, fullPage: true });

await browser.close();
fake.close();
