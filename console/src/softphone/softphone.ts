import { Backoff } from "../lib/backoff";
import type { Credentials, Driver, DriverCall, DriverFactory, EndReason } from "./driver";

/**
 * The operator's phone: registration, calls and the rules that tie them to offers and sessions. Knows no SIP library and
 * no React. Invariants: at most one driver is alive; a page that goes away sends nothing, so that the server keeps the
 * customer and calls back after the reload.
 */

export type Registration =
  /** Not wanted, or not allowed in this tab. */
  "off" | "elsewhere" | "connecting" | "registered" | "lost" | "refused";

export type Reason = "offer" | "reconnect" | "escalation" | "call-customer" | "conference" | "supervise";

export type PhoneCall = {
  id: string;
  session: string | null;
  offer: string | null;
  reason: Reason;
  peer: string;
  state: "ringing" | "answering" | "talking";
  held: boolean;
  muted: boolean;
  /** Milliseconds since the epoch; of the answer when talking. */
  since: number;
};

export type PhoneState = {
  registration: Registration;
  calls: readonly PhoneCall[];
  /** Sound waits for a click. */
  audioBlocked: boolean;
  /** The last call could not be answered for want of a microphone. */
  microphoneFailed: boolean;
};

export type Deps = {
  driver: DriverFactory;
  credentials(): Promise<Credentials>;
  /** Tells the server that the operator's microphone is (not) to be heard. */
  muteAtServer(session: string, muted: boolean): void;
  now(): number;
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
  backoff?: Backoff;
};

const OFF: PhoneState = { registration: "off", calls: [], audioBlocked: false, microphoneFailed: false };
const AUTO_ANSWERED: readonly Reason[] = ["reconnect", "call-customer", "supervise"];

export class Softphone {
  #state: PhoneState = OFF;
  readonly #deps: Deps;
  readonly #listeners = new Set<() => void>();
  readonly #backoff: Backoff;
  #driver: Driver | null = null;
  /** Raised by every start and stop, so that answers to older questions are known as such. */
  #epoch = 0;
  #timer: unknown = null;
  readonly #lines = new Map<string, DriverCall>();
  /** Offers and sessions that were accepted before their INVITE came. */
  readonly #wanted = new Set<string>();
  #gentle = false;

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#backoff = deps.backoff ?? new Backoff();
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly state = (): PhoneState => this.#state;

  start(): void {
    if (this.#driver || this.#state.registration === "connecting") return;
    this.#epoch += 1;
    this.#set({ registration: "connecting" });
    void this.#connect(this.#epoch);
  }

  /** Signing out: hangs up and unregisters. */
  stop(): void {
    this.#close((driver) => driver.stop());
    this.#set({ ...OFF });
  }

  /** Another tab is the phone now. Its registration makes the server bring running calls over there. */
  yieldTo(): void {
    this.#close((driver) => driver.abandon());
    this.#set({ ...OFF, registration: "elsewhere" });
  }

  /** The network is said to be back: do not wait for the timer. */
  hurry(): void {
    if (this.#state.registration !== "lost") return;
    this.#backoff.reset();
    this.#retry(0);
  }

  /** Answers the ringing call of this offer (or session), now or as soon as it comes. */
  accept(key: { offer?: string; session?: string }): void {
    const call = this.#find(key);
    if (call) this.answer(call.id);
    else for (const id of [key.offer, key.session]) if (id) this.#wanted.add(id);
  }

  /** The offer is over, so that a late INVITE rings again instead of being answered. */
  forget(offer: string): void {
    this.#wanted.delete(offer);
  }

  answer(id: string): void {
    const call = this.#call(id);
    if (call?.state !== "ringing") return;
    this.#update(id, { state: "answering" });
    this.#set({ microphoneFailed: false });
    this.#lines.get(id)?.answer();
  }

  /** Declines or hangs up. */
  end(id: string): void {
    this.#lines.get(id)?.end();
  }

  hold(id: string, on: boolean): void {
    const call = this.#call(id);
    // Refused while an earlier re-INVITE runs; the button then simply stays as it is.
    if (call?.state === "talking" && call.held !== on) this.#lines.get(id)?.hold(on);
  }

  mute(id: string, on: boolean): void {
    const call = this.#call(id);
    // The server may hold him muted without our knowing.
    if (!call || (on && call.muted)) return;
    this.#lines.get(id)?.mute(on);
    this.#update(id, { muted: on });
    if (call.session) this.#deps.muteAtServer(call.session, on);
  }

  sendTone(id: string, tone: string): void {
    if (/^[0-9*#A-D]$/.test(tone) && this.#call(id)?.state === "talking") this.#lines.get(id)?.sendTone(tone);
  }

  levels(id: string): Promise<{ local: number; remote: number }> {
    return this.#lines.get(id)?.levels() ?? Promise.resolve({ local: 0, remote: 0 });
  }

  /** From a click: sound that the browser held back. */
  async playAudio(): Promise<void> {
    await Promise.all([...this.#lines.values()].map((line) => line.playAudio()));
    this.#set({ audioBlocked: false });
  }

  async #connect(epoch: number): Promise<void> {
    let credentials: Credentials;
    try {
      credentials = await this.#deps.credentials();
    } catch {
      if (epoch === this.#epoch) this.#lost();
      return;
    }
    if (epoch !== this.#epoch) return;
    const current = (run: () => void) => () => {
      if (epoch === this.#epoch) run();
    };
    this.#driver = this.#deps.driver(credentials, {
      connected: () => {},
      disconnected: current(() => this.#lost()),
      registered: current(() => {
        this.#backoff.reset();
        this.#clearTimer();
        this.#set({ registration: "registered" });
      }),
      // A lost connection says so itself; this is the server taking the registration away.
      unregistered: current(() => {
        if (this.#state.registration === "registered") this.#lost();
      }),
      registrationFailed: (status) => {
        if (epoch === this.#epoch) this.#registrationFailed(status);
      },
      incoming: (call) => {
        if (epoch === this.#epoch) this.#incoming(call);
        else call.end();
      },
    });
    this.#driver.start();
  }

  #registrationFailed(status: number): void {
    if (status === 401 || status === 403 || status === 404 || status === 407) {
      // The credential is no longer good: get a fresh one, with calls that still run left alone.
      this.#gentle = true;
      this.#set({ registration: "refused" });
      this.#retry(this.#backoff.next());
    } else this.#lost();
  }

  #lost(): void {
    this.#set({ registration: "lost" });
    this.#retry(this.#backoff.next());
  }

  #retry(ms: number): void {
    this.#clearTimer();
    this.#timer = this.#deps.setTimeout(() => {
      this.#timer = null;
      const talking = this.#state.calls.length > 0;
      if (this.#driver && !(this.#gentle && !talking)) {
        this.#driver.reconnect();
        this.#driver.register();
        // When neither leads to an event, look again.
        this.#timer = this.#deps.setTimeout(() => {
          if (this.#state.registration !== "registered") this.#lost();
        }, 10_000);
        return;
      }
      this.#gentle = false;
      this.#driver?.abandon();
      this.#driver = null;
      this.#epoch += 1;
      void this.#connect(this.#epoch);
    }, ms);
  }

  #incoming(line: DriverCall): void {
    const session = line.header("X-Tandem-Session") ?? null;
    const offer = line.header("X-Tandem-Offer") ?? null;
    const reason = reasonOf(line.header("X-Tandem-Reason"), offer);
    // Back in his call he is as mute as he was; the server sees to its own side.
    const muted = line.header("X-Tandem-Muted") === "yes";
    const call: PhoneCall = {
      ...{ id: line.id, session, offer, reason, peer: line.peer, state: "ringing" },
      ...{ held: false, muted, since: this.#deps.now() },
    };
    this.#lines.set(line.id, line);
    line.attach({
      talking: () => {
        if (muted) line.mute(true);
        this.#update(line.id, { state: "talking", since: this.#deps.now() });
        if (reason === "reconnect") this.#dropOthersOf(session, line.id);
      },
      held: (held) => this.#update(line.id, { held }),
      ended: (why) => this.#ended(line.id, why),
      mediaLost: () => this.#startOver(),
      audioBlocked: () => this.#set({ audioBlocked: true }),
    });
    this.#set({ calls: [...this.#state.calls, call] });
    const wanted = [offer, session].some((id) => id !== null && this.#wanted.delete(id));
    // The library is still in the middle of announcing the call; answer when it is done.
    if (wanted || AUTO_ANSWERED.includes(reason)) queueMicrotask(() => this.answer(line.id));
  }

  /** Goes away in silence and comes back: the server puts the customer on hold and calls again over a fresh path. */
  #startOver(): void {
    this.#close((driver) => driver.abandon());
    this.#set({ ...OFF });
    this.start();
  }

  /** The new call takes the place of one whose connection died: that one is let go in silence. */
  #dropOthersOf(session: string | null, keep: string): void {
    for (const call of this.#state.calls) {
      if (call.id !== keep && call.session === session) {
        this.#lines.get(call.id)?.drop();
        this.#ended(call.id, "ended");
      }
    }
  }

  #ended(id: string, why: EndReason): void {
    if (!this.#lines.delete(id)) return;
    const calls = this.#state.calls.filter((call) => call.id !== id);
    const audioBlocked = calls.length > 0 && this.#state.audioBlocked;
    this.#set({ calls, audioBlocked, microphoneFailed: why === "microphone" || this.#state.microphoneFailed });
  }

  #close(how: (driver: Driver) => void): void {
    this.#epoch += 1;
    this.#clearTimer();
    this.#wanted.clear();
    if (this.#driver) how(this.#driver);
    this.#driver = null;
    this.#lines.clear();
  }

  #clearTimer(): void {
    if (this.#timer !== null) this.#deps.clearTimeout(this.#timer);
    this.#timer = null;
  }

  #find(key: { offer?: string; session?: string }): PhoneCall | undefined {
    return this.#state.calls.find(
      (call) =>
        (key.offer !== undefined && call.offer === key.offer) ||
        (key.session !== undefined && call.session === key.session && call.state === "ringing"),
    );
  }

  #call(id: string): PhoneCall | undefined {
    return this.#state.calls.find((call) => call.id === id);
  }

  #update(id: string, change: Partial<PhoneCall>): void {
    if (!this.#call(id)) return;
    this.#set({ calls: this.#state.calls.map((call) => (call.id === id ? { ...call, ...change } : call)) });
  }

  #set(change: Partial<PhoneState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener();
  }
}

function reasonOf(header: string | undefined, offer: string | null): Reason {
  switch (header) {
    case "offer":
    case "reconnect":
    case "escalation":
    case "call-customer":
    case "conference":
    case "supervise":
      return header;
    default:
      return offer ? "offer" : "escalation";
  }
}
