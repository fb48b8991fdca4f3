import { Button, Popover, UnstyledButton } from "@mantine/core";
import { IconHeadset, IconMicrophoneOff, IconVolumeOff } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { useDesk, useLive, usePhone } from "../app/live";
import type { Registration } from "../softphone/softphone";
import { Dot } from "./common";
import classes from "./Header.module.css";

const TONE = {
  off: "neutral",
  elsewhere: "neutral",
  connecting: "warn",
  registered: "live",
  lost: "danger",
  refused: "danger",
} as const satisfies Record<Registration, string>;

export function PhoneStatus() {
  const { t } = useTranslation();
  const { phone, tab } = useLive();
  const state = usePhone((phone) => phone);
  const anyPhone = useDesk((desk) => desk.desk?.phone_registered ?? false);
  const microphone = useMicrophonePermission();
  const needsCare = state.microphoneFailed || microphone === "denied" || microphone === "prompt";

  if (state.audioBlocked) {
    return (
      <Button
        color="yellow"
        variant="light"
        leftSection={<IconVolumeOff size={16} />}
        onClick={() => void phone.playAudio()}
        data-testid="audio-unblock"
      >
        {t("phone.click_to_hear")}
      </Button>
    );
  }
  return (
    <Popover position="bottom-end" width={280} shadow="md">
      <Popover.Target>
        <UnstyledButton
          className={`${classes.control} ${classes.quiet}`}
          data-testid="softphone-status"
          data-state={state.registration}
          title={t(`phone.${state.registration}`)}
        >
          {needsCare && state.registration === "registered" ? (
            <IconMicrophoneOff size={16} color="var(--warn)" />
          ) : (
            <IconHeadset size={17} stroke={1.7} />
          )}
          <span className={classes.phoneText}>{t(`phone.${state.registration}`)}</span>
          <Dot tone={TONE[state.registration]} />
        </UnstyledButton>
      </Popover.Target>
      <Popover.Dropdown fz="sm">
        <p style={{ margin: "0 0 10px" }}>{t(`phone.about.${state.registration}`)}</p>
        {state.registration !== "registered" && anyPhone && <p className="dim">{t("phone.other_registered")}</p>}
        {state.registration === "elsewhere" && (
          <Button fullWidth onClick={() => tab.takeOver()} data-testid="softphone-takeover">
            {t("phone.take_over")}
          </Button>
        )}
        {microphone === "prompt" && (
          <Button fullWidth variant="light" onClick={() => void askMicrophone()} data-testid="microphone-allow">
            {t("phone.allow_microphone")}
          </Button>
        )}
        {(microphone === "denied" || state.microphoneFailed) && (
          <p style={{ margin: 0, color: "var(--danger)" }}>{t("phone.no_microphone")}</p>
        )}
      </Popover.Dropdown>
    </Popover>
  );
}

async function askMicrophone(): Promise<void> {
  const stream = await navigator.mediaDevices?.getUserMedia({ audio: true }).catch(() => null);
  for (const track of stream?.getTracks() ?? []) track.stop();
}

function useMicrophonePermission(): PermissionState | null {
  const [permission, setPermission] = useState<PermissionState | null>(null);
  useEffect(() => {
    let status: PermissionStatus | null = null;
    const read = () => setPermission(status?.state ?? null);
    navigator.permissions
      ?.query({ name: "microphone" as PermissionName })
      .then((found) => {
        status = found;
        status.addEventListener("change", read);
        read();
      })
      .catch(() => {});
    return () => status?.removeEventListener("change", read);
  }, []);
  return permission;
}
