import { useSyncExternalStore } from "react";
import { command, get, socketUrl } from "../api/client";
import type { Entry, Me, SoftphoneAccount } from "../api/types";
import { Desk, type DeskState } from "../desk/desk";
import { Events } from "../desk/events";
import { jssipDriver } from "../softphone/jssipDriver";
import { type PhoneState, Softphone } from "../softphone/softphone";
import { PhoneTab } from "../softphone/tab";

/** The live things of one signed-in operator. They outlive every component, so that drawing never ends a call. */
export type Live = { me: Me; desk: Desk; phone: Softphone; tab: PhoneTab; close(): void };

let live: Live | null = null;

/** Idempotent: the second call for the same operator returns the first one's result. */
export function goLive(me: Me): Live {
  if (live?.me.agent === me.agent) return live;
  live?.close();
  const key = `tandem.outbox.${me.agent}`;
  const desk = new Desk(
    {
      command,
      entries: (session, after) => get<Entry[]>(`/sessions/${session}/entries?after=${after}`),
    },
    { load: () => localStorage.getItem(key), save: (text) => localStorage.setItem(key, text) },
  );
  const phone = new Softphone({
    driver: jssipDriver,
    credentials: async () => {
      const { uri, authorization_user, password, websocket } = await get<SoftphoneAccount>("/softphone");
      return { uri, authorizationUser: authorization_user, password, websocket: socketUrl(websocket) };
    },
    muteAtServer: (session, muted) => void command({ command: "mute", session, muted }).catch(() => {}),
    now: () => Date.now(),
    setTimeout: (run, ms) => setTimeout(run, ms),
    clearTimeout: (timer) => clearTimeout(timer as number),
  });
  const tab = new PhoneTab((active) => (active ? phone.start() : phone.yieldTo()));
  const events = new Events(
    (event) => desk.handle(event),
    (link) => desk.setLink(link),
  );
  const hurry = () => phone.hurry();
  addEventListener("online", hurry);
  // Operators serve customers on it, all others come into their calls.
  if (me.roles.length > 0) tab.start();
  live = {
    me,
    desk,
    phone,
    tab,
    close: () => {
      removeEventListener("online", hurry);
      events.close();
      desk.close();
      phone.stop();
      tab.stop();
      live = null;
    },
  };
  return live;
}

/** For the parts of the page that are only there while somebody is signed in. */
export function useLive(): Live {
  if (!live) throw new Error("used outside of a signed-in page");
  return live;
}

export const stopLive = (): void => live?.close();

export function useDesk<T>(select: (state: DeskState) => T): T {
  const { desk } = useLive();
  return useSyncExternalStore(desk.subscribe, () => select(desk.state()));
}

export function usePhone<T>(select: (state: PhoneState) => T): T {
  const { phone } = useLive();
  return useSyncExternalStore(phone.subscribe, () => select(phone.state()));
}
