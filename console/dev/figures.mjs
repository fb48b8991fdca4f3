// Made-up figures of a working day.
import { agents, now } from "./world.mjs";

const hour = 3600e6;

/** What came of `offered` contacts in one interval; `mood` from 0 (everything went wrong) to 1. */
function figures(offered, mood, withTime) {
  const abandoned = Math.round(offered * (1 - mood) * 0.35);
  const overflowed = Math.round(offered * 0.04);
  const answered = offered - abandoned - overflowed;
  const good = Math.round(answered * (0.55 + mood * 0.42));
  const short = Math.round(abandoned * 0.3);
  const share = (part, whole) => (whole > 0 ? Math.round((part / whole) * 1000) / 1000 : null);
  return {
    offered,
    answered,
    answered_in_time: good,
    abandoned,
    abandoned_short: short,
    overflowed,
    called_back: 0,
    dropped: 0,
    waiting: 0,
    service_level_of_offered: share(good, answered + abandoned - short),
    service_level_of_answered: share(good, answered),
    average_answer_seconds: answered ? 6 + (1 - mood) * 60 : null,
    longest_wait_seconds: 30 + (1 - mood) * 240,
    handled: answered + 3,
    in_conversation: 0,
    average_handling_seconds: answered ? 214 + mood * 30 : null,
    average_talk_seconds: answered ? 171 : null,
    average_hold_seconds: answered ? 12 : null,
    average_wrap_up_seconds: answered ? 31 + mood * 30 : null,
    transferred: 3,
    rung: answered + 5,
    declined: 1,
    not_answered: 1,
    callbacks_reached: 0,
    callbacks_failed: 0,
    served: answered,
    repeated: Math.round(answered * 0.12),
    resolved_at_first_contact: answered ? 0.88 : null,
    occupancy: withTime ? 0.64 + (1 - mood) * 0.3 : null,
    busy_seconds: null,
    idle_seconds: null,
    away_seconds: null,
  };
}

const MOODS = [0.98, 0.93, 0.8, 0.52, 0.36, 0.61, 0.83, 0.91, 0.95];
const LOADS = [14, 38, 61, 72, 66, 48, 55, 41, 20];

export function report(query) {
  const by = query.get("by");
  const midnight = Number(query.get("from"));
  const groups = {
    all: [{}],
    queue: [{ queue: "support" }, { queue: "sales" }],
    medium: [{ medium: "voice" }, { medium: "chat" }],
    agent: agents.slice(0, 3).map(({ agent, name }) => ({ agent, name })),
  }[by];
  const rows = LOADS.flatMap((load, i) =>
    groups.map((group, nth) => ({
      from: midnight + (i + 9) * hour,
      ...group,
      ...figures(Math.round(load / (nth + 1)), MOODS[i], by === "agent" || by === "all"),
    })),
  );
  const rules = {
    short_abandon_seconds: 5,
    service_level_seconds: 20,
    repeat_within_seconds: 86_400,
    time_zone: "Europe/Moscow",
  };
  return { from: midnight, to: Number(query.get("to")), rules, rows };
}

export function wallboard() {
  const queue = (name, waiting, longest_wait_seconds, agents_ready, offered, mood) => ({
    name,
    waiting,
    longest_wait_seconds,
    agents_ready,
    today: figures(offered, mood, false),
  });
  return {
    at: now(),
    since: now() - 9 * hour,
    service_level_seconds: 20,
    queues: [
      queue("support", 7, 96, 0, 312, 0.62),
      queue("sales", 1, 8, 3, 118, 0.97),
      queue("billing", 0, 0, 2, 0, 1),
    ],
    today: figures(430, 0.72, true),
    agents: { idle: 5, busy: 11, away: 3 },
  };
}
