import type { ReportRow } from "../api/types";

/** Shares as whole percents; a dash where there is nothing to divide by. */
export function percent(share: number | null | undefined): string {
  return share == null ? "–" : `${Math.round(share * 100)} %`;
}

/** Everybody who came and was neither answered nor gave up nor still waits. */
export function elsewhere(row: ReportRow): number {
  return row.overflowed + row.called_back + row.dropped;
}

/** What the chart shows: every interval once, with the rows of all groups added up. */
export interface Points {
  /** In seconds since the epoch. */
  at: number[];
  offered: number[];
  answered: number[];
  abandoned: number[];
  /** In percent; nothing where nobody was answered nor gave up. */
  level: (number | null)[];
}

export function points(rows: ReportRow[]): Points {
  const sums = new Map<number, { offered: number; answered: number; abandoned: number; short: number; good: number }>();
  for (const row of rows) {
    const sum = sums.get(row.from) ?? { offered: 0, answered: 0, abandoned: 0, short: 0, good: 0 };
    sum.offered += row.offered;
    sum.answered += row.answered;
    sum.abandoned += row.abandoned;
    sum.short += row.abandoned_short;
    sum.good += row.answered_in_time;
    sums.set(row.from, sum);
  }
  const all = [...sums].sort(([a], [b]) => a - b);
  return {
    at: all.map(([from]) => from / 1e6),
    offered: all.map(([, sum]) => sum.offered),
    answered: all.map(([, sum]) => sum.answered),
    abandoned: all.map(([, sum]) => sum.abandoned),
    level: all.map(([, { answered, abandoned, short, good }]) => {
      const whole = answered + abandoned - short;
      return whole > 0 ? Math.round((good / whole) * 1000) / 10 : null;
    }),
  };
}

/** What the time axis shows: half an interval more on both sides, so that the first and the last bar are whole. */
export function around(at: number[]): [number, number] {
  const [first = 0, last = 0] = [at[0], at.at(-1)];
  const gaps = at.slice(1).map((second, i) => second - (at[i] ?? second));
  const half = (gaps.length ? Math.min(...gaps) : 3600) / 2;
  return [first - half, last + half];
}

export type Period = "today" | "yesterday" | "week" | "month";

/** Begin and end of the period, in microseconds, by this browser's clock. */
export function stretch(period: Period, now: Date): { from: number; to: number } {
  const midnight = (daysAgo: number) => new Date(now.getFullYear(), now.getMonth(), now.getDate() - daysAgo).getTime();
  const from = { today: 0, yesterday: 1, week: 6, month: 29 }[period];
  const to = period === "yesterday" ? midnight(0) : midnight(-1);
  return { from: midnight(from) * 1000, to: to * 1000 };
}
