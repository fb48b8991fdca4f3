import { Button, SegmentedControl } from "@mantine/core";
import { IconEar, IconHeadset, IconX } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { leaveCall, supervise, takeOver } from "../api/client";
import type { Me, SessionSummary, Supervision } from "../api/types";
import { useDesk, useLive } from "../app/live";
import { useAgentNames } from "../app/queries";
import { customerName } from "../lib/format";
import { complain } from "./complain";
import classes from "./Supervising.module.css";

const MODES: readonly Supervision[] = ["monitor", "whisper", "barge"];

export const maySupervise = (me: Me): boolean => me.roles.some((role) => role === "supervisor" || role === "admin");

/** The call of somebody else in which I am: how I am heard there, and the ways out of it. On every page. */
export function SupervisingBar() {
  const { t } = useTranslation();
  const names = useAgentNames();
  const supervising = useDesk((state) => state.desk?.supervising) ?? null;
  const found = useDesk((state) => state.floor?.sessions)?.find((one) => one.session === supervising?.session);
  if (!supervising) return null;
  const { session, mode, up } = supervising;
  const who = found ? (customerName(found.customer) ?? t("customer.unknown")) : "…";
  return (
    <section className={classes.bar} data-up={up || undefined} data-mode={mode} data-testid="supervising">
      <IconEar size={18} stroke={1.7} />
      <span className={`${classes.text} clip`}>
        <b>{t(up ? `supervision.doing.${mode}` : "supervision.ringing")}</b>{" "}
        <span className="dim">
          {who}
          {found?.owner ? ` · ${names(found.owner)}` : ""}
        </span>
      </span>
      <SegmentedControl
        size="xs"
        value={mode}
        onChange={(wanted) => supervise(session, wanted as Supervision).catch(complain)}
        data={MODES.map((one) => ({ value: one, label: t(`supervision.mode.${one}`) }))}
        data-testid="supervising-mode"
      />
      <Button
        size="xs"
        variant="default"
        disabled={!up}
        leftSection={<IconHeadset size={15} />}
        onClick={() => takeOver(session).catch(complain)}
        data-testid="supervising-take-over"
      >
        {t("supervision.take_over")}
      </Button>
      <Button
        size="xs"
        variant="default"
        leftSection={<IconX size={15} />}
        onClick={() => leaveCall(session).catch(complain)}
        data-testid="supervising-leave"
      >
        {t("supervision.leave")}
      </Button>
    </section>
  );
}

/** In the list of open sessions: listens to a call. The rest is in the bar. */
export function SuperviseKey({ session }: { session: SessionSummary }) {
  const { t } = useTranslation();
  const { me } = useLive();
  const supervising = useDesk((state) => state.desk?.supervising) ?? null;
  if (!session.media.voice || session.state !== "active" || session.owner === me.agent) return null;
  const here = supervising?.session === session.session;
  return (
    <Button
      size="compact-xs"
      variant={here ? "light" : "default"}
      leftSection={<IconEar size={14} />}
      disabled={supervising !== null}
      onClick={(event) => {
        event.stopPropagation();
        supervise(session.session, "monitor").catch(complain);
      }}
      onKeyDown={(event) => event.stopPropagation()}
      data-testid="supervise"
    >
      {t(here ? "supervision.here" : "supervision.mode.monitor")}
    </Button>
  );
}
