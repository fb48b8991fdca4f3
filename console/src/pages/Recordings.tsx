import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { get } from "../api/client";
import type { RecordingRow } from "../api/types";
import { moment } from "../lib/format";
import { Tag } from "../ui/common";
import { SessionDrawer } from "../ui/desk/CustomerCard";
import { Player } from "../ui/Player";
import classes from "./pages.module.css";

export function RecordingsPage() {
  const { t, i18n } = useTranslation();
  const [opened, setOpened] = useState<string | null>(null);
  const { data, isPending } = useQuery({
    queryKey: ["recordings"],
    queryFn: () => get<RecordingRow[]>("/recordings"),
    refetchInterval: 15_000,
  });
  return (
    <div className={classes.page}>
      <div className={classes.head}>
        <h1>{t("nav.recordings")}</h1>
      </div>
      <div className={`${classes.sheet} scroll`}>
        <table className={classes.table} data-testid="recordings-table">
          <thead>
            <tr>
              <th>{t("recordings.started")}</th>
              <th>{t("sessions.customer")}</th>
              <th style={{ width: 480 }}>{t("recordings.audio")}</th>
              <th />
            </tr>
          </thead>
          <tbody>
            {(data ?? []).map((row) => (
              <tr key={row.recording} data-testid="recording-row">
                <td className="num">{moment(row.started, i18n.language)}</td>
                <td>{row.customer.name ?? <span className="dim">{t("customer.unknown")}</span>}</td>
                <td>
                  {row.millis == null ? (
                    <Tag tone="danger">{t("timeline.recording")}</Tag>
                  ) : (
                    <Player recording={row.recording} millis={row.millis} lazy />
                  )}
                </td>
                <td className={classes.right}>
                  <Button variant="subtle" size="compact-sm" onClick={() => setOpened(row.session)}>
                    {t("recordings.session")}
                  </Button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
        {!isPending && data?.length === 0 && (
          <p className="dim" style={{ padding: "0 14px" }}>
            {t("recordings.none")}
          </p>
        )}
      </div>
      <SessionDrawer session={opened} onClose={() => setOpened(null)} />
    </div>
  );
}
