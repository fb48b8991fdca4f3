import { Popover, Tooltip, UnstyledButton } from "@mantine/core";
import {
  IconDialpad,
  IconMicrophone,
  IconMicrophoneOff,
  IconPhoneOff,
  IconPlayerPause,
  IconPlayerPlay,
  IconPlayerRecord,
  IconPlayerRecordFilled,
} from "@tabler/icons-react";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { command } from "../../api/client";
import type { SessionView } from "../../api/types";
import { useLive, usePhone } from "../../app/live";
import { customerName } from "../../lib/format";
import type { PhoneCall } from "../../softphone/softphone";
import { Elapsed } from "../common";
import { complain } from "../complain";
import classes from "./CallPanel.module.css";
import { Key } from "./Key";
import { ConferenceKeys, Guests, Mute } from "./Parties";

const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];

/** The call of a session: who is in it, who is heard, and the keys. */
export function CallPanel({ session }: { session: SessionView }) {
  const { t } = useTranslation();
  const { phone } = useLive();
  const call = usePhone((state) => state.calls.find((one) => one.session === session.session));
  const voice = session.legs.filter((leg) => leg.medium === "voice" && leg.state !== "ended");
  const customer = voice.find((leg) => leg.part === "customer");
  const mine = voice.find((leg) => leg.part === "partner");
  if (voice.length === 0 && !call) return null;

  const talking = customer?.state === "up" && mine?.state === "up";
  const held = call?.held || mine?.held || false;
  const muted = call?.muted || mine?.muted || false;
  const status =
    session.state === "agent_lost"
      ? t("call.lost")
      : session.aside
        ? t("call.aside")
        : customer?.state === "ringing"
          ? t("call.calling")
          : call?.state === "ringing" || mine?.state === "ringing"
            ? t("call.ringing")
            : held
              ? t("call.held")
              : talking
                ? t("call.talking")
                : t("call.connecting");
  const tone = session.state === "agent_lost" ? "danger" : held || session.aside ? "warn" : talking ? "live" : "warn";
  const since = mine?.state === "up" ? mine.since : customer?.since;

  const hangUp = () =>
    command({ command: "hang_up", session: session.session }).catch((error) => {
      // The server did not take it: at least our own side goes down.
      if (call) phone.end(call.id);
      else complain(error);
    });

  return (
    <section
      className={classes.panel}
      data-tone={tone}
      data-testid="call-panel"
      data-state={held ? "held" : talking ? "talking" : "connecting"}
    >
      <div className={classes.state}>
        <span className={classes.status}>{status}</span>
        {since !== undefined && (
          <span data-testid="call-duration">
            <Elapsed since={since} className={classes.clock} />
          </span>
        )}
      </div>
      <div className={classes.parties}>
        <Party
          name={customerName(session.customer) ?? t("customer.unknown")}
          note={customer?.held ? t("call.note.held") : held || session.aside ? t("call.note.music") : null}
          call={call}
          side="remote"
          live={talking && !held && !session.aside}
        >
          {customer?.state === "up" && session.legs.some((leg) => leg.part === "guest" && leg.state === "up") && (
            <Mute session={session.session} leg={customer} name={customerName(session.customer) ?? ""} />
          )}
        </Party>
        <Party
          name={t("call.you")}
          note={muted ? t("call.note.muted") : null}
          call={call}
          side="local"
          live={talking && !held && !muted}
        />
      </div>
      <Guests session={session} />
      <div className={classes.keys}>
        {mine?.state === "up" && customer?.state === "up" && <ConferenceKeys session={session} />}
        {call?.state === "talking" && (
          <>
            <Key
              label={t(muted ? "call.unmute" : "call.mute")}
              on={muted}
              testid="call-mute"
              onClick={() => phone.mute(call.id, !muted)}
            >
              {muted ? <IconMicrophoneOff size={19} stroke={1.7} /> : <IconMicrophone size={19} stroke={1.7} />}
            </Key>
            <Key
              label={t(held ? "call.resume" : "call.hold")}
              on={held}
              testid="call-hold"
              onClick={() => phone.hold(call.id, !call.held)}
            >
              {held ? <IconPlayerPlay size={19} stroke={1.7} /> : <IconPlayerPause size={19} stroke={1.7} />}
            </Key>
            <Keypad onTone={(tone) => phone.sendTone(call.id, tone)} />
          </>
        )}
        {session.recording && (
          <Key
            label={t(session.recording_paused ? "call.record_resume" : "call.record_pause")}
            on={session.recording_paused}
            testid="call-record"
            onClick={() =>
              command({
                command: "pause_recording",
                session: session.session,
                paused: !session.recording_paused,
              }).catch(complain)
            }
          >
            {session.recording_paused ? (
              <IconPlayerRecord size={19} stroke={1.7} />
            ) : (
              <IconPlayerRecordFilled className={classes.rec} size={19} />
            )}
          </Key>
        )}
        {!call && mine?.state === "up" && <span className={classes.elsewhere}>{t("call.elsewhere")}</span>}
        <Tooltip label={t("call.hang_up")}>
          <UnstyledButton
            className={classes.hangUp}
            onClick={hangUp}
            aria-label={t("call.hang_up")}
            data-testid="call-hangup"
          >
            <IconPhoneOff size={19} stroke={1.8} />
          </UnstyledButton>
        </Tooltip>
      </div>
    </section>
  );
}

function Keypad({ onTone }: { onTone(tone: string): void }) {
  const { t } = useTranslation();
  const [sent, setSent] = useState("");
  const press = (tone: string) => {
    onTone(tone);
    setSent((text) => (text + tone).slice(-16));
  };
  return (
    <Popover position="bottom" shadow="md" trapFocus onClose={() => setSent("")}>
      <Popover.Target>
        <UnstyledButton
          className={classes.key}
          aria-label={t("call.keypad")}
          title={t("call.keypad")}
          data-testid="call-keypad"
        >
          <IconDialpad size={19} stroke={1.7} />
        </UnstyledButton>
      </Popover.Target>
      <Popover.Dropdown
        onKeyDown={({ key }) => {
          if (KEYS.includes(key)) press(key);
        }}
      >
        <output className={`${classes.sent} num`}>{sent || t("call.keypad_hint")}</output>
        <div className={classes.pad}>
          {KEYS.map((key) => (
            <UnstyledButton
              key={key}
              className={`${classes.digit} num`}
              onClick={() => press(key)}
              data-testid={`keypad-${key}`}
            >
              {key}
            </UnstyledButton>
          ))}
        </div>
      </Popover.Dropdown>
    </Popover>
  );
}

type PartyProps = {
  name: string;
  note: string | null;
  call: PhoneCall | undefined;
  side: "local" | "remote";
  live: boolean;
  children?: ReactNode;
};

function Party({ name, note, call, side, live, children }: PartyProps) {
  return (
    <div className={classes.party} data-live={live || undefined} data-testid={`party-${side}`}>
      <Meter call={call} side={side} on={live} />
      <span className="clip">{name}</span>
      {note && <span className={classes.note}>{note}</span>}
      {children}
    </div>
  );
}

/** Five bars that move with the voice; drawn beside React, ten times a second. */
function Meter({ call, side, on }: { call: PhoneCall | undefined; side: "local" | "remote"; on: boolean }) {
  const { phone } = useLive();
  const box = useRef<HTMLSpanElement>(null);
  const id = call?.state === "talking" ? call.id : null;
  useEffect(() => {
    if (!id || !on) return;
    const timer = setInterval(async () => {
      const level = (await phone.levels(id))[side];
      // Loudness is heard by its logarithm: -50 dB is silence, 0 dB the whole scale.
      const scale = level > 0 ? Math.max(0, 1 + (20 * Math.log10(level)) / 50) : 0;
      box.current?.style.setProperty("--level", scale.toFixed(2));
    }, 100);
    return () => {
      clearInterval(timer);
      box.current?.style.setProperty("--level", "0");
    };
  }, [phone, id, side, on]);
  return (
    <span ref={box} className={classes.meter} aria-hidden="true">
      <i />
      <i />
      <i />
      <i />
      <i />
    </span>
  );
}
