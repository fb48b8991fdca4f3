import { describe, expect, it } from "vitest";
import { widgetTexts } from "../../widget/texts";
import { en } from "./en";
import { ru } from "./ru";

type Tree = { [key: string]: string | Tree };

function flat(tree: Tree, path = ""): Map<string, string> {
  const found = new Map<string, string>();
  for (const [key, value] of Object.entries(tree)) {
    if (typeof value === "string") found.set(path + key, value);
    else for (const [inner, text] of flat(value, `${path}${key}.`)) found.set(inner, text);
  }
  return found;
}

const PLURAL = /_(zero|one|few|many|other)$/;
const keys = (tree: Tree) => new Set([...flat(tree).keys()].map((key) => key.replace(PLURAL, "")));
const placeholders = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}/g)].map((match) => match[1]).sort();

describe("the two languages of the console", () => {
  it("have the same keys", () => {
    expect([...keys(ru)].sort()).toEqual([...keys(en)].sort());
  });

  it("have every plural form that their grammar asks for", () => {
    for (const [locale, tree] of [
      ["en", en],
      ["ru", ru],
    ] as const) {
      const texts = flat(tree);
      const forms = new Intl.PluralRules(locale).resolvedOptions().pluralCategories;
      const counted = new Set(
        [...texts.keys()].filter((key) => PLURAL.test(key)).map((key) => key.replace(PLURAL, "")),
      );
      for (const key of counted)
        for (const form of forms) expect(texts.has(`${key}_${form}`), `${locale} ${key}_${form}`).toBe(true);
    }
  });

  it("have the same placeholders in every text", () => {
    const english = flat(en);
    for (const [key, text] of flat(ru)) {
      const other = english.get(key) ?? english.get(key.replace(PLURAL, "_other"));
      expect(placeholders(text), key).toEqual(placeholders(other ?? ""));
    }
  });

  it("have no empty text", () => {
    for (const tree of [en, ru]) for (const [key, text] of flat(tree)) expect(text.trim(), key).not.toBe("");
  });
});

describe("the two languages of the widget", () => {
  it("have the same keys", () => {
    expect(Object.keys(widgetTexts.ru).sort()).toEqual(Object.keys(widgetTexts.en).sort());
  });
});
