import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { get } from "../api/client";
import type { AgentRow, QueueStatus, SessionState, SessionSummary } from "../api/types";
import { useDesk, useLive } from "../app/live";
import { shownState } from "../desk/lost";
import { customerName, duration } from "../lib/format";
import { Dot, Elapsed, MediaIcons, Tag } from "../ui/common";
import { SessionDrawer } from "../ui/desk/CustomerCard";
import { statusTone, useStatusText } from "../ui/StateSwitch";
import { maySupervise, SuperviseKey } from "../ui/Supervising";
import classes from "./pages.module.css";

const TONE = {
  flow: "neutral",
  waiting: "warn",
  offered: "accent",
  active: "live",
  agent_lost: "danger",
  wrap_up: "neutral",
} as const satisfies Record<SessionState, string>;

/** What a supervisor looks at all day: queues, people, open sessions. Fed by the event stream. */
export function FloorPage() {
  const { t } = useTranslation();
  const text = useStatusText();
  const supervises = maySupervise(useLive().me);
  const floor = useDesk((state) => state.floor);
  const [opened, setOpened] = useState<string | null>(null);
  const { data: agents } = useQuery({
    queryKey: ["agents"],
    queryFn: () => get<AgentRow[]>("/agents"),
    refetchInterval: 3_000,
  });
  const operators = agents?.filter((agent) => agent.operates);
  const names = new Map((agents ?? []).map((agent) => [agent.agent, agent.name]));
  const sessions = floor?.sessions ?? [];
  return (
    <div className={`${classes.page} scroll`}>
      <div className={classes.head}>
        <h1>{t("nav.floor")}</h1>
      </div>
      <div className={classes.queues} data-testid="floor-queues">
        {(floor?.queues ?? []).map((queue) => (
          <Queue key={queue.name} queue={queue} />
        ))}
      </div>
      <div className={classes.floor}>
        <section className={classes.column}>
          <h2>
            {t("floor.sessions")} <span className="dim num">{sessions.length}</span>
          </h2>
          <div className={`${classes.sheet} scroll`}>
            <table className={classes.table} data-testid="floor-sessions">
              <thead>
                <tr>
                  <th aria-label={t("sessions.media")} />
                  <th>{t("sessions.customer")}</th>
                  <th>{t("floor.state")}</th>
                  <th>{t("sessions.queue")}</th>
                  <th>{t("sessions.operator")}</th>
                  <th className={classes.right}>{t("floor.since")}</th>
                  {supervises && <th aria-label={t("supervision.call")} />}
                </tr>
              </thead>
              <tbody>
                {sessions.map((session) => (
                  <tr
                    key={session.session}
                    data-link
                    tabIndex={0}
                    onClick={() => setOpened(session.session)}
                    onKeyDown={({ key }) => key === "Enter" && setOpened(session.session)}
                    data-testid="floor-session"
                    data-session={session.session}
                    data-state={session.state}
                  >
                    <td>
                      <MediaIcons media={session.media} />
                    </td>
                    <td>{customerName(session.customer) ?? <span className="dim">{t("customer.unknown")}</span>}</td>
                    <td>
                      <StateTag session={session} />
                    </td>
                    <td className="dim">{session.queue ?? "—"}</td>
                    <td>{session.owner ? (names.get(session.owner) ?? "…") : <span className="dim">—</span>}</td>
                    <td className={classes.right}>
                      <Elapsed since={session.opened} />
                    </td>
                    {supervises && (
                      <td className={classes.right}>
                        <SuperviseKey session={session} />
                      </td>
                    )}
                  </tr>
                ))}
              </tbody>
            </table>
            {sessions.length === 0 && (
              <p className="dim" style={{ padding: "0 14px" }}>
                {t("floor.quiet")}
              </p>
            )}
          </div>
        </section>
        <section className={classes.column}>
          <h2>
            {t("floor.agents")} <span className="dim num">{operators?.length ?? ""}</span>
          </h2>
          <div className={`${classes.sheet} scroll`} data-testid="floor-agents">
            {(operators ?? []).map((agent) => {
              const busy = sessions.filter((session) => session.owner === agent.agent).length;
              const out = agent.status.state === "signed_out";
              return (
                <div
                  key={agent.agent}
                  className={classes.agent}
                  data-testid="floor-agent"
                  data-state={agent.status.state}
                >
                  <Dot tone={out ? "neutral" : statusTone(agent.status)} />
                  <span className={classes.agentText}>
                    <span className="clip">{agent.name}</span>
                    <span className="dim clip">{agent.queues.join(", ") || "—"}</span>
                  </span>
                  {busy > 0 && <Tag tone="accent">{t("floor.busy", { count: busy })}</Tag>}
                  <span className="dim num" style={{ fontSize: 12.5, textAlign: "right" }}>
                    {text(agent.status)}
                    {!out && agent.since != null && (
                      <>
                        <br />
                        <Elapsed since={agent.since} />
                      </>
                    )}
                  </span>
                </div>
              );
            })}
          </div>
        </section>
      </div>
      <SessionDrawer session={opened} onClose={() => setOpened(null)} />
    </div>
  );
}

function StateTag({ session }: { session: SessionSummary }) {
  const { t } = useTranslation();
  const state = shownState(session.state, session.media);
  return <Tag tone={TONE[state]}>{t(`session.state.${state}`)}</Tag>;
}

function Queue({ queue }: { queue: QueueStatus }) {
  const { t } = useTranslation();
  const long = queue.longest_wait_seconds >= 60;
  const nobody = queue.waiting > 0 && queue.agents_ready === 0;
  return (
    <article className={classes.queue} data-tone={long || nobody ? "warn" : undefined} data-testid="floor-queue">
      <b>{queue.name}</b>
      <div className={classes.figures}>
        <span className={classes.figure}>
          <b className="num">{queue.waiting}</b>
          {t("floor.waiting")}
        </span>
        <span className={classes.figure} data-tone={long ? "warn" : undefined}>
          <b className="num">{duration(queue.longest_wait_seconds * 1000)}</b>
          {t("floor.longest")}
        </span>
        <span className={classes.figure} data-tone={nobody ? "danger" : undefined}>
          <b className="num">{queue.agents_ready}</b>
          {t("floor.ready")}
        </span>
      </div>
    </article>
  );
}
