import { useSyncExternalStore } from "react";

// How far the server's clock is ahead of ours, in milliseconds. Deadlines are told in the server's time.
let skew = 0;

/** From the `Date` header of an answer, which is only exact to the second; small differences are therefore left alone. */
export function learnServerTime(header: string | null): void {
  const server = header ? Date.parse(header) : Number.NaN;
  if (Number.isNaN(server)) return;
  const difference = server + 500 - Date.now();
  skew = Math.abs(difference) > 1500 ? difference : 0;
}

export const serverNow = (): number => Date.now() + skew;

const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;
let now = Date.now();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    now = serverNow();
    for (const one of listeners) one();
  }, 250);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

/** The server's time in milliseconds, in steps of `step`; the component is drawn again only when a step is made. */
export function useNow(step = 1000): number {
  return useSyncExternalStore(subscribe, () => {
    if (!timer) now = serverNow();
    return Math.floor(now / step) * step;
  });
}
