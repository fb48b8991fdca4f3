import type { Entry } from "../api/types";

/** Whether a session is being recorded now, and heard in its recording. */
export function recordingState(entries: readonly Entry[]): "none" | "on" | "paused" {
  let running = 0;
  let paused = false;
  for (const { change } of entries) {
    if (change.type === "recording_started") running += 1;
    else if (change.type === "recording_ended" || change.type === "recording_failed") running -= 1;
    else if (change.type === "recording_paused") paused = change.paused;
  }
  if (running <= 0) return "none";
  return paused ? "paused" : "on";
}
