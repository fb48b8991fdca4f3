import type { Entry, Micros, Uuid } from "../api/types";

/** A message that the operator sent and that is not yet seen in the journal. */
export type Pending = {
  session: Uuid;
  external_id: string;
  text: string;
  at: Micros;
  /** The code of a refusal for good; he may try again or throw it away. */
  error?: string;
};

/** Where the outbox survives a reload of the page. */
export type Shelf = { load(): string | null; save(text: string): void };

/**
 * Messages under way. A message is sent again, under the same id, until the server said yes or no: it recognises
 * repeats by that id, so nothing is lost and nothing is doubled.
 */
export class Outbox {
  #pending: readonly Pending[];
  readonly #shelf: Shelf;

  constructor(shelf: Shelf) {
    this.#shelf = shelf;
    this.#pending = parse(shelf.load());
  }

  get all(): readonly Pending[] {
    return this.#pending;
  }

  /** What is to be sent (again) after the connection came back, oldest first. */
  get unsettled(): readonly Pending[] {
    return this.#pending.filter((one) => one.error === undefined);
  }

  add(message: Pending): void {
    this.#set([...this.#pending, message]);
  }

  fail(external_id: string, error: string): void {
    this.#set(this.#pending.map((one) => (one.external_id === external_id ? { ...one, error } : one)));
  }

  retry(external_id: string): Pending | undefined {
    this.#set(
      this.#pending.map((one) => {
        if (one.external_id !== external_id) return one;
        const { error: _, ...rest } = one;
        return rest;
      }),
    );
    return this.#pending.find((one) => one.external_id === external_id);
  }

  remove(external_id: string): void {
    const rest = this.#pending.filter((one) => one.external_id !== external_id);
    if (rest.length !== this.#pending.length) this.#set(rest);
  }

  /** Takes out what has arrived in a journal. */
  settle(entries: readonly Entry[]): boolean {
    const arrived = new Set<string>();
    for (const { change } of entries) {
      if (change.type === "message" && change.message.external_id) arrived.add(change.message.external_id);
    }
    const rest = this.#pending.filter((one) => !arrived.has(one.external_id));
    if (rest.length === this.#pending.length) return false;
    this.#set(rest);
    return true;
  }

  #set(pending: readonly Pending[]): void {
    this.#pending = pending;
    this.#shelf.save(JSON.stringify(pending));
  }
}

function parse(text: string | null): readonly Pending[] {
  try {
    const value: unknown = JSON.parse(text ?? "[]");
    return Array.isArray(value) ? value.filter(isPending) : [];
  } catch {
    return [];
  }
}

function isPending(value: unknown): value is Pending {
  const one = value as Partial<Pending> | null;
  return typeof one?.session === "string" && typeof one.external_id === "string" && typeof one.text === "string";
}
