import { IconMessage2, IconPhone } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { Media, Micros } from "../api/types";
import { useNow } from "../lib/clock";
import { duration } from "../lib/format";
import { linkify } from "../lib/linkify";
import classes from "./common.module.css";

/** A text that somebody outside wrote: text and safe links, never markup. */
export function RichText({ text }: { text: string }) {
  return linkify(text).map((piece, i) =>
    piece.href ? (
      <a key={i} href={piece.href} target="_blank" rel="noopener noreferrer nofollow" className={classes.link}>
        {piece.text}
      </a>
    ) : (
      <span key={i}>{piece.text}</span>
    ),
  );
}

/** Time since, ticking. */
export function Elapsed({ since, className }: { since: Micros; className?: string }) {
  const now = useNow();
  return <span className={`num ${className ?? ""}`}>{duration(now - since / 1000)}</span>;
}

/** Time until, ticking. */
export function Remaining({ until }: { until: Micros }) {
  const now = useNow();
  return <span className="num">{duration(until / 1000 - now + 999)}</span>;
}

export function MediaIcons({ media, size = 15 }: { media: Media; size?: number }) {
  const { t } = useTranslation();
  if (!media.voice && !media.chat) return null;
  return (
    <span className={classes.media}>
      {media.voice && <IconPhone size={size} stroke={1.8} aria-label={t("medium.voice")} />}
      {media.chat && <IconMessage2 size={size} stroke={1.8} aria-label={t("medium.chat")} />}
    </span>
  );
}

type Tone = "neutral" | "live" | "warn" | "danger" | "accent";

export function Tag({ tone = "neutral", children }: { tone?: Tone; children: ReactNode }) {
  return (
    <span className={classes.tag} data-tone={tone}>
      {children}
    </span>
  );
}

export function Dot({ tone }: { tone: Tone }) {
  return <span className={classes.dot} data-tone={tone} />;
}

export function Empty({ icon, title, children }: { icon: ReactNode; title: string; children?: ReactNode }) {
  return (
    <div className={classes.empty}>
      <div className={classes.emptyIcon}>{icon}</div>
      <div className={classes.emptyTitle}>{title}</div>
      {children && <div className={classes.emptyText}>{children}</div>}
    </div>
  );
}
