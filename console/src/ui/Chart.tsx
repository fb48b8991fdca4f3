import { useMantineColorScheme } from "@mantine/core";
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { around, type Points } from "../lib/figures";
import classes from "./Chart.module.css";

const HEIGHT = 230;

/** Who came, was answered and gave up, as bars; the service level as a line on a scale of its own. */
export function Chart({
  points,
  names,
  label,
}: {
  points: Points;
  names: Record<"from" | "offered" | "answered" | "abandoned" | "level", string>;
  label: string;
}) {
  const { i18n } = useTranslation();
  const { colorScheme } = useMantineColorScheme();
  const place = useRef<HTMLDivElement>(null);
  const text = JSON.stringify([points, names]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the text stands for points and names; the colours follow the scheme
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    // The palette's own way to be light or dark is not understood by a canvas.
    const probe = document.createElement("i");
    element.append(probe);
    const colour = (name: string) => {
      probe.style.color = `var(--${name})`;
      return getComputedStyle(probe).color;
    };
    const [dim, line] = [colour("dim"), colour("line")];
    const font = `12px ${getComputedStyle(document.body).fontFamily}`;
    const axis = { stroke: dim, font, grid: { stroke: line, width: 1 }, ticks: { show: false } };
    const bars = uPlot.paths.bars?.({ size: [0.72, 44], radius: 0.12 });
    const narrow = uPlot.paths.bars?.({ size: [0.4, 24], radius: 0.12 });
    const whole = new Intl.NumberFormat(i18n.language, { maximumFractionDigits: 0 });
    const clock = new Intl.DateTimeFormat(i18n.language, { hour: "2-digit", minute: "2-digit" });
    const day = new Intl.DateTimeFormat(i18n.language, { day: "numeric", month: "short" });
    const chart = new uPlot(
      {
        width: element.clientWidth,
        height: HEIGHT,
        padding: [12, 8, 0, 0],
        cursor: { y: false, points: { size: 7 } },
        scales: {
          x: { time: true, range: () => around(points.at) },
          y: { range: (_, __, max) => [0, Math.max(4, Math.ceil(max * 1.1))] },
          level: { range: [0, 100] },
        },
        axes: [
          {
            ...axis,
            size: 28,
            grid: { show: false },
            values: (_, at) =>
              at.map((second) => {
                const moment = new Date(second * 1000);
                return moment.getHours() + moment.getMinutes() === 0 ? day.format(moment) : clock.format(moment);
              }),
          },
          { ...axis, size: 44, values: (_, values) => values.map((value) => (value % 1 ? "" : whole.format(value))) },
          {
            ...axis,
            scale: "level",
            side: 1,
            size: 52,
            grid: { show: false },
            values: (_, v) => v.map((x) => `${x} %`),
          },
        ],
        series: [
          {
            label: names.from,
            value: (_, at) => (at == null ? "–" : `${day.format(at * 1000)} ${clock.format(at * 1000)}`),
          },
          { label: names.offered, fill: colour("line-strong"), paths: bars, points: { show: false } },
          {
            label: names.abandoned,
            fill: colour("danger"),
            paths: narrow,
            points: { show: false },
            value: (_, __, ___, nth) => (nth == null ? "–" : String(points.abandoned[nth])),
          },
          { label: names.answered, fill: colour("accent"), paths: narrow, points: { show: false } },
          {
            label: names.level,
            scale: "level",
            stroke: colour("live"),
            width: 2.5,
            spanGaps: true,
            points: { show: points.at.length < 40, size: 7, fill: colour("live") },
            value: (_, value) => (value == null ? "–" : `${value} %`),
          },
        ],
      },
      // Who gave up stands on those who were answered.
      [
        points.at,
        points.offered,
        points.answered.map((n, i) => n + (points.abandoned[i] ?? 0)),
        points.answered,
        points.level,
      ],
      element,
    );
    probe.remove();
    const follow = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height: HEIGHT }));
    follow.observe(element);
    return () => {
      follow.disconnect();
      chart.destroy();
    };
  }, [text, colorScheme, i18n.language]);
  return <div ref={place} className={classes.chart} role="img" aria-label={label} data-testid="report-chart" />;
}
