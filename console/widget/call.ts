import type { CallToken } from "./protocol";

export type CallState =
  | { phase: "none"; problem?: Problem | "unsupported" }
  | { phase: "asking" }
  | { phase: "ringing" }
  | { phase: "talking"; since: number; muted: boolean };

/** Why a call ended otherwise than by somebody's wish; `lost`: its connection broke while they talked. */
export type Problem = "failed" | "microphone" | "lost";

/** What `widget-voice.js` brings. */
export type Voice = {
  call(token: CallToken & { base: string }, on: VoiceHandlers): VoiceCall;
};
export type VoiceHandlers = {
  ringing(): void;
  talking(): void;
  ended(problem?: Problem): void;
};
export type VoiceCall = { mute(on: boolean): void; hangUp(): void };

declare global {
  interface Window {
    TandemVoice?: Voice;
  }
}

/** The call from the page. The voice part is only loaded when somebody wants to talk. */
export class Call {
  readonly #base: string;
  readonly #onChange: () => void;
  #state: CallState = { phase: "none" };
  #call: VoiceCall | null = null;
  #round = 0;

  constructor(base: string, onChange: () => void) {
    this.#base = base;
    this.#onChange = onChange;
  }

  get state(): CallState {
    return this.#state;
  }

  /** He pressed the button; the token is on its way. `false`: this browser cannot. */
  ask(): boolean {
    if (this.#state.phase !== "none") return false;
    if (!window.RTCPeerConnection || !navigator.mediaDevices) {
      this.#set({ phase: "none", problem: "unsupported" });
      return false;
    }
    this.#set({ phase: "asking" });
    void this.#load().catch(() => {});
    return true;
  }

  async start(token: CallToken): Promise<void> {
    if (this.#state.phase !== "asking") return;
    this.#round += 1;
    const round = this.#round;
    const current = () => round === this.#round;
    try {
      const voice = await this.#load();
      if (!current()) return;
      this.#call = voice.call(
        { ...token, base: this.#base },
        {
          ringing: () => current() && this.#set({ phase: "ringing" }),
          talking: () => current() && this.#set({ phase: "talking", since: Date.now(), muted: false }),
          ended: (problem) => current() && this.#over(problem),
        },
      );
    } catch {
      if (current()) this.#over("failed");
    }
  }

  /** The server would not give a token; the chat says why. */
  refused(): void {
    if (this.#state.phase === "asking") this.#over();
  }

  /** The complaint about the last call was read. */
  forget(): void {
    if (this.#state.phase === "none" && this.#state.problem) this.#set({ phase: "none" });
  }

  toggleMute(): void {
    if (this.#state.phase !== "talking") return;
    const muted = !this.#state.muted;
    this.#call?.mute(muted);
    this.#set({ ...this.#state, muted });
  }

  hangUp(): void {
    this.#call?.hangUp();
    this.#over();
  }

  #over(problem?: Problem): void {
    this.#round += 1;
    this.#call = null;
    this.#set({ phase: "none", problem });
  }

  #load(): Promise<Voice> {
    if (window.TandemVoice) return Promise.resolve(window.TandemVoice);
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = `${this.#base}/widget-voice.js`;
      script.onload = () => (window.TandemVoice ? resolve(window.TandemVoice) : reject(new Error("no voice")));
      script.onerror = () => reject(new Error("no voice"));
      document.head.append(script);
    });
  }

  #set(state: CallState): void {
    this.#state = state;
    this.#onChange();
  }
}
