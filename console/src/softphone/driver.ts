/** The border between our softphone and the SIP library. Nothing of the library is seen on this side of it. */

export type Credentials = {
  uri: string;
  authorizationUser: string;
  password: string;
  /** Absolute `ws:` or `wss:` address. */
  websocket: string;
};

export type CallHandlers = {
  /** Media is set up and the far end knows it. */
  talking(): void;
  /** Our own hold, confirmed. */
  held(held: boolean): void;
  ended(why: EndReason): void;
  /** No media gets through any more, though nobody hung up. */
  mediaLost(): void;
  /** The browser refused to play sound without a gesture. */
  audioBlocked(): void;
};

export type EndReason = "ended" | "cancelled" | "microphone" | "failed";

/** One SIP call of the library. */
export interface DriverCall {
  readonly id: string;
  header(name: string): string | undefined;
  /** Display name or user part of the far end. */
  readonly peer: string;
  attach(handlers: CallHandlers): void;
  answer(): void;
  /** Refuses a ringing call or hangs up an answered one. */
  end(): void;
  /** Forgets the call without a word to the far end, because it was replaced. */
  drop(): void;
  hold(on: boolean): boolean;
  mute(on: boolean): void;
  sendTone(tone: string): void;
  playAudio(): Promise<void>;
  /** Loudness from 0 to 1 of both sides just now. */
  levels(): Promise<{ local: number; remote: number }>;
}

export type DriverHandlers = {
  connected(): void;
  disconnected(): void;
  registered(): void;
  unregistered(): void;
  /** `status`: the SIP status; 0 when there was no answer. */
  registrationFailed(status: number): void;
  incoming(call: DriverCall): void;
};

export interface Driver {
  /** Connects and registers. */
  start(): void;
  /** One attempt to get a lost connection back; nothing when it is there or being made. */
  reconnect(): void;
  register(): void;
  /** Ends all calls, unregisters, disconnects. */
  stop(): void;
  /** Disconnects without a word, so that the server looks for this operator elsewhere and keeps his customer. */
  abandon(): void;
}

export type DriverFactory = (credentials: Credentials, handlers: DriverHandlers) => Driver;
