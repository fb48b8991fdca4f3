import { ActionIcon, Button } from "@mantine/core";
import { IconCoffee, IconHeadset, IconInbox, IconUser, IconX } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { command } from "../api/client";
import { useDesk, usePhone } from "../app/live";
import { customerName } from "../lib/format";
import { Empty } from "../ui/common";
import { complain } from "../ui/complain";
import { CustomerCard } from "../ui/desk/CustomerCard";
import { OfferCard, RingingCard } from "../ui/desk/OfferCard";
import { SessionList } from "../ui/desk/SessionList";
import { OfferPane, SessionPane } from "../ui/desk/SessionPane";
import { SideCall } from "../ui/desk/SideCall";
import classes from "./Desk.module.css";

/** After a reload one looks at the same session as before. */
const CHOSEN = "tandem.desk.session";

export function DeskPage() {
  const { t } = useTranslation();
  const desk = useDesk((state) => state.desk);
  const ringing = usePhone((phone) => phone.calls).filter(
    (call) => call.offer === null && (call.state === "ringing" || call.state === "answering"),
  );
  const talking = usePhone((phone) => phone.calls).filter((call) => call.state === "talking");
  const [chosen, setChosen] = useState<string | null>(() => sessionStorage.getItem(CHOSEN));
  const [card, setCard] = useState(false);
  const sessions = desk?.sessions ?? [];
  const offers = desk?.offers ?? [];

  // As a guest in somebody else's conversation. What a supervisor does has a bar of its own.
  const beside = talking.filter(
    (call) => call.reason === "conference" && !sessions.some((one) => one.session === call.session),
  );

  const exists = [...sessions, ...offers].some((one) => one.session === chosen);
  const selected = exists ? chosen : (sessions[0]?.session ?? offers[0]?.session ?? null);
  // What was shown stays chosen: an accepted offer turns into the session of the same id under the reader's eyes.
  useEffect(() => {
    if (selected === null) return;
    setChosen(selected);
    sessionStorage.setItem(CHOSEN, selected);
  }, [selected]);

  const session = sessions.find((one) => one.session === selected);
  const offer = session ? undefined : offers.find((one) => one.session === selected);
  const nameOf = (id: string | null) => {
    const found = sessions.find((one) => one.session === id);
    return found ? customerName(found.customer) : null;
  };

  return (
    <div className={classes.desk} data-testid="desk" data-card={card || undefined}>
      <aside className={`${classes.left} scroll`} aria-label={t("desk.work")}>
        {beside.length > 0 && (
          <section className={classes.offers}>
            {beside.map((call) => (
              <SideCall key={call.id} call={call} />
            ))}
          </section>
        )}
        {(offers.length > 0 || ringing.length > 0) && (
          <section className={classes.offers} aria-live="assertive">
            {ringing.map((call) => (
              <RingingCard key={call.id} call={call} name={nameOf(call.session)} />
            ))}
            {offers.map((one) => (
              <OfferCard
                key={one.offer}
                offer={one}
                selected={one.session === selected}
                onSelect={() => setChosen(one.session)}
              />
            ))}
          </section>
        )}
        <h2 className={`${classes.heading} eyebrow`}>
          {t("desk.mine")} <span className="num">{sessions.length || ""}</span>
        </h2>
        {sessions.length === 0 && <p className={classes.none}>{t("desk.none")}</p>}
        <SessionList sessions={sessions} selected={selected} onSelect={setChosen} />
      </aside>
      {session ? (
        <>
          <SessionPane key={session.session} session={session} />
          <CustomerCard
            key={`card-${session.session}`}
            customer={session.customer}
            context={session.context}
            session={session.session}
            editable
          />
        </>
      ) : offer ? (
        <>
          <OfferPane key={offer.session} offer={offer} />
          <CustomerCard customer={offer.customer} context={offer.context} session={offer.session} editable={false} />
        </>
      ) : (
        <main className={classes.empty} data-testid="desk-empty">
          <Nothing />
        </main>
      )}
      {selected !== null && (
        <ActionIcon
          className={classes.cardToggle}
          variant="default"
          size={34}
          onClick={() => setCard(!card)}
          aria-label={t("desk.card")}
          aria-expanded={card}
          data-testid="card-toggle"
        >
          {card ? <IconX size={17} /> : <IconUser size={17} stroke={1.7} />}
        </ActionIcon>
      )}
    </div>
  );
}

function Nothing() {
  const { t } = useTranslation();
  const desk = useDesk((state) => state.desk);
  const queues = useDesk((state) => state.floor?.queues) ?? [];
  const waiting = queues.reduce((sum, queue) => sum + queue.waiting, 0);
  if (!desk) return null;
  if (desk.status.state === "ready") {
    return (
      <Empty icon={<IconHeadset size={26} stroke={1.5} />} title={t("empty.ready")}>
        {waiting > 0 ? t("empty.waiting", { count: waiting }) : t("empty.ready_text")}
      </Empty>
    );
  }
  const missed = desk.status.state === "not_answering";
  return (
    <Empty
      icon={missed ? <IconInbox size={26} stroke={1.5} /> : <IconCoffee size={26} stroke={1.5} />}
      title={t(missed ? "empty.not_answering" : "empty.not_ready")}
    >
      {t(missed ? "empty.not_answering_text" : "empty.not_ready_text")}
      <br />
      <Button
        color="live"
        mt={16}
        onClick={() => command({ command: "set_status", status: { state: "ready" } }).catch(complain)}
        data-testid="desk-ready"
      >
        {t("empty.become_ready")}
      </Button>
    </Empty>
  );
}
