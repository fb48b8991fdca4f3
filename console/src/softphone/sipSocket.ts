import type { Socket } from "jssip/lib/Socket";

const KEEP_ALIVE_MS = 15_000;
const ANSWER_WITHIN_MS = 5_000;

/**
 * JsSIP's transport over one WebSocket (RFC 7118), with three things that its own lacks: it notices a dead connection by
 * an unanswered keep-alive (RFC 7118 §6), it can be abandoned without a word, and it hides digest challenges that JsSIP
 * cannot answer (it knows MD5 only and would give up on a SHA-256 challenge that stands first).
 */
export class SipSocket implements Socket {
  readonly url: string;
  readonly sip_uri: string;
  via_transport: string;
  onconnect: () => void = () => {};
  ondisconnect: (error: boolean, code?: number, reason?: string) => void = () => {};
  ondata: <T>(event: T) => void = () => {};
  #socket: WebSocket | null = null;
  #abandoned = false;
  #keepAlive: ReturnType<typeof setInterval> | undefined;
  #answerTimer: ReturnType<typeof setTimeout> | undefined;
  /** Set by the first answer: only a server that answers keep-alives is given up for not answering one. */
  #answers = false;

  constructor(url: string) {
    const { protocol, host } = new URL(url);
    this.url = url;
    this.sip_uri = `sip:${host};transport=ws`;
    this.via_transport = protocol === "wss:" ? "WSS" : "WS";
  }

  connect(): void {
    if (this.#abandoned || this.isConnected() || this.isConnecting()) return;
    const socket = new WebSocket(this.url, "sip");
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    socket.onopen = () => {
      this.#keepAlive = setInterval(() => this.#ping(), KEEP_ALIVE_MS);
      this.onconnect();
    };
    socket.onmessage = ({ data }) => {
      const text = typeof data === "string" ? data : new TextDecoder().decode(data as ArrayBuffer);
      clearTimeout(this.#answerTimer);
      if (text === "\r\n") this.#answers = true;
      else if (!this.#abandoned) this.ondata(withoutForeignChallenges(text));
    };
    socket.onclose = ({ wasClean, code, reason }) => this.#closed(socket, !wasClean, code, reason);
  }

  disconnect(): void {
    const socket = this.#socket;
    this.#forget();
    socket?.close();
  }

  /** Closes for good; what JsSIP still wants to send is thrown away. */
  abandon(): void {
    this.#abandoned = true;
    this.disconnect();
  }

  send(message: string | ArrayBufferLike | Blob | ArrayBufferView): boolean {
    if (this.#abandoned || !this.isConnected()) return false;
    this.#socket?.send(message as string);
    return true;
  }

  isConnected(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  isConnecting(): boolean {
    return this.#socket?.readyState === WebSocket.CONNECTING;
  }

  #ping(): void {
    this.send("\r\n\r\n");
    if (!this.#answers) return;
    clearTimeout(this.#answerTimer);
    this.#answerTimer = setTimeout(() => {
      const socket = this.#socket;
      if (!socket) return;
      // The closing handshake of a dead connection takes minutes: do not wait for it.
      this.#closed(socket, true, 1006, "no answer to keep-alive");
      socket.close();
    }, ANSWER_WITHIN_MS);
  }

  #closed(socket: WebSocket, error: boolean, code: number, reason: string): void {
    if (this.#socket !== socket) return;
    this.#forget();
    if (!this.#abandoned) this.ondisconnect(error, code, reason);
  }

  #forget(): void {
    clearInterval(this.#keepAlive);
    clearTimeout(this.#answerTimer);
    this.#socket = null;
  }
}

/** Takes out challenges of other algorithms than MD5, when one with MD5 stands beside them. */
export function withoutForeignChallenges(message: string): string {
  if (!/^SIP\/2\.0 40[17] /.test(message)) return message;
  const end = message.indexOf("\r\n\r\n");
  const lines = message.slice(0, end < 0 ? undefined : end).split("\r\n");
  const challenge = (line: string) => /^(www|proxy)-authenticate\s*:/i.test(line);
  const md5 = (line: string) => !/algorithm\s*=/i.test(line) || /algorithm\s*=\s*"?md5"?\s*(,|$)/i.test(line);
  if (!lines.some((line) => challenge(line) && md5(line))) return message;
  const kept = lines.filter((line) => !challenge(line) || md5(line));
  return kept.join("\r\n") + (end < 0 ? "" : message.slice(end));
}
