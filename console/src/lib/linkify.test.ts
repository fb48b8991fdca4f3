import { describe, expect, it } from "vitest";
import { linkify } from "./linkify";

const hrefs = (text: string) => linkify(text).flatMap((piece) => (piece.href ? [piece.href] : []));
const whole = (text: string) =>
  linkify(text)
    .map((piece) => piece.text)
    .join("");

describe("linkify", () => {
  it("finds http and https addresses and loses no character around them", () => {
    const text = "см. https://example.com/a?b=1#c, и http://example.org.";
    expect(hrefs(text)).toEqual(["https://example.com/a?b=1#c", "http://example.org/"]);
    expect(whole(text)).toBe(text);
  });

  it("never links anything but http and https", () => {
    for (const text of [
      "javascript:alert(1)",
      "JaVaScRiPt://https:alert(1)",
      "data:text/html,<script>alert(1)</script>",
      "vbscript:x",
      "file:///etc/passwd",
      "blob:https:x",
    ]) {
      for (const href of hrefs(text)) expect(href).toMatch(/^https?:\/\//);
      expect(hrefs(text).filter((href) => !/^https?:/.test(href))).toEqual([]);
    }
    expect(hrefs("javascript:alert(1)")).toEqual([]);
    expect(hrefs("data:text/html,x")).toEqual([]);
  });

  it("stops at quotes and angle brackets, so that an attribute can never be left", () => {
    expect(hrefs('https://a.example/"onmouseover="alert(1)')).toEqual(["https://a.example/"]);
    expect(hrefs("https://a.example/<img src=x>")).toEqual(["https://a.example/"]);
  });

  it("does not link addresses with a user part", () => {
    expect(hrefs("https://bank.example@evil.example/")).toEqual([]);
  });

  it("leaves the punctuation of the sentence outside and a balanced bracket inside", () => {
    expect(hrefs("(https://a.example/x)")).toEqual(["https://a.example/x"]);
    expect(hrefs("https://a.example/x_(y)!")).toEqual(["https://a.example/x_(y)"]);
  });

  it("keeps markup as text", () => {
    expect(linkify("<b>bold</b>")).toEqual([{ text: "<b>bold</b>" }]);
  });
});
