/** Waiting times of reconnects: quick at first, because most breaks are short, then up to `cap`. */
export class Backoff {
  #attempt = 0;
  readonly #cap: number;
  readonly #random: () => number;

  constructor(cap = 15_000, random: () => number = Math.random) {
    this.#cap = cap;
    this.#random = random;
  }

  /** Milliseconds to wait before the next attempt: 0.5, 1, 2 s exactly, after that doubling with ±25 % of jitter. */
  next(): number {
    const base = Math.min(500 * 2 ** this.#attempt, this.#cap);
    this.#attempt += 1;
    return this.#attempt <= 3 ? base : Math.round(base * (0.75 + this.#random() * 0.5));
  }

  reset(): void {
    this.#attempt = 0;
  }
}
