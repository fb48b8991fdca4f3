/** @jsxImportSource preact */
import { render } from "preact";
import { expect, it } from "vitest";
import { Call } from "./call";
import { Chat } from "./chat";
import type { FromServer } from "./protocol";
import { translator } from "./texts";
import { App, callChanged } from "./ui";

it("shows what arrived between the first drawing and the first effect", async () => {
  let socket: { onopen?: () => void; onmessage?: (event: { data: string }) => void; send(): void } | undefined;
  const chat = new Chat({
    ...{ account: "main", url: "ws://x/chat", locale: "en", now: () => 0, uuid: () => "id", page: () => "" },
    storage: { getItem: () => JSON.stringify({ token: "t", known: true, seen: 1 }), setItem: () => {} },
    socket: () => {
      socket = { send: () => {} };
      return socket as unknown as WebSocket;
    },
    onCallToken: () => {},
  });
  const root = document.createElement("div");
  document.body.append(root);
  const call = new Call("http://x", callChanged);
  render(<App chat={chat} call={call} t={translator("en")} title={undefined} locale="en" theme="light" />, root);
  chat.connect();
  const message = { id: "m", author: { who: "agent" as const, agent: "a", name: "Anna" }, text: "<b>good morning</b>" };
  const welcome: FromServer = {
    ...{ type: "welcome", token: "t", session: "s", state: { state: "with", name: "Anna", in_call: false } },
    messages: [{ seq: 1, at: 1, message }],
  };
  // Still in the same turn: no effect has run yet.
  socket?.onmessage?.({ data: JSON.stringify(welcome) });
  const find = (id: string) => root.querySelector<HTMLElement>(`[data-testid="${id}"]`);
  find("launcher")?.click();
  await expect.poll(() => find("message-item")?.textContent).toContain("<b>good morning</b>");
  expect(root.querySelector("b b, .bubble b")).toBeNull();
});
