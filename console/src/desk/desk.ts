import { ApiFailure } from "../api/client";
import type { AgentCommand, AgentEvent, DeskView, Entry, QueueStatus, Reply, SessionSummary, Uuid } from "../api/types";
import { Backoff } from "../lib/backoff";
import { completeUpTo, EMPTY, type Journal, merge } from "./journal";
import { Outbox, type Pending, type Shelf } from "./outbox";

export type Link = "connecting" | "open" | "down";

export type DeskState = {
  link: Link;
  desk: DeskView | null;
  floor: { queues: QueueStatus[]; sessions: SessionSummary[] } | null;
  journals: ReadonlyMap<Uuid, Journal>;
  /** Sessions whose customer is writing just now. */
  typing: ReadonlySet<Uuid>;
  pending: readonly Pending[];
};

export type Server = {
  command(command: AgentCommand): Promise<Reply>;
  entries(session: Uuid, after: number): Promise<Entry[]>;
};

const TYPING_SHOWN_MS = 6_000;

/** What the page knows of the live world. Fed by the event stream, healed by REST, read by React. */
export class Desk {
  #state: DeskState;
  readonly #server: Server;
  readonly #outbox: Outbox;
  readonly #listeners = new Set<() => void>();
  readonly #fetching = new Set<Uuid>();
  readonly #typingTimers = new Map<Uuid, ReturnType<typeof setTimeout>>();
  /** Sessions whose messages are being sent, with what ends a wait before the next attempt. */
  readonly #chains = new Map<Uuid, { hurry(): void }>();
  /** Messages that the server took and that their journal does not show yet. */
  readonly #taken = new Set<string>();
  #closed = false;

  constructor(server: Server, shelf: Shelf) {
    this.#server = server;
    this.#outbox = new Outbox(shelf);
    this.#state = {
      link: "connecting",
      desk: null,
      floor: null,
      journals: new Map(),
      typing: new Set(),
      pending: this.#outbox.all,
    };
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly state = (): DeskState => this.#state;

  setLink(link: Link): void {
    if (link === this.#state.link) return;
    this.#set({ link });
    if (link === "open") this.resend();
  }

  handle(event: AgentEvent): void {
    switch (event.type) {
      case "desk":
        this.#set({ desk: event.desk });
        this.#prune(event.desk);
        for (const { session, last_seq } of event.desk.sessions) this.#catchUp(session, last_seq);
        return;
      case "entry":
        // A supervisor is told of every session; only those on the desk are kept, and only their gaps are worth a question.
        if (this.#isHere(event.entry.session)) this.#entries(event.entry.session, [event.entry]);
        return;
      case "typing":
        this.#typing(event.session, event.on);
        return;
      case "floor":
        this.#set({ floor: { queues: event.queues, sessions: event.sessions } });
        return;
    }
  }

  /** Queues a message and sends it; it stays visible as pending until the journal shows it. */
  send(session: Uuid, text: string, external_id: string, at: number): void {
    const message = { session, text, external_id, at };
    this.#outbox.add(message);
    this.#set({ pending: this.#outbox.all });
    void this.#transmit(session);
  }

  retry(external_id: string): void {
    const message = this.#outbox.retry(external_id);
    this.#set({ pending: this.#outbox.all });
    if (message) void this.#transmit(message.session);
  }

  discard(external_id: string): void {
    this.#outbox.remove(external_id);
    this.#set({ pending: this.#outbox.all });
  }

  /** The server can be reached (again): whatever waits for that waits no longer. */
  resend(): void {
    for (const chain of this.#chains.values()) chain.hurry();
    for (const { session, external_id } of this.#outbox.unsettled) {
      if (this.#taken.has(external_id)) this.#fetch(session);
      else void this.#transmit(session);
    }
  }

  /** Sends nothing any more: what is under way belongs to the operator who signed out and stays on his shelf. */
  close(): void {
    this.#closed = true;
    for (const chain of this.#chains.values()) chain.hurry();
  }

  /**
   * Sends the messages of a session one after another, which keeps their order: each under its id, again and again,
   * until the server said yes or no.
   */
  async #transmit(session: Uuid): Promise<void> {
    if (this.#closed || this.#chains.has(session)) return;
    const backoff = new Backoff();
    const chain = { hurry: () => {} };
    this.#chains.set(session, chain);
    for (let next = this.#next(session); next && !this.#closed; next = this.#next(session)) {
      const { external_id, text } = next;
      try {
        await this.#server.command({ command: "send", session, external_id, text });
        backoff.reset();
        this.#accepted(session, external_id);
      } catch (error) {
        if (error instanceof ApiFailure && !error.transient) {
          backoff.reset();
          this.#outbox.fail(external_id, error.code);
          this.#set({ pending: this.#outbox.all });
        } else {
          await new Promise<void>((done) => {
            const timer = setTimeout(done, backoff.next());
            chain.hurry = () => {
              clearTimeout(timer);
              backoff.reset();
              done();
            };
          });
        }
      }
    }
    this.#chains.delete(session);
  }

  #next(session: Uuid): Pending | undefined {
    return this.#outbox.unsettled.find((one) => one.session === session && !this.#taken.has(one.external_id));
  }

  #accepted(session: Uuid, external_id: string): void {
    this.#taken.add(external_id);
    // The bubble turns real when the entry arrives; ask for it in case its event was lost.
    const journal = this.#state.journals.get(session);
    if (journal?.some(({ change }) => hasExternalId(change, external_id))) this.discard(external_id);
    else this.#fetch(session);
  }

  #isHere(session: Uuid): boolean {
    const { desk } = this.#state;
    return desk !== null && [...desk.sessions, ...desk.offers].some((one) => one.session === session);
  }

  #entries(session: Uuid, entries: Entry[]): void {
    const old = this.#state.journals.get(session) ?? EMPTY;
    const journal = merge(old, entries);
    if (journal === old) return;
    const journals = new Map(this.#state.journals);
    journals.set(session, journal);
    this.#outbox.settle(entries);
    const typing = new Set(this.#state.typing);
    if (entries.some(({ change }) => change.type === "message" && change.message.author.who === "customer")) {
      typing.delete(session);
    }
    this.#set({ journals, typing, pending: this.#outbox.all });
    const last = journal.at(-1)?.seq ?? 0;
    if (completeUpTo(journal) < last) this.#fetch(session);
  }

  #catchUp(session: Uuid, last_seq: number): void {
    if (completeUpTo(this.#state.journals.get(session) ?? EMPTY) < last_seq) this.#fetch(session);
  }

  /** Loads what is missing of a session's journal. One request per session at a time. */
  #fetch(session: Uuid): void {
    if (this.#fetching.has(session)) return;
    this.#fetching.add(session);
    const after = completeUpTo(this.#state.journals.get(session) ?? EMPTY);
    this.#server
      .entries(session, after)
      .then((entries) => {
        this.#fetching.delete(session);
        this.#entries(session, entries);
      })
      .catch(() => this.#fetching.delete(session));
  }

  /** Journals of sessions that left the desk are not kept. */
  #prune(desk: DeskView): void {
    const here = new Set([...desk.sessions.map((one) => one.session), ...desk.offers.map((one) => one.session)]);
    const journals = new Map([...this.#state.journals].filter(([session]) => here.has(session)));
    if (journals.size !== this.#state.journals.size) this.#set({ journals });
  }

  #typing(session: Uuid, on: boolean): void {
    clearTimeout(this.#typingTimers.get(session));
    const typing = new Set(this.#state.typing);
    if (on) {
      typing.add(session);
      this.#typingTimers.set(
        session,
        setTimeout(() => this.#typing(session, false), TYPING_SHOWN_MS),
      );
    } else typing.delete(session);
    this.#set({ typing });
  }

  #set(change: Partial<DeskState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener();
  }
}

function hasExternalId(change: Entry["change"], external_id: string): boolean {
  return change.type === "message" && change.message.external_id === external_id;
}
