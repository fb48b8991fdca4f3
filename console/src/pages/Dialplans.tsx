import { Button, UnstyledButton } from "@mantine/core";
import { IconChecks, IconFileText, IconRefresh } from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { ApiFailure, get, post } from "../api/client";
import type { CheckReport, Diagnostic, PlansInForce, Reloaded } from "../api/types";
import { useLive } from "../app/live";
import { moment } from "../lib/format";
import { Tag } from "../ui/common";
import { complain } from "../ui/complain";
import classes from "./pages.module.css";

export function DialplansPage() {
  const { t, i18n } = useTranslation();
  const { me } = useLive();
  const queries = useQueryClient();
  const { data } = useQuery({ queryKey: ["dialplans"], queryFn: () => get<PlansInForce>("/dialplans") });
  const [chosen, setChosen] = useState<string | null>(null);
  const [verdict, setVerdict] = useState<CheckReport | null>(null);
  const [reloaded, setReloaded] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const file = data?.files.find((one) => one.name === chosen) ?? data?.files[0];
  const failures = verdict?.tests.failures ?? [];
  const problems = [...(verdict?.diagnostics ?? []), ...failures.map((failure) => failure.diagnostic)];

  const run = async (work: () => Promise<void>) => {
    setBusy(true);
    setVerdict(null);
    setReloaded(null);
    try {
      await work();
    } catch (error) {
      const report = error instanceof ApiFailure ? (error.body as CheckReport | undefined) : undefined;
      if (report?.diagnostics) setVerdict(report);
      else complain(error);
    } finally {
      setBusy(false);
    }
  };
  const check = () =>
    run(async () => setVerdict(await post<CheckReport>("/dialplans/check", { files: data?.files ?? [] })));
  const reload = () =>
    run(async () => {
      const { version } = await post<Reloaded>("/dialplans/reload");
      setReloaded(version);
      await queries.invalidateQueries({ queryKey: ["dialplans"] });
    });

  return (
    <div className={classes.page}>
      <div className={classes.head}>
        <h1>{t("nav.dialplans")}</h1>
        {data && (
          <span className="dim num">
            {t("dialplans.version", {
              version: data.version.slice(0, 12),
              when: moment(data.loaded_at, i18n.language),
            })}
          </span>
        )}
        {me.roles.includes("admin") && (
          <>
            <Button
              variant="default"
              leftSection={<IconChecks size={16} />}
              onClick={check}
              loading={busy}
              data-testid="dialplans-check"
            >
              {t("dialplans.check")}
            </Button>
            <Button
              leftSection={<IconRefresh size={16} />}
              onClick={reload}
              loading={busy}
              data-testid="dialplans-reload"
            >
              {t("dialplans.reload")}
            </Button>
          </>
        )}
      </div>
      {verdict && (
        <p
          className={classes.verdict}
          data-bad={verdict.ok ? undefined : true}
          role="status"
          data-testid="dialplans-verdict"
        >
          {verdict.ok ? t("dialplans.ok") : t("dialplans.bad", { count: problems.length })}{" "}
          {t("dialplans.tests", { passed: verdict.tests.passed, failed: verdict.tests.failed })}
        </p>
      )}
      {reloaded && (
        <p className={classes.verdict} role="status" data-testid="dialplans-reloaded">
          {t("dialplans.reloaded", { version: reloaded.slice(0, 12) })}
        </p>
      )}
      <div className={classes.plans}>
        <div className={`${classes.files} scroll`}>
          {(data?.files ?? []).map((one) => {
            const count = problems.filter((problem) => problem.file === one.name).length;
            return (
              <UnstyledButton
                key={one.name}
                className={classes.file}
                data-selected={one.name === file?.name || undefined}
                onClick={() => setChosen(one.name)}
                data-testid="dialplan-file"
              >
                <IconFileText size={15} stroke={1.6} />
                <span className="clip">{one.name}</span>
                {count > 0 && <Tag tone="danger">{count}</Tag>}
              </UnstyledButton>
            );
          })}
        </div>
        <div className="scroll">
          {file && <Code text={file.text} problems={problems.filter((problem) => problem.file === file.name)} />}
        </div>
      </div>
    </div>
  );
}

function Code({ text, problems }: { text: string; problems: Diagnostic[] }) {
  return (
    <div className={classes.code} data-testid="dialplan-text">
      {text.split("\n").map((line, i) => {
        const here = problems.filter((problem) => problem.line === i + 1);
        return (
          <div key={i}>
            <div className={classes.codeLine} data-severity={here[0]?.severity}>
              <span className="num">{i + 1}</span>
              <span>{colour(line)}</span>
            </div>
            {here.map((problem, n) => (
              <div key={n} className={classes.problem} data-severity={problem.severity}>
                <b>{problem.code}</b> {problem.message}
                {problem.hint && <div className="dim">{problem.hint}</div>}
              </div>
            ))}
          </div>
        );
      })}
    </div>
  );
}

const TOKEN =
  /("(?:[^"\\]|\\.)*")|((?:\/\/|#).*$)|\b(flow|entry|state|say|play|ask|set|when|queue|transfer|close|hangup|on|test|expect|goto|key|words|timeout|retries|voice|music|file|every|after|via|priority|answer|start)\b/g;

/** Enough colour to find one's way: words of the language, texts, comments. */
function colour(line: string): ReactNode[] {
  const pieces: ReactNode[] = [];
  let from = 0;
  for (const match of line.matchAll(TOKEN)) {
    if (match.index > from) pieces.push(line.slice(from, match.index));
    const kind = match[1] ? classes.s : match[2] ? classes.c : classes.k;
    pieces.push(
      <span key={match.index} className={kind}>
        {match[0]}
      </span>,
    );
    from = match.index + match[0].length;
  }
  pieces.push(line.slice(from) || " ");
  return pieces;
}
