/** @jsxImportSource preact */
import { render } from "preact";
import { Call } from "./call";
import { Chat } from "./chat";
import { css } from "./styles";
import { translator } from "./texts";
import { App, callChanged } from "./ui";

/*
 * <script src="https://…/widget.js" data-account="main" async></script>
 * Optional: data-locale="ru|en", data-title, data-accent and data-on-accent (CSS colours),
 * data-theme="light|dark|auto" (auto: as the visitor's system; most pages are light whatever that is, hence light).
 */
const script = document.currentScript as HTMLScriptElement | null;
const MARK = "tandem-widget";

function start(): void {
  if (document.querySelector(MARK)) return;
  const { account = "main", locale: wanted, title, accent, onAccent, theme: wantedTheme } = script?.dataset ?? {};
  const base = script?.src ? new URL(script.src).origin : location.origin;
  // The language of the page tells more of its reader than that of his browser.
  const page = document.documentElement.lang;
  const locale = (wanted || page || navigator.language).toLowerCase().startsWith("ru") ? "ru" : "en";

  const darkSystem = matchMedia("(prefers-color-scheme: dark)").matches;
  const theme = wantedTheme === "dark" || (wantedTheme === "auto" && darkSystem) ? "dark" : "light";

  const host = document.createElement(MARK);
  if (accent) host.style.setProperty("--tandem-accent", accent);
  if (onAccent) host.style.setProperty("--tandem-on-accent", onAccent);
  const root = host.attachShadow({ mode: "open" });
  dress(root);

  const call = new Call(base, callChanged);
  const chat = new Chat({
    account,
    locale,
    url: `${base.replace(/^http/, "ws")}/chat`,
    storage: storage(),
    socket: (url) => new WebSocket(url),
    now: () => Date.now(),
    uuid,
    page: () => location.href.slice(0, 500),
    onCallToken: (token) => void call.start(token),
  });
  render(<App chat={chat} call={call} t={translator(locale)} title={title} locale={locale} theme={theme} />, root);
  document.body.append(host);
  if (chat.returning) chat.connect();
}

/** A constructed sheet passes a policy that forbids inline styles. */
function dress(root: ShadowRoot): void {
  try {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    root.adoptedStyleSheets = [sheet];
  } catch {
    const style = document.createElement("style");
    style.textContent = css;
    root.append(style);
  }
}

/** Reading `localStorage` throws where it is forbidden. */
function storage(): Pick<Storage, "getItem" | "setItem"> {
  try {
    return window.localStorage;
  } catch {
    const kept = new Map<string, string>();
    return { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => void kept.set(key, value) };
  }
}

/** `randomUUID` is only there on secure pages; a shop may still be on plain http. */
function uuid(): string {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, "$1-$2-$3-$4-$5");
}

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
else start();
