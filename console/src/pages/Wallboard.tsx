import { ActionIcon } from "@mantine/core";
import { IconMaximize } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useRef } from "react";
import { useTranslation } from "react-i18next";
import { get } from "../api/client";
import type { Wallboard, WallboardQueue } from "../api/types";
import { useNow } from "../lib/clock";
import { percent } from "../lib/figures";
import { clock, duration } from "../lib/format";
import classes from "./Wallboard.module.css";

const EVERY = 2_000;

/** For a screen on the wall, read from the other end of the room. */
export function WallboardPage() {
  const { t, i18n } = useTranslation();
  const board = useRef<HTMLDivElement>(null);
  const now = useNow();
  const { data, isError } = useQuery({
    queryKey: ["wallboard"],
    queryFn: () => get<Wallboard>("/wallboard"),
    refetchInterval: EVERY,
    refetchIntervalInBackground: true,
  });
  if (!data) return <div className={classes.board} ref={board} />;
  const { agents, today } = data;
  return (
    <div className={classes.board} ref={board} data-testid="wallboard">
      <div className={classes.queues}>
        {data.queues.map((queue) => (
          <Queue key={queue.name} queue={queue} within={data.service_level_seconds} />
        ))}
      </div>
      <div className={classes.foot}>
        <section aria-label={t("wallboard.agents")} className={classes.strip}>
          <Small name={t("wallboard.idle")} value={agents.idle} tone="live" testid="wallboard-idle" />
          <Small name={t("wallboard.busy")} value={agents.busy} tone="accent" testid="wallboard-busy" />
          <Small name={t("wallboard.away")} value={agents.away} testid="wallboard-away" />
        </section>
        <section aria-label={t("wallboard.today")} className={classes.strip}>
          <Small name={t("wallboard.offered")} value={today.offered} testid="wallboard-offered" />
          <Small name={t("wallboard.answered")} value={today.answered} />
          <Small
            name={t("wallboard.abandoned")}
            value={today.abandoned}
            tone={today.abandoned > 0 ? "warn" : undefined}
          />
          <Small
            name={t("wallboard.average_answer")}
            value={today.average_answer_seconds == null ? "–" : duration(today.average_answer_seconds * 1000)}
          />
        </section>
        <div className={classes.side}>
          {isError ? (
            <span className={classes.stale} role="status">
              {t("wallboard.stale")}
            </span>
          ) : (
            <b className="num">{clock(now * 1000, i18n.language)}</b>
          )}
          <ActionIcon
            variant="subtle"
            color="gray"
            size="lg"
            aria-label={t("wallboard.full_screen")}
            className={classes.key}
            onClick={() => board.current?.requestFullscreen().catch(() => {})}
          >
            <IconMaximize size={22} stroke={1.7} />
          </ActionIcon>
        </div>
      </div>
    </div>
  );
}

function Queue({ queue, within }: { queue: WallboardQueue; within: number }) {
  const { t } = useTranslation();
  const level = queue.today.service_level_of_offered;
  const late = queue.longest_wait_seconds > within;
  return (
    <section className={classes.queue} data-tone={late ? "danger" : undefined} data-testid="wallboard-queue">
      <h2 className="clip">{queue.name}</h2>
      <Figure
        name={t("wallboard.waiting")}
        value={String(queue.waiting)}
        tone={late ? "danger" : queue.waiting > 0 ? "warn" : undefined}
        testid="wallboard-waiting"
      />
      <Figure
        name={t("wallboard.longest")}
        value={queue.waiting > 0 ? duration(queue.longest_wait_seconds * 1000) : "–"}
        tone={late ? "danger" : undefined}
        testid="wallboard-longest"
      />
      <Figure
        name={t("wallboard.level", { seconds: within })}
        value={percent(level)}
        tone={level == null ? undefined : level >= 0.8 ? "live" : level >= 0.6 ? "warn" : "danger"}
        testid="wallboard-level"
      />
    </section>
  );
}

type Tone = "live" | "warn" | "danger" | "accent";

function Figure({ name, value, tone, testid }: { name: string; value: string; tone?: Tone; testid: string }) {
  return (
    <div className={classes.figure} data-tone={tone}>
      <b className="num" data-testid={testid}>
        {value}
      </b>
      <span>{name}</span>
    </div>
  );
}

function Small({ name, value, tone, testid }: { name: string; value: string | number; tone?: Tone; testid?: string }) {
  return (
    <div className={classes.small} data-tone={tone}>
      <b className="num" data-testid={testid}>
        {value}
      </b>
      <span>{name}</span>
    </div>
  );
}
