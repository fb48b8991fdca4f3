/** @jsxImportSource preact */
import { render } from "preact";
import { afterEach, expect, it, vi } from "vitest";
import { Call, type Voice, type VoiceHandlers } from "./call";
import { Chat } from "./chat";
import type { FromServer, ToServer, VisitorState } from "./protocol";
import { refusal, translator } from "./texts";
import { App, callChanged } from "./ui";

const WITH: VisitorState = { state: "with", name: "Anna", in_call: false };
const token = { uri: "sip:talk@x", username: "u", password: "p", websocket: "/sip", expires_in_seconds: 60 };

function draw() {
  const frames: ToServer[] = [];
  let socket: { onopen?: () => void; onmessage?: (event: { data: string }) => void; send(text: string): void };
  const call = new Call("http://x", callChanged);
  const chat = new Chat({
    ...{ account: "main", url: "ws://x/chat", locale: "en", now: () => 0, uuid: () => "id", page: () => "" },
    storage: { getItem: () => JSON.stringify({ token: "t", known: true, seen: 1 }), setItem: () => {} },
    socket: () => {
      socket = { send: (text) => void frames.push(JSON.parse(text) as ToServer) };
      return socket as unknown as WebSocket;
    },
    onCallToken: (given) => void call.start(given),
  });
  const root = document.createElement("div");
  document.body.append(root);
  render(<App chat={chat} call={call} t={translator("en")} title={undefined} locale="en" theme="light" />, root);
  chat.connect();
  const say = (frame: FromServer) => socket.onmessage?.({ data: JSON.stringify(frame) });
  const find = (id: string) => root.querySelector<HTMLButtonElement>(`[data-testid="${id}"]`);
  return { root, chat, call, frames, say, find };
}

afterEach(() => {
  document.body.replaceChildren();
  vi.unstubAllGlobals();
});

it("shows what arrived between the first drawing and the first effect", async () => {
  const { root, say, find } = draw();
  const message = { id: "m", author: { who: "agent" as const, agent: "a", name: "Anna" }, text: "<b>good morning</b>" };
  // Still in the same turn: no effect has run yet.
  say({ type: "welcome", token: "t", session: "s", state: WITH, messages: [{ seq: 1, at: 1, message }] });
  find("launcher")?.click();
  await expect.poll(() => find("message-item")?.textContent).toContain("<b>good morning</b>");
  expect(root.querySelector("b b, .bubble b")).toBeNull();
});

it("promises a call for when an operator is free, and announces it when there is one", async () => {
  const { say, find } = draw();
  say({ type: "welcome", token: "t", session: "s", state: { state: "waiting", position: 1 }, messages: [] });
  find("launcher")?.click();
  say({ type: "done", for: "call_me" });
  await expect.poll(() => find("notice")?.textContent).toBe("We will call as soon as an operator is free.");
  say({ type: "state", session: "s", state: WITH });
  await expect.poll(() => find("notice")?.textContent).toBe("We are calling you. Please pick up.");
});

it("ends a call whose connection broke, says so and offers to call again", async () => {
  let on: VoiceHandlers | undefined;
  const voice: Voice = {
    call: (_, handlers) => {
      on = handlers;
      return { mute: () => {}, hangUp: () => {} };
    },
  };
  vi.stubGlobal("TandemVoice", voice);
  vi.stubGlobal("RTCPeerConnection", class {});
  vi.stubGlobal("navigator", Object.create(navigator, { mediaDevices: { value: {} } }));
  const { say, find, call, frames } = draw();
  say({ type: "welcome", token: "t", session: "s", state: WITH, messages: [] });
  find("launcher")?.click();
  expect(call.ask()).toBe(true);
  await call.start(token);
  on?.talking();
  await expect.poll(() => find("voice-bar")?.dataset.phase).toBe("talking");
  on?.ended("lost");
  await expect.poll(() => find("voice-problem")?.textContent).toContain("The connection broke and the call has ended.");
  expect(find("voice-bar")).toBeNull();
  find("voice-again")?.click();
  await expect.poll(() => find("voice-bar")?.dataset.phase).toBe("asking");
  expect(find("voice-problem")).toBeNull();
  await expect.poll(() => frames.map((frame) => frame.type)).toContain("talk");
});

it.each(["too_many_identities", "too_many_calls", "try_again", "overloaded", "in_call"])(
  "says what %s means in both languages",
  (code) => {
    for (const locale of ["ru", "en"]) {
      const t = translator(locale);
      expect(refusal(t, code)).not.toBe(t("failed"));
    }
  },
);

it("says of a code what a refusal means for a code, and of what it does not know that it failed", () => {
  const t = translator("en");
  expect(refusal(t, "in_call", "code")).toBe(t("code_in_call"));
  expect(refusal(t, "try_again", "code")).toBe(t("code_try_again"));
  expect(refusal(t, "in_call", "call_me")).toBe(t("in_call"));
  expect(refusal(t, "toString", "code")).toBe(t("failed"));
});
