import { ActionIcon, Button, CopyButton, Popover, TextInput, Tooltip } from "@mantine/core";
import { IconCopy, IconMessagePlus, IconMessageX, IconPhonePlus, IconVideoPlus, IconX } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { command } from "../../api/client";
import type { SessionView } from "../../api/types";
import { Remaining } from "../common";
import { complain } from "../complain";
import { AddParty } from "./Parties";
import { openMedia } from "./SessionList";
import classes from "./SessionPane.module.css";

export type ChatCode = { code: string; until: number };

type Props = { session: SessionView; onCode(code: ChatCode): void };

/** What an operator can start from here: the other medium, or the end of the chat. */
export function Actions({ session, onCode }: Props) {
  const { t } = useTranslation();
  const media = openMedia(session);
  const id = session.session;
  if (session.state === "wrap_up") return null;
  const offerChat = async () => {
    try {
      const reply = await command({ command: "offer_chat", session: id });
      if (reply.reply === "chat_code")
        onCode({ code: reply.code, until: (Date.now() / 1000 + reply.expires_in_seconds) * 1e6 });
    } catch (error) {
      complain(error);
    }
  };
  return (
    <div className={classes.actions}>
      {!media.voice && <CallCustomer session={session} />}
      {!media.voice && <AddParty session={session.session} writes />}
      {!media.voice && media.chat && (
        <Tooltip label={t("action.invite_talk_hint")}>
          <Button
            variant="default"
            leftSection={<IconVideoPlus size={16} stroke={1.7} />}
            onClick={() => command({ command: "invite_to_talk", session: id }).catch(complain)}
            data-testid="action-invite-talk"
          >
            {t("action.invite_talk")}
          </Button>
        </Tooltip>
      )}
      {!media.chat && (
        <Tooltip label={t("action.offer_chat_hint")}>
          <Button
            variant="default"
            leftSection={<IconMessagePlus size={16} stroke={1.7} />}
            onClick={offerChat}
            data-testid="action-offer-chat"
          >
            {t("action.offer_chat")}
          </Button>
        </Tooltip>
      )}
      {media.chat && (
        <Tooltip label={t("action.close_chat_hint")}>
          <Button
            variant="default"
            leftSection={<IconMessageX size={16} stroke={1.7} />}
            onClick={() => command({ command: "close_chat", session: id }).catch(complain)}
            data-testid="action-close-chat"
          >
            {t("action.close_chat")}
          </Button>
        </Tooltip>
      )}
    </div>
  );
}

function CallCustomer({ session }: { session: SessionView }) {
  const { t } = useTranslation();
  const known = session.customer.identities.find((one) => one.kind === "phone")?.value ?? "";
  const [open, setOpen] = useState(false);
  const [number, setNumber] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const value = number ?? known;
  const call = async () => {
    setBusy(true);
    try {
      await command({ command: "call_customer", session: session.session, phone: value.trim() || null });
      setOpen(false);
    } catch (error) {
      complain(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Popover opened={open} onChange={setOpen} position="bottom-end" shadow="md" trapFocus width={280}>
      <Popover.Target>
        <Button
          variant="default"
          leftSection={<IconPhonePlus size={16} stroke={1.7} />}
          onClick={() => setOpen(!open)}
          data-testid="action-call-customer"
        >
          {t("action.call")}
        </Button>
      </Popover.Target>
      <Popover.Dropdown>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void call();
          }}
        >
          <TextInput
            label={t("action.call_number")}
            type="tel"
            value={value}
            onChange={({ currentTarget }) => setNumber(currentTarget.value)}
            placeholder="+7 …"
            data-autofocus
            data-testid="call-number"
          />
          <Button
            type="submit"
            color="live"
            fullWidth
            mt={10}
            loading={busy}
            disabled={!value.trim()}
            data-testid="call-number-submit"
          >
            {t("action.call_now")}
          </Button>
        </form>
      </Popover.Dropdown>
    </Popover>
  );
}

/** The code that is read out to the customer, in groups of three as one says it. */
export function CodeBanner({ code, onClose }: { code: ChatCode; onClose(): void }) {
  const { t } = useTranslation();
  return (
    <section className={classes.code}>
      <div>
        <div className={`${classes.digits} num`} data-testid="chat-code" data-code={code.code}>
          {code.code.replace(/(\d{3})(?=\d)/g, "$1 ")}
        </div>
        <div className="dim">
          {t("code.hint")} {t("code.valid")} <Remaining until={code.until} />
        </div>
      </div>
      <CopyButton value={code.code}>
        {({ copied, copy }) => (
          <Tooltip label={t(copied ? "copied" : "copy")}>
            <ActionIcon size="lg" onClick={copy} aria-label={t("copy")}>
              <IconCopy size={17} />
            </ActionIcon>
          </Tooltip>
        )}
      </CopyButton>
      <ActionIcon size="lg" onClick={onClose} aria-label={t("close")}>
        <IconX size={17} />
      </ActionIcon>
    </section>
  );
}
