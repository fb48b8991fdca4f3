// A phone: baresip without a head, told what to do over its control port (JSON in netstrings).
import { spawn } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { freePort, until } from "./wait.mjs";

const MODULES = ["g711.so", "aufile.so", "sndfile.so", "aubridge.so"];
const APPLICATIONS = ["account.so", "menu.so", "ctrl_tcp.so"];

export class Baresip {
  #folder;
  #process;
  #control;
  #buffer = Buffer.alloc(0);
  #log = "";
  /** What it told of its calls, such as CALL_ESTABLISHED. */
  events = [];

  /** `source` is the WAV file that it speaks, `number` its own and `sip` its port. It answers whoever calls. */
  static async start({ folder, number, sip, source }) {
    const phone = new Baresip();
    phone.#folder = folder;
    fs.mkdirSync(folder, { recursive: true });
    const control = await freePort();
    const config = [
      "poll_method epoll",
      `sip_listen 127.0.0.1:${sip}`,
      "audio_player aubridge,unheard",
      `audio_source aufile,${source}`,
      "audio_alert none,none",
      "ausrc_srate 8000",
      "ausrc_channels 1",
      "auplay_srate 8000",
      "auplay_channels 1",
      "rtp_ports 45000-45999",
      "jitter_buffer_delay 2-5",
      "net_interface 127.0.0.1",
      "module_path /usr/lib/baresip/modules",
      ...MODULES.map((name) => `module ${name}`),
      ...APPLICATIONS.map((name) => `module_app ${name}`),
      `snd_path ${folder}`,
      `ctrl_tcp_listen 127.0.0.1:${control}`,
    ];
    fs.writeFileSync(path.join(folder, "config"), `${config.join("\n")}\n`);
    fs.writeFileSync(path.join(folder, "accounts"), `<sip:${number}@127.0.0.1:${sip}>;regint=0;answermode=auto;audio_codecs=PCMU/8000/1\n`);
    fs.writeFileSync(path.join(folder, "contacts"), "");
    phone.#process = spawn("baresip", ["-f", folder], { stdio: ["ignore", "pipe", "pipe"] });
    const note = (bytes) => {
      phone.#log += bytes;
    };
    phone.#process.stdout.on("data", note);
    phone.#process.stderr.on("data", note);
    await until("baresip listens", 15_000, async () => {
      if (phone.#process.exitCode !== null) throw new Error(`baresip ended:\n${phone.#log}`);
      phone.#control = await connect(control).catch(() => null);
      return phone.#control;
    });
    phone.#control.on("data", (bytes) => phone.#receive(bytes));
    phone.#control.on("error", () => {});
    return phone;
  }

  dial(uri) {
    this.#tell("dial", uri);
  }

  press(digits) {
    this.#tell("sndcode", digits);
  }

  hangUp() {
    this.#tell("hangup");
  }

  happened(type) {
    return this.events.some((event) => event.type === type);
  }

  /** The file into which it writes what it hears; the newest, when it was called more than once. */
  heard() {
    const files = fs.readdirSync(this.#folder).filter((name) => /^dump-.*-dec\.wav$/.test(name));
    const at = (name) => fs.statSync(path.join(this.#folder, name)).mtimeMs;
    const newest = files.sort((a, b) => at(a) - at(b)).at(-1);
    return newest ? path.join(this.#folder, newest) : null;
  }

  /** What it said, without the clock that it draws. */
  get log() {
    return this.#log.replace(/\[\d+:\d\d:\d\d\] audio=\S+ \(bit\/s\)\s*/g, "");
  }

  stop() {
    this.#control?.destroy();
    this.#process.kill();
  }

  #tell(command, params) {
    const text = JSON.stringify(params === undefined ? { command } : { command, params });
    this.#control.write(`${Buffer.byteLength(text)}:${text},`);
  }

  #receive(bytes) {
    this.#buffer = Buffer.concat([this.#buffer, bytes]);
    for (;;) {
      const colon = this.#buffer.indexOf(":");
      if (colon < 0) return;
      const end = colon + 1 + Number(this.#buffer.subarray(0, colon));
      if (this.#buffer.length <= end) return;
      const message = JSON.parse(this.#buffer.subarray(colon + 1, end).toString());
      this.#buffer = this.#buffer.subarray(end + 1);
      if (message.event) this.events.push(message);
    }
  }
}

function connect(port) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, "127.0.0.1", () => resolve(socket));
    socket.once("error", reject);
  });
}
