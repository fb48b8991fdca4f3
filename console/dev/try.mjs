// The softphone and the widget in a real browser against the fake: `npm run build && npm run try`
import assert from "node:assert/strict";
import { chromium } from "playwright-core";
import { startFake } from "./fake.mjs";

const fake = startFake({ port: 4602, scenario: "call" });
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: [
    ..."--headless --no-sandbox --disable-gpu --use-fake-ui-for-media-stream --use-fake-device-for-media-stream".split(
      " ",
    ),
    ..."--disable-dev-shm-usage --disable-background-networking --no-first-run".split(" "),
  ],
});
const SESSION = "50000000-0000-7000-8000-000000000001";
const context = await browser.newContext({ locale: "ru-RU", permissions: ["microphone"] });
const until = async (what, condition) => {
  for (let i = 0; i < 200; i += 1) {
    if (await condition()) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  assert.fail(`never: ${what}`);
};
const status = (page, state) =>
  page.waitForSelector(`[data-testid="softphone-status"][data-state="${state}"]`, { timeout: 8000 });

async function farEnd() {
  const far = await context.newPage();
  await far.goto(`${fake.url}/shop`);
  const offer = await far.evaluate(async () => {
    const pc = new RTCPeerConnection();
    window.pc = pc;
    pc.ontrack = ({ track }) => {
      window.heard = track;
    };
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    for (const track of stream.getTracks()) pc.addTrack(track, stream);
    await pc.setLocalDescription();
    await new Promise((done) => {
      if (pc.iceGatheringState === "complete") done();
      pc.onicegatheringstatechange = () => pc.iceGatheringState === "complete" && done();
    });
    return pc.localDescription.sdp;
  });
  fake.reoffer = (sdp) =>
    far.evaluate(async (sdp) => {
      window.lastOffer = sdp;
      await window.pc.setRemoteDescription({ type: "offer", sdp });
      await window.pc.setLocalDescription();
      return window.pc.localDescription.sdp;
    }, sdp);
  const packets = () =>
    far.evaluate(async () => {
      let count = 0;
      for (const report of (await window.pc.getStats()).values())
        if (report.type === "inbound-rtp") count += report.packetsReceived;
      return count;
    });
  return {
    far,
    offer,
    packets,
    lastOffer: () => far.evaluate(() => window.lastOffer),
    answer: (sdp) => far.evaluate((sdp) => window.pc.setRemoteDescription({ type: "answer", sdp }), sdp),
  };
}

const page = await context.newPage();
page.on("pageerror", (error) => console.error("page:", error));
await page.goto(`${fake.url}/console/`);
await status(page, "registered");
console.log("registers, past a SHA-256 challenge");

const first = await farEnd();
await first.answer(await fake.invite(first.offer, { "X-Tandem-Session": SESSION, "X-Tandem-Reason": "call-customer" }));
await page.getByTestId("call-mute").waitFor();
await until("audio from the console", async () => (await first.packets()) > 20);
console.log("answers call-customer by itself, and is heard");

await page.getByTestId("call-mute").click();
await until("mute told to the server", () => fake.commands.some((one) => one.command === "mute" && one.muted));
await page.getByTestId("call-mute").click();

await page.getByTestId("call-hold").click();
await page.waitForSelector('[data-testid="call-panel"][data-state="held"]');
assert.match(await first.lastOffer(), /a=sendonly|a=inactive/);
await page.getByTestId("call-hold").click();
await page.waitForSelector('[data-testid="call-panel"][data-state="talking"]');
assert.match(await first.lastOffer(), /a=sendrecv/);
console.log("mutes, holds and resumes");

await page.getByTestId("call-keypad").click();
await page.getByTestId("keypad-5").click();
assert.deepEqual(fake.infos, []);
await page.keyboard.press("Escape");
console.log("sends keys in the media");

fake.sip.length = 0;
await page.reload();
await status(page, "registered");
assert.deepEqual(
  fake.sip.filter((method) => method === "BYE"),
  [],
);
const second = await farEnd();
await second.answer(await fake.invite(second.offer, { "X-Tandem-Session": SESSION, "X-Tandem-Reason": "reconnect" }));
await page.getByTestId("call-mute").waitFor();
await until("audio after the reload", async () => (await second.packets()) > 20);
console.log("a reload sends no BYE, and the call is back without a click");
console.log(
  "  audio held back by the browser:",
  await page
    .getByTestId("audio-unblock")
    .isVisible()
    .catch(() => false),
);

fake.sip.length = 0;
fake.dropPhones();
await status(page, "lost").catch(() => {});
await status(page, "registered");
assert.deepEqual(
  fake.sip.filter((method) => method === "BYE"),
  [],
);
const third = await farEnd();
await third.answer(await fake.invite(third.offer, { "X-Tandem-Session": SESSION, "X-Tandem-Reason": "reconnect" }));
await until("audio after the break", async () => (await third.packets()) > 20);
assert.equal(await page.getByTestId("call-panel").count(), 1);
assert.deepEqual(
  fake.sip.filter((method) => method === "BYE"),
  [],
);
console.log("a broken connection is replaced, the old call goes in silence");

const other = await context.newPage();
await other.goto(`${fake.url}/console/`);
await status(other, "elsewhere");
await other.getByTestId("softphone-status").click();
fake.sip.length = 0;
await other.getByTestId("softphone-takeover").click();
await status(other, "registered");
await status(page, "elsewhere");
assert.deepEqual(
  fake.sip.filter((method) => method === "BYE"),
  [],
);
console.log("another tab takes the phone over in silence");
await other.close();
await status(page, "registered");
console.log("and gives it back when it is closed");

fake.set("offer");
const card = page.getByTestId("offer-card");
await card.waitFor();
const fourth = await farEnd();
const ringing = fake.invite(fourth.offer, {
  "X-Tandem-Session": "50000000-0000-7000-8000-000000000002",
  "X-Tandem-Offer": "50000000-0000-7000-8000-000000000007",
  "X-Tandem-Reason": "offer",
});
await new Promise((done) => setTimeout(done, 300));
await page.getByTestId("offer-accept").click();
await fourth.answer(await ringing);
fake.accepted(fake.world.desk.offers[0]);
await page.getByTestId("call-mute").waitFor();
await until("audio of the accepted offer", async () => (await fourth.packets()) > 20);
console.log("accepting a voice offer answers its call");

await page.getByTestId("user-menu").click();
fake.sip.length = 0;
await page.getByTestId("sign-out").click();
await page.getByTestId("login-form").waitFor();
assert.ok(fake.sip.includes("BYE"), "signing out hangs up");
console.log("signing out hangs up and unregisters:", fake.sip.join(" "));
await page.getByTestId("login-name").fill("anna");
await page.getByTestId("login-password").fill("demo");
await page.getByTestId("login-submit").click();
await status(page, "registered");
console.log("and one can sign in again");

// The widget: what is written while the connection is away, and over a reload.
const shop = await context.newPage();
await shop.goto(`${fake.url}/shop`);
await shop.getByTestId("launcher").click();
await shop.getByTestId("start-skip").click();
await shop.getByTestId("input").fill("one");
await shop.getByTestId("send").click();
await shop.getByTestId("flow-button").first().waitFor();
fake.silent = true;
fake.dropChats();
await shop.getByTestId("input").fill("two");
await shop.getByTestId("input").press("Enter");
await shop.reload();
fake.silent = false;
await shop.getByTestId("launcher").click();
await shop.getByText("Это Анна").waitFor();
await until("the pending message settles", async () => (await shop.locator("[data-pending]").count()) === 0);
assert.equal(await shop.getByTestId("log").getByText("two", { exact: true }).count(), 1);
assert.equal(fake.chat.messages.filter((one) => one.message.text === "two").length, 1);
await until("the customer's eyes told", () => fake.frames.some((one) => one.type === "read"));
console.log("the widget loses and doubles nothing over a break and a reload");

await browser.close();
fake.close();
