/** The JSON of the server's API, as serde writes it. Ids are UUID strings; timestamps are microseconds since the Unix epoch. */

export type Uuid = string;
export type Micros = number;

export type Medium = "voice" | "chat";
export type Media = { voice: boolean; chat: boolean };
export type Side = "customer" | "agent" | "flow" | "carrier" | "system";
export type Role = "operator" | "supervisor" | "admin";

export type Cause =
  | "hung_up"
  | "cancelled"
  | "abandoned"
  | "refused"
  | "no_answer"
  | "lost"
  | "media_timeout"
  | "completed"
  | "merged"
  | "replaced"
  | "incompatible"
  | "overload"
  | "restarted"
  | "idle"
  | "failed";
export type Ending = { cause: Cause; by: Side; sip_status?: number };

export type Identity =
  | { kind: "phone"; value: string }
  | { kind: "email"; value: string }
  | { kind: "visitor"; value: Uuid };
export type Evidence = "origin" | "stated" | "code" | "token";

export type Author =
  | { who: "customer" }
  | { who: "agent"; agent: Uuid; name: string }
  | { who: "flow" }
  | { who: "system" };
export type Button = { choice: string; label: string };
export type Message = { id: Uuid; author: Author; text: string; buttons?: Button[]; external_id?: string };

export type Party = { who: "customer" } | { who: "agent"; agent: Uuid } | { who: "external" };
export type OfferOutcome = "accepted" | "declined" | "timed_out" | "withdrawn" | "unreachable" | "agent_left";
export type AgentStatus =
  | { state: "signed_out" }
  | { state: "ready" }
  | { state: "not_ready"; reason: string }
  | { state: "not_answering" };

export type Change =
  | { type: "session_opened"; customer: Uuid; entry: string; medium: Medium }
  | { type: "identity_linked"; customer: Uuid; identity: Identity; evidence: Evidence }
  | { type: "customer_changed"; customer: Uuid }
  | { type: "customer_named"; customer: Uuid; name: string }
  | { type: "leg_opened"; leg: Uuid; medium: Medium; party: Party; address: string }
  | { type: "leg_ringing"; leg: Uuid }
  | { type: "leg_answered"; leg: Uuid }
  | { type: "leg_held"; leg: Uuid; held: boolean }
  | { type: "leg_muted"; leg: Uuid; muted: boolean }
  | { type: "leg_ended"; leg: Uuid; ending: Ending }
  | { type: "message"; message: Message }
  | { type: "delivered"; up_to: number }
  | { type: "read"; by: Side; up_to: number }
  | { type: "step"; flow: string; state: string; verb: string; outcome: string }
  | { type: "context_set"; key: string; value: string }
  | { type: "queued"; queue: string; priority: number; since: Micros }
  | { type: "dequeued"; queue: string; why: string }
  | { type: "offered"; offer: Uuid; agent: Uuid; queue: string }
  | { type: "offer_ended"; offer: Uuid; agent: Uuid; outcome: OfferOutcome }
  | { type: "owner_changed"; agent: Uuid | null }
  | { type: "escalated"; to: Medium; by: Side; how: string }
  | { type: "recording_started"; recording: Uuid; file: string }
  | { type: "recording_ended"; recording: Uuid; millis: number }
  | { type: "wrap_up_started"; agent: Uuid }
  | { type: "wrap_up_ended"; agent: Uuid; disposition: string | null; note: string | null }
  | { type: "merged_into"; session: Uuid }
  | { type: "session_ended"; ending: Ending };

export type Entry = { session: Uuid; seq: number; at: Micros; change: Change };

export type CustomerView = { customer: Uuid; name: string | null; identities: Identity[]; earlier_sessions: number };
export type OfferView = {
  offer: Uuid;
  session: Uuid;
  queue: string;
  media: Media;
  customer: CustomerView;
  context: Record<string, string>;
  waiting_since: Micros;
  deadline: Micros;
};
export type SessionState = "flow" | "waiting" | "offered" | "active" | "agent_lost" | "wrap_up";
export type LegState = "ringing" | "up" | "ended";
export type LegView = {
  leg: Uuid;
  medium: Medium;
  party: Party;
  address: string;
  state: LegState;
  held: boolean;
  muted: boolean;
  since: Micros;
};
export type SessionView = {
  session: Uuid;
  customer: CustomerView;
  context: Record<string, string>;
  opened: Micros;
  queue: string | null;
  state: SessionState;
  legs: LegView[];
  recording: boolean;
  wrap_up_until: Micros | null;
  last_seq: number;
};
export type DeskView = {
  agent: Uuid;
  name: string;
  status: AgentStatus;
  since: Micros;
  phone_registered: boolean;
  offers: OfferView[];
  sessions: SessionView[];
};
export type SessionSummary = {
  session: Uuid;
  customer: CustomerView;
  media: Media;
  state: SessionState;
  owner: Uuid | null;
  queue: string | null;
  opened: Micros;
};
export type QueueStatus = { name: string; waiting: number; longest_wait_seconds: number; agents_ready: number };

export type AgentEvent =
  | { type: "desk"; desk: DeskView }
  | { type: "entry"; entry: Entry }
  | { type: "typing"; session: Uuid; on: boolean }
  | { type: "floor"; queues: QueueStatus[]; sessions: SessionSummary[] };

export type AgentCommand =
  | { command: "set_status"; status: AgentStatus }
  | { command: "accept"; offer: Uuid }
  | { command: "decline"; offer: Uuid }
  | { command: "send"; session: Uuid; external_id: string; text: string }
  | { command: "typing"; session: Uuid; on: boolean }
  | { command: "read"; session: Uuid; up_to: number }
  | { command: "hang_up"; session: Uuid }
  | { command: "call_customer"; session: Uuid; phone: string | null }
  | { command: "invite_to_talk"; session: Uuid }
  | { command: "offer_chat"; session: Uuid }
  | { command: "close_chat"; session: Uuid }
  | { command: "finish_wrap_up"; session: Uuid; disposition: string | null; note: string | null }
  | { command: "set_customer_name"; session: Uuid; name: string }
  | { command: "mute"; session: Uuid; muted: boolean };

export type Reply =
  | { reply: "done" }
  | { reply: "accepted"; session: Uuid; seq: number; at: Micros }
  | { reply: "chat_code"; code: string; expires_in_seconds: number };

export type VisitorState =
  | { state: "idle" }
  | { state: "flow" }
  | { state: "waiting"; position: number }
  | { state: "with"; name: string; in_call: boolean }
  | { state: "closed" };

// REST

export type ApiError = { code: string; message: string; field?: string | null };
export type Me = { agent: Uuid; login: string; name: string; roles: Role[]; locale: string };
export type Softphone = {
  uri: string;
  authorization_user: string;
  password: string;
  websocket: string;
  realm?: string | null;
};
export type SessionRow = {
  session: Uuid;
  customer: { customer: Uuid; name: string | null };
  opened: Micros;
  ended?: Micros | null;
  media: Media;
  entry: string;
  queue?: string | null;
  owner?: { agent: Uuid; name: string } | null;
  ending?: Ending | null;
  disposition?: string | null;
  recordings: number;
};
export type RecordingRow = { recording: Uuid; file: string; millis: number | null; started: Micros };
export type SessionDetail = Omit<SessionRow, "recordings"> & { entries: Entry[]; recordings: RecordingRow[] };
export type RecordingListRow = RecordingRow & {
  session: Uuid;
  customer: { customer: Uuid; name: string | null };
};
export type CustomerDetail = {
  customer: Uuid;
  name: string | null;
  identities: { identity: Identity; evidence: Evidence; linked: Micros }[];
  sessions: SessionRow[];
};
export type AgentRow = {
  agent: Uuid;
  name: string;
  login: string;
  status: AgentStatus;
  /** Absent for one who never signed in. */
  since: Micros | null;
  queues: string[];
};
export type DialplanFile = { name: string; text: string };
export type Dialplans = { version: string; files: DialplanFile[]; loaded_at: Micros };
export type Diagnostic = {
  file: string;
  line: number;
  column: number;
  end_line?: number;
  end_column?: number;
  severity: "error" | "warning" | string;
  code: string;
  message: string;
  hint?: string | null;
};
export type TestFailure = { flow: string; test: string; diagnostic: Diagnostic; trace: string[] };
export type CheckResult = {
  ok: boolean;
  diagnostics: Diagnostic[];
  tests: { passed: number; failed: number; failures: TestFailure[] };
};
export type User = {
  /** Absent for one who is not saved yet. */
  id?: Uuid;
  login: string;
  name: string;
  roles: Role[];
  queues: string[];
  capacity: { voice: number; chat: number };
};
