import { ActionIcon, Textarea } from "@mantine/core";
import { IconSend2 } from "@tabler/icons-react";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { command } from "../../api/client";
import { useLive } from "../../app/live";
import { serverNow } from "../../lib/clock";
import classes from "./SessionPane.module.css";

const TYPING_EVERY_MS = 3_000;
const drafts = new Map<string, string>();

/** Enter sends, Shift+Enter breaks the line. What was begun stays with its session. */
export function Composer({ session }: { session: string }) {
  const { t } = useTranslation();
  const { desk } = useLive();
  const [text, setText] = useState(drafts.get(session) ?? "");
  const input = useRef<HTMLTextAreaElement>(null);
  const toldTyping = useRef(0);

  useEffect(() => input.current?.focus(), []);

  const typing = (on: boolean) => {
    const now = Date.now();
    if (on ? now - toldTyping.current < TYPING_EVERY_MS : toldTyping.current === 0) return;
    toldTyping.current = on ? now : 0;
    command({ command: "typing", session, on }).catch(() => {});
  };
  const change = (value: string) => {
    setText(value);
    drafts.set(session, value);
    typing(value !== "");
  };
  const send = () => {
    const words = text.trim();
    if (!words) return;
    desk.send(session, words, crypto.randomUUID(), serverNow() * 1000);
    toldTyping.current = 0;
    setText("");
    drafts.delete(session);
  };
  return (
    <div className={classes.composer}>
      <Textarea
        ref={input}
        className={classes.input}
        value={text}
        onChange={({ currentTarget }) => change(currentTarget.value)}
        onBlur={() => typing(false)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
          event.preventDefault();
          send();
        }}
        autosize
        minRows={1}
        maxRows={7}
        maxLength={4000}
        placeholder={t("composer.placeholder")}
        aria-label={t("composer.placeholder")}
        data-testid="chat-input"
      />
      <ActionIcon
        variant="filled"
        color="cobalt"
        size={36}
        onClick={send}
        disabled={!text.trim()}
        aria-label={t("composer.send")}
        data-testid="chat-send"
      >
        <IconSend2 size={18} />
      </ActionIcon>
    </div>
  );
}
