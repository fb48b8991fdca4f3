import type { TFunction } from "i18next";
import type { Author, Change, Ending, Party } from "../../api/types";
import { identityText, phone } from "../../lib/format";
import type { LegFacts } from "../../timeline/timeline";

export type Names = (agent: string) => string;

export function partyName(party: Party, names: Names, t: TFunction): string {
  return party.who === "agent" ? names(party.agent) : t(`party.${party.who}`);
}

function authorName(author: Author, t: TFunction): string {
  return author.who === "agent" ? author.name : t(`author.${author.who}`);
}

export function endingText(ending: Ending, t: TFunction): string {
  if (ending.cause === "hung_up") return t(`ended_by.${ending.by}`);
  const cause = t(`cause.${ending.cause}`);
  return ending.sip_status ? `${cause} (SIP ${ending.sip_status})` : cause;
}

/** One line of the timeline in words. `null`: nothing worth a line. */
export function eventText(change: Change, leg: LegFacts | undefined, names: Names, t: TFunction): string | null {
  const who = leg ? partyName(leg.party, names, t) : "";
  switch (change.type) {
    case "session_opened":
      return t(`event.session_opened.${change.medium}`, { entry: entryText(change.entry) });
    case "identity_linked": {
      const evidence = t(`evidence.${change.evidence}`);
      return change.identity.kind === "visitor"
        ? t("event.browser_linked", { evidence })
        : t("event.identity_linked", { identity: identityText(change.identity), evidence });
    }
    case "customer_changed":
      return t("event.customer_changed");
    case "customer_named":
      return t("event.customer_named", { name: change.name });
    case "leg_opened":
      return change.medium === "chat" ? t("event.chat_opened", { who }) : null;
    case "leg_answered":
      return t("event.joined", { who });
    case "leg_held":
      return t(change.held ? "event.held" : "event.resumed", { who });
    case "leg_muted":
      return t(change.muted ? "event.muted" : "event.unmuted", { who });
    case "leg_trouble":
      return t(change.on ? `event.trouble.${change.trouble}` : "event.trouble_over", { who });
    case "leg_quality": {
      const { from_peer, to_peer, round_trip_millis } = change.quality;
      const worst = to_peer && to_peer.mos < from_peer.mos ? to_peer : from_peer;
      const loss = Math.max(from_peer.loss_percent, to_peer?.loss_percent ?? 0);
      const figures = { mos: worst.mos.toFixed(1), loss: loss.toFixed(1), delay: round_trip_millis };
      return t(round_trip_millis > 0 ? "event.quality_delay" : "event.quality", { who, ...figures });
    }
    case "leg_ended":
      if (leg?.medium === "chat") return t("event.chat_ended", { why: endingText(change.ending, t) });
      return leg?.party.who === "agent"
        ? t("event.left", { who, why: endingText(change.ending, t) })
        : t("event.call_ended", { why: endingText(change.ending, t) });
    case "step":
      return `${change.state} · ${change.verb}`;
    case "context_set":
      // Where the browser is and what it speaks stands on the customer's card.
      return change.key === "page" || change.key === "locale"
        ? null
        : t("event.context_set", { key: change.key, value: change.value });
    case "task_left":
      return t("event.task_left", { kind: change.kind, text: change.text });
    case "queued":
      return t("event.queued", { queue: change.queue });
    case "dequeued":
      return t("event.dequeued", { queue: change.queue });
    case "offered":
      return t("event.offered", { who: names(change.agent) });
    case "offer_ended":
      return t(`event.offer.${change.outcome}`, { who: names(change.agent) });
    case "owner_changed":
      return change.agent ? t("event.owner", { who: names(change.agent) }) : t("event.no_owner");
    case "transferred":
      if (change.to.to === "agent") return t("event.transferred.agent", { who: names(change.to.agent) });
      return change.to.to === "queue"
        ? t("event.transferred.queue", { queue: change.to.queue })
        : t("event.transferred.number");
    case "parked":
      return change.slot ? t("event.parked", { slot: change.slot }) : t("event.unparked");
    case "supervised":
      return t(`event.supervised.${change.mode ?? "over"}`, { who: names(change.agent) });
    case "set_aside":
      return t(change.aside ? "event.aside" : "event.aside_over");
    case "callback_promised":
      return t(change.by === "customer" ? "event.callback.promised" : "event.callback.broken", {
        phone: phone(change.number),
      });
    case "callback_tried":
      return t(`event.callback.${change.reached ? "reached" : change.again ? "again" : "given_up"}`);
    case "callback_withdrawn":
      return t("event.callback.withdrawn");
    case "escalated":
      if (change.to === "chat") return t("event.escalated.chat");
      if (change.how === "invitation" || change.how === "browser") return t(`event.escalated.${change.how}`);
      return t(change.by === "customer" ? "event.escalated.asked" : "event.escalated.phoned", {
        phone: phone(change.how),
      });
    case "wrap_up_started":
      return t("event.wrap_up_started");
    case "wrap_up_ended":
      return t("event.wrap_up_ended");
    case "merged_into":
      return t("event.merged_into");
    case "session_ended":
      return t("event.session_ended", { why: endingText(change.ending, t) });
    case "recording_paused":
      return t(change.paused ? "event.recording_paused" : "event.recording_resumed", { who: authorName(change.by, t) });
    case "recording_wanted":
      return t(change.wanted ? "event.recording_wanted" : "event.recording_unwanted");
    case "recording_failed":
      return t("event.recording_failed", { why: change.why });
    case "recording_started":
    case "recording_ended":
    case "message":
    case "delivered":
    case "read":
    case "leg_ringing":
      return null;
  }
}

export function addressText(address: string, t: TFunction): string {
  if (address === "browser" || address === "withheld") return t(`address.${address}`);
  return phone(/^sips?:([^@;]+)/.exec(address)?.[1] ?? address);
}

/** `sip:+74950000000` and `chat:main` as one says them. */
export const entryText = (entry: string) => phone(entry.replace(/^(sips?|chat):/, ""));
