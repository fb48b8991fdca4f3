import type { Author, Change, Ending, Entry, Medium, Message, Micros, Party, Uuid } from "../api/types";
import type { Pending } from "../desk/outbox";

export type Tick = "sent" | "delivered" | "read";

export type Step = { flow: string; state: string; verb: string; outcome: string; at: Micros };

/** One row of the timeline. `key` is stable while entries are added. */
export type Item =
  | { kind: "day"; key: string; at: Micros }
  | { kind: "message"; key: string; at: Micros; seq: number; message: Message; tick: Tick | null; first: boolean }
  | { kind: "pending"; key: string; at: Micros; pending: Pending }
  | {
      kind: "call";
      key: string;
      at: Micros;
      leg: Uuid;
      party: Party;
      address: string;
      answered: Micros | null;
      ended: Micros | null;
      ending: Ending | null;
    }
  | { kind: "steps"; key: string; at: Micros; steps: Step[] }
  | { kind: "recording"; key: string; at: Micros; recording: Uuid; millis: number | null }
  | { kind: "event"; key: string; at: Micros; change: Change; leg?: LegFacts };

export type LegFacts = { medium: Medium; party: Party; address: string };

type Options = { pending?: readonly Pending[]; zone?: string };

/**
 * The journal as rows to be read: in the order of `seq` whatever order the entries came in, with calls, recordings and
 * runs of dialplan steps each gathered into one row at the place where they began, and receipts turned into ticks.
 */
export function timeline(entries: readonly Entry[], options: Options = {}): Item[] {
  const ordered = [...new Map(entries.map((entry) => [entry.seq, entry])).values()].sort((a, b) => a.seq - b.seq);
  const receipts = receiptsOf(ordered);
  const legs = new Map<Uuid, LegFacts>();
  const calls = new Map<Uuid, Extract<Item, { kind: "call" }>>();
  const recordings = new Map<Uuid, Extract<Item, { kind: "recording" }>>();
  const offers = new Map<Uuid, Extract<Item, { kind: "event" }>>();
  const items: Item[] = [];
  let day = "";
  let accepted: Uuid | null = null;
  let customerLeft = 0;

  const put = (item: Item) => {
    const today = dayOf(item.at, options.zone);
    if (today !== day) items.push({ kind: "day", key: `day-${today}`, at: item.at });
    day = today;
    items.push(item);
  };

  for (const { seq, at, change } of ordered) {
    const key = `e${seq}`;
    switch (change.type) {
      case "message": {
        const before = items.at(-1);
        const first = !(
          before?.kind === "message" &&
          sameAuthor(before.message.author, change.message.author) &&
          at - before.at < 3 * 60e6
        );
        put({
          kind: "message",
          key,
          at,
          seq,
          message: change.message,
          tick: tickOf(change.message, seq, receipts),
          first,
        });
        break;
      }
      case "leg_opened": {
        const facts = { medium: change.medium, party: change.party, address: change.address };
        legs.set(change.leg, facts);
        if (change.medium === "voice" && change.party.who !== "agent") {
          const call: Extract<Item, { kind: "call" }> = {
            ...{ kind: "call", key, at, leg: change.leg, party: change.party, address: change.address },
            ...{ answered: null, ended: null, ending: null },
          };
          calls.set(change.leg, call);
          put(call);
        } else if (change.medium === "chat" && !beganByChat(items.at(-1)))
          put({ kind: "event", key, at, change, leg: facts });
        break;
      }
      case "leg_answered": {
        const call = calls.get(change.leg);
        if (call) call.answered = at;
        else put({ kind: "event", key, at, change, leg: legs.get(change.leg) });
        break;
      }
      case "leg_ended": {
        const call = calls.get(change.leg);
        if (call) {
          call.ended = at;
          call.ending = change.ending;
          customerLeft = at;
        }
        // An operator's leg that goes down with the call is no event of its own.
        const facts = legs.get(change.leg);
        const follows = facts?.medium === "voice" && facts.party.who === "agent" && at - customerLeft < 2e6;
        if (!follows) put({ kind: "event", key, at, change, leg: facts });
        break;
      }
      case "leg_held":
      case "leg_muted":
      case "leg_trouble":
      case "leg_quality":
        put({ kind: "event", key, at, change, leg: legs.get(change.leg) });
        break;
      case "recording_started": {
        const recording: Extract<Item, { kind: "recording" }> = {
          ...{ kind: "recording", key, at, recording: change.recording, millis: null },
        };
        recordings.set(change.recording, recording);
        put(recording);
        break;
      }
      case "recording_ended":
      case "recording_failed": {
        const recording = recordings.get(change.recording);
        if (recording) recording.millis = change.millis;
        if (change.type === "recording_failed") put({ kind: "event", key, at, change });
        break;
      }
      case "step": {
        const { flow, state, verb, outcome } = change;
        const step = { flow, state, verb, outcome, at };
        const begun = running(items);
        if (begun) begun.steps.push(step);
        else put({ kind: "steps", key, at, steps: [step] });
        break;
      }
      case "leg_ringing":
      case "delivered":
      case "read":
        break;
      case "offer_ended": {
        // Its beginning becomes its outcome: one row for one offer.
        const offered = offers.get(change.offer);
        if (offered) offered.change = change;
        else put({ kind: "event", key, at, change });
        if (change.outcome === "accepted") accepted = change.agent;
        break;
      }
      case "offered": {
        const item: Extract<Item, { kind: "event" }> = { kind: "event", key, at, change };
        offers.set(change.offer, item);
        put(item);
        break;
      }
      case "owner_changed":
        // Who accepted owns it; only other changes of the owner are news.
        if (!change.agent || change.agent !== accepted) put({ kind: "event", key, at, change });
        accepted = null;
        break;
      case "dequeued":
        // That an operator took it is told by his acceptance.
        if (change.why !== "answered") put({ kind: "event", key, at, change });
        break;
      case "session_opened":
      case "identity_linked":
      case "customer_changed":
      case "customer_named":
      case "context_set":
      case "task_left":
      case "queued":
      case "transferred":
      case "parked":
      case "supervised":
      case "set_aside":
      case "callback_promised":
      case "callback_tried":
      case "callback_withdrawn":
      case "escalated":
      case "recording_paused":
      case "recording_wanted":
      case "wrap_up_started":
      case "wrap_up_ended":
      case "merged_into":
      case "session_ended":
        put({ kind: "event", key, at, change });
        break;
      default:
        // A newer server: what this page does not know is not shown.
        break;
    }
  }

  const arrived = new Set(
    ordered.flatMap(({ change }) => (change.type === "message" ? [change.message.external_id] : [])),
  );
  for (const pending of options.pending ?? []) {
    if (!arrived.has(pending.external_id)) {
      put({ kind: "pending", key: `p${pending.external_id}`, at: pending.at, pending });
    }
  }
  return items;
}

/** That the chat is open goes without saying in a session that began by it. */
function beganByChat(before: Item | undefined): boolean {
  return before?.kind === "event" && before.change.type === "session_opened" && before.change.medium === "chat";
}

/** The row of the flow's steps that is still being told: only what the flow itself said or did came after it. */
function running(items: Item[]): Extract<Item, { kind: "steps" }> | undefined {
  for (let i = items.length - 1; i >= 0; i -= 1) {
    const item = items[i];
    if (item?.kind === "steps") return item;
    if (item?.kind === "event" || (item?.kind === "message" && item.message.author.who === "flow")) continue;
    return undefined;
  }
  return undefined;
}

type Receipts = { delivered: number; readByCustomer: number };

function receiptsOf(entries: readonly Entry[]): Receipts {
  const receipts = { delivered: 0, readByCustomer: 0 };
  for (const { change } of entries) {
    if (change.type === "delivered") receipts.delivered = Math.max(receipts.delivered, change.up_to);
    if (change.type === "read" && change.by === "customer") {
      receipts.readByCustomer = Math.max(receipts.readByCustomer, change.up_to);
    }
  }
  return receipts;
}

function tickOf(message: Message, seq: number, receipts: Receipts): Tick | null {
  if (message.author.who !== "agent") return null;
  if (seq <= receipts.readByCustomer) return "read";
  return seq <= receipts.delivered ? "delivered" : "sent";
}

function sameAuthor(a: Author, b: Author): boolean {
  return a.who === b.who && (a.who !== "agent" || b.who !== "agent" || a.agent === b.agent);
}

const days = new Map<string | undefined, Intl.DateTimeFormat>();

function dayOf(at: Micros, zone?: string): string {
  const format = days.get(zone) ?? new Intl.DateTimeFormat("en-CA", { timeZone: zone, dateStyle: "short" });
  days.set(zone, format);
  return format.format(at / 1000);
}
