import { beforeEach, expect, it, vi } from "vitest";
import type { Voice } from "./call";

class FakeUa {
  static last: FakeUa;
  readonly #handlers = new Map<string, () => void>();
  established = false;
  stopped = 0;
  handlers: Record<string, (event?: unknown) => void> = {};
  constructor() {
    FakeUa.last = this;
  }
  on = (event: string, handler: () => void) => void this.#handlers.set(event, handler);
  emit = (event: string) => this.#handlers.get(event)?.();
  start = () => {};
  stop = () => {
    this.stopped += 1;
    // As the library does: whatever still runs is ended by its own side.
    if (this.established) this.handlers.ended?.({ originator: "local", cause: "Terminated" });
  };
  call = (_: string, { eventHandlers }: { eventHandlers: FakeUa["handlers"] }) => {
    this.handlers = eventHandlers;
    return { isEstablished: () => this.established, isEnded: () => false, terminate: () => {} };
  };
}
vi.mock("jssip", () => ({ UA: FakeUa }));

const on = { ringing: vi.fn(), talking: vi.fn(), ended: vi.fn() };
const call = () => {
  const token = { uri: "sip:talk@x", username: "u", password: "p", websocket: "/sip", expires_in_seconds: 60 };
  (window.TandemVoice as Voice).call({ ...token, base: "http://x" }, on);
  FakeUa.last.emit("connected");
  return FakeUa.last;
};

beforeEach(async () => {
  vi.clearAllMocks();
  await import("./voice");
});

it("ends a running call at once when the connection to the server breaks", () => {
  const ua = call();
  ua.established = true;
  ua.handlers.confirmed?.();
  expect(on.talking).toHaveBeenCalledOnce();
  ua.handlers.peerconnection?.({ peerconnection: new EventTarget() });
  expect(document.querySelectorAll("audio")).toHaveLength(1);
  ua.emit("disconnected");
  expect(on.ended.mock.calls).toEqual([["lost"]]);
  expect(ua.stopped).toBe(1);
  expect(document.querySelectorAll("audio")).toHaveLength(0);
});

it("ends it no otherwise when a request was under way just then", () => {
  const ua = call();
  ua.established = true;
  ua.handlers.ended?.({ originator: "system", cause: "Connection Error" });
  ua.emit("disconnected");
  expect(on.ended.mock.calls).toEqual([["lost"]]);
});

it("ends without a complaint when the operator hangs up", () => {
  const ua = call();
  ua.established = true;
  ua.handlers.ended?.({ originator: "remote", cause: "Terminated" });
  expect(on.ended.mock.calls).toEqual([[undefined]]);
});

it("says that a call did not come through when the connection breaks before it was taken", () => {
  call().emit("disconnected");
  expect(on.ended.mock.calls).toEqual([["failed"]]);
});
