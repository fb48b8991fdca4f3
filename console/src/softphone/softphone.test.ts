import { describe, expect, it } from "vitest";
import { Backoff } from "../lib/backoff";
import type { CallHandlers, Driver, DriverCall, DriverHandlers } from "./driver";
import { withoutForeignChallenges } from "./sipSocket";
import { Softphone } from "./softphone";

class FakeCall implements DriverCall {
  readonly peer = "Maria";
  handlers!: CallHandlers;
  log: string[] = [];
  constructor(
    readonly id: string,
    readonly headers: Record<string, string>,
  ) {}
  header = (name: string) => this.headers[name];
  attach = (handlers: CallHandlers) => {
    this.handlers = handlers;
  };
  answer = () => void this.log.push("answer");
  end = () => {
    this.log.push("end");
    this.handlers.ended("ended");
  };
  drop = () => void this.log.push("drop");
  hold = (on: boolean) => {
    this.log.push(on ? "hold" : "unhold");
    return true;
  };
  mute = (on: boolean) => void this.log.push(on ? "mute" : "unmute");
  sendTone = (tone: string) => void this.log.push(`tone ${tone}`);
  playAudio = () => Promise.resolve();
  levels = () => Promise.resolve({ local: 0, remote: 0 });
}

class Bench {
  drivers: { handlers: DriverHandlers; log: string[] }[] = [];
  credentials = 0;
  muted: [string, boolean][] = [];
  timers: { run: () => void; ms: number; live: boolean }[] = [];
  refuseCredentials = false;
  phone = new Softphone({
    driver: (_, handlers): Driver => {
      const log: string[] = [];
      this.drivers.push({ handlers, log });
      const note = (what: string) => () => void log.push(what);
      return {
        start: note("start"),
        reconnect: note("reconnect"),
        register: note("register"),
        stop: note("stop"),
        abandon: note("abandon"),
      };
    },
    credentials: () => {
      this.credentials += 1;
      if (this.refuseCredentials) return Promise.reject(new Error("no"));
      return Promise.resolve({
        uri: "sip:anna@x",
        authorizationUser: "anna~1",
        password: "p",
        websocket: "ws://x/sip",
      });
    },
    muteAtServer: (session, muted) => this.muted.push([session, muted]),
    now: () => 1000,
    setTimeout: (run, ms) => {
      const timer = { run, ms, live: true };
      this.timers.push(timer);
      return timer;
    },
    clearTimeout: (timer) => {
      (timer as { live: boolean }).live = false;
    },
    backoff: new Backoff(15_000, () => 0.5),
  });

  get driver() {
    const last = this.drivers.at(-1);
    if (!last) throw new Error("no driver was made");
    return last;
  }
  get state() {
    return this.phone.state();
  }
  async registered() {
    this.phone.start();
    await Promise.resolve();
    await Promise.resolve();
    this.driver.handlers.registered();
    return this;
  }
  /** Lets the newest timer that still runs ring. */
  ring(): number {
    const timer = this.timers.findLast((one) => one.live);
    if (!timer) throw new Error("no timer runs");
    timer.live = false;
    timer.run();
    return timer.ms;
  }
  call(id: string, headers: Record<string, string> = {}) {
    const call = new FakeCall(id, headers);
    this.driver.handlers.incoming(call);
    return call;
  }
}

const turn = () => new Promise((done) => setTimeout(done));

describe("registration", () => {
  it("goes from off over connecting to registered", async () => {
    const bench = new Bench();
    expect(bench.state.registration).toBe("off");
    bench.phone.start();
    expect(bench.state.registration).toBe("connecting");
    await turn();
    bench.driver.handlers.registered();
    expect(bench.state.registration).toBe("registered");
  });

  it("tries a lost connection again after half a second, one, two, and slower then", async () => {
    const bench = await new Bench().registered();
    const waits: number[] = [];
    for (let i = 0; i < 5; i += 1) {
      bench.driver.handlers.disconnected();
      expect(bench.state.registration).toBe("lost");
      waits.push(bench.ring());
    }
    expect(waits).toEqual([500, 1000, 2000, 4000, 8000]);
    expect(bench.driver.log.filter((what) => what === "reconnect")).toHaveLength(5);
    expect(bench.drivers).toHaveLength(1);
  });

  it("begins with the quick tries again after a success", async () => {
    const bench = await new Bench().registered();
    for (let i = 0; i < 3; i += 1) {
      bench.driver.handlers.disconnected();
      bench.ring();
    }
    bench.driver.handlers.registered();
    bench.driver.handlers.disconnected();
    expect(bench.ring()).toBe(500);
  });

  it("fetches a fresh credential when the old one is refused", async () => {
    const bench = await new Bench().registered();
    bench.driver.handlers.registrationFailed(403);
    expect(bench.state.registration).toBe("refused");
    bench.ring();
    await turn();
    expect(bench.credentials).toBe(2);
    expect(bench.drivers.map((one) => one.log)).toEqual([["start", "abandon"], ["start"]]);
  });

  it("asks for credentials again when they could not be had", async () => {
    const bench = new Bench();
    bench.refuseCredentials = true;
    bench.phone.start();
    await turn();
    expect(bench.state.registration).toBe("lost");
    bench.refuseCredentials = false;
    bench.ring();
    await turn();
    bench.driver.handlers.registered();
    expect(bench.state.registration).toBe("registered");
  });

  it("hangs up and unregisters on sign-out, and is deaf to the old driver then", async () => {
    const bench = await new Bench().registered();
    bench.phone.stop();
    expect(bench.driver.log).toEqual(["start", "stop"]);
    bench.driver.handlers.registered();
    expect(bench.state.registration).toBe("off");
  });

  it("goes without a word when another tab takes the phone", async () => {
    const bench = await new Bench().registered();
    const call = bench.call("c1", { "X-Tandem-Session": "s" });
    bench.phone.yieldTo();
    expect(bench.driver.log).toEqual(["start", "abandon"]);
    expect(call.log).toEqual([]);
    expect(bench.state).toMatchObject({ registration: "elsewhere", calls: [] });
  });
});

describe("calls", () => {
  it("ties an INVITE to its offer and session by its headers, and rings", async () => {
    const bench = await new Bench().registered();
    const call = bench.call("c1", { "X-Tandem-Session": "s", "X-Tandem-Offer": "o", "X-Tandem-Reason": "offer" });
    await turn();
    expect(bench.state.calls).toMatchObject([
      { id: "c1", session: "s", offer: "o", reason: "offer", state: "ringing" },
    ]);
    expect(call.log).toEqual([]);
  });

  it("is as mute in a call that it comes back to as it was", async () => {
    const bench = await new Bench().registered();
    const headers = { "X-Tandem-Session": "s", "X-Tandem-Reason": "reconnect", "X-Tandem-Muted": "yes" };
    const call = bench.call("c1", headers);
    await Promise.resolve();
    call.handlers.talking();
    expect(call.log).toContain("mute");
    expect(bench.state.calls[0]?.muted).toBe(true);
    expect(bench.muted).toEqual([]);
    bench.phone.mute("c1", false);
    expect(bench.muted).toEqual([["s", false]]);
  });

  it.each(["reconnect", "call-customer", "supervise"])("answers %s by itself", async (reason) => {
    const bench = await new Bench().registered();
    const call = bench.call("c1", { "X-Tandem-Session": "s", "X-Tandem-Reason": reason });
    await turn();
    expect(call.log).toEqual(["answer"]);
    expect(bench.state.calls[0]?.state).toBe("answering");
  });

  it.each(["offer", "escalation", "conference"])("lets %s ring", async (reason) => {
    const bench = await new Bench().registered();
    const call = bench.call("c1", { "X-Tandem-Session": "s", "X-Tandem-Reason": reason });
    await turn();
    expect(call.log).toEqual([]);
  });

  it("answers the call of an accepted offer, also when its INVITE comes after the click", async () => {
    const bench = await new Bench().registered();
    const first = bench.call("c1", { "X-Tandem-Session": "s1", "X-Tandem-Offer": "o1" });
    bench.phone.accept({ offer: "o1" });
    expect(first.log).toEqual(["answer"]);
    bench.phone.accept({ offer: "o2" });
    const late = bench.call("c2", { "X-Tandem-Session": "s2", "X-Tandem-Offer": "o2" });
    await turn();
    expect(late.log).toEqual(["answer"]);
  });

  it("does not answer an INVITE of an accepted offer that was over before", async () => {
    const bench = await new Bench().registered();
    bench.phone.accept({ offer: "o1" });
    bench.phone.forget("o1");
    const late = bench.call("c1", { "X-Tandem-Session": "s1", "X-Tandem-Offer": "o1" });
    await turn();
    expect(late.log).toEqual([]);
  });

  it("answers a call once, however often it is asked to", async () => {
    const bench = await new Bench().registered();
    const call = bench.call("c1", { "X-Tandem-Offer": "o" });
    bench.phone.answer("c1");
    bench.phone.answer("c1");
    expect(call.log).toEqual(["answer"]);
  });

  it("lets the call of a dead connection go in silence when the server has called back", async () => {
    const bench = await new Bench().registered();
    const old = bench.call("c1", { "X-Tandem-Session": "s", "X-Tandem-Offer": "o" });
    bench.phone.answer("c1");
    old.handlers.talking();
    const fresh = bench.call("c2", { "X-Tandem-Session": "s", "X-Tandem-Reason": "reconnect" });
    await turn();
    fresh.handlers.talking();
    expect(old.log).toEqual(["answer", "drop"]);
    expect(bench.state.calls.map((call) => call.id)).toEqual(["c2"]);
  });

  it("starts over in silence when the media path dies, so that the customer is kept", async () => {
    const bench = await new Bench().registered();
    const call = bench.call("c1", { "X-Tandem-Session": "s" });
    call.handlers.talking();
    call.handlers.mediaLost();
    await turn();
    expect(call.log).toEqual([]);
    expect(bench.drivers.map((one) => one.log)).toEqual([["start", "abandon"], ["start"]]);
  });

  it("mutes here and at the server", async () => {
    const bench = await new Bench().registered();
    const call = bench.call("c1", { "X-Tandem-Session": "s" });
    call.handlers.talking();
    bench.phone.mute("c1", true);
    bench.phone.mute("c1", true);
    bench.phone.mute("c1", false);
    expect(call.log).toEqual(["mute", "unmute"]);
    expect(bench.muted).toEqual([
      ["s", true],
      ["s", false],
    ]);
  });

  it("is on hold when the far end has agreed, not when the button was pressed", async () => {
    const bench = await new Bench().registered();
    const call = bench.call("c1", { "X-Tandem-Session": "s" });
    bench.phone.hold("c1", true);
    expect(call.log).toEqual([]);
    call.handlers.talking();
    bench.phone.hold("c1", true);
    expect(bench.state.calls[0]?.held).toBe(false);
    call.handlers.held(true);
    expect(bench.state.calls[0]?.held).toBe(true);
  });

  it("sends keys of a telephone and nothing else", async () => {
    const bench = await new Bench().registered();
    const call = bench.call("c1");
    call.handlers.talking();
    for (const tone of ["5", "#", "x", "12", ""]) bench.phone.sendTone("c1", tone);
    expect(call.log).toEqual(["tone 5", "tone #"]);
  });

  it("says when there is no microphone, until the next call is answered", async () => {
    const bench = await new Bench().registered();
    bench.call("c1").handlers.ended("microphone");
    expect(bench.state).toMatchObject({ calls: [], microphoneFailed: true });
    bench.call("c2");
    bench.phone.answer("c2");
    expect(bench.state.microphoneFailed).toBe(false);
  });
});

describe("digest challenges", () => {
  const answer = (...challenges: string[]) =>
    ["SIP/2.0 401 Unauthorized", "CSeq: 1 REGISTER", ...challenges, "Content-Length: 0", "", ""].join("\r\n");
  const sha = 'WWW-Authenticate: Digest realm="x", nonce="n", algorithm=SHA-256, qop="auth"';
  const md5 = 'WWW-Authenticate: Digest realm="x", nonce="n", algorithm=MD5, qop="auth"';
  const plain = 'WWW-Authenticate: Digest realm="x", nonce="n"';

  it("leave the one that the library can answer", () => {
    expect(withoutForeignChallenges(answer(sha, md5))).toBe(answer(md5));
    expect(withoutForeignChallenges(answer(sha, plain))).toBe(answer(plain));
  });

  it("stay as they are when there is none of that kind, and in everything that is no challenge", () => {
    expect(withoutForeignChallenges(answer(sha))).toBe(answer(sha));
    const ok = answer(sha, md5).replace("401 Unauthorized", "200 OK");
    expect(withoutForeignChallenges(ok)).toBe(ok);
  });
});
