// The server takes ten frames a second of one visitor; a burst of resent messages must stay below it.
const GAP_MS = 125;

/** Lets frames out one by one with a gap between them, in their order. */
export class Pacer {
  readonly #send: (frame: string) => void;
  #queue: string[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #free = 0;

  constructor(send: (frame: string) => void) {
    this.#send = send;
  }

  get idle(): boolean {
    return this.#queue.length === 0;
  }

  push(frame: string): void {
    this.#queue.push(frame);
    this.#pump();
  }

  clear(): void {
    this.#queue = [];
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #pump(): void {
    if (this.#timer !== undefined) return;
    const frame = this.#queue[0];
    if (frame === undefined) return;
    const wait = this.#free - Date.now();
    if (wait > 0) {
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.#pump();
      }, wait);
      return;
    }
    this.#queue.shift();
    this.#free = Date.now() + GAP_MS;
    this.#send(frame);
    this.#pump();
  }
}
