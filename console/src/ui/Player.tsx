import { ActionIcon, Tooltip, UnstyledButton } from "@mantine/core";
import { IconPlayerPauseFilled, IconPlayerPlayFilled } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { get } from "../api/client";
import type { Peaks } from "../api/types";
import { duration } from "../lib/format";
import { type Hearing, hear } from "../lib/hearing";
import classes from "./Player.module.css";

const SPEEDS = [1, 1.25, 1.5, 2, 0.75];
const PARTIES = ["customer", "operator", "guest"] as const;

/**
 * A recording, loaded when it is first played. Starting one stops any other. Whoever is chosen is heard alone, in both ears.
 * `lazy`: its waveform is asked for only then, too, for pages with many of them.
 */
export function Player({ recording, millis, lazy }: { recording: string; millis: number; lazy?: boolean }) {
  const { t } = useTranslation();
  const audio = useRef<HTMLAudioElement>(null);
  const hearing = useRef<Hearing | null>(null);
  const [playing, setPlaying] = useState(false);
  const [begun, setBegun] = useState(!lazy);
  const [at, setAt] = useState(0);
  const [speed, setSpeed] = useState(1);
  const [alone, setAlone] = useState<number | null>(null);
  const [failed, setFailed] = useState(false);
  const length = millis / 1000;
  const { data: peaks } = useQuery({
    queryKey: ["peaks", recording],
    queryFn: () => get<Peaks>(`/recordings/${recording}/peaks`),
    enabled: begun && millis > 0,
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  });
  useEffect(
    () => () => {
      hearing.current?.close();
      hearing.current = null;
    },
    [],
  );
  const parties = peaks?.channels.length ?? 2;

  const toggle = () => {
    const element = audio.current;
    if (!element) return;
    setBegun(true);
    if (playing) element.pause();
    else {
      for (const other of document.querySelectorAll<HTMLAudioElement>("audio[data-player]")) other.pause();
      element.playbackRate = speed;
      element.play().catch(() => setFailed(true));
    }
  };
  const seek = (seconds: number) => {
    setAt(seconds);
    if (audio.current) audio.current.currentTime = seconds;
  };
  const choose = (party: number) => {
    const next = alone === party ? null : party;
    setAlone(next);
    if (!audio.current) return;
    hearing.current ??= hear(audio.current, PARTIES.length);
    hearing.current.only(next);
  };
  return (
    <div className={classes.player} data-testid="recording-player" data-recording={recording}>
      {/* biome-ignore lint/a11y/useMediaCaption: recordings of calls have no captions */}
      <audio
        ref={audio}
        data-player
        preload="none"
        src={`/api/v1/recordings/${recording}/audio`}
        onPlay={() => setPlaying(true)}
        onPause={() => setPlaying(false)}
        onEnded={() => setAt(0)}
        onError={() => setFailed(true)}
        onTimeUpdate={({ currentTarget }) => setAt(currentTarget.currentTime)}
      />
      <ActionIcon
        variant="light"
        color="cobalt"
        radius="xl"
        size={28}
        onClick={toggle}
        aria-label={t(playing ? "player.pause" : "player.play")}
      >
        {playing ? <IconPlayerPauseFilled size={14} /> : <IconPlayerPlayFilled size={14} />}
      </ActionIcon>
      {failed ? (
        <span className={classes.failed}>{t("player.failed")}</span>
      ) : (
        <span className={classes.track} data-waves={peaks ? true : undefined}>
          {peaks && <Waveform peaks={peaks} share={length > 0 ? at / length : 0} alone={alone} />}
          <input
            className={classes.seek}
            type="range"
            min={0}
            max={length}
            step={0.1}
            value={Math.min(at, length)}
            aria-label={t("player.position")}
            onChange={({ currentTarget }) => seek(Number(currentTarget.value))}
          />
        </span>
      )}
      <span className={`${classes.time} num`}>
        {duration(at * 1000)} / {duration(length * 1000)}
      </span>
      {begun && (
        <span className={classes.parties}>
          {PARTIES.slice(0, parties).map((party, index) => (
            <Tooltip key={party} label={t(`player.only.${party}`)}>
              <UnstyledButton
                className={classes.party}
                data-party={party}
                aria-label={t(`player.only.${party}`)}
                aria-pressed={alone === index}
                data-off={(alone !== null && alone !== index) || undefined}
                data-testid={`player-only-${party}`}
                onClick={() => choose(index)}
              />
            </Tooltip>
          ))}
        </span>
      )}
      <UnstyledButton
        className={`${classes.speed} num`}
        aria-label={t("player.speed")}
        data-testid="player-speed"
        onClick={() => {
          const next = SPEEDS[(SPEEDS.indexOf(speed) + 1) % SPEEDS.length] as number;
          setSpeed(next);
          if (audio.current) audio.current.playbackRate = next;
        }}
      >
        {speed}×
      </UnstyledButton>
    </div>
  );
}

/** The customer above the line, whoever serves him below it. */
function Waveform({ peaks, share, alone }: { peaks: Peaks; share: number; alone: number | null }) {
  const columns = peaks.channels[0]?.length ?? 0;
  return (
    <svg
      className={classes.waves}
      viewBox={`0 0 ${columns} 2`}
      preserveAspectRatio="none"
      aria-hidden="true"
      data-testid="waveform"
    >
      {peaks.channels.map((channel, index) => (
        <path
          key={PARTIES[index]}
          data-party={PARTIES[index]}
          data-off={(alone !== null && alone !== index) || undefined}
          d={outline(channel, index === 0 ? -1 : 1)}
        />
      ))}
      <rect className={classes.ahead} x={share * columns} y={0} width={columns * Math.max(0, 1 - share)} height={2} />
      <rect className={classes.needle} x={share * columns} y={0} width={columns / 250} height={2} />
    </svg>
  );
}

function outline(channel: readonly number[], side: 1 | -1): string {
  // What is heard half as loud is far less than half as high: the root shows quiet speech, too.
  const points = channel.map((peak, x) => `H${x}V${(1 + side * Math.sqrt(peak / 255) * 0.96).toFixed(3)}`);
  return `M0 1${points.join("")}H${channel.length}V1Z`;
}
