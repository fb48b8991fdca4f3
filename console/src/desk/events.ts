import { get, socketUrl } from "../api/client";
import type { AgentEvent, Me } from "../api/types";
import { Backoff } from "../lib/backoff";
import type { Link } from "./desk";

const PING_EVERY_MS = 15_000;

/** The event stream: connects, and connects again until `close` is called. */
export class Events {
  readonly #onEvent: (event: AgentEvent) => void;
  readonly #onLink: (link: Link) => void;
  readonly #backoff = new Backoff();
  #socket: WebSocket | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #ping: ReturnType<typeof setInterval> | undefined;
  #closed = false;

  constructor(onEvent: (event: AgentEvent) => void, onLink: (link: Link) => void) {
    this.#onEvent = onEvent;
    this.#onLink = onLink;
    addEventListener("online", this.#hurry);
    this.#connect();
  }

  close(): void {
    this.#closed = true;
    removeEventListener("online", this.#hurry);
    clearTimeout(this.#timer);
    clearInterval(this.#ping);
    this.#socket?.close();
  }

  #connect(): void {
    const socket = new WebSocket(socketUrl("/api/v1/events"));
    this.#socket = socket;
    socket.onopen = () => {
      this.#backoff.reset();
      this.#onLink("open");
      this.#ping = setInterval(() => socket.send('{"type":"ping"}'), PING_EVERY_MS);
    };
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") this.#onEvent(JSON.parse(data) as AgentEvent);
    };
    socket.onclose = () => {
      clearInterval(this.#ping);
      if (this.#closed || this.#socket !== socket) return;
      this.#onLink("down");
      // A socket cannot tell a dead cookie from a dead server; this can, and signs out when it is the cookie.
      get<Me>("/me").catch(() => {});
      this.#timer = setTimeout(() => this.#connect(), this.#backoff.next());
    };
  }

  readonly #hurry = () => {
    if (this.#closed || this.#socket?.readyState === WebSocket.OPEN) return;
    clearTimeout(this.#timer);
    this.#backoff.reset();
    this.#connect();
  };
}
