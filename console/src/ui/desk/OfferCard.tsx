import { Button } from "@mantine/core";
import { IconCheck, IconPhone } from "@tabler/icons-react";
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { command } from "../../api/client";
import type { OfferView } from "../../api/types";
import { useDesk, useLive, usePhone } from "../../app/live";
import { serverNow, useNow } from "../../lib/clock";
import { customerName, identityText, phone as number } from "../../lib/format";
import type { PhoneCall } from "../../softphone/softphone";
import { Elapsed, MediaIcons, RichText } from "../common";
import { complain } from "../complain";
import classes from "./OfferCard.module.css";

type Props = { offer: OfferView; selected: boolean; onSelect(): void };

/** One offer, with what one wants to know before taking it. */
export function OfferCard({ offer, selected, onSelect }: Props) {
  const { t } = useTranslation();
  const { phone } = useLive();
  const phoneState = usePhone((state) => state.registration);
  const call = usePhone((state) => state.calls.find((one) => one.offer === offer.offer));
  const otherPhone = useDesk((state) => state.desk?.phone_registered ?? false);
  const name = customerName(offer.customer);
  const address = offer.customer.identities.find((one) => one.kind !== "visitor");
  const byOtherPhone = offer.media.voice && phoneState !== "registered" && !call;

  useEffect(() => () => phone.forget(offer.offer), [phone, offer.offer]);

  const accept = () => {
    onSelect();
    if (offer.media.voice) phone.accept({ offer: offer.offer });
    else command({ command: "accept", offer: offer.offer }).catch(complain);
  };
  const decline = () => command({ command: "decline", offer: offer.offer }).catch(complain);

  return (
    <article
      className={classes.card}
      data-selected={selected || undefined}
      data-testid="offer-card"
      data-offer={offer.offer}
      data-session={offer.session}
      data-media={offer.media.voice ? "voice" : "chat"}
    >
      <button type="button" className={classes.body} onClick={onSelect}>
        <span className={classes.top}>
          <span className={classes.kind}>
            <MediaIcons media={offer.media} />
            {t(offer.callback ? "offer.callback" : offer.media.voice ? "offer.call" : "offer.chat")}
          </span>
          <span className={classes.queue}>{offer.queue}</span>
        </span>
        <span className={`${classes.name} clip`}>{name ?? t("customer.unknown")}</span>
        {address && offer.customer.name && <span className="dim num">{identityText(address)}</span>}
        <Facts context={withoutOurs(offer.context)} />
        {offer.callback && <span>{t("offer.callback_how", { phone: number(offer.callback) })}</span>}
        <span className={classes.facts}>
          <span>
            {t("offer.waits")} <Elapsed since={offer.waiting_since} className={classes.strong} />
          </span>
          <span>{t("offer.earlier", { count: offer.customer.earlier_sessions })}</span>
        </span>
      </button>
      {byOtherPhone && <p className={classes.hint}>{t(otherPhone ? "offer.answer_on_phone" : "offer.no_phone")}</p>}
      <div className={classes.actions}>
        <Button
          color="live"
          leftSection={offer.media.voice ? <IconPhone size={16} /> : <IconCheck size={16} />}
          onClick={accept}
          loading={call?.state === "answering"}
          disabled={byOtherPhone}
          data-testid="offer-accept"
        >
          {t(offer.media.voice ? "offer.answer" : "offer.accept")}
        </Button>
        <Button variant="default" px="xs" onClick={decline} data-testid="offer-decline">
          {t("offer.decline")}
        </Button>
      </div>
      <Countdown until={offer.deadline} />
    </article>
  );
}

/** A call that rings for a session which is ours already: no offer, but somebody waits all the same. */
export function RingingCard({ call, name }: { call: PhoneCall; name: string | null }) {
  const { t } = useTranslation();
  const { phone } = useLive();
  return (
    <article className={classes.card} data-testid="ringing-card" data-session={call.session}>
      <div className={classes.body}>
        <span className={classes.top}>
          <span className={classes.kind}>
            <MediaIcons media={{ voice: true, chat: false }} />
            {t("offer.call")}
          </span>
        </span>
        <span className={`${classes.name} clip`}>{name ?? call.peer}</span>
        <span className="dim">{t(call.reason === "conference" ? "offer.conference" : "offer.escalation")}</span>
      </div>
      <div className={classes.actions}>
        <Button
          color="live"
          leftSection={<IconPhone size={16} />}
          onClick={() => phone.answer(call.id)}
          loading={call.state === "answering"}
          data-testid="call-answer"
        >
          {t("offer.answer")}
        </Button>
        <Button variant="default" px="xs" onClick={() => phone.end(call.id)} data-testid="call-decline">
          {t("offer.decline")}
        </Button>
      </div>
    </article>
  );
}

export function Facts({ context }: { context: Record<string, string> }) {
  const { t, i18n } = useTranslation();
  const entries = Object.entries(context);
  if (entries.length === 0) return null;
  // What the dialplan calls its answers is its author's business; these names are ours.
  const label = (key: string) => (i18n.exists(`context.${key}`) ? t(`context.${key}` as never) : key);
  return (
    <span className={classes.context}>
      {entries.map(([key, value]) => (
        <span key={key} className={classes.fact}>
          <span className="dim">{label(key)}</span>
          <span>{key === "page" ? <RichText text={value} /> : value}</span>
        </span>
      ))}
    </span>
  );
}

/** On the card there is only room for what the customer answered. */
function withoutOurs({ page: _page, locale: _locale, ...answers }: Record<string, string>): Record<string, string> {
  return answers;
}

/** How long there is to decide. The whole is what was left when the card appeared. */
function Countdown({ until }: { until: number }) {
  const now = useNow(250);
  const whole = useRef(Math.max(1000, until / 1000 - serverNow()));
  const left = Math.max(0, until / 1000 - now);
  return (
    <div className={classes.countdown} data-urgent={left < 5000 || undefined}>
      <div className={classes.bar} style={{ transform: `scaleX(${Math.min(1, left / whole.current)})` }} />
      <span className="num" data-testid="offer-countdown">
        {Math.ceil(left / 1000)}
      </span>
    </div>
  );
}
