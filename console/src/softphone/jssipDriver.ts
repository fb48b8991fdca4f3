import { UA } from "jssip";
import type { RTCSession } from "jssip/lib/RTCSession";
import type { CallHandlers, Credentials, Driver, DriverCall, DriverHandlers } from "./driver";
import { Listener } from "./listener";
import { SipSocket } from "./sipSocket";

// JsSIP's own recovery is a slow second line; the softphone asks for reconnects itself.
const RECOVERY_SECONDS = 30;

const MICROPHONE: MediaStreamConstraints = {
  audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
  video: false,
};

export function jssipDriver(credentials: Credentials, handlers: DriverHandlers): Driver {
  const socket = new SipSocket(credentials.websocket);
  const ua = new UA({
    sockets: socket,
    uri: credentials.uri,
    authorization_user: credentials.authorizationUser,
    password: credentials.password,
    instance_id: instanceId(),
    register: true,
    register_expires: 120,
    // A call ends when somebody hangs up or its connection dies; the server watches the latter.
    session_timers: false,
    connection_recovery_min_interval: RECOVERY_SECONDS,
    connection_recovery_max_interval: RECOVERY_SECONDS,
    user_agent: "Tandem console",
  });
  ua.on("connected", () => handlers.connected());
  ua.on("disconnected", () => handlers.disconnected());
  ua.on("registered", () => handlers.registered());
  ua.on("unregistered", () => handlers.unregistered());
  ua.on("registrationFailed", ({ response }) => handlers.registrationFailed(response?.status_code ?? 0));
  ua.on("newRTCSession", ({ originator, session, request }: Announced) => {
    if (originator !== "remote") return;
    const header = (name: string) => request.getHeader(name);
    const from = session.remote_identity;
    handlers.incoming(new JssipCall(session, header, from.display_name || from.uri.user || ""));
  });

  return {
    start: () => ua.start(),
    // Neither does anything when it is connected (registered) already.
    reconnect: () => (ua as unknown as { transport: { connect(): void } }).transport.connect(),
    register: () => {
      if (ua.isConnected()) ua.register();
    },
    stop: () => ua.stop(),
    abandon: () => {
      socket.abandon();
      ua.removeAllListeners();
      ua.stop();
    },
  };
}

type Announced = {
  originator: string;
  session: RTCSession;
  request: { getHeader(name: string): string | undefined };
};

class JssipCall implements DriverCall {
  readonly id: string;
  readonly peer: string;
  readonly header: (name: string) => string | undefined;
  readonly #session: RTCSession;
  #listener: Listener | null = null;
  #handlers: CallHandlers | null = null;
  #holding = false;

  constructor(session: RTCSession, header: (name: string) => string | undefined, peer: string) {
    this.#session = session;
    this.id = session.id;
    this.header = header;
    this.peer = peer;
  }

  attach(handlers: CallHandlers): void {
    const session = this.#session;
    this.#handlers = handlers;
    let noMicrophone = false;
    session.on("getusermediafailed", () => {
      noMicrophone = true;
    });
    session.on("peerconnection", ({ peerconnection }) => {
      this.#listener = new Listener(peerconnection, handlers.audioBlocked);
    });
    // The server is ICE-lite and told its address: it needs none of our candidates, so the first one is as good as all.
    session.on("icecandidate", ({ ready }) => ready());
    session.on("confirmed", () => handlers.talking());
    session.on("ended", () => this.#over(() => handlers.ended("ended")));
    session.on("failed", ({ originator, cause }) =>
      this.#over(() => {
        if (noMicrophone) handlers.ended("microphone");
        else if (originator === "remote" || cause === "Canceled") handlers.ended("cancelled");
        else handlers.ended("failed");
      }),
    );
    // JsSIP hangs up when the media path dies, and the customer would be gone with it. The server takes him to hold
    // instead when it sees our connection go, and calls back.
    const terminate = session.terminate.bind(session);
    session.terminate = (options) => {
      if (options?.cause === "RTP Timeout") handlers.mediaLost();
      else terminate(options);
    };
  }

  answer(): void {
    this.#session.answer({ mediaConstraints: MICROPHONE, pcConfig: { iceServers: [] } });
  }

  end(): void {
    if (!this.#session.isEnded()) this.#session.terminate();
  }

  drop(): void {
    // JsSIP has no public way to forget a call without a BYE; its version is pinned.
    (this.#session as unknown as { _close(): void })._close();
    this.#listener?.close();
  }

  hold(on: boolean): boolean {
    if (this.#holding) return false;
    // JsSIP's events of hold come before the far end has agreed; this callback comes after.
    const done = () => {
      this.#holding = false;
      this.#handlers?.held(on);
    };
    this.#holding = on ? this.#session.hold({}, done) : this.#session.unhold({}, done);
    return this.#holding;
  }

  mute(on: boolean): void {
    if (on) this.#session.mute({ audio: true });
    else this.#session.unmute({ audio: true });
  }

  sendTone(tone: string): void {
    const rtp = this.#session.connection
      .getSenders()
      .some((sender) => sender.track?.kind === "audio" && sender.dtmf?.canInsertDTMF);
    // RFC 4733 in the media where the far end offered telephone-event, else INFO.
    const transportType = (rtp ? "RFC2833" : "INFO") as never;
    this.#session.sendDTMF(tone, { duration: 120, interToneGap: 70, transportType });
  }

  async playAudio(): Promise<void> {
    await this.#listener?.play();
  }

  async levels(): Promise<{ local: number; remote: number }> {
    const levels = { local: 0, remote: 0 };
    if (this.#session.isEnded() || !this.#session.connection) return levels;
    const stats = await this.#session.connection.getStats();
    stats.forEach((report: { type: string; kind?: string; audioLevel?: number }) => {
      if (report.kind !== "audio") return;
      if (report.type === "media-source") levels.local = report.audioLevel ?? 0;
      if (report.type === "inbound-rtp") levels.remote = report.audioLevel ?? 0;
    });
    return levels;
  }

  #over(tell: () => void): void {
    this.#listener?.close();
    tell();
  }
}

/** One per tab and kept over reloads, so that the new registration takes the place of the old one (RFC 5626). */
function instanceId(): string {
  const key = "tandem.sip.instance";
  const known = sessionStorage.getItem(key);
  if (known) return known;
  const fresh = crypto.randomUUID();
  sessionStorage.setItem(key, fresh);
  return fresh;
}
