import type { Media, SessionState } from "../api/types";

/**
 * A session's state as people are shown it. `agent_lost` is about a telephone: somebody is on the line with nobody to
 * hear him. A chat waits for its operator's page to come back, which mostly takes a moment, and nothing is wrong with it.
 */
export function shownState(state: SessionState, media: Media): SessionState {
  return state === "agent_lost" && !media.voice ? "active" : state;
}
