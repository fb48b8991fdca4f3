import { expect, it } from "vitest";
import { shownState } from "./lost";

it("shows a lost operator as trouble only when somebody is on the phone", () => {
  expect(shownState("agent_lost", { voice: true, chat: true })).toBe("agent_lost");
  expect(shownState("agent_lost", { voice: false, chat: true })).toBe("active");
  expect(shownState("waiting", { voice: false, chat: true })).toBe("waiting");
});
