import { describe, expect, it } from "vitest";
import type { ReportRow } from "../api/types";
import { around, elsewhere, percent, points, stretch } from "./figures";

const row = (from: number, figures: Partial<ReportRow>) =>
  ({
    from,
    offered: 0,
    answered: 0,
    answered_in_time: 0,
    abandoned: 0,
    abandoned_short: 0,
    overflowed: 0,
    called_back: 0,
    dropped: 0,
    ...figures,
  }) as ReportRow;

describe("figures", () => {
  it("adds up the groups of an interval, and leaves short abandons out of the level", () => {
    const shown = points([
      row(2_000_000, { offered: 1 }),
      row(1_000_000, { offered: 4, answered: 2, answered_in_time: 1, abandoned: 2, abandoned_short: 1 }),
      row(1_000_000, { offered: 1, answered: 1, answered_in_time: 1 }),
    ]);
    expect(shown.at).toEqual([1, 2]);
    expect(shown.offered).toEqual([5, 1]);
    expect(shown.abandoned).toEqual([2, 0]);
    expect(shown.level).toEqual([50, null]);
  });

  it("shows a dash where there is nothing to divide", () => {
    expect([percent(0.856), percent(1), percent(null)]).toEqual(["86 %", "100 %", "–"]);
  });

  it("gives the first and the last bar their room, and a single one an hour", () => {
    expect(around([3600, 7200, 14_400])).toEqual([1800, 16_200]);
    expect(around([7200])).toEqual([5400, 9000]);
  });

  it("counts those who went on elsewhere", () => {
    expect(elsewhere(row(0, { overflowed: 2, called_back: 3, dropped: 4 }))).toBe(9);
  });

  it("cuts periods at midnight", () => {
    const now = new Date(2026, 9, 25, 15, 30);
    const hours = ({ from, to }: { from: number; to: number }) => (to - from) / 3.6e9;
    expect(new Date(stretch("today", now).from / 1000).getHours()).toBe(0);
    expect(stretch("yesterday", now).to).toBe(stretch("today", now).from);
    expect(Math.round(hours(stretch("week", now)) / 24)).toBe(7);
    expect(Math.round(hours(stretch("month", now)) / 24)).toBe(30);
  });
});
