import i18n from "i18next";
import { initReactI18next } from "react-i18next";
import { en } from "./en";
import { ru } from "./ru";

declare module "i18next" {
  interface CustomTypeOptions {
    resources: { translation: typeof en };
  }
}

export const LOCALES = [
  { code: "ru", name: "Русский" },
  { code: "en", name: "English" },
] as const;

const KEY = "tandem.locale";

function preferred(): string {
  const known = localStorage.getItem(KEY) ?? navigator.language.slice(0, 2);
  return known === "ru" ? "ru" : "en";
}

export function setLocale(code: string): void {
  localStorage.setItem(KEY, code);
  void i18n.changeLanguage(code);
}

/** The language of the account, for somebody who chose none in this browser. */
export function followLocale(code: string): void {
  if (localStorage.getItem(KEY) === null && code !== i18n.language) void i18n.changeLanguage(code);
}

i18n.on("languageChanged", (language) => {
  document.documentElement.lang = language;
});

void i18n.use(initReactI18next).init({
  resources: { en: { translation: en }, ru: { translation: ru } },
  lng: preferred(),
  fallbackLng: "en",
  initAsync: false,
  // React escapes what it draws.
  interpolation: { escapeValue: false },
});

export { i18n };
