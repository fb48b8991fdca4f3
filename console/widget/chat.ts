import { Backoff } from "../src/lib/backoff";
import { Pacer } from "./pacer";
import type { Arrived, CallToken, FromServer, ToServer, VisitorState } from "./protocol";

/**
 * The widget's conversation: connection, messages, and what is still to be sent. Invariants: a message that the customer
 * sent is kept in the browser's storage until the server has acknowledged it, and is always sent under the same id; a
 * message of the server is shown once, in the order of its `seq`.
 */

/** `error`: the code of a refusal for good. */
export type Pending = { id: string; text: string; at: number; error?: string };

/** What came of something that was asked for; `code` when it was refused. */
export type Notice = { about: string; error?: boolean; code?: string };

export type State = {
  link: "idle" | "connecting" | "open" | "down";
  visitor: VisitorState;
  session: string | null;
  messages: readonly Arrived[];
  pending: readonly Pending[];
  typing: boolean;
  /** How far the operator has read. */
  read: number;
  /** Messages of the other side up to here were seen by the customer. */
  seen: number;
  invitation: boolean;
  notice: Notice | null;
};

export type Profile = { name?: string; phone?: string; email?: string };

type Saved = {
  token: string | null;
  pending: Pending[];
  seen: number;
  profile: Profile | null;
  known: boolean;
  /** How far the operator had read, and in which session: the server tells it once. */
  read: { session: string; upTo: number } | null;
};

export type Deps = {
  account: string;
  url: string;
  locale: string;
  storage: Pick<Storage, "getItem" | "setItem">;
  socket(url: string): WebSocket;
  now(): number;
  uuid(): string;
  page(): string;
  onCallToken(token: CallToken): void;
};

const PING_MS = 20_000;
const PONG_WITHIN_MS = 8_000;
const TYPING_SHOWN_MS = 6_000;
const RETRY_MS = 3_000;
const TURNED_AWAY_MS = 60_000;
/** Refusals that pass: the message stays and is sent again. */
const PASSING = new Set(["try_again", "overload", "overloaded", "unavailable"]);

export class Chat {
  readonly #deps: Deps;
  readonly #key: string;
  readonly #listeners = new Set<() => void>();
  readonly #backoff = new Backoff();
  readonly #pacer: Pacer;
  #saved: Saved;
  #state: State;
  #socket: WebSocket | null = null;
  #welcomed = false;
  #turnedAway = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #ping: ReturnType<typeof setInterval> | undefined;
  #pong: ReturnType<typeof setTimeout> | undefined;
  #typingTimer: ReturnType<typeof setTimeout> | undefined;
  /** What was pressed while the first connection was being made. */
  #held: ToServer | null = null;
  /** Sessions whose chat went on in another one. */
  readonly #left = new Set<string>();
  #delivered = 0;
  #toldRead = 0;

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#key = `tandem.chat.${deps.account}`;
    this.#saved = this.#load();
    this.#pacer = new Pacer((frame) => this.#socket?.send(frame));
    this.#state = {
      link: "idle",
      visitor: { state: "idle" },
      session: null,
      messages: [],
      pending: this.#saved.pending,
      typing: false,
      read: 0,
      seen: this.#saved.seen,
      invitation: false,
      notice: null,
    };
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly state = (): State => this.#state;

  /** He has been here before: connect without being asked, so that answers show on the closed bubble too. */
  get returning(): boolean {
    return this.#saved.token !== null;
  }

  /** He has seen the start form. */
  get known(): boolean {
    return this.#saved.known;
  }

  connect(): void {
    if (this.#socket || this.#timer !== undefined) return;
    this.#open();
  }

  /** What he said of himself, possibly nothing. */
  begin(profile: Profile): void {
    this.#save({ profile, known: true });
    if (!this.#welcomed) this.connect();
    else if (Object.keys(profile).length > 0) this.#tell({ type: "identify", ...profile });
  }

  send(text: string): void {
    const words = text.trim();
    if (!words) return;
    const message = { id: this.#deps.uuid(), text: words, at: this.#deps.now() };
    if (this.#state.visitor.state === "closed") this.renew();
    this.#setPending([...this.#state.pending, message]);
    this.connect();
    if (this.#welcomed) this.#tell({ type: "send", id: message.id, text: message.text });
  }

  retry(id: string): void {
    const pending = this.#state.pending.map((one) => (one.id === id ? { id, text: one.text, at: one.at } : one));
    this.#setPending(pending);
    const message = pending.find((one) => one.id === id);
    if (message && this.#welcomed) this.#tell({ type: "send", id, text: message.text });
  }

  discard(id: string): void {
    this.#setPending(this.#state.pending.filter((one) => one.id !== id));
  }

  /** `false`: it could not be told now, for there is more important to send. */
  typing(on: boolean): boolean {
    const can = this.#welcomed && this.#state.session !== null && this.#pacer.idle;
    if (can) this.#tell({ type: "typing", on });
    return can;
  }

  /** The customer has the conversation before his eyes. */
  look(): void {
    const last = this.#lastForeign();
    if (last > this.#state.seen) {
      this.#save({ seen: last });
      this.#set({ seen: last });
    }
    if (this.#welcomed && last > this.#toldRead) {
      this.#toldRead = last;
      this.#tell({ type: "read", up_to: last });
    }
  }

  talk(): void {
    this.#set({ invitation: false, notice: null });
    this.#request({ type: "talk" });
  }

  callMe(phone: string): void {
    this.#set({ notice: null });
    this.#request({ type: "call_me", phone });
  }

  code(code: string): void {
    this.#set({ notice: null });
    this.#request({ type: "code", code });
  }

  end(): void {
    this.#request({ type: "close" });
  }

  dismissInvitation(): void {
    this.#set({ invitation: false });
  }

  dismissNotice(): void {
    this.#set({ notice: null });
  }

  /** After the end: a clean sheet for the next conversation. */
  renew(): void {
    this.#delivered = 0;
    this.#toldRead = 0;
    this.#save({ seen: 0 });
    this.#set({ visitor: { state: "idle" }, session: null, messages: [], read: 0, seen: 0, invitation: false });
  }

  /** Messages of the other side that he has not seen. */
  static unread({ messages, seen }: State): number {
    return messages.filter(({ seq, message }) => seq > seen && message.author.who !== "customer").length;
  }

  #open(): void {
    this.#timer = undefined;
    if (this.#state.link === "idle") this.#set({ link: "connecting" });
    const socket = this.#deps.socket(this.#deps.url);
    this.#socket = socket;
    socket.onopen = () => {
      const { token, profile } = this.#saved;
      const cursor = this.#state.session ? (this.#state.messages.at(-1)?.seq ?? 0) : 0;
      const { account, locale } = this.#deps;
      this.#tell({
        ...{ type: "hello", account, token, session: this.#state.session, cursor },
        ...{ ...profile, page: this.#deps.page(), locale },
      });
      this.#ping = setInterval(() => this.#beat(), PING_MS);
    };
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data as string) as FromServer);
    socket.onclose = () => this.#lost(socket);
  }

  #lost(socket: WebSocket): void {
    if (this.#socket !== socket) return;
    this.#socket = null;
    this.#welcomed = false;
    this.#pacer.clear();
    clearInterval(this.#ping);
    clearTimeout(this.#pong);
    this.#set({ link: "down", typing: false });
    if (this.#held) this.#set({ notice: { about: this.#held.type, error: true } });
    this.#held = null;
    const wait = this.#turnedAway ? TURNED_AWAY_MS : this.#backoff.next();
    this.#turnedAway = false;
    this.#timer = setTimeout(() => this.#open(), wait);
  }

  #beat(): void {
    this.#tell({ type: "ping" });
    clearTimeout(this.#pong);
    this.#pong = setTimeout(() => {
      const socket = this.#socket;
      if (!socket) return;
      this.#lost(socket);
      socket.close();
    }, PONG_WITHIN_MS);
  }

  #receive(event: FromServer): void {
    clearTimeout(this.#pong);
    switch (event.type) {
      case "welcome":
        this.#welcome(event);
        return;
      case "message":
        this.#arrive(event.session, [event]);
        return;
      case "ack":
        this.#acknowledged(event);
        return;
      case "typing":
        this.#otherTypes(event.on);
        return;
      case "read":
        this.#operatorRead(event.up_to);
        return;
      case "state":
        // A session that was left may still say its last word; it is not about this conversation any more.
        if (event.session !== null && this.#left.has(event.session)) return;
        if (event.session !== null && event.session !== this.#state.session) this.#arrive(event.session, []);
        this.#set({ visitor: event.state });
        return;
      case "talk_invitation":
        this.#set({ invitation: true });
        return;
      case "call_token":
        this.#deps.onCallToken(event);
        return;
      case "done":
        this.#set({ notice: { about: event.for } });
        return;
      case "error":
        this.#refused(event);
        return;
      case "pong":
        return;
    }
  }

  #welcome({ token, session, state, messages }: Extract<FromServer, { type: "welcome" }>): void {
    this.#welcomed = true;
    this.#backoff.reset();
    this.#save({ token });
    const over = session === null && this.#state.session !== null;
    this.#set({ link: "open", visitor: over ? { state: "closed" } : state });
    if (session !== null) {
      this.#left.delete(session);
      this.#arrive(session, messages);
    }
    // What the server already has is settled above; the rest goes again, under its ids, in its order.
    for (const { id, text, error } of this.#state.pending) {
      if (error === undefined) this.#tell({ type: "send", id, text });
    }
    if (this.#held) this.#tell(this.#held);
    this.#held = null;
  }

  /** Shows what came. Another session than before: its `seq`s are its own, and what was said before comes again in it. */
  #arrive(session: string, incoming: readonly Arrived[]): void {
    if (this.#left.has(session)) return;
    const fresh = session !== this.#state.session;
    if (fresh) {
      if (this.#state.session !== null) this.#left.add(this.#state.session);
      this.#delivered = 0;
      this.#toldRead = 0;
      // A page that was reloaded goes on with its own session: what was seen of it stays seen.
      if (this.#state.session !== null) this.#save({ seen: 0 });
    }
    const { read: saved } = this.#saved;
    const read = saved?.session === session ? saved.upTo : 0;
    const known = fresh ? [] : this.#state.messages;
    const shown = new Set(known.flatMap(({ seq, message }) => [seq, message.external_id ?? seq]));
    const news = incoming
      .filter(({ seq, message }) => {
        const id = message.external_id ?? seq;
        const again = shown.has(seq) || shown.has(id);
        shown.add(seq).add(id);
        return !again;
      })
      .map(({ seq, at, message }) => ({ seq, at, message }));
    const messages = [...known, ...news].sort((a, b) => a.seq - b.seq);
    const ids = new Set(incoming.map((one) => one.message.external_id));
    this.#setPending(this.#state.pending.filter((one) => !ids.has(one.id)));
    const foreign = news.some(({ message }) => message.author.who === "agent");
    this.#set({ session, messages, seen: this.#saved.seen, read, ...(foreign ? { typing: false } : {}) });
    const last = this.#lastForeign();
    if (last > this.#delivered) {
      this.#delivered = last;
      this.#tell({ type: "delivered", up_to: last });
    }
  }

  #acknowledged({ id, session, seq, at }: Extract<FromServer, { type: "ack" }>): void {
    const pending = this.#state.pending.find((one) => one.id === id);
    if (!pending) return;
    if (this.#left.has(session)) {
      // It went along to the session that goes on: the answer to a repeat says where it stands there.
      this.#tell({ type: "send", id, text: pending.text });
      return;
    }
    const message = { id, author: { who: "customer" as const }, text: pending.text, external_id: id };
    this.#arrive(session, [{ seq, at, message }]);
  }

  #refused(event: Extract<FromServer, { type: "error" }>): void {
    const { for: about = "", id, code } = event;
    if (about === "send" && id) {
      if (PASSING.has(code)) {
        setTimeout(() => {
          const again = this.#state.pending.find((one) => one.id === id);
          if (again && this.#welcomed) this.#tell({ type: "send", id, text: again.text });
        }, RETRY_MS);
      } else {
        this.#setPending(this.#state.pending.map((one) => (one.id === id ? { ...one, error: code } : one)));
      }
      return;
    }
    // The page is set up wrongly, or the server is: asking often would not help.
    if (about === "hello" && code === "bad_hello") this.#turnedAway = true;
    if (about === "typing" || about === "read" || about === "delivered" || about === "ping") return;
    this.#set({ notice: { about, error: true, code } });
  }

  #operatorRead(up_to: number): void {
    const { session } = this.#state;
    const read = Math.max(this.#state.read, up_to);
    if (session !== null) this.#save({ read: { session, upTo: read } });
    this.#set({ read });
  }

  #otherTypes(on: boolean): void {
    clearTimeout(this.#typingTimer);
    if (on) this.#typingTimer = setTimeout(() => this.#set({ typing: false }), TYPING_SHOWN_MS);
    this.#set({ typing: on });
  }

  /** For what somebody pressed: without a connection it fails at once instead of happening some time later. */
  #request(frame: ToServer): void {
    if (this.#welcomed) this.#tell(frame);
    else if (this.#state.link === "connecting") this.#held = frame;
    else {
      this.connect();
      this.#set({ notice: { about: frame.type, error: true } });
    }
  }

  #tell(frame: ToServer): void {
    this.#pacer.push(JSON.stringify(frame));
  }

  #lastForeign(): number {
    const { messages } = this.#state;
    for (let i = messages.length - 1; i >= 0; i -= 1) {
      const one = messages[i] as Arrived;
      if (one.message.author.who !== "customer") return one.seq;
    }
    return 0;
  }

  #setPending(pending: readonly Pending[]): void {
    if (pending.length === 0 && this.#state.pending.length === 0) return;
    this.#save({ pending: [...pending] });
    this.#set({ pending });
  }

  #set(change: Partial<State>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener();
  }

  #load(): Saved {
    const empty: Saved = { token: null, pending: [], seen: 0, profile: null, known: false, read: null };
    try {
      return { ...empty, ...(JSON.parse(this.#deps.storage.getItem(this.#key) ?? "{}") as Partial<Saved>) };
    } catch {
      return empty;
    }
  }

  #save(change: Partial<Saved>): void {
    this.#saved = { ...this.#saved, ...change };
    try {
      this.#deps.storage.setItem(this.#key, JSON.stringify(this.#saved));
    } catch {
      // Storage that is full or forbidden: the conversation works, it is only forgotten with the page.
    }
  }
}
