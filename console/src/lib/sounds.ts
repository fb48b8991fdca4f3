/** Sounds made on the spot, so that there is nothing to load. A ring and a message never sound alike. */

let context: AudioContext | null = null;

/** Browsers give no sound before a gesture; call it once at start. */
export function unlockSound(): void {
  const unlock = () => {
    void audio()?.resume();
  };
  addEventListener("pointerdown", unlock, { passive: true });
  addEventListener("keydown", unlock);
}

function audio(): AudioContext | null {
  if (!context && "AudioContext" in window) context = new AudioContext();
  return context;
}

function note(at: number, frequency: number, seconds: number, loudness: number, shape: OscillatorType): void {
  const ctx = audio();
  if (!ctx) return;
  const oscillator = ctx.createOscillator();
  const gain = ctx.createGain();
  oscillator.type = shape;
  oscillator.frequency.value = frequency;
  gain.gain.setValueAtTime(0, at);
  gain.gain.linearRampToValueAtTime(loudness, at + 0.015);
  gain.gain.setTargetAtTime(0, at + seconds * 0.6, seconds * 0.18);
  oscillator.connect(gain).connect(ctx.destination);
  oscillator.start(at);
  oscillator.stop(at + seconds * 1.6);
}

/** One short drop: a message. */
export function playMessage(): void {
  const ctx = audio();
  if (ctx?.state !== "running") return;
  note(ctx.currentTime, 880, 0.09, 0.08, "sine");
  note(ctx.currentTime + 0.07, 1320, 0.12, 0.06, "sine");
}

/** A soft marimba pair: a chat is offered. */
function chatRing(ctx: AudioContext): void {
  for (const [i, frequency] of [659, 784].entries()) note(ctx.currentTime + i * 0.16, frequency, 0.3, 0.11, "triangle");
}

/** A telephone's warble: a call. */
function callRing(ctx: AudioContext): void {
  for (let i = 0; i < 10; i += 1) note(ctx.currentTime + i * 0.09, i % 2 ? 494 : 587, 0.1, 0.13, "triangle");
}

export type Ring = "call" | "chat" | null;

let ringing: Ring = null;
let timer: ReturnType<typeof setInterval> | undefined;

/** Rings until it is told otherwise. */
export function setRing(ring: Ring): void {
  if (ring === ringing) return;
  ringing = ring;
  clearInterval(timer);
  if (!ring) return;
  const once = () => {
    const ctx = audio();
    if (ctx?.state === "running") (ring === "call" ? callRing : chatRing)(ctx);
  };
  once();
  timer = setInterval(once, ring === "call" ? 2400 : 3200);
}
