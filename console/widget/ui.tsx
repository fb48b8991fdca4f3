/** @jsxImportSource preact */
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { duration } from "../src/lib/format";
import { linkify } from "../src/lib/linkify";
import type { Call, CallState } from "./call";
import { Chat, type Profile, type State } from "./chat";
import * as icons from "./icons";
import type { Arrived } from "./protocol";
import { refusal, type Translate } from "./texts";

export type AppProps = {
  chat: Chat;
  call: Call;
  t: Translate;
  title: string | undefined;
  locale: string;
  theme: "light" | "dark";
};
/** What has no form that could say why it was refused. */
const PLAIN = new Set(["talk", "close", "identify"]);

type View = "chat" | "ways" | "call_me" | "code";

export function App({ chat, call, t, title, locale, theme }: AppProps) {
  const [open, setOpen] = useState(false);
  const [state, setState] = useState(chat.state);
  const [callState, setCallState] = useState<CallState>(call.state);
  const [begun, setBegun] = useState(chat.known);
  const [view, setView] = useState<View>("chat");
  const launcher = useRef<HTMLButtonElement>(null);

  // What changed between the first drawing and this subscription is read at once.
  useEffect(() => {
    const read = () => setState(chat.state());
    read();
    return chat.subscribe(read);
  }, [chat]);
  useEffect(() => {
    const read = () => setCallState(call.state);
    read();
    return subscribeCall(read);
  }, [call]);

  // Seen is what was on the screen of a page that is looked at.
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is new messages that there is to see
  useEffect(() => {
    const look = () => {
      if (open && document.visibilityState === "visible") chat.look();
    };
    look();
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, [open, chat, state.messages]);

  // What was asked for was done: back to the conversation.
  useEffect(() => {
    if (state.notice && !state.notice.error) setView("chat");
    if (state.notice?.error && state.notice.about === "talk") call.refused();
  }, [state.notice, call]);

  // A complaint does not stand there for ever.
  useEffect(() => {
    const problem = callState.phase === "none" && callState.problem;
    // The offer to call again stays until it is answered.
    const passing = problem && problem !== "lost";
    if (!state.notice?.error && !passing) return;
    const timer = setTimeout(() => {
      chat.dismissNotice();
      if (passing) call.forget();
    }, 8000);
    return () => clearTimeout(timer);
  }, [state.notice, callState, chat, call]);

  const show = () => {
    setOpen(true);
    if (begun || chat.returning) chat.connect();
  };
  const hide = () => {
    setOpen(false);
    launcher.current?.focus();
  };
  const talk = () => {
    setView("chat");
    if (call.ask()) chat.talk();
  };

  const unread = Chat.unread(state);
  const started = begun || state.session !== null || state.pending.length > 0;
  return (
    <div class="root" lang={locale} data-theme={theme}>
      {open && (
        <section
          class="panel"
          role="dialog"
          aria-label={title ?? t("title")}
          data-testid="panel"
          onKeyDown={(event) => {
            if (event.key === "Escape") hide();
          }}
        >
          <Head
            state={state}
            callState={callState}
            t={t}
            title={title}
            view={view}
            started={started}
            setView={setView}
            onHide={hide}
          />
          {callState.phase !== "none" && <CallBar call={call} state={callState} t={t} />}
          {callState.phase === "none" && callState.problem && (
            <p class="banner bad" role="alert" data-testid="voice-problem">
              {t(`call_${callState.problem}`)}
              {callState.problem === "lost" && (
                <>
                  <button
                    type="button"
                    class="primary small"
                    disabled={state.link !== "open" || state.session === null || state.visitor.state === "closed"}
                    onClick={talk}
                    data-testid="voice-again"
                  >
                    {t("call_again")}
                  </button>
                  <button type="button" class="plain small" onClick={() => call.forget()}>
                    {t("invitation_no")}
                  </button>
                </>
              )}
            </p>
          )}
          {state.notice?.error && PLAIN.has(state.notice.about) && (
            <p class="banner bad" role="alert">
              {refusal(t, state.notice.code, state.notice.about)}
            </p>
          )}
          {state.link === "down" && (
            <p class="banner" role="status" data-testid="offline">
              {t("offline")}
            </p>
          )}
          {state.invitation && callState.phase === "none" && (
            <div class="banner invite" role="alert" data-testid="talk-invitation">
              <span>{t("invitation")}</span>
              <button type="button" class="primary small" onClick={talk} data-testid="talk-accept">
                {t("invitation_yes")}
              </button>
              <button type="button" class="plain small" onClick={() => chat.dismissInvitation()}>
                {t("invitation_no")}
              </button>
            </div>
          )}
          {!started ? (
            <Start
              t={t}
              onCode={() => setView("code")}
              onBegin={(profile) => {
                chat.begin(profile);
                setBegun(true);
              }}
            />
          ) : view === "ways" ? (
            <Ways
              t={t}
              talking={callState.phase !== "none"}
              setView={setView}
              onTalk={talk}
              state={state}
              chat={chat}
            />
          ) : view === "call_me" ? (
            <CallMe chat={chat} state={state} t={t} />
          ) : view === "code" ? (
            <Code chat={chat} state={state} t={t} />
          ) : (
            <Conversation chat={chat} state={state} t={t} locale={locale} />
          )}
        </section>
      )}
      <button
        ref={launcher}
        type="button"
        class="launcher"
        data-open={open}
        data-testid="launcher"
        aria-expanded={open}
        aria-label={open ? t("minimise") : unread ? `${t("open")}. ${t("unread", { n: unread })}` : t("open")}
        onClick={open ? hide : show}
      >
        {open ? icons.down : icons.bubble}
        {!open && unread > 0 && (
          <span class="badge" data-testid="unread">
            {unread}
          </span>
        )}
        {!open && callState.phase === "talking" && <span class="live" />}
      </button>
    </div>
  );
}

// The call lives beside the chat; the page has one of each.
const callListeners = new Set<() => void>();
export function callChanged(): void {
  for (const listener of callListeners) listener();
}
function subscribeCall(listener: () => void): () => void {
  callListeners.add(listener);
  return () => callListeners.delete(listener);
}

type HeadProps = {
  state: State;
  callState: CallState;
  t: Translate;
  title: string | undefined;
  view: View;
  started: boolean;
  setView(view: View): void;
  onHide(): void;
};

function Head({ state, callState, t, title, view, started, setView, onHide }: HeadProps) {
  return (
    <header class="head">
      {started && view !== "chat" && (
        <button type="button" class="icon" onClick={() => setView("chat")} aria-label={t("back")}>
          {icons.back}
        </button>
      )}
      <div class="who">
        <b>{title ?? t("title")}</b>
        <span class="line" role="status" data-testid="state-line" data-state={state.visitor.state}>
          {stateLine(state, t)}
        </span>
      </div>
      {started && view === "chat" && callState.phase === "none" && (
        <button
          type="button"
          class="icon"
          onClick={() => setView("ways")}
          aria-label={t("ways")}
          data-testid="call-button"
        >
          {icons.phone}
        </button>
      )}
      <button type="button" class="icon" onClick={onHide} aria-label={t("minimise")} data-testid="minimise">
        {icons.down}
      </button>
    </header>
  );
}

function stateLine({ visitor, link }: State, t: Translate): string {
  if (link === "idle") return t("idle");
  switch (visitor.state) {
    case "idle":
      return t("idle");
    case "flow":
      return t("bot");
    case "waiting":
      if (visitor.position <= 0) return t("waiting");
      return visitor.position === 1 ? t("next") : t("position", { n: visitor.position });
    case "with":
      return t(visitor.in_call ? "talking_with" : "with", { name: visitor.name });
    case "closed":
      return t("closed");
  }
}

function Start({ t, onBegin, onCode }: { t: Translate; onBegin(profile: Profile): void; onCode(): void }) {
  const [wrong, setWrong] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => form.current?.querySelector("input")?.focus(), []);
  const submit = (event: Event) => {
    event.preventDefault();
    const data = new FormData(form.current as HTMLFormElement);
    const name = String(data.get("name") ?? "").trim();
    const contact = String(data.get("contact") ?? "").trim();
    const profile: Profile = name ? { name } : {};
    if (/^\S+@\S+\.\S+$/.test(contact)) profile.email = contact;
    else if (isPhone(contact)) profile.phone = contact;
    else if (contact) {
      setWrong(true);
      return;
    }
    onBegin(profile);
  };
  return (
    <form class="form" ref={form} onSubmit={submit} data-testid="start-form">
      <h2>{t("start_title")}</h2>
      <p>{t("start_text")}</p>
      <label>
        {t("name")}
        <input name="name" maxLength={100} autocomplete="name" data-testid="start-name" />
      </label>
      <label>
        {t("contact")}
        <input
          name="contact"
          maxLength={200}
          aria-invalid={wrong}
          onInput={() => setWrong(false)}
          data-testid="start-contact"
        />
        {wrong && (
          <span class="wrong" role="alert">
            {t("contact_wrong")}
          </span>
        )}
      </label>
      <button type="submit" class="primary" data-testid="start-submit">
        {t("begin")}
      </button>
      <button type="button" class="plain" onClick={() => onBegin({})} data-testid="start-skip">
        {t("skip")}
      </button>
      <button
        type="button"
        class="link"
        onClick={() => {
          onBegin({});
          onCode();
        }}
        data-testid="start-code"
      >
        {t("code")}
      </button>
    </form>
  );
}

type WaysProps = {
  t: Translate;
  talking: boolean;
  state: State;
  chat: Chat;
  setView(view: View): void;
  onTalk(): void;
};

function Ways({ t, talking, state, chat, setView, onTalk }: WaysProps) {
  const running = state.session !== null && state.visitor.state !== "closed";
  return (
    <div class="ways">
      <Way
        icon={icons.mic}
        title={t("talk")}
        note={t(running ? "talk_note" : "no_session")}
        disabled={talking || !running}
        onClick={onTalk}
        testid="way-talk"
      />
      <Way
        icon={icons.phone}
        title={t("call_me")}
        note={t(running ? "call_me_note" : "no_session")}
        disabled={talking || !running}
        onClick={() => setView("call_me")}
        testid="way-call-me"
      />
      <Way
        icon={icons.hash}
        title={t("code")}
        note={t("code_note")}
        onClick={() => setView("code")}
        testid="way-code"
      />
      {running && (
        <button
          type="button"
          class="plain"
          onClick={() => {
            chat.end();
            setView("chat");
          }}
          data-testid="end-chat"
        >
          {t("end")}
        </button>
      )}
    </div>
  );
}

type WayProps = {
  icon: ComponentChildren;
  title: string;
  note: string;
  disabled?: boolean;
  onClick(): void;
  testid: string;
};

function Way({ icon, title, note, disabled, onClick, testid }: WayProps) {
  return (
    <button type="button" class="way" onClick={onClick} disabled={disabled} data-testid={testid}>
      <span class="wayIcon">{icon}</span>
      <span>
        <b>{title}</b>
        <small>{note}</small>
      </span>
    </button>
  );
}

function CallMe({ chat, state, t }: { chat: Chat; state: State; t: Translate }) {
  const [phone, setPhone] = useState("");
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault();
        if (isPhone(phone)) chat.callMe(phone.trim());
      }}
    >
      <h2>{t("call_me")}</h2>
      <label>
        {t("phone")}
        <input
          ref={input}
          type="tel"
          autocomplete="tel"
          inputMode="tel"
          placeholder="+7"
          value={phone}
          onInput={({ currentTarget }) => setPhone(currentTarget.value)}
          data-testid="call-me-phone"
        />
        <Problem state={state} about="call_me" t={t} />
      </label>
      <button type="submit" class="primary" disabled={!isPhone(phone)} data-testid="call-me-submit">
        {t("call_me_do")}
      </button>
    </form>
  );
}

function Code({ chat, state, t }: { chat: Chat; state: State; t: Translate }) {
  const [code, setCode] = useState("");
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    input.current?.focus();
    chat.connect();
  }, [chat]);
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault();
        if (code.length >= 4) chat.code(code);
      }}
    >
      <h2>{t("code")}</h2>
      <label>
        {t("code_label")}
        <input
          ref={input}
          class="codeInput"
          inputMode="numeric"
          autocomplete="one-time-code"
          maxLength={9}
          value={code}
          onInput={({ currentTarget }) => setCode(currentTarget.value.replace(/\D/g, ""))}
          data-testid="code-input"
        />
        <Problem state={state} about="code" t={t} />
      </label>
      <button type="submit" class="primary" disabled={code.length < 4} data-testid="code-submit">
        {t("code_do")}
      </button>
    </form>
  );
}

function Problem({ state, about, t }: { state: State; about: string; t: Translate }) {
  const { notice } = state;
  if (!notice?.error || notice.about !== about) return null;
  return (
    <span class="wrong" role="alert" data-testid="form-error">
      {refusal(t, notice.code, about)}
    </span>
  );
}

function CallBar({ call, state, t }: { call: Call; state: CallState; t: Translate }) {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), 500);
    return () => clearInterval(timer);
  }, []);
  const talking = state.phase === "talking";
  return (
    <div class="call" data-testid="voice-bar" data-phase={state.phase}>
      <span class={talking ? "pulse on" : "pulse"} />
      <span class="callText">
        {t(talking ? "call_talking" : state.phase === "ringing" ? "call_ringing" : "call_asking")}
        {talking && <b data-testid="voice-duration">{duration(Date.now() - state.since)}</b>}
      </span>
      {talking && (
        <button
          type="button"
          class="icon"
          aria-pressed={state.muted}
          aria-label={t(state.muted ? "unmute" : "mute")}
          onClick={() => call.toggleMute()}
          data-testid="voice-mute"
        >
          {state.muted ? icons.micOff : icons.mic}
        </button>
      )}
      <button
        type="button"
        class="icon hang"
        aria-label={t("hang_up")}
        onClick={() => call.hangUp()}
        data-testid="voice-hangup"
      >
        {icons.hang}
      </button>
    </div>
  );
}

function Conversation({ chat, state, t, locale }: { chat: Chat; state: State; t: Translate; locale: string }) {
  const log = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const { messages, pending, visitor, typing, read } = state;
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is new lines that move the end
  useLayoutEffect(() => {
    if (atEnd.current && log.current) log.current.scrollTop = log.current.scrollHeight;
  }, [messages, pending, typing, visitor]);
  // The log also grows and shrinks as banners and the input do.
  useEffect(() => {
    const element = log.current;
    if (!element) return;
    const observer = new ResizeObserver(() => {
      if (atEnd.current) element.scrollTop = element.scrollHeight;
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const closed = visitor.state === "closed";
  const last = messages.at(-1);
  const choices = !closed && pending.length === 0 ? (last?.message.buttons ?? []) : [];
  const lastMine = messages.reduce((found, one) => (one.message.author.who === "customer" ? one.seq : found), 0);
  return (
    <>
      <div
        ref={log}
        class="log"
        role="log"
        aria-live="polite"
        aria-label={t("log")}
        data-testid="log"
        onScroll={({ currentTarget: { scrollTop, clientHeight, scrollHeight } }) => {
          atEnd.current = scrollHeight - scrollTop - clientHeight < 40;
        }}
      >
        {messages.length === 0 && <p class="greeting">{t("greeting")}</p>}
        {messages.map((one, i) => (
          <Line
            key={one.message.external_id ?? one.seq}
            one={one}
            before={messages[i - 1]}
            t={t}
            locale={locale}
            receipt={one.seq === lastMine ? (one.seq <= read ? "read" : "sent") : null}
          />
        ))}
        {pending.map((one) => (
          <div key={one.id} class="line mine" data-testid="message-item" data-pending data-author="customer">
            <div class="bubble waiting">{one.text}</div>
            {one.error ? (
              <span class="wrong">
                {t("not_sent")} {refusal(t, one.error)}{" "}
                <button type="button" class="link" onClick={() => chat.retry(one.id)}>
                  {t("retry")}
                </button>{" "}
                <button type="button" class="link" onClick={() => chat.discard(one.id)}>
                  {t("discard")}
                </button>
              </span>
            ) : (
              <span class="receipt">{t("sending")}</span>
            )}
          </div>
        ))}
        {typing && (
          <div class="typing" data-testid="typing">
            <i />
            <i />
            <i />
            <span class="hidden">{t("typing")}</span>
          </div>
        )}
        {state.notice && !state.notice.error && (state.notice.about === "call_me" || state.notice.about === "code") && (
          <p class="done" role="status" data-testid="notice">
            {t(
              state.notice.about === "code" ? "code_done" : visitor.state === "with" ? "call_me_done" : "call_me_later",
            )}
          </p>
        )}
        {closed && (
          <div class="closed" data-testid="closed">
            <p>{t("closed")}</p>
            <button type="button" class="primary" onClick={() => chat.renew()} data-testid="new-conversation">
              {t("again")}
            </button>
          </div>
        )}
      </div>
      {choices.length > 0 && (
        <div class="choices">
          {choices.map((button) => (
            <button
              type="button"
              key={button.choice}
              class="choice"
              onClick={() => chat.send(button.label)}
              data-testid="flow-button"
              data-choice={button.choice}
            >
              {button.label}
            </button>
          ))}
        </div>
      )}
      {!closed && (
        <Composer
          chat={chat}
          t={t}
          onSent={() => {
            atEnd.current = true;
          }}
        />
      )}
    </>
  );
}

type LineProps = {
  one: Arrived;
  before: Arrived | undefined;
  t: Translate;
  locale: string;
  receipt: "sent" | "read" | null;
};

function Line({ one: { at, seq, message }, before, t, locale, receipt }: LineProps) {
  const { author, text } = message;
  const mine = author.who === "customer";
  const name = author.who === "agent" ? author.name : author.who === "flow" ? t("assistant") : "";
  const same = before?.message.author.who === author.who && at - before.at < 180e6;
  if (author.who === "system") return <p class="done">{text}</p>;
  return (
    <div class={mine ? "line mine" : "line"} data-testid="message-item" data-seq={seq} data-author={author.who}>
      {!mine && !same && <span class="author">{name}</span>}
      <div class="bubble">
        {linkify(text).map((piece, i) =>
          piece.href ? (
            <a key={i} href={piece.href} target="_blank" rel="noopener noreferrer nofollow">
              {piece.text}
            </a>
          ) : (
            piece.text
          ),
        )}
      </div>
      {receipt && (
        <span class="receipt" data-testid="receipt" data-receipt={receipt}>
          {new Date(at / 1000).toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit" })} · {t(receipt)}
        </span>
      )}
    </div>
  );
}

const draft = { text: "" };

function Composer({ chat, t, onSent }: { chat: Chat; t: Translate; onSent(): void }) {
  const [text, setText] = useState(draft.text);
  const input = useRef<HTMLTextAreaElement>(null);
  const told = useRef(0);
  useEffect(() => input.current?.focus(), []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is the text that makes it grow
  useLayoutEffect(() => {
    const element = input.current;
    if (!element) return;
    // Grows with its text. Set through the CSSOM, which a strict policy for inline styles allows.
    element.style.height = "auto";
    element.style.height = `${Math.min(element.scrollHeight, 120)}px`;
  }, [text]);
  const change = (value: string) => {
    setText(value);
    draft.text = value;
    const now = Date.now();
    if (value && now - told.current > 3000) {
      // What was not told is told with the next key.
      if (chat.typing(true)) told.current = now;
    } else if (!value && told.current) {
      told.current = 0;
      chat.typing(false);
    }
  };
  const send = () => {
    if (!text.trim()) return;
    onSent();
    chat.send(text);
    setText("");
    draft.text = "";
    told.current = 0;
    input.current?.focus();
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <textarea
        ref={input}
        rows={1}
        maxLength={4000}
        value={text}
        placeholder={t("placeholder")}
        aria-label={t("placeholder")}
        onInput={({ currentTarget }) => change(currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          send();
        }}
        data-testid="input"
      />
      <button type="submit" class="sendButton" aria-label={t("send")} disabled={!text.trim()} data-testid="send">
        {icons.send}
      </button>
    </form>
  );
}

function isPhone(text: string): boolean {
  const digits = text.replace(/\D/g, "");
  return /^[+\d\s().-]+$/.test(text.trim()) && digits.length >= 7 && digits.length <= 15;
}
