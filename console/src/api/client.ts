import { learnServerTime } from "../lib/clock";
import type { AgentCommand, ApiError, Reply, Supervision } from "./types";

/** An answer that is not 2xx, or no answer at all (`status` 0). */
export class ApiFailure extends Error {
  readonly status: number;
  readonly code: string;
  readonly field: string | undefined;
  /** The whole answer: a 409 may carry more than the error, such as the report on a dialplan. */
  readonly body: unknown;

  constructor(status: number, error: ApiError, body?: unknown) {
    super(error.message);
    this.body = body;
    this.status = status;
    this.code = error.code;
    this.field = error.field ?? undefined;
  }

  /** Nothing was decided about the request, so that it may be repeated. */
  get transient(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

let signedOut: () => void = () => {};

/** Called whenever the server says that the cookie is no longer good. */
export function onSignedOut(listener: () => void): void {
  signedOut = listener;
}

export async function request<T>(method: Method, path: string, body?: unknown): Promise<T> {
  const headers: Record<string, string> = {};
  if (method !== "GET") headers["X-Tandem"] = "1";
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response: Response;
  try {
    response = await fetch(`/api/v1${path}`, {
      method,
      headers,
      credentials: "same-origin",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new ApiFailure(0, { code: "unreachable", message: "The server cannot be reached" });
  }
  learnServerTime(response.headers.get("date"));
  const text = await response.text();
  const json = text ? parse(text) : undefined;
  if (!response.ok) {
    if (response.status === 401 && path !== "/login") signedOut();
    const error = (json as { error?: ApiError } | undefined)?.error;
    throw new ApiFailure(response.status, error ?? { code: "http", message: `HTTP ${response.status}` }, json);
  }
  return json as T;
}

export const get = <T>(path: string) => request<T>("GET", path);
export const post = <T>(path: string, body: unknown = {}) => request<T>("POST", path, body);

export const command = (body: AgentCommand) => post<Reply>("/desk", body);

/** Into somebody else's call, or in another manner there. */
export const supervise = (session: string, mode: Supervision) =>
  request<Reply>("PUT", `/sessions/${session}/supervision`, { mode });
export const leaveCall = (session: string) => request<Reply>("DELETE", `/sessions/${session}/supervision`);
export const takeOver = (session: string) => post<Reply>(`/sessions/${session}/take-over`);

/** `ws:` or `wss:` on our own origin. */
export function socketUrl(path: string): string {
  return `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}${path}`;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
