import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { command } from "../../api/client";
import type { OfferView, SessionView } from "../../api/types";
import { useDesk, useLive } from "../../app/live";
import { useAgentNames, useEntries } from "../../app/queries";
import { EMPTY, lastFromCustomer, readBy } from "../../desk/journal";
import { customerName } from "../../lib/format";
import { Elapsed, MediaIcons, Tag } from "../common";
import { Actions, type ChatCode, CodeBanner } from "./Actions";
import { CallPanel } from "./CallPanel";
import { Composer } from "./Composer";
import { openMedia } from "./SessionList";
import classes from "./SessionPane.module.css";
import { TimelineView } from "./TimelineView";
import { WrapUp } from "./WrapUp";

/** A session that is mine: call, timeline and chat in one window. */
export function SessionPane({ session }: { session: SessionView }) {
  const { t } = useTranslation();
  const { desk } = useLive();
  const names = useAgentNames();
  const id = session.session;
  const journal = useDesk((state) => state.journals.get(id)) ?? EMPTY;
  const typing = useDesk((state) => state.typing.has(id));
  const allPending = useDesk((state) => state.pending);
  const pending = allPending.filter((one) => one.session === id);
  const media = openMedia(session);
  const [code, setCode] = useState<ChatCode | null>(null);
  const last = lastFromCustomer(journal);
  const seen = readBy(journal, "agent");

  useEffect(() => {
    if (last <= seen) return;
    const tell = () => {
      if (document.visibilityState === "visible" && document.hasFocus()) {
        command({ command: "read", session: id, up_to: last }).catch(() => {});
      }
    };
    tell();
    addEventListener("focus", tell);
    return () => removeEventListener("focus", tell);
  }, [id, last, seen]);

  // The customer has come: the code has done its work.
  useEffect(() => {
    if (media.chat) setCode(null);
  }, [media.chat]);

  return (
    <main className={classes.pane} data-testid="session-pane" data-session={id}>
      <Head name={customerName(session.customer)} view={session}>
        <Actions session={session} onCode={setCode} />
      </Head>
      <CallPanel session={session} />
      {code && !media.chat && <CodeBanner code={code} onClose={() => setCode(null)} />}
      <TimelineView
        entries={journal}
        names={names}
        customer={session.customer.name}
        pending={pending}
        typing={typing}
        onRetry={(external_id) => desk.retry(external_id)}
        onDiscard={(external_id) => desk.discard(external_id)}
      />
      {session.state === "wrap_up" ? (
        <WrapUp session={session} />
      ) : media.chat ? (
        <Composer session={id} />
      ) : (
        <p className={classes.noChat}>{t("composer.no_chat")}</p>
      )}
    </main>
  );
}

/** An offer before it is accepted: everything to read, nothing to write. */
export function OfferPane({ offer }: { offer: OfferView }) {
  const { t } = useTranslation();
  const names = useAgentNames();
  const entries = useEntries(offer.session);
  return (
    <main className={classes.pane} data-testid="offer-pane" data-session={offer.session}>
      <header className={classes.head}>
        <div className={classes.title}>
          <h1 className="clip">{customerName(offer.customer) ?? t("customer.unknown")}</h1>
          <span className={classes.facts}>
            <MediaIcons media={offer.media} /> {offer.queue} · {t("offer.waits")}{" "}
            <Elapsed since={offer.waiting_since} />
          </span>
        </div>
        <Tag tone="live">{t("offer.not_yet")}</Tag>
      </header>
      <TimelineView entries={entries} names={names} customer={offer.customer.name} page />
    </main>
  );
}

function Head({ name, view, children }: { name: string | null; view: SessionView; children: React.ReactNode }) {
  const { t } = useTranslation();
  return (
    <header className={classes.head}>
      <div className={classes.title}>
        <h1 className="clip">{name ?? t("customer.unknown")}</h1>
        <span className={classes.facts}>
          <MediaIcons media={openMedia(view)} />
          {view.queue && <span>{view.queue}</span>}
          <span>
            {t("session.open_for")} <Elapsed since={view.opened} />
          </span>
          {view.recording && (
            <span className={classes.rec} data-testid="recording-on" data-paused={view.recording_paused || undefined}>
              <i /> {t(view.recording_paused ? "session.recording_paused" : "session.recording")}
            </span>
          )}
        </span>
      </div>
      {children}
    </header>
  );
}
