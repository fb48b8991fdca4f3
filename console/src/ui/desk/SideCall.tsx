import { Button } from "@mantine/core";
import { IconMicrophone, IconMicrophoneOff, IconPhoneOff } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { useLive } from "../../app/live";
import type { PhoneCall } from "../../softphone/softphone";
import { Elapsed, MediaIcons } from "../common";
import classes from "./OfferCard.module.css";

/** A call in which I am though its session is somebody else's. */
export function SideCall({ call }: { call: PhoneCall }) {
  const { t } = useTranslation();
  const { phone } = useLive();
  return (
    <article className={classes.card} data-testid="side-call" data-session={call.session}>
      <div className={classes.body}>
        <span className={classes.top}>
          <span className={classes.kind}>
            <MediaIcons media={{ voice: true, chat: false }} />
            {t("call.talking")}
          </span>
          <Elapsed since={call.since * 1000} />
        </span>
        <span className={`${classes.name} clip`}>{call.peer}</span>
        <span className="dim">{t("conference.guest_here")}</span>
      </div>
      <div className={classes.actions}>
        <Button
          variant="default"
          leftSection={call.muted ? <IconMicrophoneOff size={16} /> : <IconMicrophone size={16} />}
          onClick={() => phone.mute(call.id, !call.muted)}
          aria-pressed={call.muted}
          data-testid="side-mute"
        >
          {t(call.muted ? "conference.mic_on" : "conference.mic_off")}
        </Button>
        <Button
          variant="default"
          leftSection={<IconPhoneOff size={16} />}
          onClick={() => phone.end(call.id)}
          data-testid="side-hangup"
        >
          {t("conference.out")}
        </Button>
      </div>
    </article>
  );
}
