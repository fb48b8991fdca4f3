// All scenarios with browsers, in one Chromium. Started by tests/tests/wire/browser.rs with its settings as JSON; what it
// finds goes to stdout, a line each (see report.mjs).
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { Baresip } from "./baresip.mjs";
import { chatAndCall } from "./chat.mjs";
import { figures } from "./figures.mjs";
import { Console } from "./pages.mjs";
import { CALLER, OPERATOR, phoneCall } from "./phone.mjs";
import { Stopped, check } from "./report.mjs";
import { writeTone } from "./sound.mjs";

const { chromium } = createRequire(new URL("../../console/package.json", import.meta.url))("playwright-core");
const { http, sip, folder, pictures, login, password, phonePort } = JSON.parse(process.argv[2]);
/** What the customer's page says; the operator's browser says what comes from the file. */
const CUSTOMER = 1300;
const NUMBER = "+79001112233";

const spoken = path.join(folder, "operator.wav");
const caller = path.join(folder, "caller.wav");
writeTone(spoken, OPERATOR, 10, 48_000);
writeTone(caller, CALLER, 300, 8_000);
fs.mkdirSync(pictures, { recursive: true });

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: [
    ...["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"],
    ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
    ...["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"],
    `--use-file-for-fake-audio-capture=${spoken}`,
    "--autoplay-policy=no-user-gesture-required",
  ],
});
const shot = (page, name) => page.screenshot({ path: path.join(pictures, `${name}.png`) });
const wide = { viewport: { width: 1440, height: 900 }, locale: "ru-RU" };
const narrow = { viewport: { width: 1100, height: 800 }, locale: "ru-RU" };
let phone;

try {
  const context = await browser.newContext(wide);
  await plainMicrophone(context);
  const desk = await check("the operator signs in, and his phone registers", async () => {
    const desk = await Console.open(context, http);
    await shot(desk.page, "sign-in");
    await desk.signIn(login, password);
    await desk.beReady();
    return desk;
  });
  phone = await Baresip.start({ folder: path.join(folder, "phone"), number: NUMBER, sip: phonePort, source: caller });
  const visitorContext = await browser.newContext(narrow);
  await scenario(() => phoneCall({ http, sip, shot, desk, phone, visitorContext }));
  const customerContext = await browser.newContext(narrow);
  await tonedMicrophone(customerContext, CUSTOMER);
  const tones = { customer: CUSTOMER, operator: OPERATOR, phone: CALLER };
  await scenario(() => chatAndCall({ http, shot, desk, customerContext, tones, phone, number: NUMBER }));
  const supervisorContext = await browser.newContext({ ...wide, acceptDownloads: true });
  await scenario(() => figures({ http, shot, context: supervisorContext }));
} catch (error) {
  if (!(error instanceof Stopped)) throw error;
} finally {
  if (phone) fs.writeFileSync(path.join(folder, "phone.log"), phone.log);
  phone?.stop();
  await browser.close();
}

/** One scenario; when it stops there are pictures of where. */
async function scenario(run) {
  try {
    await run();
  } catch (error) {
    const pages = browser.contexts().flatMap((context) => context.pages());
    for (const [nth, page] of pages.entries()) await shot(page, `failure-${nth}`).catch(() => {});
    throw error;
  }
}

/** Steady tones are what noise suppression takes away. */
async function plainMicrophone(context) {
  await context.addInitScript(() => {
    const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    const off = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    navigator.mediaDevices.getUserMedia = (wanted) => ask({ ...wanted, audio: off });
  });
}

/** A microphone of this page's own: one file serves the whole browser. */
async function tonedMicrophone(context, hertz) {
  await context.addInitScript((hertz) => {
    navigator.mediaDevices.getUserMedia = async () => {
      const audio = new AudioContext();
      const tone = new OscillatorNode(audio, { frequency: hertz });
      const loudness = new GainNode(audio, { gain: 0.3 });
      const microphone = audio.createMediaStreamDestination();
      tone.connect(loudness).connect(microphone);
      tone.start();
      return microphone.stream;
    };
  }, hertz);
}
