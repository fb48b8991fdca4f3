import { Button } from "@mantine/core";
import { IconPlayerRecord, IconPlayerRecordFilled } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { post } from "../../api/client";
import type { SessionDetail } from "../../api/types";
import { recordingState } from "../../timeline/recording";
import { complain } from "../complain";

/** A supervisor's way to pause the recording of a session that runs. */
export function RecordingSwitch({ detail }: { detail: SessionDetail }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const state = recordingState(detail.entries);
  if (detail.ended || state === "none") return null;
  const paused = state === "paused";
  const change = () =>
    post(`/sessions/${detail.session}/recording`, { paused: !paused })
      .then(() => queries.invalidateQueries({ queryKey: ["session", detail.session] }))
      .catch(complain);
  return (
    <Button
      variant="default"
      size="xs"
      onClick={change}
      data-testid="recording-switch"
      style={{ alignSelf: "flex-start", marginBottom: 8 }}
      leftSection={paused ? <IconPlayerRecord size={15} /> : <IconPlayerRecordFilled size={15} color="var(--danger)" />}
    >
      {t(paused ? "call.record_resume" : "call.record_pause")}
    </Button>
  );
}
