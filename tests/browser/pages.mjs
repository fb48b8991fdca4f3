// The console and the widget as people use them: found by data-testid only.
import { assert } from "./report.mjs";
import { until } from "./wait.mjs";

const SOON = 10_000;

/** An operator's console. */
export class Console {
  constructor(page) {
    this.page = page;
  }

  static async open(context, http) {
    const page = await context.newPage();
    page.setDefaultTimeout(SOON);
    const desk = new Console(page);
    desk.problems = watch(page);
    await page.goto(`${http}/console/`);
    return desk;
  }

  at(id) {
    return this.page.getByTestId(id);
  }

  async signIn(login, password) {
    await this.at("login-name").fill(login);
    await this.at("login-password").fill(password);
    await this.at("login-submit").click();
    await this.at("desk").waitFor();
  }

  async beReady() {
    await this.page.locator('[data-testid="softphone-status"][data-state="registered"]').waitFor();
    await this.at("state-select").click();
    await this.at("state-ready").click();
    await this.page.locator('[data-testid="state-select"][data-state="ready"]').waitFor();
  }

  call(state) {
    return this.page.locator(`[data-testid="call-panel"][data-state="${state}"]`);
  }

  async write(text) {
    await this.at("chat-input").fill(text);
    await this.at("chat-send").click();
  }

  /** The messages on the screen: place, author and text. */
  messages() {
    return this.at("message-item").evaluateAll((rows) =>
      rows.map((row) => ({
        seq: row.dataset.seq ?? null,
        who: row.dataset.who,
        text: row.querySelector("[class*=text]")?.textContent ?? "",
      })),
    );
  }

  async finish(disposition, note) {
    await this.at("wrapup-panel").waitFor();
    await this.at(`disposition-${disposition}`).click({ force: true });
    if (note) await this.at("wrapup-note").fill(note);
    await this.at("wrapup-finish").click();
    await this.at("wrapup-panel").waitFor({ state: "detached" });
  }
}

/** A customer's page with the widget; the selectors of playwright look into its shadow root. */
export class Shop {
  constructor(page) {
    this.page = page;
  }

  static async open(context, http) {
    const page = await context.newPage();
    page.setDefaultTimeout(SOON);
    const shop = new Shop(page);
    shop.problems = watch(page);
    await page.goto(`${http}/shop`);
    await shop.at("launcher").click();
    await shop.at("panel").waitFor();
    return shop;
  }

  at(id) {
    return this.page.getByTestId(id);
  }

  state(state) {
    return this.page.locator(`[data-testid="state-line"][data-state="${state}"]`);
  }

  async write(text) {
    await this.at("input").fill(text);
    await this.at("send").click();
  }

  messages() {
    return this.at("message-item").evaluateAll((rows) =>
      rows.map((row) => ({
        seq: row.dataset.seq ?? null,
        who: row.dataset.author,
        text: row.querySelector(".bubble")?.textContent ?? "",
      })),
    );
  }
}

/** Waits until a message with this text is shown, exactly once and acknowledged. */
export async function shows(side, text) {
  await until(`“${text}” is shown`, SOON, async () => {
    const found = (await side.messages()).filter((message) => message.text === text);
    assert(found.length < 2, `“${text}” is shown ${found.length} times`);
    return found.length === 1 && found[0].seq !== null;
  });
}

/** What this page hears: the share of one tone in the power of the last moment, and the loudness. */
export function ear(page, hertz) {
  return page.evaluate(async (hertz) => {
    const audio = [...document.querySelectorAll('audio[data-testid="remote-audio"]')].at(-1);
    const stream = audio?.srcObject;
    if (!stream || audio.paused) return { share: 0, level: -100 };
    if (window.labEar?.stream !== stream) {
      window.labEar?.context.close();
      const context = new AudioContext();
      const analyser = context.createAnalyser();
      analyser.fftSize = 8192;
      context.createMediaStreamSource(stream).connect(analyser);
      window.labEar = { stream, context, analyser };
    }
    const { context, analyser } = window.labEar;
    await context.resume();
    await new Promise((resolve) => setTimeout(resolve, 250));
    const samples = new Float32Array(analyser.fftSize);
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0);
    const turn = 2 * Math.cos((2 * Math.PI * hertz) / context.sampleRate);
    let [a, b] = [0, 0];
    for (const sample of samples) [a, b] = [sample + turn * a - b, a];
    const found = (2 * (a * a + b * b - turn * a * b)) / samples.length;
    const level = power > 0 ? 10 * Math.log10(power / samples.length) : -100;
    return { share: power > 0 ? found / power : 0, level };
  }, hertz);
}

/** Waits until the page hears the tone. */
export async function pageHears(page, hertz, ms = SOON) {
  let last;
  try {
    await until(`${hertz} Hz in the browser`, ms, async () => {
      last = await ear(page, hertz);
      return last.share > 0.5 && last.level > -45;
    });
  } catch (error) {
    throw new Error(`${error.message}; last ${JSON.stringify(last)}`);
  }
  return last;
}

function watch(page) {
  const problems = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("dialog", (dialog) => {
    problems.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  return problems;
}
