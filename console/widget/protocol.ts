import type { Message, Micros, Uuid, VisitorState } from "../src/api/types";

export type { Message, VisitorState };

export type Arrived = { seq: number; at: Micros; message: Message };

export type ToServer =
  | {
      type: "hello";
      account: string;
      token: string | null;
      session: Uuid | null;
      cursor: number;
      name?: string;
      phone?: string;
      email?: string;
      page?: string;
      locale?: string;
    }
  | { type: "send"; id: string; text: string }
  | { type: "typing"; on: boolean }
  | { type: "delivered"; up_to: number }
  | { type: "read"; up_to: number }
  | { type: "identify"; name?: string; phone?: string; email?: string }
  | { type: "talk" }
  | { type: "call_me"; phone: string }
  | { type: "code"; code: string }
  | { type: "close" }
  | { type: "ping" };

export type CallToken = {
  uri: string;
  username: string;
  password: string;
  websocket: string;
  expires_in_seconds: number;
};

export type FromServer =
  | { type: "welcome"; token: string; session: Uuid | null; state: VisitorState; messages: Arrived[] }
  | ({ type: "message"; session: Uuid } & Arrived)
  | { type: "typing"; on: boolean }
  | { type: "read"; up_to: number }
  | { type: "state"; session: Uuid | null; state: VisitorState }
  | { type: "talk_invitation" }
  | { type: "ack"; id: string; session: Uuid; seq: number; at: Micros }
  | ({ type: "call_token" } & CallToken)
  | { type: "done"; for: string }
  | { type: "error"; for?: string; id?: string; code: string; message: string; field?: string }
  | { type: "pong" };
