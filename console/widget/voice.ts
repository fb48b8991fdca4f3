import { UA } from "jssip";
import type { RTCSession } from "jssip/lib/RTCSession";
import { Listener } from "../src/softphone/listener";
import { SipSocket } from "../src/softphone/sipSocket";
import type { Voice } from "./call";

/** The voice part of the widget, loaded when a customer wants to talk: one call with a one-time credential. */
window.TandemVoice = {
  call({ uri, username, password, websocket, base }, on) {
    const address = new URL(websocket, base);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const host =
      uri
        .replace(/^sips?:/, "")
        .split("@")
        .at(-1)
        ?.split(";")[0] ?? "tandem.invalid";
    const ua = new UA({
      sockets: new SipSocket(address.href),
      uri: `sip:${username}@${host}`,
      authorization_user: username,
      password,
      register: false,
      session_timers: false,
      user_agent: "Tandem widget",
    });
    let session: RTCSession | null = null;
    let listener: Listener | null = null;
    let over = false;
    const end: typeof on.ended = (problem) => {
      if (over) return;
      over = true;
      listener?.close();
      // Leaves the last BYE time to go out.
      ua.stop();
      on.ended(problem);
    };
    let noMicrophone = false;
    ua.on("connected", () => {
      if (session) return;
      // `call` announces the peer connection before it returns, so handlers have to go in with it.
      session = ua.call(uri, {
        mediaConstraints: {
          audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
          video: false,
        },
        pcConfig: { iceServers: [] },
        eventHandlers: {
          peerconnection: ({ peerconnection }) => {
            listener = new Listener(peerconnection, () => {});
          },
          icecandidate: ({ ready }) => ready(),
          sending: () => on.ringing(),
          getusermediafailed: () => {
            noMicrophone = true;
          },
          confirmed: () => on.talking(),
          // A request that was under way when the connection broke tells of it before the connection does.
          ended: ({ cause }) => end(cause === "Connection Error" ? "lost" : undefined),
          failed: ({ originator, cause }) => {
            if (noMicrophone) end("microphone");
            else if (originator === "local" && cause === "Canceled") end();
            else end("failed");
          },
        },
      });
    });
    ua.on("disconnected", () => {
      // The server ends the call of a widget that it lost: there is nobody to talk to any more.
      end(session?.isEstablished() ? "lost" : "failed");
    });
    ua.start();
    return {
      mute: (muted) => (muted ? session?.mute({ audio: true }) : session?.unmute({ audio: true })),
      hangUp: () => {
        if (session && !session.isEnded()) session.terminate();
        end();
      },
    };
  },
} satisfies Voice;
