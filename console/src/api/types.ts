/**
 * The server's types by short names. They are generated: `tandem openapi > openapi.json && npm run types`.
 * Ids are UUID strings; timestamps are microseconds since the Unix epoch.
 */
import type { components } from "./schema";

type Schemas = components["schemas"];

export type Uuid = string;
export type Micros = Schemas["Timestamp"];

export type AgentCommand = Schemas["AgentCommand"];
export type AgentEvent = Schemas["AgentEvent"];
export type AgentRow = Schemas["AgentRow"];
export type AgentStatus = Schemas["AgentStatus"];
export type ApiError = Schemas["ErrorDetail"];
export type Author = Schemas["Author"];
export type Button = Schemas["Button"];
export type Change = Schemas["Change"];
export type CheckReport = Schemas["CheckReport"];
export type CustomerRow = Schemas["CustomerRow"];
export type CustomerView = Schemas["CustomerView"];
export type DeskView = Schemas["DeskView"];
export type Diagnostic = Schemas["DiagnosticRow"];
export type Encryption = Schemas["Encryption"];
export type Ending = Schemas["Ending"];
export type Entry = Schemas["Entry"];
export type Evidence = Schemas["Evidence"];
export type Identity = Schemas["Identity"];
export type Ladder = Schemas["Ladder"];
export type LadderMessage = Schemas["LadderMessage"];
export type LegView = Schemas["LegView"];
export type Me = Schemas["Me"];
export type Media = Schemas["Media"];
export type Medium = Schemas["Medium"];
export type Message = Schemas["Message"];
export type OfferView = Schemas["OfferView"];
export type Party = Schemas["Party"];
export type Peaks = Schemas["Peaks"];
export type PlansInForce = Schemas["PlansInForce"];
export type QueueStatus = Schemas["QueueStatus"];
export type RecordingAlarm = Schemas["Alarm"];
export type RecordingRow = Schemas["RecordingRow"];
export type Reloaded = Schemas["Reloaded"];
export type Report = Schemas["ReportBody"];
export type ReportRow = Schemas["ReportRow"];
export type Reply = Schemas["Reply"];
export type Role = Schemas["Role"];
export type SessionDetail = Schemas["SessionDetail"];
export type SessionRow = Schemas["SessionRow"];
export type SessionState = Schemas["SessionState"];
export type SessionSummary = Schemas["SessionSummary"];
export type SessionView = Schemas["SessionView"];
export type Side = Schemas["Side"];
export type SoftphoneAccount = Schemas["SoftphoneAccount"];
export type Supervision = Schemas["Supervision"];
export type UserRow = Schemas["UserRow"];
export type VisitorState = Schemas["VisitorState"];
export type Wallboard = Schemas["Wallboard"];
export type WallboardQueue = Schemas["WallboardQueue"];
