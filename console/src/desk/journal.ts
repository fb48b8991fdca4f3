import type { Entry } from "../api/types";

/** The entries of one session, ordered by `seq`, each once. Never changed in place. */
export type Journal = readonly Entry[];

export const EMPTY: Journal = [];

/** `journal` with `incoming` put in its places. An entry that is there already is not put in again. */
export function merge(journal: Journal, incoming: readonly Entry[]): Journal {
  const last = journal.at(-1)?.seq ?? 0;
  const first = incoming[0];
  if (incoming.length === 1 && first && first.seq > last) return [...journal, first];
  const known = new Set(journal.map((entry) => entry.seq));
  const fresh: Entry[] = [];
  for (const entry of incoming) {
    if (known.has(entry.seq)) continue;
    known.add(entry.seq);
    fresh.push(entry);
  }
  if (fresh.length === 0) return journal;
  return [...journal, ...fresh].sort((a, b) => a.seq - b.seq);
}

/** The `seq` up to which nothing is missing; a journal counts from 1 without gaps. */
export function completeUpTo(journal: Journal): number {
  let seq = 0;
  for (const entry of journal) {
    if (entry.seq !== seq + 1) break;
    seq = entry.seq;
  }
  return seq;
}

/** How many messages of the customer came after what an operator has seen. */
export function unread(journal: Journal): number {
  const seen = readBy(journal, "agent");
  let count = 0;
  for (const { seq, change } of journal) {
    if (seq > seen && change.type === "message" && change.message.author.who === "customer") count += 1;
  }
  return count;
}

export function readBy(journal: Journal, side: "agent" | "customer"): number {
  let upTo = 0;
  for (const { change } of journal) {
    if (change.type === "read" && change.by === side) upTo = Math.max(upTo, change.up_to);
  }
  return upTo;
}

/** The newest message of the customer, 0 when there is none. */
export function lastFromCustomer(journal: Journal): number {
  for (let i = journal.length - 1; i >= 0; i -= 1) {
    const entry = journal[i] as Entry;
    if (entry.change.type === "message" && entry.change.message.author.who === "customer") return entry.seq;
  }
  return 0;
}
