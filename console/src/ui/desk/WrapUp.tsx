import { Button, Chip, Group, Textarea } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { command } from "../../api/client";
import type { SessionView } from "../../api/types";
import { Remaining } from "../common";
import { complain } from "../complain";
import classes from "./SessionPane.module.css";
import { DISPOSITIONS } from "./TimelineView";

export function WrapUp({ session }: { session: SessionView }) {
  const { t } = useTranslation();
  const [disposition, setDisposition] = useState<string | null>(null);
  const [note, setNote] = useState("");
  const [busy, setBusy] = useState(false);
  const finish = () => {
    setBusy(true);
    command({ command: "finish_wrap_up", session: session.session, disposition, note: note.trim() || null })
      .catch(complain)
      .finally(() => setBusy(false));
  };
  return (
    <section className={classes.wrapUp} data-testid="wrapup-panel">
      <div className={classes.wrapUpHead}>
        <b>{t("wrapup.title")}</b>
        {session.wrap_up_until && (
          <span className="dim">
            {t("wrapup.left")} <Remaining until={session.wrap_up_until} />
          </span>
        )}
      </div>
      <Chip.Group value={disposition ?? ""} onChange={(value) => setDisposition(value as string)}>
        <Group gap={6} data-testid="wrapup-disposition" role="radiogroup" aria-label={t("wrapup.disposition")}>
          {DISPOSITIONS.map((code) => (
            <Chip
              key={code}
              value={code}
              size="sm"
              variant="light"
              wrapperProps={{ "data-testid": `disposition-${code}` }}
            >
              {t(`disposition.${code}`)}
            </Chip>
          ))}
        </Group>
      </Chip.Group>
      <div className={classes.wrapUpEnd}>
        <Textarea
          className={classes.input}
          value={note}
          onChange={({ currentTarget }) => setNote(currentTarget.value)}
          placeholder={t("wrapup.note")}
          aria-label={t("wrapup.note")}
          autosize
          minRows={2}
          maxRows={6}
          maxLength={2000}
          data-testid="wrapup-note"
        />
        <Button onClick={finish} loading={busy} data-testid="wrapup-finish">
          {t("wrapup.finish")}
        </Button>
      </div>
    </section>
  );
}
