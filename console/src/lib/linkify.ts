/** A text cut into plain pieces and safe links. Only http and https ever become links. */
export type Piece = { text: string; href?: string };

const CANDIDATE = /https?:\/\/[^\s<>"'`{}|\\^]+/gi;

export function linkify(text: string): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  for (const match of text.matchAll(CANDIDATE)) {
    const raw = trimTail(match[0]);
    const href = safeHref(raw);
    if (!href) continue;
    if (match.index > from) pieces.push({ text: text.slice(from, match.index) });
    pieces.push({ text: raw, href });
    from = match.index + raw.length;
  }
  if (from < text.length) pieces.push({ text: text.slice(from) });
  return pieces;
}

/** Punctuation that ends the sentence rather than the address; a closing bracket stays when its opening one is inside. */
function trimTail(url: string): string {
  let end = url.length;
  while (end > 0) {
    const last = url[end - 1] as string;
    if (".,;:!?…»”".includes(last)) end -= 1;
    else if (last === ")" && !url.slice(0, end).includes("(")) end -= 1;
    else if (last === "]" && !url.slice(0, end).includes("[")) end -= 1;
    else break;
  }
  return url.slice(0, end);
}

function safeHref(raw: string): string | undefined {
  try {
    const url = new URL(raw);
    // A user part is only ever there to make an address look like another one.
    const plain = (url.protocol === "http:" || url.protocol === "https:") && !url.username && !url.password;
    return plain && url.hostname ? url.href : undefined;
  } catch {
    return undefined;
  }
}
