import { Button, SegmentedControl, Select } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { get } from "../api/client";
import type { Report, ReportRow } from "../api/types";
import { elsewhere, type Period, percent, points, stretch } from "../lib/figures";
import { duration, moment } from "../lib/format";
import { Chart } from "../ui/Chart";
import classes from "./pages.module.css";

const PERIODS = ["today", "yesterday", "week", "month"] as const;
const BY = ["all", "queue", "agent", "medium"] as const;
const INTERVALS = ["all", "day", "hour", "quarter"] as const;

/** What was done: a table, and how it went over the time. */
export function ReportsPage() {
  const { t } = useTranslation();
  const [period, setPeriod] = useState<Period>("today");
  const [by, setBy] = useState<(typeof BY)[number]>("queue");
  const [interval, setInterval] = useState<(typeof INTERVALS)[number]>("hour");
  const { from, to } = stretch(period, new Date());
  const query = new URLSearchParams({ from: String(from), to: String(to), by, interval });
  const { data, isError, isPending } = useQuery({
    queryKey: ["report", query.toString()],
    queryFn: () => get<Report>(`/reports?${query}`),
    refetchInterval: 60_000,
  });
  const rows = data?.rows ?? [];
  const within = data?.rules.service_level_seconds ?? 20;
  return (
    <div className={`${classes.page} scroll`} data-testid="reports">
      <div className={classes.head}>
        <h1>{t("nav.reports")}</h1>
        <SegmentedControl
          value={period}
          onChange={(value) => setPeriod(value as Period)}
          data={PERIODS.map((value) => ({ value, label: t(`reports.period.${value}`) }))}
        />
        <Select
          aria-label={t("reports.by.all")}
          data-testid="report-by"
          value={by}
          onChange={(value) => value && setBy(value as typeof by)}
          data={BY.map((value) => ({ value, label: t(`reports.by.${value}`) }))}
          allowDeselect={false}
          w={170}
        />
        <Select
          aria-label={t("reports.interval.all")}
          data-testid="report-interval"
          value={interval}
          onChange={(value) => value && setInterval(value as typeof interval)}
          data={INTERVALS.map((value) => ({ value, label: t(`reports.interval.${value}`) }))}
          allowDeselect={false}
          w={170}
        />
        <Button
          component="a"
          href={`/api/v1/reports?${query}&format=csv`}
          download
          variant="default"
          leftSection={<IconDownload size={15} />}
          data-testid="report-csv"
        >
          {t("reports.table")}
        </Button>
      </div>
      {isError && <p role="alert">{t("reports.failed")}</p>}
      {!isError && !isPending && rows.length === 0 && <p className="dim">{t("reports.nothing")}</p>}
      {rows.length > 0 && (
        <>
          {interval !== "all" && by !== "agent" && (
            <Chart
              points={points(rows)}
              names={{
                from: t("reports.from"),
                offered: t("reports.offered"),
                answered: t("reports.answered"),
                abandoned: t("reports.abandoned"),
                level: t("reports.level", { seconds: within }),
              }}
              label={t("reports.chart")}
            />
          )}
          <div className={`${classes.sheet} scroll`} style={{ overflowX: "auto" }}>
            <Table rows={rows} by={by} withTime={interval !== "all"} within={within} />
          </div>
        </>
      )}
    </div>
  );
}

interface Column {
  name: string;
  /** Parts of what stands before it. */
  minor?: boolean;
  of: (row: ReportRow) => string | number;
}

const seconds = (value: number | null | undefined) => (value == null ? "–" : duration(value * 1000));

function Table({
  rows,
  by,
  withTime,
  within,
}: {
  rows: ReportRow[];
  by: (typeof BY)[number];
  withTime: boolean;
  within: number;
}) {
  const { t, i18n } = useTranslation();
  const waits: Column[] = [
    { name: t("reports.offered"), of: (row) => row.offered },
    { name: t("reports.answered"), of: (row) => row.answered },
    { name: t("reports.abandoned"), of: (row) => row.abandoned },
    { name: t("reports.abandoned_short"), minor: true, of: (row) => row.abandoned_short },
    { name: t("reports.elsewhere"), of: elsewhere },
    { name: t("reports.waiting"), of: (row) => row.waiting },
    {
      name: t("reports.level", { seconds: within }),
      of: (row) => percent(row.service_level_of_offered),
    },
    { name: t("reports.level_of_answered"), minor: true, of: (row) => percent(row.service_level_of_answered) },
    { name: t("reports.average_answer"), of: (row) => seconds(row.average_answer_seconds) },
  ];
  const work: Column[] = [
    { name: t("reports.handled"), of: (row) => row.handled },
    { name: t("reports.average_handling"), of: (row) => seconds(row.average_handling_seconds) },
    { name: t("reports.talk"), minor: true, of: (row) => seconds(row.average_talk_seconds) },
    { name: t("reports.hold"), minor: true, of: (row) => seconds(row.average_hold_seconds) },
    { name: t("reports.wrap_up"), minor: true, of: (row) => seconds(row.average_wrap_up_seconds) },
    { name: t("reports.transferred"), of: (row) => row.transferred },
    { name: t("reports.not_answered"), of: (row) => row.not_answered + row.declined },
  ];
  const occupancy: Column = { name: t("reports.occupancy"), of: (row) => percent(row.occupancy) };
  const resolved: Column = {
    name: t("reports.resolved"),
    of: (row) => percent(row.resolved_at_first_contact),
  };
  const columns = [
    ...(by === "agent" ? [] : waits),
    ...work,
    ...(by === "agent" || by === "all" ? [occupancy] : []),
    resolved,
  ];
  const about = (row: ReportRow) => {
    if (by === "queue") return row.queue ?? t("reports.no_queue");
    if (by === "agent") return row.name ?? row.agent ?? "";
    return row.medium ? t(`medium.${row.medium}`) : "";
  };
  return (
    <table className={classes.table} data-testid="report-table">
      <thead>
        <tr>
          {withTime && <th>{t("reports.from")}</th>}
          {by !== "all" && <th>{t(`reports.about.${by}`)}</th>}
          {columns.map((column) => (
            <th key={column.name} className={classes.right} data-minor={column.minor || undefined}>
              {column.name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={`${row.from} ${about(row)}`} data-testid="report-row">
            {withTime && <td className={`${classes.moment} num`}>{moment(row.from, i18n.language)}</td>}
            {by !== "all" && <td>{about(row)}</td>}
            {columns.map((column) => (
              <td key={column.name} className={`${classes.right} num`} data-minor={column.minor || undefined}>
                {column.of(row)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
