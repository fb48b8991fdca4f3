import { UnstyledButton } from "@mantine/core";
import {
  IconAlertCircle,
  IconAlertTriangle,
  IconAntennaBars3,
  IconArrowsTransferUp,
  IconCheck,
  IconChecks,
  IconChevronRight,
  IconCircleDot,
  IconClock,
  IconFlag,
  IconHourglass,
  IconIdBadge2,
  IconMicrophoneOff,
  IconPhone,
  IconPhoneOff,
  IconPhoneOutgoing,
  IconPlayerPause,
  IconPlayerRecord,
  IconRobot,
  IconUser,
} from "@tabler/icons-react";
import { type ReactNode, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Change, Entry } from "../../api/types";
import type { Pending } from "../../desk/outbox";
import { clock, day, duration } from "../../lib/format";
import { type Item, type Tick, timeline } from "../../timeline/timeline";
import { Elapsed, RichText, Tag } from "../common";
import { refusalText } from "../complain";
import { Player } from "../Player";
import { addressText, endingText, eventText, type Names, partyName } from "./EventText";
import classes from "./TimelineView.module.css";

type Props = {
  /** Above the rows. */
  head?: ReactNode;
  entries: readonly Entry[];
  names: Names;
  /** What the customer's messages are headed with. */
  customer?: string | null;
  /** Read-only timelines start at the top like a page; a conversation hangs at its composer. */
  page?: boolean;
  pending?: readonly Pending[];
  typing?: boolean;
  /** Shows the SIP messages of the calls, to whom they may be shown. */
  onLadder?(): void;
  onRetry?(external_id: string): void;
  onDiscard?(external_id: string): void;
};

/** The one timeline of a session, across all its channels. Keeps to its end while the reader is there. */
export function TimelineView({ head, entries, names, customer, page, pending, typing, ...on }: Props) {
  const { t } = useTranslation();
  const items = useMemo(() => timeline(entries, { pending }), [entries, pending]);
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(!page);

  // biome-ignore lint/correctness/useExhaustiveDependencies: it is new rows that move the end
  useLayoutEffect(() => {
    if (atEnd.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [items, typing]);

  // The box also shrinks and grows, as the composer and panels around it do.
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const observer = new ResizeObserver(() => {
      if (atEnd.current) element.scrollTop = element.scrollHeight;
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  return (
    <div
      ref={box}
      className={`${classes.box} scroll`}
      data-testid="timeline"
      role="log"
      aria-label={t("timeline.label")}
      onScroll={({ currentTarget: { scrollTop, clientHeight, scrollHeight } }) => {
        atEnd.current = !page && scrollHeight - scrollTop - clientHeight < 40;
      }}
    >
      <div className={classes.rows} data-page={page || undefined}>
        {head}
        {items.map((item) => (
          <Row key={item.key} item={item} names={names} customer={customer} {...on} />
        ))}
        {typing && (
          <div className={classes.typing} data-testid="customer-typing">
            <span className={classes.dots}>
              <i />
              <i />
              <i />
            </span>
            {t("timeline.typing")}
          </div>
        )}
      </div>
    </div>
  );
}

type RowProps = { item: Item } & Pick<Props, "names" | "customer" | "onLadder" | "onRetry" | "onDiscard">;

function Row({ item, names, customer, onLadder, onRetry, onDiscard }: RowProps) {
  const { t, i18n } = useTranslation();
  const time = clock(item.at, i18n.language);
  switch (item.kind) {
    case "day":
      return <div className={classes.day}>{day(item.at, i18n.language)}</div>;
    case "message": {
      const { author, text, buttons } = item.message;
      const mine = author.who === "agent";
      const name =
        author.who === "agent"
          ? author.name
          : author.who === "customer" && customer
            ? customer
            : t(`author.${author.who}`);
      return (
        <div
          className={classes.message}
          data-who={author.who}
          data-first={item.first || undefined}
          data-testid="message-item"
          data-seq={item.seq}
        >
          {item.first && (
            <div className={classes.author}>
              {author.who === "flow" && <IconRobot size={14} stroke={1.7} />}
              {name}
            </div>
          )}
          <div className={classes.bubble}>
            <span className={classes.text}>
              <RichText text={text} />
            </span>
            <span className={`${classes.meta} num`}>
              {time}
              {mine && item.tick && <Ticks tick={item.tick} />}
            </span>
          </div>
          {buttons && buttons.length > 0 && (
            <div className={classes.choices}>
              {buttons.map((button) => (
                <span key={button.choice} className={classes.choice}>
                  {button.label}
                </span>
              ))}
            </div>
          )}
        </div>
      );
    }
    case "pending": {
      const { text, error, external_id } = item.pending;
      return (
        <div className={classes.message} data-who="agent" data-first data-testid="message-item" data-pending>
          <div className={classes.bubble} data-state={error ? "failed" : "sending"}>
            <span className={classes.text}>{text}</span>
            <span className={classes.meta}>
              {error ? <IconAlertCircle size={14} /> : <IconClock size={13} aria-label={t("message.sending")} />}
            </span>
          </div>
          {error && (
            <div className={classes.failed}>
              {t("message.failed", { error: refusalText(error) })}
              <UnstyledButton onClick={() => onRetry?.(external_id)}>{t("message.retry")}</UnstyledButton>
              <UnstyledButton onClick={() => onDiscard?.(external_id)}>{t("message.discard")}</UnstyledButton>
            </div>
          )}
        </div>
      );
    }
    case "call":
      return (
        <div className={classes.call} data-testid="call-item">
          <span className={classes.callIcon} data-over={item.ended ? true : undefined}>
            {item.ended && !item.answered ? <IconPhoneOff size={16} /> : <IconPhone size={16} />}
          </span>
          <span className={classes.callText}>
            <b>{t("timeline.call")}</b>{" "}
            {item.party.who === "customer" && customer ? customer : partyName(item.party, names, t)} ·{" "}
            {addressText(item.address, t)}
            <span className={classes.callMeta}>
              {item.ended ? (
                <>
                  {item.answered
                    ? t("timeline.talked", { time: duration((item.ended - item.answered) / 1000) })
                    : t("timeline.not_answered")}
                  {item.ending && ` · ${endingText(item.ending, t)}`}
                </>
              ) : item.answered ? (
                <Tag tone="live">
                  {t("timeline.live")} <Elapsed since={item.answered} />
                </Tag>
              ) : (
                <Tag tone="warn">{t("timeline.ringing")}</Tag>
              )}
            </span>
          </span>
          {onLadder && (
            <UnstyledButton
              className={classes.ladder}
              onClick={onLadder}
              title={t("ladder.title")}
              data-testid="call-ladder"
            >
              SIP
            </UnstyledButton>
          )}
          <time className="num">{time}</time>
        </div>
      );
    case "recording":
      return (
        <div className={classes.recording} data-testid="recording-item">
          {item.millis === null ? (
            <span className={classes.recordingNow}>
              <i /> {t("timeline.recording")}
            </span>
          ) : (
            <Player recording={item.recording} millis={item.millis} />
          )}
        </div>
      );
    case "steps":
      return <Steps item={item} time={time} />;
    case "event": {
      const text = eventText(item.change, item.leg, names, t);
      if (text === null) return null;
      const note = item.change.type === "wrap_up_ended" ? item.change : null;
      return (
        <>
          <Line icon={iconOf(item.change)} time={time} tone={toneOf(item.change)} type={item.change.type}>
            {text}
          </Line>
          {note && (note.disposition || note.note) && (
            <div className={classes.note}>
              {note.disposition && <Tag tone="accent">{dispositionText(note.disposition, t)}</Tag>}
              {note.note && <span className={classes.text}>{note.note}</span>}
            </div>
          )}
        </>
      );
    }
  }
}

function Line(props: { icon: ReactNode; time: string; tone?: string; type: string; children: ReactNode }) {
  return (
    <div className={classes.line} data-tone={props.tone} data-testid="event-item" data-type={props.type}>
      {props.icon}
      <span className={classes.lineText}>{props.children}</span>
      <time className="num">{props.time}</time>
    </div>
  );
}

function Steps({ item, time }: { item: Extract<Item, { kind: "steps" }>; time: string }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  return (
    <div className={classes.steps} data-testid="steps-item">
      <UnstyledButton className={classes.line} onClick={() => setOpen(!open)} aria-expanded={open}>
        <IconRobot size={15} stroke={1.7} />
        <span className={classes.lineText}>
          {t("timeline.steps", { count: item.steps.length, flow: item.steps[0]?.flow ?? "" })}
          <IconChevronRight size={13} className={classes.chevron} data-open={open || undefined} />
        </span>
        <time className="num">{time}</time>
      </UnstyledButton>
      {open && (
        <ol className={classes.stepList}>
          {item.steps.map((step, i) => (
            <li key={i}>
              <code>{step.state}</code> {step.verb}
              {step.outcome && <span className="dim"> → {step.outcome}</span>}
            </li>
          ))}
        </ol>
      )}
    </div>
  );
}

function Ticks({ tick }: { tick: Tick }) {
  const { t } = useTranslation();
  const label = t(`message.${tick}`);
  return (
    <span className={classes.ticks} data-tick={tick} data-testid="message-tick" title={label}>
      {tick === "sent" ? <IconCheck size={14} aria-label={label} /> : <IconChecks size={14} aria-label={label} />}
    </span>
  );
}

export const DISPOSITIONS = [
  "resolved",
  "follow_up",
  "sold",
  "complaint",
  "wrong_contact",
  "no_contact",
  "other",
] as const;

export function dispositionText(code: string, t: ReturnType<typeof useTranslation>["t"]): string {
  return (DISPOSITIONS as readonly string[]).includes(code)
    ? t(`disposition.${code as (typeof DISPOSITIONS)[number]}`)
    : code;
}

function iconOf({ type }: Change): ReactNode {
  const props = { size: 15, stroke: 1.7 };
  switch (type) {
    case "queued":
    case "dequeued":
      return <IconHourglass {...props} />;
    case "offered":
    case "offer_ended":
    case "owner_changed":
    case "leg_answered":
      return <IconUser {...props} />;
    case "callback_promised":
    case "callback_tried":
    case "callback_withdrawn":
      return <IconPhoneOutgoing {...props} />;
    case "leg_held":
    case "set_aside":
    case "parked":
      return <IconPlayerPause {...props} />;
    case "recording_paused":
    case "recording_wanted":
      return <IconPlayerRecord {...props} />;
    case "recording_failed":
      return <IconAlertTriangle {...props} />;
    case "leg_trouble":
    case "leg_quality":
      return <IconAntennaBars3 {...props} />;
    case "leg_muted":
      return <IconMicrophoneOff {...props} />;
    case "leg_ended":
      return <IconPhoneOff {...props} />;
    case "escalated":
    case "transferred":
      return <IconArrowsTransferUp {...props} />;
    case "identity_linked":
    case "customer_changed":
    case "customer_named":
    case "context_set":
    case "task_left":
      return <IconIdBadge2 {...props} />;
    case "session_opened":
    case "session_ended":
    case "wrap_up_started":
    case "wrap_up_ended":
    case "merged_into":
      return <IconFlag {...props} />;
    default:
      return <IconCircleDot {...props} />;
  }
}

function toneOf(change: Change): string | undefined {
  if (change.type === "offer_ended" && change.outcome !== "accepted") return "warn";
  if (change.type === "leg_held" && change.held) return "warn";
  if (change.type === "escalated") return "accent";
  return undefined;
}
