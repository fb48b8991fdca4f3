import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Chat } from "./chat";
import type { Arrived, FromServer, ToServer, VisitorState } from "./protocol";

class FakeSocket {
  static all: FakeSocket[] = [];
  frames: ToServer[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;
  constructor() {
    FakeSocket.all.push(this);
  }
  send = (text: string) => void this.frames.push(JSON.parse(text) as ToServer);
  close = () => this.onclose?.();
  open = () => this.onopen?.();
  say = (frame: FromServer) => this.onmessage?.({ data: JSON.stringify(frame) });
  welcome = (session: string | null, messages: Arrived[] = [], state: VisitorState = { state: "flow" }) =>
    this.say({ type: "welcome", token: "secret", session, state, messages });
  of = <T extends ToServer["type"]>(type: T) =>
    this.frames.filter((frame) => frame.type === type) as Extract<ToServer, { type: T }>[];
}

class Store {
  kept = new Map<string, string>();
  getItem = (key: string) => this.kept.get(key) ?? null;
  setItem = (key: string, value: string) => void this.kept.set(key, value);
}

let count = 0;
const make = (storage = new Store()) =>
  new Chat({
    ...{ account: "main", url: "ws://x/chat", locale: "ru", storage },
    socket: () => new FakeSocket() as unknown as WebSocket,
    now: () => Date.now(),
    uuid: () => `id-${++count}`,
    page: () => "https://shop.example/",
    onCallToken: () => {},
  });
const socket = () => FakeSocket.all.at(-1) as FakeSocket;
const from = (seq: number, text: string, author: "agent" | "customer" = "agent", external_id?: string): Arrived => ({
  ...{ seq, at: seq * 1e6 },
  message: {
    id: text,
    author: author === "agent" ? { who: "agent", agent: "a", name: "Anna" } : { who: author },
    text,
    external_id,
  },
});
const texts = (chat: Chat) => chat.state().messages.map((one) => one.message.text);
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

beforeEach(() => {
  vi.useFakeTimers();
  FakeSocket.all = [];
  count = 0;
});
afterEach(() => vi.useRealTimers());

describe("the widget's conversation", () => {
  it("says hello first and sends nothing before it is welcome", async () => {
    const chat = make();
    chat.begin({ name: "Maria" });
    chat.send("hi");
    socket().open();
    await pass(1000);
    expect(socket().frames.map((frame) => frame.type)).toEqual(["hello"]);
    expect(socket().frames[0]).toMatchObject({ account: "main", token: null, session: null, cursor: 0, name: "Maria" });
    socket().welcome(null, [], { state: "idle" });
    await pass(1000);
    expect(socket().of("send")).toMatchObject([{ id: "id-1", text: "hi" }]);
  });

  it("does what was pressed while it connected as soon as it is welcome, and says so when it cannot", async () => {
    const chat = make();
    chat.begin({});
    chat.code("123456");
    socket().open();
    await pass(1000);
    expect(socket().of("code")).toEqual([]);
    socket().welcome(null, [], { state: "idle" });
    await pass(1000);
    expect(socket().of("code")).toEqual([{ type: "code", code: "123456" }]);

    const offline = make();
    offline.begin({});
    offline.code("123456");
    socket().close();
    expect(offline.state().notice).toMatchObject({ about: "code", error: true });
  });

  it("shows a message once when acknowledgement, echo and resume all bring it", async () => {
    const chat = make();
    chat.send("hi");
    socket().open();
    socket().welcome(null);
    await pass(1000);
    socket().say({ type: "message", session: "s", ...from(3, "hi", "customer", "id-1") });
    socket().say({ type: "ack", id: "id-1", session: "s", seq: 3, at: 3e6 });
    socket().close();
    await pass(600);
    socket().open();
    socket().welcome("s", [from(3, "hi", "customer", "id-1")]);
    expect(texts(chat)).toEqual(["hi"]);
    expect(chat.state().pending).toEqual([]);
  });

  it("resumes by session and cursor and shows messages in the order of seq", async () => {
    const chat = make();
    chat.connect();
    socket().open();
    socket().welcome("s", [from(4, "two"), from(2, "one")]);
    socket().close();
    await pass(600);
    socket().open();
    await pass(200);
    expect(socket().of("hello")[0]).toMatchObject({ token: "secret", session: "s", cursor: 4 });
    socket().welcome("s", [from(9, "four"), from(7, "three"), from(4, "two")]);
    expect(texts(chat)).toEqual(["one", "two", "three", "four"]);
  });

  it("sends unacknowledged messages again under their ids and in their order after a reconnect", async () => {
    const chat = make();
    chat.connect();
    socket().open();
    socket().welcome("s");
    chat.send("a");
    chat.send("b");
    await pass(1000);
    socket().close();
    chat.send("c");
    await pass(600);
    socket().open();
    socket().welcome("s", [from(5, "a", "customer", "id-1")]);
    await pass(1000);
    expect(
      socket()
        .of("send")
        .map(({ id }) => id),
    ).toEqual(["id-2", "id-3"]);
  });

  it("keeps unsent messages over a reload of the page, under the same ids", async () => {
    const storage = new Store();
    const before = make(storage);
    before.connect();
    socket().open();
    socket().welcome("s");
    before.send("not lost");
    await pass(200);
    const after = make(storage);
    expect(after.returning).toBe(true);
    expect(after.state().pending).toMatchObject([{ id: "id-1", text: "not lost" }]);
    after.connect();
    socket().open();
    await pass(200);
    expect(socket().of("hello")[0]).toMatchObject({ token: "secret", session: null, cursor: 0 });
    socket().welcome("s", [from(5, "not lost", "customer", "id-1")]);
    await pass(1000);
    expect(socket().of("send")).toEqual([]);
    expect(texts(after)).toEqual(["not lost"]);
  });

  it("never sends more than ten frames in a second", async () => {
    const chat = make();
    for (let i = 0; i < 30; i += 1) chat.send(`m${i}`);
    chat.connect();
    socket().open();
    socket().welcome("s");
    await pass(1000);
    expect(socket().frames.length).toBeLessThanOrEqual(10);
    await pass(4000);
    expect(
      socket()
        .of("send")
        .map(({ text }) => text),
    ).toEqual(Array.from({ length: 30 }, (_, i) => `m${i}`));
  });

  it("waits half a second, one and two before it connects again, and goes on trying", async () => {
    const chat = make();
    chat.connect();
    for (const wait of [500, 1000, 2000]) {
      const before = FakeSocket.all.length;
      socket().close();
      expect(chat.state().link).toBe("down");
      await pass(wait - 10);
      expect(FakeSocket.all.length).toBe(before);
      await pass(20);
      expect(FakeSocket.all.length).toBe(before + 1);
    }
  });

  it("gives up a connection that does not answer a ping", async () => {
    const chat = make();
    chat.connect();
    socket().open();
    socket().welcome("s");
    await pass(20_000);
    socket().say({ type: "pong" });
    expect(chat.state().link).toBe("open");
    await pass(20_000 + 8_500);
    expect(chat.state().link).not.toBe("open");
  });

  it("tells what was delivered and, when it is looked at, what was read", async () => {
    const chat = make();
    chat.connect();
    socket().open();
    socket().welcome("s", [from(2, "one")]);
    await pass(500);
    expect(socket().of("delivered")).toEqual([{ type: "delivered", up_to: 2 }]);
    expect(socket().of("read")).toEqual([]);
    expect(Chat.unread(chat.state())).toBe(1);
    chat.look();
    chat.look();
    await pass(500);
    expect(socket().of("read")).toEqual([{ type: "read", up_to: 2 }]);
    expect(Chat.unread(chat.state())).toBe(0);
  });

  it("still knows after a reload of the page what the operator has read", () => {
    const storage = new Store();
    const before = make(storage);
    before.connect();
    socket().open();
    socket().welcome("s", [from(2, "one", "customer")]);
    socket().say({ type: "read", up_to: 2 });
    const after = make(storage);
    after.connect();
    socket().open();
    socket().welcome("s", [from(2, "one", "customer")]);
    expect(after.state().read).toBe(2);
    socket().welcome("another", [from(2, "two", "customer")]);
    expect(after.state().read).toBe(0);
  });

  it("keeps a refused message with its reason until the customer decides", async () => {
    const chat = make();
    chat.connect();
    socket().open();
    socket().welcome("s");
    chat.send("x");
    await pass(200);
    socket().say({ type: "error", for: "send", id: "id-1", code: "too_long", message: "Too long." });
    expect(chat.state().pending).toMatchObject([{ id: "id-1", error: "too_long" }]);
    chat.retry("id-1");
    await pass(200);
    expect(
      socket()
        .of("send")
        .map(({ id }) => id),
    ).toEqual(["id-1", "id-1"]);
    chat.discard("id-1");
    expect(chat.state().pending).toEqual([]);
  });

  it.each(["try_again", "overload", "overloaded"])("sends again by itself what was refused with %s", async (code) => {
    const chat = make();
    chat.connect();
    socket().open();
    socket().welcome("s");
    chat.send("x");
    await pass(200);
    socket().say({ type: "error", for: "send", id: "id-1", code, message: "" });
    await pass(4000);
    expect(
      socket()
        .of("send")
        .map(({ id }) => id),
    ).toEqual(["id-1", "id-1"]);
    expect(chat.state().pending[0]?.error).toBeUndefined();
  });

  it("is closed when its session ended meanwhile, and begins a new one with the next message", async () => {
    const chat = make();
    chat.connect();
    socket().open();
    socket().welcome("s", [from(2, "one")]);
    socket().close();
    await pass(600);
    socket().open();
    socket().welcome(null, [], { state: "idle" });
    expect(chat.state().visitor.state).toBe("closed");
    expect(texts(chat)).toEqual(["one"]);
    chat.send("again");
    await pass(500);
    expect(texts(chat)).toEqual([]);
    expect(socket().of("send")).toMatchObject([{ text: "again" }]);
    socket().say({ type: "ack", id: "id-1", session: "s2", seq: 3, at: 3e6 });
    expect(chat.state()).toMatchObject({ session: "s2", pending: [] });
  });

  const merged = async (old: [number, number], now: [number, number], stateFirst: boolean) => {
    const chat = make();
    chat.connect();
    socket().open();
    socket().welcome("old");
    chat.send("mine");
    await pass(500);
    socket().say({ type: "ack", id: "id-1", session: "old", seq: old[0], at: 1e6 });
    socket().say({ type: "message", session: "old", ...from(old[1], "yours") });
    chat.look();
    chat.send("under way");
    await pass(500);
    const state = () =>
      socket().say({ type: "state", session: "new", state: { state: "with", name: "Anna", in_call: true } });
    if (stateFirst) state();
    socket().say({ type: "message", session: "new", ...from(now[0], "mine", "customer", "id-1") });
    socket().say({ type: "message", session: "new", ...from(now[1], "yours") });
    if (!stateFirst) state();
    return chat;
  };

  const cases: { name: string; old: [number, number]; now: [number, number]; first: string }[] = [
    { name: "higher", old: [40, 44], now: [5, 6], first: "state" },
    { name: "higher", old: [40, 44], now: [5, 6], first: "messages" },
    { name: "lower", old: [2, 3], now: [50, 51], first: "state" },
    { name: "lower", old: [2, 3], now: [50, 51], first: "messages" },
    { name: "equal", old: [5, 6], now: [5, 6], first: "state" },
    { name: "equal", old: [5, 6], now: [5, 6], first: "messages" },
  ];
  it.each(cases)("goes on where its session was merged, old seqs $name, $first first", async ({ old, now, first }) => {
    const chat = await merged(old, now, first === "state");
    expect(chat.state()).toMatchObject({ session: "new", visitor: { state: "with" } });
    expect(chat.state().messages.map((one) => one.seq)).toEqual(now);
    expect(texts(chat)).toEqual(["mine", "yours"]);
    expect(chat.state().pending).toMatchObject([{ id: "id-2" }]);
    chat.look();
    await pass(1000);
    expect(socket().of("delivered").at(-1)).toEqual({ type: "delivered", up_to: now[1] });
    expect(socket().of("read").at(-1)).toEqual({ type: "read", up_to: now[1] });
    socket().close();
    await pass(600);
    socket().open();
    await pass(200);
    expect(socket().of("hello")[0]).toMatchObject({ session: "new", cursor: now[1] });
  });

  it("is not called back by late words of the session that was merged away, and shows what was under way once", async () => {
    const chat = await merged([40, 44], [5, 6], false);
    socket().say({ type: "state", session: "old", state: { state: "closed" } });
    socket().say({ type: "ack", id: "id-2", session: "old", seq: 45, at: 2e6 });
    socket().say({ type: "message", session: "old", ...from(46, "late") });
    expect(chat.state()).toMatchObject({ session: "new", visitor: { state: "with" } });
    await pass(1000);
    socket().say({ type: "message", session: "new", ...from(7, "under way", "customer", "id-2") });
    socket().say({ type: "ack", id: "id-2", session: "new", seq: 7, at: 2e6 });
    socket().say({ type: "message", session: "new", ...from(8, "under way", "customer", "id-2") });
    expect(texts(chat)).toEqual(["mine", "yours", "under way"]);
    expect(chat.state().pending).toEqual([]);
    expect(
      socket()
        .of("send")
        .map(({ id }) => id),
    ).toEqual(["id-1", "id-2", "id-2"]);
  });

  it("shows every message that has no id of its sender", () => {
    const chat = make();
    chat.connect();
    socket().open();
    const said = [from(1, "one"), from(2, "two")].map((one) => ({
      ...one,
      message: { ...one.message, external_id: null },
    }));
    socket().welcome("s", said);
    expect(texts(chat)).toEqual(["one", "two"]);
  });

  it("begins at the start of the new session when nothing was said in it before the connection broke", async () => {
    const chat = make();
    chat.connect();
    socket().open();
    socket().welcome("old", [from(40, "one")]);
    socket().say({ type: "state", session: "new", state: { state: "flow" } });
    socket().close();
    await pass(600);
    socket().open();
    await pass(200);
    expect(socket().of("hello")[0]).toMatchObject({ session: "new", cursor: 0 });
    socket().welcome("new", [from(2, "one")]);
    expect(texts(chat)).toEqual(["one"]);
  });

  it("survives damaged and forbidden storage", () => {
    const damaged = new Store();
    damaged.kept.set("tandem.chat.main", "{nonsense");
    expect(make(damaged).state().pending).toEqual([]);
    const forbidden = new Store();
    forbidden.setItem = () => {
      throw new Error("QuotaExceededError");
    };
    const chat = make(forbidden);
    chat.send("still works");
    expect(chat.state().pending).toHaveLength(1);
  });
});
