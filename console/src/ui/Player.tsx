import { ActionIcon, UnstyledButton } from "@mantine/core";
import { IconPlayerPauseFilled, IconPlayerPlayFilled } from "@tabler/icons-react";
import { useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { duration } from "../lib/format";
import classes from "./Player.module.css";

const SPEEDS = [1, 1.25, 1.5, 2];

/** A recording, loaded when it is first played. Starting one stops any other. */
export function Player({ recording, millis }: { recording: string; millis: number }) {
  const { t } = useTranslation();
  const audio = useRef<HTMLAudioElement>(null);
  const [playing, setPlaying] = useState(false);
  const [at, setAt] = useState(0);
  const [speed, setSpeed] = useState(1);
  const [failed, setFailed] = useState(false);
  const [length, setLength] = useState(millis / 1000);

  const toggle = () => {
    const element = audio.current;
    if (!element) return;
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
        onLoadedMetadata={({ currentTarget: { duration } }) => {
          if (Number.isFinite(duration)) setLength(duration);
        }}
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
      )}
      <span className={`${classes.time} num`}>
        {duration(at * 1000)} / {duration(length * 1000)}
      </span>
      <UnstyledButton
        className={`${classes.speed} num`}
        aria-label={t("player.speed")}
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
