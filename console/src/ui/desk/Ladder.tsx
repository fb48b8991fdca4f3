import { Anchor, Modal, UnstyledButton } from "@mantine/core";
import { IconArrowLeft, IconArrowRight, IconDownload } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { ApiFailure, get } from "../../api/client";
import type { Ladder, LadderMessage } from "../../api/types";
import { clockMillis } from "../../lib/format";
import { refusalText } from "../complain";
import classes from "./Ladder.module.css";

/** The SIP messages of all calls of a session: who said what to whom, and the capture file. */
export function LadderModal({ session, onClose }: { session: string | null; onClose(): void }) {
  const { t } = useTranslation();
  const { data, error } = useQuery({
    queryKey: ["ladder", session],
    queryFn: () => get<Ladder>(`/calls/${session}/ladder`),
    enabled: session !== null,
    retry: (count, failure) => count < 2 && failure instanceof ApiFailure && failure.transient,
  });
  const gone = error instanceof ApiFailure && error.status === 404;
  // A session has a call for each party.
  const calls = [...new Set(data?.messages.map((message) => message.call_id))];
  return (
    <Modal
      opened={session !== null}
      onClose={onClose}
      size={860}
      title={<b>{t("ladder.title")}</b>}
      data-testid="ladder"
      zIndex={300}
    >
      {error && (
        <p className="dim">
          {gone ? t("ladder.none") : refusalText(error instanceof ApiFailure ? error.code : "unreachable")}
        </p>
      )}
      {data && (
        <>
          <div className={classes.head}>
            <span className="dim">{t("ladder.messages", { count: data.messages.length })}</span>
            {data.left_out > 0 && <span className="dim">{t("ladder.left_out", { count: data.left_out })}</span>}
            <Anchor
              href={`/api/v1/calls/${session}/ladder.pcap`}
              download={`${session}.pcap`}
              className={classes.file}
              data-testid="ladder-pcap"
            >
              <IconDownload size={15} /> {t("ladder.pcap")}
            </Anchor>
          </div>
          <ol className={classes.rows}>
            {data.messages.map((message, i) => (
              <Row key={i} message={message} call={calls.indexOf(message.call_id) + 1} />
            ))}
          </ol>
        </>
      )}
    </Modal>
  );
}

function Row({ message, call }: { message: LadderMessage; call: number }) {
  const { i18n } = useTranslation();
  const [open, setOpen] = useState(false);
  const coming = message.direction === "in";
  const refused = /^[4-6]\d\d /.test(message.summary);
  return (
    <li data-testid="ladder-message" data-direction={message.direction}>
      <UnstyledButton className={classes.row} onClick={() => setOpen(!open)} aria-expanded={open}>
        <time className="num dim">{clockMillis(message.at, i18n.language)}</time>
        <span className={`${classes.call} num`} title={message.call_id}>
          {call}
        </span>
        <span className={classes.peer}>
          {message.transport} {message.remote}
        </span>
        <span className={classes.arrow} data-direction={message.direction}>
          {coming ? <IconArrowRight size={16} /> : <IconArrowLeft size={16} />}
        </span>
        <code data-tone={refused ? "warn" : undefined}>{message.summary}</code>
      </UnstyledButton>
      {open && <pre className={`${classes.text} scroll`}>{message.text}</pre>}
    </li>
  );
}
