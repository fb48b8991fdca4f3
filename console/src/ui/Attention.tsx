import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { useDesk, usePhone } from "../app/live";
import { unread } from "../desk/journal";
import { customerName } from "../lib/format";
import { playMessage, setRing, unlockSound } from "../lib/sounds";

/** Calls the operator: ringing, the drop of a message, notifications of a hidden page, the number in the title. */
export function Attention() {
  const { t } = useTranslation();
  const offers = useDesk((state) => state.desk?.offers);
  const journals = useDesk((state) => state.journals);
  const sessions = useDesk((state) => state.desk?.sessions);
  const ringingCall = usePhone((phone) => phone.calls.some((call) => call.state === "ringing"));
  const ringing = usePhone((phone) => phone.calls).filter((call) => call.state === "ringing" && call.offer === null);
  // One tab calls out, the one that is the phone.
  const quiet = usePhone((phone) => phone.registration === "elsewhere");
  const talking = usePhone((phone) => phone.calls.some((call) => call.state === "talking"));
  const toldOffers = useRef(new Set<string>());
  const toldMessages = useRef(-1);

  let messages = 0;
  for (const { session } of sessions ?? []) messages += unread(journals.get(session) ?? []);
  const count = (offers?.length ?? 0) + messages;

  useEffect(unlockSound, []);

  useEffect(() => {
    const call = ringingCall || offers?.some((offer) => offer.media.voice);
    // Nobody wants a bell in his ear while he talks.
    setRing(talking || quiet ? null : call ? "call" : offers?.length ? "chat" : null);
    return () => setRing(null);
  }, [offers, ringingCall, talking, quiet]);

  useEffect(() => {
    const fresh = (offers ?? []).filter((offer) => !toldOffers.current.has(offer.offer));
    toldOffers.current = new Set((offers ?? []).map((offer) => offer.offer));
    if (quiet) return;
    for (const offer of fresh) {
      const who = customerName(offer.customer) ?? t("customer.unknown");
      tell(`offer-${offer.offer}`, offer.media.voice ? t("notify.call") : t("notify.chat"), `${who} · ${offer.queue}`);
    }
  }, [offers, quiet, t]);

  const calling = ringing[0]?.id;
  const caller = ringing[0]?.peer ?? "";
  useEffect(() => {
    if (calling) tell(`call-${calling}`, t("notify.call"), caller);
  }, [calling, caller, t]);

  useEffect(() => {
    if (toldMessages.current >= 0 && messages > toldMessages.current && !quiet) {
      playMessage();
      const newest = [...journals.values()]
        .flat()
        .reduce<{ at: number; text: string } | null>((found, { at, change }) => {
          const fits = change.type === "message" && change.message.author.who === "customer" && at > (found?.at ?? 0);
          return fits ? { at, text: change.message.text } : found;
        }, null);
      tell("message", t("notify.message"), newest?.text.slice(0, 140) ?? "");
    }
    toldMessages.current = messages;
  }, [messages, journals, quiet, t]);

  useEffect(() => {
    document.title = count > 0 ? `(${count}) Tandem` : "Tandem";
    return () => {
      document.title = "Tandem";
    };
  }, [count]);

  return null;
}

function tell(tag: string, title: string, body: string): void {
  if (document.visibilityState === "visible" && document.hasFocus()) return;
  if (!("Notification" in window) || Notification.permission !== "granted") return;
  const notification = new Notification(title, { body, tag });
  notification.onclick = () => {
    window.focus();
    notification.close();
  };
}
