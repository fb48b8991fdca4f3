import { IconAlertTriangle } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { get } from "../api/client";
import type { RecordingAlarm as Alarm } from "../api/types";
import { useLive } from "../app/live";
import { moment } from "../lib/format";
import classes from "./RecordingAlarm.module.css";

/** Tells those who look after the centre that calls go on without being recorded. */
export function RecordingAlarm() {
  const { t, i18n } = useTranslation();
  const { me } = useLive();
  const { data: alarm } = useQuery({
    queryKey: ["recording-alarm"],
    queryFn: () => get<Alarm | null>("/recordings/alarm"),
    enabled: me.roles.includes("supervisor") || me.roles.includes("admin"),
    refetchInterval: 10_000,
  });
  if (!alarm) return null;
  return (
    <div className={classes.alarm} role="alert" data-testid="recording-alarm">
      <IconAlertTriangle size={17} stroke={1.8} />
      <b>{t("alarm.recording", { count: alarm.failed })}</b>
      <span className="clip">{t("alarm.why", { since: moment(alarm.since, i18n.language), why: alarm.why })}</span>
    </div>
  );
}
