import { afterEach, describe, expect, it, vi } from "vitest";
import { ApiFailure } from "../api/client";
import type { AgentCommand, DeskView, Entry, Reply, SessionView } from "../api/types";
import { Desk } from "./desk";
import { completeUpTo, merge, unread } from "./journal";

const entry = (seq: number, change: Partial<Entry["change"]> = {}): Entry => ({
  ...{ session: "s", seq, at: seq * 1e6 },
  change: { type: "context_set", key: "k", value: String(seq), ...change } as Entry["change"],
});
const mine = (seq: number, external_id: string): Entry =>
  entry(seq, {
    type: "message",
    message: { id: external_id, author: { who: "agent", agent: "a", name: "A" }, text: "t", external_id },
  });
const desk = (last_seq: number): DeskView => ({
  ...{ agent: "a", name: "A", status: { state: "ready" }, since: 0, phone_registered: false, offers: [] },
  sessions: [{ session: "s", last_seq, legs: [] } as unknown as SessionView],
});
const settle = () => new Promise((done) => setTimeout(done));

class FakeServer {
  sent: AgentCommand[] = [];
  asked: number[] = [];
  journal: Entry[] = [];
  answer: () => Promise<Reply> = () => Promise.resolve({ reply: "accepted", session: "s", seq: 1, at: 1 });

  command = (command: AgentCommand) => {
    this.sent.push(command);
    return this.answer();
  };
  entries = (_: string, after: number) => {
    this.asked.push(after);
    return Promise.resolve(this.journal.filter((one) => one.seq > after));
  };
}

function shelf(text: string | null = null) {
  const kept = { text };
  const save = (text: string) => {
    kept.text = text;
  };
  return { kept, load: () => kept.text, save };
}

afterEach(() => vi.useRealTimers());

describe("a journal", () => {
  it("takes entries in any order and each once", () => {
    let journal = merge([], [entry(2)]);
    journal = merge(journal, [entry(1), entry(2), entry(3), entry(3)]);
    expect(journal.map((one) => one.seq)).toEqual([1, 2, 3]);
    expect(merge(journal, [entry(2)])).toBe(journal);
  });

  it("knows up to where it is complete", () => {
    expect(completeUpTo([])).toBe(0);
    expect(completeUpTo([entry(1), entry(2), entry(4)])).toBe(2);
    expect(completeUpTo([entry(2)])).toBe(0);
  });

  it("counts what the customer wrote since an operator looked", () => {
    const said = (seq: number) =>
      entry(seq, { type: "message", message: { id: "m", author: { who: "customer" }, text: "t" } });
    expect(unread([said(1), said(2), entry(3, { type: "read", by: "agent", up_to: 1 }), said(4)])).toBe(2);
  });
});

describe("the desk", () => {
  it("fetches what it missed when the desk says that there is more", async () => {
    const server = new FakeServer();
    server.journal = [entry(1), entry(2), entry(3)];
    const store = new Desk(server, shelf());
    store.handle({ type: "desk", desk: desk(0) });
    store.handle({ type: "entry", entry: entry(1) });
    store.handle({ type: "desk", desk: desk(3) });
    await settle();
    expect(server.asked).toEqual([1]);
    expect(
      store
        .state()
        .journals.get("s")
        ?.map((one) => one.seq),
    ).toEqual([1, 2, 3]);
  });

  it("fills a gap that an event shows", async () => {
    const server = new FakeServer();
    server.journal = [entry(1), entry(2), entry(3)];
    const store = new Desk(server, shelf());
    store.handle({ type: "desk", desk: desk(0) });
    store.handle({ type: "entry", entry: entry(1) });
    store.handle({ type: "entry", entry: entry(3) });
    await settle();
    expect(
      store
        .state()
        .journals.get("s")
        ?.map((one) => one.seq),
    ).toEqual([1, 2, 3]);
  });

  it("sends a message again under the same id when the connection is back, and shows it once", async () => {
    const server = new FakeServer();
    server.answer = () => Promise.reject(new ApiFailure(0, { code: "unreachable", message: "" }));
    const store = new Desk(server, shelf());
    store.send("s", "hello", "x1", 5);
    await settle();
    expect(store.state().pending).toMatchObject([{ external_id: "x1" }]);

    server.answer = () => Promise.resolve({ reply: "accepted", session: "s", seq: 1, at: 1 });
    server.journal = [mine(1, "x1")];
    store.setLink("down");
    store.setLink("open");
    await settle();
    expect(server.sent).toEqual([
      { command: "send", session: "s", external_id: "x1", text: "hello" },
      { command: "send", session: "s", external_id: "x1", text: "hello" },
    ]);
    expect(store.state().pending).toEqual([]);
    expect(store.state().journals.get("s")).toHaveLength(1);
  });

  it("keeps what is under way over a reload of the page", async () => {
    const server = new FakeServer();
    server.answer = () => new Promise(() => {});
    const kept = shelf();
    new Desk(server, kept).send("s", "hello", "x1", 5);
    const reloaded = new FakeServer();
    const store = new Desk(reloaded, shelf(kept.kept.text));
    store.setLink("open");
    await settle();
    expect(reloaded.sent).toMatchObject([{ external_id: "x1", text: "hello" }]);
  });

  it("drops a message from the outbox when its entry arrives before the answer", async () => {
    const server = new FakeServer();
    server.answer = () => new Promise(() => {});
    const store = new Desk(server, shelf());
    store.handle({ type: "desk", desk: desk(0) });
    store.send("s", "hello", "x1", 5);
    store.handle({ type: "entry", entry: mine(1, "x1") });
    expect(store.state().pending).toEqual([]);
  });

  it("keeps a refused message with its reason, and does not send it by itself", async () => {
    const server = new FakeServer();
    server.answer = () => Promise.reject(new ApiFailure(409, { code: "not_yours", message: "no" }));
    const store = new Desk(server, shelf());
    store.send("s", "hello", "x1", 5);
    await settle();
    store.setLink("open");
    await settle();
    expect(server.sent).toHaveLength(1);
    expect(store.state().pending).toMatchObject([{ external_id: "x1", error: "not_yours" }]);
    store.retry("x1");
    expect(server.sent).toHaveLength(2);
  });

  const accept = () => Promise.resolve<Reply>({ reply: "accepted", session: "s", seq: 1, at: 1 });
  const ids = (server: FakeServer) => server.sent.map((one) => "external_id" in one && one.external_id);
  const refuse = (failure: unknown) => () => Promise.reject(failure);

  it.each([
    ["no network", new ApiFailure(0, { code: "unreachable", message: "" })],
    ["429", new ApiFailure(429, { code: "http", message: "" })],
    ["502", new ApiFailure(502, { code: "http", message: "" })],
    ["503 overloaded", new ApiFailure(503, { code: "overloaded", message: "" })],
    ["an answer cut short", new TypeError("terminated")],
  ])("sends again by itself, less and less often, after %s", async (_, failure) => {
    vi.useFakeTimers();
    const server = new FakeServer();
    server.answer = refuse(failure);
    const store = new Desk(server, shelf());
    store.handle({ type: "desk", desk: desk(0) });
    store.send("s", "hello", "x1", 5);
    for (const [wait, sent] of [
      [499, 1],
      [1, 2],
      [999, 2],
      [1, 3],
      [1999, 3],
      [1, 4],
    ] as const) {
      await vi.advanceTimersByTimeAsync(wait);
      expect(server.sent).toHaveLength(sent);
    }
    expect(store.state().pending).toMatchObject([{ external_id: "x1" }]);
    expect(store.state().pending[0]?.error).toBeUndefined();
    server.answer = accept;
    server.journal = [mine(1, "x1")];
    await vi.advanceTimersByTimeAsync(60_000);
    expect(ids(server)).toEqual(["x1", "x1", "x1", "x1", "x1"]);
    expect(store.state().pending).toEqual([]);
  });

  it("sends the messages of a session one after another, those of another one beside them", async () => {
    const server = new FakeServer();
    const answers: ((reply: Reply) => void)[] = [];
    server.answer = () => new Promise((done) => answers.push(done));
    const store = new Desk(server, shelf());
    store.send("s", "one", "x1", 5);
    store.send("s", "two", "x2", 6);
    store.send("other", "three", "y1", 7);
    store.setLink("open");
    await settle();
    expect(ids(server)).toEqual(["x1", "y1"]);
    answers[0]?.({ reply: "accepted", session: "s", seq: 1, at: 1 });
    await settle();
    expect(ids(server)).toEqual(["x1", "y1", "x2"]);
  });

  it("lets no later message overtake one that has to be sent again", async () => {
    vi.useFakeTimers();
    const server = new FakeServer();
    server.answer = refuse(new ApiFailure(503, { code: "overloaded", message: "" }));
    const store = new Desk(server, shelf());
    store.send("s", "one", "x1", 5);
    await vi.advanceTimersByTimeAsync(100);
    store.send("s", "two", "x2", 6);
    await vi.advanceTimersByTimeAsync(100);
    expect(ids(server)).toEqual(["x1"]);
    server.answer = accept;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(ids(server)).toEqual(["x1", "x1", "x2"]);
  });

  it("goes on with the next message after one that was refused for good", async () => {
    const server = new FakeServer();
    server.answer = () =>
      server.sent.length === 1 ? Promise.reject(new ApiFailure(409, { code: "too_long", message: "" })) : accept();
    const store = new Desk(server, shelf());
    store.send("s", "one", "x1", 5);
    store.send("s", "two", "x2", 6);
    await settle();
    expect(ids(server)).toEqual(["x1", "x2"]);
    expect(store.state().pending[0]).toMatchObject({ external_id: "x1", error: "too_long" });
  });

  it("does not send again what the server took, but asks for its entry", async () => {
    const server = new FakeServer();
    const store = new Desk(server, shelf());
    store.handle({ type: "desk", desk: desk(0) });
    store.send("s", "one", "x1", 5);
    await settle();
    expect(store.state().pending).toHaveLength(1);
    server.journal = [mine(1, "x1")];
    store.setLink("open");
    await settle();
    expect(ids(server)).toEqual(["x1"]);
    expect(store.state().pending).toEqual([]);
  });

  it("sends nothing any more in the name of an operator who signed out", async () => {
    vi.useFakeTimers();
    const server = new FakeServer();
    server.answer = refuse(new ApiFailure(502, { code: "http", message: "" }));
    const kept = shelf();
    const store = new Desk(server, kept);
    store.send("s", "one", "x1", 5);
    await vi.advanceTimersByTimeAsync(100);
    store.close();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(ids(server)).toEqual(["x1"]);
    expect(kept.kept.text).toContain("x1");
  });

  it("forgets journals of sessions that left it", () => {
    const store = new Desk(new FakeServer(), shelf());
    store.handle({ type: "desk", desk: desk(0) });
    store.handle({ type: "entry", entry: entry(1) });
    expect(store.state().journals.size).toBe(1);
    store.handle({ type: "desk", desk: { ...desk(1), sessions: [] } });
    expect(store.state().journals.size).toBe(0);
  });

  it("does not ask about sessions of others, of which a supervisor is told all the same", async () => {
    const server = new FakeServer();
    const store = new Desk(server, shelf());
    store.handle({ type: "desk", desk: desk(0) });
    store.handle({ type: "entry", entry: { ...entry(7), session: "elsewhere" } });
    await settle();
    expect(server.asked).toEqual([]);
    expect(store.state().journals.size).toBe(0);
  });

  it("survives a damaged outbox", () => {
    expect(new Desk(new FakeServer(), shelf("{nonsense")).state().pending).toEqual([]);
    expect(new Desk(new FakeServer(), shelf('[{"x":1},null]')).state().pending).toEqual([]);
  });
});
