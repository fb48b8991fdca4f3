import type { CustomerView, Identity, Micros } from "../api/types";

/** `1:05` or `1:02:07`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (n: number) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function format(locale: string, name: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${locale} ${name}`;
  const known = formats.get(key);
  if (known) return known;
  const fresh = new Intl.DateTimeFormat(locale, options);
  formats.set(key, fresh);
  return fresh;
}

export const clock = (at: Micros, locale: string) =>
  format(locale, "clock", { hour: "2-digit", minute: "2-digit" }).format(at / 1000);

/** To the millisecond, for what is read by engineers. */
export const clockMillis = (at: Micros, locale: string) =>
  format(locale, "millis", {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    fractionalSecondDigits: 3,
  }).format(at / 1000);

export const day = (at: Micros, locale: string) =>
  format(locale, "day", { weekday: "long", day: "numeric", month: "long" }).format(at / 1000);

export const moment = (at: Micros, locale: string) =>
  format(locale, "moment", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }).format(at / 1000);

/** `+7 916 123-45-67`; other countries are left as they are. */
export function phone(number: string): string {
  const ru = /^\+7(\d{3})(\d{3})(\d{2})(\d{2})$/.exec(number);
  return ru ? `+7 ${ru[1]} ${ru[2]}-${ru[3]}-${ru[4]}` : number;
}

export function identityText(identity: Identity): string {
  switch (identity.kind) {
    case "phone":
      return phone(identity.value);
    case "email":
      return identity.value;
    case "visitor":
      return `#${identity.value.slice(-6)}`;
  }
}

/** What to call a customer: his name, else how he reached us. `null`: nothing but a browser is known. */
export function customerName(customer: Pick<CustomerView, "name" | "identities">): string | null {
  if (customer.name) return customer.name;
  const known =
    customer.identities.find((one) => one.kind === "phone") ?? customer.identities.find((one) => one.kind === "email");
  return known ? identityText(known) : null;
}

export function initials(name: string): string {
  const letters = name
    .split(/\s+/)
    .map((word) => /\p{L}/u.exec(word)?.[0] ?? "")
    .join("");
  return letters.slice(0, 2).toUpperCase();
}
