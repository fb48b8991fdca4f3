const LOCK = "tandem.phone";

/**
 * Only one tab of a browser is the phone. `onChange(true)`: this one is; `false`: another one is, and this one waits for
 * it to go away.
 */
export class PhoneTab {
  readonly #onChange: (active: boolean) => void;
  #release: (() => void) | null = null;
  #waiting: AbortController | null = null;
  #stopped = false;

  constructor(onChange: (active: boolean) => void) {
    this.#onChange = onChange;
  }

  start(): void {
    this.#stopped = false;
    void this.#request({ ifAvailable: true });
  }

  /** Takes the phone away from the other tab. */
  takeOver(): void {
    this.#waiting?.abort();
    void this.#request({ steal: true });
  }

  stop(): void {
    this.#stopped = true;
    this.#waiting?.abort();
    this.#release?.();
  }

  async #request(options: LockOptions): Promise<void> {
    // Without a secure context there are neither locks nor microphones: there is nothing to share.
    if (!navigator.locks) {
      this.#onChange(true);
      return;
    }
    try {
      await navigator.locks.request(LOCK, options, (lock) => {
        if (!lock) {
          this.#onChange(false);
          queueMicrotask(() => this.#wait());
          return;
        }
        this.#onChange(true);
        return new Promise<void>((resolve) => {
          this.#release = resolve;
        });
      });
    } catch {
      // Stolen by a takeover elsewhere, or a wait that was given up.
      if (this.#stopped || options.signal?.aborted) return;
      this.#onChange(false);
      this.#wait();
    }
  }

  #wait(): void {
    if (this.#stopped) return;
    this.#waiting = new AbortController();
    void this.#request({ signal: this.#waiting.signal });
  }
}
