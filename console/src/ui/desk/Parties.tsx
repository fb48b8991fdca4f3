import { Button, Checkbox, Popover, TextInput, UnstyledButton } from "@mantine/core";
import {
  IconArrowMerge,
  IconDeviceMobile,
  IconDoorExit,
  IconMicrophone,
  IconMicrophoneOff,
  IconUserPlus,
  IconUserX,
} from "@tabler/icons-react";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { command } from "../../api/client";
import type { LegView, SessionView } from "../../api/types";
import { useAgentNames } from "../../app/queries";
import { complain } from "../complain";
import panel from "./CallPanel.module.css";
import { Key } from "./Key";
import classes from "./Parties.module.css";

/** Who else is in the call, or is called into it. */
export function Guests({ session }: { session: SessionView }) {
  const { t } = useTranslation();
  const names = useAgentNames();
  const guests = session.legs.filter((leg) => leg.state !== "ended" && leg.part === "guest");
  if (guests.length === 0) return null;
  const id = session.session;
  return (
    <ul className={classes.guests} aria-label={t("conference.guests")} data-testid="guests">
      {guests.map((leg) => {
        const name = leg.party.who === "agent" ? names(leg.party.agent) : leg.address;
        const up = leg.state === "up";
        return (
          <li key={leg.leg} className={classes.guest} data-up={up || undefined} data-testid="guest">
            <span className="clip">{name}</span>
            {!up && <span className={classes.note}>{t("conference.ringing")}</span>}
            {leg.held && <span className={classes.note}>{t("conference.held")}</span>}
            {up && <Mute session={id} leg={leg} name={name} />}
            <Key
              className={classes.small}
              label={t("conference.remove", { name })}
              testid="guest-remove"
              onClick={() => command({ command: "remove_party", session: id, leg: leg.leg }).catch(complain)}
            >
              <IconUserX size={15} stroke={1.7} />
            </Key>
          </li>
        );
      })}
    </ul>
  );
}

/** Silences the customer or a guest for everybody. */
export function Mute({ session, leg, name }: { session: string; leg: LegView; name: string }) {
  const { t } = useTranslation();
  return (
    <Key
      className={classes.small}
      label={t(leg.muted ? "conference.unmute" : "conference.mute", { name })}
      testid="party-mute"
      on={leg.muted}
      onClick={() => command({ command: "mute_party", session, leg: leg.leg, muted: !leg.muted }).catch(complain)}
    >
      {leg.muted ? <IconMicrophoneOff size={15} stroke={1.7} /> : <IconMicrophone size={15} stroke={1.7} />}
    </Key>
  );
}

/** The keys of the conference: somebody is asked or joins, the customer is let in, I leave the others to themselves or take the call along. */
export function ConferenceKeys({ session }: { session: SessionView }) {
  const { t } = useTranslation();
  const id = session.session;
  const up = (part: LegView["part"]) => session.legs.some((leg) => leg.part === part && leg.state === "up");
  return (
    <>
      {up("consulted") && (
        <Key
          label={t("conference.merge")}
          testid="conference-merge"
          onClick={() => command({ command: "conference", session: id }).catch(complain)}
        >
          <IconArrowMerge size={19} stroke={1.7} />
        </Key>
      )}
      {session.aside && (
        <Key
          label={t(up("guest") ? "conference.let_in" : "conference.back")}
          testid="conference-let-in"
          on
          onClick={() => command({ command: "aside", session: id, aside: false }).catch(complain)}
        >
          <IconArrowMerge size={19} stroke={1.7} />
        </Key>
      )}
      <AddParty session={id} />
      <TakeAlong session={id} />
      {up("guest") && (
        <Key
          label={t(session.aside ? "conference.hand_over" : "conference.leave")}
          testid="conference-leave"
          onClick={() => command({ command: "leave_conference", session: id }).catch(complain)}
        >
          <IconDoorExit size={19} stroke={1.7} />
        </Key>
      )}
    </>
  );
}

/** Somebody is called; `writes`: about a customer who is not on the phone. */
export function AddParty({ session, writes = false }: { session: string; writes?: boolean }) {
  const { t } = useTranslation();
  const [first, setFirst] = useState(true);
  const { opened, setOpened, to, setTo, busy, submit } = useCalled((to) =>
    command({ command: writes || first ? "consult" : "add_party", session, to }),
  );
  const title = t(writes ? "conference.ask" : "conference.add");
  return (
    <Popover opened={opened} onChange={setOpened} position="bottom-end" shadow="md" trapFocus>
      <Popover.Target>
        <UnstyledButton
          className={panel.key}
          onClick={() => setOpened(!opened)}
          aria-label={title}
          aria-expanded={opened}
          title={title}
          data-testid="conference-add"
        >
          <IconUserPlus size={19} stroke={1.7} />
        </UnstyledButton>
      </Popover.Target>
      <Popover.Dropdown>
        <form className={classes.add} onSubmit={submit}>
          <TextInput
            label={title}
            description={t("conference.add_hint")}
            value={to}
            maxLength={64}
            onChange={(event) => setTo(event.currentTarget.value)}
            data-autofocus
            data-testid="conference-to"
          />
          {!writes && (
            <Checkbox
              label={t("conference.first")}
              checked={first}
              onChange={(event) => setFirst(event.currentTarget.checked)}
              data-testid="conference-first"
            />
          )}
          <Button type="submit" loading={busy} disabled={to.trim() === ""} data-testid="conference-call">
            {t("conference.call")}
          </Button>
        </form>
      </Popover.Dropdown>
    </Popover>
  );
}

/** The call goes on at another phone of mine. */
function TakeAlong({ session }: { session: string }) {
  const { t } = useTranslation();
  const { opened, setOpened, to, setTo, busy, submit } = useCalled((to) =>
    command({ command: "move_call", session, to: to === "" ? null : to }),
  );
  return (
    <Popover opened={opened} onChange={setOpened} position="bottom-end" shadow="md" trapFocus>
      <Popover.Target>
        <UnstyledButton
          className={panel.key}
          onClick={() => setOpened(!opened)}
          aria-label={t("move.title")}
          aria-expanded={opened}
          title={t("move.title")}
          data-testid="move-call"
        >
          <IconDeviceMobile size={19} stroke={1.7} />
        </UnstyledButton>
      </Popover.Target>
      <Popover.Dropdown>
        <form className={classes.add} onSubmit={submit}>
          <TextInput
            label={t("move.title")}
            description={t("move.hint")}
            value={to}
            maxLength={64}
            onChange={(event) => setTo(event.currentTarget.value)}
            data-autofocus
            data-testid="move-to"
          />
          <Button type="submit" loading={busy} data-testid="move-ring">
            {t("move.ring")}
          </Button>
        </form>
      </Popover.Dropdown>
    </Popover>
  );
}

/** A small form in which somebody to call is typed. */
function useCalled(call: (to: string) => Promise<unknown>) {
  const [opened, setOpened] = useState(false);
  const [to, setTo] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    try {
      await call(to.trim());
      setOpened(false);
      setTo("");
    } catch (error) {
      complain(error);
    } finally {
      setBusy(false);
    }
  };
  return { opened, setOpened, to, setTo, busy, submit };
}
