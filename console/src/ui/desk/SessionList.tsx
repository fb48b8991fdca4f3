import { UnstyledButton } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { SessionView } from "../../api/types";
import { useDesk } from "../../app/live";
import { EMPTY, type Journal, unread } from "../../desk/journal";
import { shownState } from "../../desk/lost";
import { customerName } from "../../lib/format";
import { Elapsed, MediaIcons, Remaining, Tag } from "../common";
import classes from "./SessionList.module.css";

type Props = { sessions: SessionView[]; selected: string | null; onSelect(session: string): void };

export function SessionList({ sessions, selected, onSelect }: Props) {
  return (
    <div className={classes.list}>
      {sessions.map((session) => (
        <Row
          key={session.session}
          session={session}
          selected={session.session === selected}
          onSelect={() => onSelect(session.session)}
        />
      ))}
    </div>
  );
}

function Row({ session, selected, onSelect }: { session: SessionView; selected: boolean; onSelect(): void }) {
  const { t } = useTranslation();
  const journal = useDesk((state) => state.journals.get(session.session)) ?? EMPTY;
  const typing = useDesk((state) => state.typing.has(session.session));
  const count = selected && document.hasFocus() ? 0 : unread(journal);
  return (
    <UnstyledButton
      className={classes.row}
      data-selected={selected || undefined}
      data-testid="session-item"
      data-session={session.session}
      data-state={session.state}
      onClick={onSelect}
    >
      <span className={classes.top}>
        <span className={`${classes.name} clip`}>{customerName(session.customer) ?? t("customer.unknown")}</span>
        <MediaIcons media={openMedia(session)} />
        <Elapsed since={session.opened} className={classes.time} />
      </span>
      <span className={classes.bottom}>
        <span className={`${classes.preview} clip`}>
          {typing ? t("timeline.typing") : (preview(journal) ?? session.queue ?? "")}
        </span>
        {session.state === "wrap_up" && (
          <Tag tone="warn">
            {t("wrapup.short")} {session.wrap_up_until && <Remaining until={session.wrap_up_until} />}
          </Tag>
        )}
        {shownState(session.state, openMedia(session)) === "agent_lost" && (
          <Tag tone="danger">{t("session.agent_lost")}</Tag>
        )}
        {session.parked && <Tag tone="warn">{t("session.parked", { slot: session.parked })}</Tag>}
        {count > 0 && (
          <span className={`${classes.count} num`} data-testid="unread">
            {count}
          </span>
        )}
      </span>
    </UnstyledButton>
  );
}

export function openMedia({ legs }: SessionView) {
  const open = (medium: string) =>
    legs.some((leg) => leg.medium === medium && leg.party.who !== "agent" && leg.state !== "ended");
  return { voice: open("voice"), chat: open("chat") };
}

function preview(journal: Journal): string | null {
  for (let i = journal.length - 1; i >= 0; i -= 1) {
    const change = journal[i]?.change;
    if (change?.type === "message") return change.message.text;
  }
  return null;
}
