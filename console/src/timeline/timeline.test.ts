import { describe, expect, it } from "vitest";
import type { Author, Change, Entry } from "../api/types";
import { type Item, timeline } from "./timeline";

const AT = Date.UTC(2026, 10, 23, 9) * 1000;
const session = "s";
const entry = (seq: number, change: Change, seconds = seq): Entry => ({ session, seq, at: AT + seconds * 1e6, change });
const customer: Author = { who: "customer" };
const anna: Author = { who: "agent", agent: "anna", name: "Anna" };
const message = (author: Author, text: string, external_id?: string): Change => ({
  type: "message",
  message: { id: text, author, text, external_id },
});
const voice = (leg: string, who: "customer" | "agent"): Change => ({
  ...{ type: "leg_opened", leg, medium: "voice", address: "+79001112233" },
  party: who === "agent" ? { who, agent: "anna" } : { who },
});
const rows = (entries: Entry[], pending = []) => timeline(entries, { pending, zone: "UTC" });
const kinds = (items: Item[]) => items.map((item) => item.kind);
const texts = (items: Item[]) => items.flatMap((item) => (item.kind === "message" ? [item.message.text] : []));

describe("timeline", () => {
  it("is in the order of seq whatever order the entries came in, with each shown once", () => {
    const entries = [1, 2, 3, 4, 5].map((seq) => entry(seq, message(customer, `m${seq}`)));
    const shuffled = [3, 1, 5, 3, 2, 4, 1].map((seq) => entries[seq - 1] as Entry);
    expect(texts(rows(shuffled))).toEqual(["m1", "m2", "m3", "m4", "m5"]);
  });

  it("keeps the order of seq even when a clock stepped back", () => {
    const entries = [entry(1, message(customer, "first"), 50), entry(2, message(anna, "second"), 10)];
    expect(texts(rows(entries))).toEqual(["first", "second"]);
  });

  it("puts a day in front of the first row of each day", () => {
    const entries = [entry(1, message(customer, "a")), entry(2, message(customer, "b"), 86_400)];
    expect(kinds(rows(entries))).toEqual(["day", "message", "day", "message"]);
  });

  it("gathers a call at the place where it began", () => {
    const [, call] = rows([
      entry(1, voice("l1", "customer")),
      entry(2, { type: "leg_ringing", leg: "l1" }),
      entry(3, { type: "leg_answered", leg: "l1" }),
      entry(4, message(customer, "hello")),
      entry(5, { type: "leg_ended", leg: "l1", ending: { cause: "hung_up", by: "customer" } }),
    ]);
    expect(call).toMatchObject({ kind: "call", answered: AT + 3e6, ended: AT + 5e6, ending: { by: "customer" } });
  });

  it("leaves out an operator's leg that goes down with the call, but not one that broke", () => {
    const ends = (entries: Entry[]) =>
      rows(entries).filter((item) => item.kind === "event" && item.change.type === "leg_ended");
    const opened = [entry(1, voice("c", "customer")), entry(2, voice("a", "agent"))];
    const customerEnds = { type: "leg_ended", leg: "c", ending: { cause: "hung_up", by: "customer" } } as const;
    const agentEnds = { type: "leg_ended", leg: "a", ending: { cause: "lost", by: "agent" } } as const;
    expect(ends([...opened, entry(3, customerEnds), entry(4, agentEnds, 3)])).toHaveLength(1);
    expect(ends([...opened, entry(3, agentEnds)])).toHaveLength(1);
  });

  it("shows a recording where it began, with its length once it ended", () => {
    const started = entry(1, { type: "recording_started", recording: "r", file: "f" });
    expect(rows([started])[1]).toMatchObject({ kind: "recording", millis: null });
    const ended = entry(2, { type: "recording_ended", recording: "r", millis: 1200 });
    expect(rows([started, ended])[1]).toMatchObject({ kind: "recording", millis: 1200 });
  });

  it("gathers what the dialplan did into one row until somebody else has a say", () => {
    const step = (seq: number) => entry(seq, { type: "step", flow: "demo", state: "s", verb: "say", outcome: "" });
    const items = rows([
      step(1),
      entry(2, message({ who: "flow" }, "hello")),
      step(3),
      entry(4, { type: "context_set", key: "k", value: "v" }),
      step(5),
      entry(6, message(customer, "x")),
      step(7),
    ]);
    expect(kinds(items)).toEqual(["day", "steps", "message", "event", "message", "steps"]);
    expect(items.flatMap((item) => (item.kind === "steps" ? [item.steps.length] : []))).toEqual([3, 1]);
  });

  it("turns an offer into its outcome and does not repeat who owns the session then", () => {
    const items = rows([
      entry(1, { type: "offered", offer: "o", agent: "anna", queue: "q" }),
      entry(2, { type: "offer_ended", offer: "o", agent: "anna", outcome: "accepted" }),
      entry(3, { type: "owner_changed", agent: "anna" }),
      entry(4, { type: "owner_changed", agent: null }),
    ]);
    const changes = items.flatMap((item) => (item.kind === "event" ? [item.change] : []));
    expect(changes).toMatchObject([{ type: "offer_ended" }, { type: "owner_changed", agent: null }]);
  });

  it("turns receipts into ticks of the operator's messages", () => {
    const items = rows([
      entry(1, message(anna, "one")),
      entry(2, message(anna, "two")),
      entry(3, message(anna, "three")),
      entry(4, { type: "delivered", up_to: 2 }),
      entry(5, { type: "read", by: "customer", up_to: 1 }),
      entry(6, { type: "read", by: "agent", up_to: 3 }),
    ]);
    const ticks = items.flatMap((item) => (item.kind === "message" ? [item.tick] : []));
    expect(ticks).toEqual(["read", "delivered", "sent"]);
  });

  it("shows what is under way at the end, and no more once the journal has it", () => {
    const pending = [{ session, external_id: "x1", text: "soon", at: AT + 9e6 }];
    const before = timeline([entry(1, message(customer, "hi"))], { pending, zone: "UTC" });
    expect(kinds(before)).toEqual(["day", "message", "pending"]);
    const after = timeline([entry(1, message(customer, "hi")), entry(2, message(anna, "soon", "x1"))], {
      pending,
      zone: "UTC",
    });
    expect(kinds(after)).toEqual(["day", "message", "message"]);
  });

  it("passes over changes that it does not know", () => {
    expect(rows([entry(1, { type: "from_the_future" } as unknown as Change)])).toEqual([]);
  });
});
