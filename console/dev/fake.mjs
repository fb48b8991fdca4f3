// A stand-in for the server: the contract of the API, the chat and the phone, with nothing behind it. Development only.
//   npm run build && npm run fake     then http://127.0.0.1:4600/console/ and /shop
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { WebSocketServer } from "ws";
import { report, wallboard } from "./figures.mjs";
import { agents, customers, now, world } from "./world.mjs";

const dist = fileURLToPath(new URL("../dist/", import.meta.url));
const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
};

export function startFake({ port = 4600, scenario = "empty", roles = ["operator", "supervisor", "admin"] } = {}) {
  const fake = {
    world: world(scenario),
    signedIn: true,
    roles,
    commands: [],
    /** Answers a re-INVITE of the console: SDP in, SDP out. */
    reoffer: null,
    /** SIP methods that the console sent. */
    sip: [],
    infos: [],
    phone: null,
    set(scenario) {
      fake.world = world(scenario);
      for (const socket of events) hello(socket);
    },
    entry(session, change) {
      const journal = fake.world.journals.get(session) ?? [];
      const entry = { session, seq: journal.length + 1, at: now(), change };
      fake.world.journals.set(session, [...journal, entry]);
      const view = fake.world.desk.sessions.find((one) => one.session === session);
      if (view) view.last_seq = entry.seq;
      tell({ type: "entry", entry });
      return entry;
    },
    desk() {
      tell({ type: "desk", desk: fake.world.desk });
    },
    typing(session, on) {
      tell({ type: "typing", session, on });
    },
    invite,
    bye,
    close: () => {
      for (const socket of [...events, ...chats, ...phones]) socket.terminate();
      server.close();
    },
    dropPhones: () => [...phones].map((socket) => socket.terminate()),
    dropChats: () => [...chats].map((socket) => socket.terminate()),
  };
  const events = new Set();
  const chats = new Set();
  const phones = new Set();
  const tell = (event) => [...events].map((socket) => socket.send(JSON.stringify(event)));
  const hello = (socket) => {
    socket.send(JSON.stringify({ type: "desk", desk: fake.world.desk }));
    socket.send(JSON.stringify({ type: "floor", ...fake.world.floor }));
  };

  const server = createServer(async (request, response) => {
    const url = new URL(request.url, "http://fake");
    const reply = (status, body) => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(body === undefined ? "" : JSON.stringify(body));
    };
    const refuse = (status, code, message, field) => reply(status, { error: { code, message, field } });
    let body = "";
    for await (const chunk of request) body += chunk;
    const json = body ? JSON.parse(body) : {};
    const path = url.pathname;
    if (!path.startsWith("/api/v1/")) return file(path, response);
    const route = `${request.method} ${path.slice(7)}`;
    if (request.method !== "GET" && request.headers["x-tandem"] !== "1")
      return refuse(403, "csrf", "X-Tandem is missing");
    const me = { ...agents[0], roles: fake.roles, locale: "ru" };
    if (route === "POST /login") {
      if (json.password !== "demo") return refuse(401, "bad_credentials", "No");
      fake.signedIn = true;
      return reply(200, me);
    }
    if (!fake.signedIn) return refuse(401, "signed_out", "Sign in first");
    const w = fake.world;
    const parts = path.slice(8).split("/");
    if (route === "POST /logout") {
      fake.signedIn = false;
      return reply(200, {});
    }
    if (route === "GET /me") return reply(200, me);
    if (route === "GET /softphone") {
      return reply(200, {
        uri: "sip:anna@127.0.0.1",
        authorization_user: "anna~x",
        password: "p",
        websocket: "/sip",
        realm: "127.0.0.1",
      });
    }
    if (route === "POST /desk") return desk(json, reply, refuse);
    const supervised = /^(PUT|DELETE|POST) \/sessions\/([^/]+)\/(supervision|take-over)$/.exec(route);
    if (supervised) {
      const [, method, session] = supervised;
      fake.world.desk.supervising = method === "PUT" ? { session, mode: json.mode, up: true } : null;
      fake.desk();
      return reply(200, { reply: "done" });
    }
    if (route === "GET /sessions") {
      const customer = url.searchParams.get("customer");
      return reply(
        200,
        w.rows.filter((row) => !customer || row.customer.customer === customer),
      );
    }
    if (parts[0] === "sessions" && parts[2] === "entries") {
      const after = Number(url.searchParams.get("after") ?? 0);
      return reply(
        200,
        (w.journals.get(parts[1]) ?? []).filter((entry) => entry.seq > after),
      );
    }
    if (parts[0] === "sessions") {
      const live = [...w.floor.sessions, ...w.desk.sessions].find((one) => one.session === parts[1]);
      const row = w.rows.find((one) => one.session === parts[1]) ?? { ...live, entry: "main" };
      return reply(200, { ...row, entries: w.journals.get(parts[1]) ?? [], recordings: [] });
    }
    if (parts[0] === "calls" && parts[2] === "ladder") return reply(200, ladder());
    if (route === "GET /customers")
      return reply(
        200,
        customers.map((one) => ({
          ...one,
          identities: one.identities.map((identity) => ({ identity, evidence: "origin", linked: now() })),
        })),
      );
    if (parts[0] === "customers") {
      const one = customers.find(({ customer }) => customer === parts[1]);
      const identities = one.identities.map((identity, i) => ({
        identity,
        evidence: ["stated", "code", "origin"][i % 3],
        linked: now(),
      }));
      return reply(200, {
        ...one,
        identities,
        sessions: w.rows.filter((row) => row.customer.customer === one.customer),
      });
    }
    if (route === "GET /recordings") {
      return reply(
        200,
        w.rows
          .filter((row) => row.recordings)
          .map((row, i) => ({
            ...{
              recording: `e0000000-0000-7000-8000-0000000000${10 + i}`,
              file: "r.wav",
              millis: 60_000 + i * 37_000,
              started: row.opened + 20e6,
            },
            ...{ session: row.session, customer: row.customer, owner: row.owner },
          })),
      );
    }
    if (route === "GET /recordings/alarm") return reply(200, w.alarm ?? null);
    if (parts[0] === "recordings" && parts[2] === "peaks") return reply(200, { millis: 143_000, channels: peaks() });
    if (parts[0] === "recordings") return wav(response);
    if (route === "GET /queues") return reply(200, w.floor.queues);
    if (route === "GET /wallboard") return reply(200, wallboard());
    if (route === "GET /reports") return reply(200, report(new URL(request.url, "http://fake").searchParams));
    if (route === "GET /agents") {
      const statuses = [w.desk.status, { state: "ready" }, { state: "not_answering" }, { state: "signed_out" }];
      return reply(
        200,
        agents.map((one, i) => ({
          ...one,
          status: statuses[i],
          operates: i !== 3,
          since: now() - (i + 1) * 400e6,
          queues: i === 3 ? [] : ["support", "sales"].slice(0, 1 + (i % 2)),
        })),
      );
    }
    if (route === "GET /dialplans") {
      const name = "demo.plan";
      const text = readFileSync(fileURLToPath(new URL(`../../config/dialplans/${name}`, import.meta.url)), "utf8");
      return reply(200, { version: "8f3c1d20aa77b1c4", files: [{ name, text }], loaded_at: now() - 3600e6 });
    }
    if (route === "POST /dialplans/check") {
      const diagnostics = [
        {
          file: "demo.plan",
          line: 15,
          column: 8,
          severity: "error",
          code: "unknown-state",
          message: "There is no state “menu_”.",
          hint: "Did you mean “menu”?",
        },
      ];
      return reply(200, { ok: false, diagnostics, tests: { passed: 11, failed: 0, failures: [] } });
    }
    if (route === "POST /dialplans/reload") return reply(200, { version: "8f3c1d20aa77b1c4" });
    if (route === "GET /users") {
      return reply(
        200,
        agents.map((one, i) => ({
          id: one.agent,
          ...one,
          roles: i === 3 ? ["admin", "supervisor"] : i === 2 ? ["operator", "supervisor"] : ["operator"],
          queues: i === 3 ? [] : ["support"],
          capacity: { voice: 1, chat: 3 },
        })),
      );
    }
    if (parts[0] === "users")
      return json.login === "bad" ? refuse(400, "bad_value", "This name is taken.", "login") : reply(200, {});
    refuse(404, "not_found", path);
  });

  function desk(command, reply, refuse) {
    fake.commands.push(command);
    const w = fake.world;
    switch (command.command) {
      case "set_status":
        w.desk.status = command.status;
        w.desk.since = now();
        fake.desk();
        return reply(200, { reply: "done" });
      case "send": {
        const known = (w.journals.get(command.session) ?? []).find(
          ({ change }) => change.message?.external_id === command.external_id,
        );
        const message = {
          id: randomUUID(),
          author: { who: "agent", agent: w.desk.agent, name: w.desk.name },
          text: command.text,
          external_id: command.external_id,
        };
        if (command.text.startsWith("!")) return refuse(409, "not_yours", "This session belongs to somebody else.");
        const entry = known ?? fake.entry(command.session, { type: "message", message });
        return reply(200, { reply: "accepted", session: command.session, seq: entry.seq, at: entry.at });
      }
      case "read":
        fake.entry(command.session, { type: "read", by: "agent", up_to: command.up_to });
        return reply(200, { reply: "done" });
      case "offer_chat":
        return reply(200, { reply: "chat_code", code: "482913", expires_in_seconds: 600 });
      case "decline":
        w.desk.offers = w.desk.offers.filter((offer) => offer.offer !== command.offer);
        fake.desk();
        return reply(200, { reply: "done" });
      case "accept": {
        const offer = w.desk.offers.find((one) => one.offer === command.offer);
        if (!offer) return refuse(409, "offer_over", "The offer is over.");
        accepted(offer);
        return reply(200, { reply: "done" });
      }
      case "set_customer_name":
        for (const one of w.desk.sessions)
          if (one.session === command.session) one.customer = { ...one.customer, name: command.name };
        fake.desk();
        return reply(200, { reply: "done" });
      case "finish_wrap_up":
        w.desk.sessions = w.desk.sessions.filter((one) => one.session !== command.session);
        fake.desk();
        return reply(200, { reply: "done" });
      case "hang_up":
        for (const one of w.desk.sessions)
          if (one.session === command.session) one.legs = one.legs.filter((leg) => leg.medium !== "voice");
        fake.desk();
        void bye();
        return reply(200, { reply: "done" });
      default:
        return reply(200, { reply: "done" });
    }
  }

  function accepted(offer) {
    const w = fake.world;
    w.desk.offers = w.desk.offers.filter((one) => one.offer !== offer.offer);
    const medium = offer.media.voice ? "voice" : "chat";
    const leg = (party) => ({
      leg: randomUUID(),
      medium,
      party,
      address: "x",
      part: party.who === "agent" ? "partner" : "customer",
      state: "up",
      held: false,
      muted: false,
      since: now(),
    });
    w.desk.sessions.push({
      ...{
        session: offer.session,
        customer: offer.customer,
        context: offer.context,
        opened: offer.waiting_since,
        queue: offer.queue,
        state: "active",
      },
      legs: [leg({ who: "customer" }), ...(offer.media.voice ? [leg({ who: "agent", agent: w.desk.agent })] : [])],
      ...{ recording: offer.media.voice, wrap_up_until: null, last_seq: (w.journals.get(offer.session) ?? []).length },
    });
    fake.desk();
  }
  fake.accepted = accepted;

  // The phone: a registrar that takes everybody, and one call.

  const sip = { call: null };
  const header = (message, name) => new RegExp(`^${name}\\s*:\\s*(.*)$`, "im").exec(message)?.[1]?.trim();
  const bodyOf = (message) => message.slice(message.indexOf("\r\n\r\n") + 4);
  const answer = (message, status, extra = [], body = "") =>
    [
      `SIP/2.0 ${status}`,
      ...["Via", "From", "To", "Call-ID", "CSeq"].map(
        (name) =>
          `${name}: ${header(message, name)}${name === "To" && !/;tag=/.test(header(message, "To")) ? ";tag=fake" : ""}`,
      ),
      ...extra,
      ...(body ? ["Content-Type: application/sdp"] : []),
      `Content-Length: ${Buffer.byteLength(body)}`,
      "",
      body,
    ].join("\r\n");

  async function onSip(socket, message) {
    const first = message.split("\r\n", 1)[0];
    if (first.startsWith("SIP/2.0")) return sip.call?.onAnswer?.(message);
    const method = first.split(" ")[0];
    fake.sip.push(method);
    if (method === "REGISTER") {
      if (!header(message, "Authorization")) {
        // As a server that knows both: the stronger algorithm stands first.
        const challenge = (algorithm) =>
          `WWW-Authenticate: Digest realm="127.0.0.1", nonce="n1", algorithm=${algorithm}, qop="auth"`;
        socket.send(answer(message, "401 Unauthorized", [challenge("SHA-256"), challenge("MD5")]));
        return;
      }
      const contact = header(message, "Contact");
      socket.contact = /<([^>]+)>/.exec(contact)[1];
      fake.phone = /expires=0/.test(contact) ? null : socket;
      socket.send(answer(message, "200 OK", [`Contact: ${contact}`]));
    } else if (method === "INVITE") {
      const sdp = fake.reoffer ? await fake.reoffer(bodyOf(message)) : "";
      socket.send(answer(message, "200 OK", ["Contact: <sip:fake@127.0.0.1;transport=ws>"], sdp));
    } else if (method !== "ACK") {
      if (method === "INFO") fake.infos.push(bodyOf(message));
      socket.send(answer(message, "200 OK"));
    }
  }

  /** Calls the registered console. Resolves with the SDP of its answer, rejects with its refusal. */
  function invite(sdp, headers = {}) {
    const socket = fake.phone;
    if (!socket) return Promise.reject(new Error("no phone is registered"));
    const call = { id: randomUUID(), from: "<sip:customer@127.0.0.1>;tag=far", socket, cseq: 1 };
    sip.call = call;
    const send = (method, extra = [], body = "") =>
      socket.send(
        [
          `${method} ${socket.contact} SIP/2.0`,
          `Via: SIP/2.0/WS fake.invalid;branch=z9hG4bK${randomUUID().slice(0, 12)}`,
          "Max-Forwards: 70",
          `From: "Мария" ${call.from}`,
          `To: ${call.to ?? "<sip:anna@127.0.0.1>"}`,
          `Call-ID: ${call.id}`,
          `CSeq: ${method === "ACK" ? 1 : call.cseq} ${method}`,
          "Contact: <sip:fake@127.0.0.1;transport=ws>",
          ...extra,
          ...(body ? ["Content-Type: application/sdp"] : []),
          `Content-Length: ${Buffer.byteLength(body)}`,
          "",
          body,
        ].join("\r\n"),
      );
    call.send = send;
    return new Promise((resolve, reject) => {
      call.onAnswer = (message) => {
        const status = Number(message.split(" ")[1]);
        if (/ BYE$/m.test(header(message, "CSeq") ?? "")) return;
        if (status < 200) return;
        call.to = header(message, "To");
        send("ACK");
        call.onAnswer = () => {};
        if (status < 300) resolve(bodyOf(message));
        else reject(new Error(String(status)));
      };
      send(
        "INVITE",
        Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
        sdp,
      );
    });
  }

  async function bye() {
    const call = sip.call;
    if (!call?.to) return;
    sip.call = null;
    call.cseq += 1;
    call.send("BYE");
  }

  // The chat: a small talk with a flow and then with Anna.

  function chat(socket) {
    const say = (frame) => socket.readyState === 1 && socket.send(JSON.stringify(frame));
    const talk = (author, text, more = {}) => {
      const s = fake.chat;
      s.seq += 2;
      const one = { seq: s.seq, at: now(), message: { id: randomUUID(), author, text, ...more } };
      s.messages.push(one);
      for (const other of chats)
        other.readyState === 1 && other.send(JSON.stringify({ type: "message", session: s.session, ...one }));
      return one;
    };
    const anna = { who: "agent", agent: agents[0].agent, name: "Анна" };
    const state = (state) => {
      fake.chat.state = state;
      say({ type: "state", session: fake.chat.session, state });
    };
    socket.on("message", (data) => {
      const frame = JSON.parse(String(data));
      fake.frames.push(frame);
      const s = fake.chat;
      if (frame.type === "hello") {
        const messages = s.session
          ? s.messages.filter((one) => frame.session !== s.session || one.seq > frame.cursor)
          : [];
        say({ type: "welcome", token: frame.token ?? randomUUID(), session: s.session, state: s.state, messages });
      } else if (frame.type === "send") {
        s.session ??= randomUUID();
        const known = s.messages.find((one) => one.message.external_id === frame.id);
        const one = known ?? talk({ who: "customer" }, frame.text, { external_id: frame.id });
        if (!fake.silent) say({ type: "ack", id: frame.id, session: s.session, seq: one.seq, at: one.at });
        if (known) return;
        s.count = (s.count ?? 0) + 1;
        if (s.count === 1) {
          state({ state: "flow" });
          setTimeout(
            () =>
              talk({ who: "flow" }, "Чем помочь: продажи или поддержка?", {
                buttons: [
                  { choice: "sales", label: "Продажи" },
                  { choice: "support", label: "Поддержка" },
                ],
              }),
            250,
          );
        } else if (s.count === 2) {
          state({ state: "waiting", position: 2 });
          setTimeout(() => state({ state: "with", name: "Анна", in_call: false }), 500);
          setTimeout(() => say({ type: "typing", on: true }), 600);
          setTimeout(() => talk(anna, "Здравствуйте! Это Анна. Расскажите, что случилось?"), 1400);
        } else {
          setTimeout(() => say({ type: "read", up_to: one.seq }), 300);
          setTimeout(() => talk(anna, `Поняла вас. Подробности здесь: https://example.org/help?id=${s.count}.`), 700);
        }
      } else if (frame.type === "code") {
        if (frame.code === "482913") say({ type: "done", for: "code" });
        else
          say({
            type: "error",
            for: "code",
            code: "wrong_code",
            message: "Такого кода нет или он устарел.",
            field: "code",
          });
      } else if (frame.type === "call_me") say({ type: "done", for: "call_me" });
      else if (frame.type === "talk") {
        say({
          type: "call_token",
          uri: "sip:talk@127.0.0.1",
          username: "t1",
          password: "p",
          websocket: "/sip",
          expires_in_seconds: 60,
        });
      } else if (frame.type === "close") state({ state: "closed" });
      else if (frame.type === "ping") say({ type: "pong" });
    });
    socket.on("close", () => chats.delete(socket));
  }
  fake.chat = { session: null, state: { state: "idle" }, messages: [], seq: 1 };
  fake.frames = [];
  fake.invitation = () => [...chats].map((socket) => socket.send('{"type":"talk_invitation"}'));

  const sockets = new WebSocketServer({
    noServer: true,
    handleProtocols: (protocols) => (protocols.has("sip") ? "sip" : false),
  });
  server.on("upgrade", (request, socket, head) => {
    const path = request.url.split("?")[0];
    if (path === "/api/v1/events" && !fake.signedIn) return socket.destroy();
    sockets.handleUpgrade(request, socket, head, (ws) => {
      if (path === "/api/v1/events") {
        events.add(ws);
        ws.on("close", () => events.delete(ws));
        hello(ws);
      } else if (path === "/chat") {
        chats.add(ws);
        chat(ws);
      } else if (path === "/sip") {
        phones.add(ws);
        ws.on("message", (data) => {
          const message = String(data);
          if (message === "\r\n\r\n") ws.send("\r\n");
          else if (message !== "\r\n") void onSip(ws, message);
        });
        ws.on("close", () => {
          phones.delete(ws);
          if (fake.phone === ws) fake.phone = null;
        });
      } else ws.terminate();
    });
  });
  server.listen(port, "127.0.0.1");
  fake.url = `http://127.0.0.1:${port}`;
  return fake;
}

function file(path, response) {
  const known = path === "/shop" ? "shop/index.html" : path.slice(1);
  const found =
    existsSync(dist + known) && extname(known) ? known : path.startsWith("/console") ? "console/index.html" : null;
  if (!found) {
    response.writeHead(path === "/" ? 302 : 404, { location: "/console/" });
    return response.end();
  }
  response.writeHead(200, { "content-type": TYPES[extname(found)] ?? "application/octet-stream" });
  response.end(readFileSync(dist + found));
}

/** Three seconds of a quiet tone. */
/** Two people who take turns, with a pause that somebody asked for. */
function peaks() {
  const says = (party, x) => (Math.floor(x / 38) % 2 === party && !(x > 240 && x < 275) ? 1 : 0.04);
  return [0, 1].map((party) =>
    Array.from({ length: 400 }, (_, x) => {
      const voice = 90 + 80 * Math.abs(Math.sin(x * 1.7 + party) * Math.sin(x * 0.31));
      return Math.round(voice * says(party, x));
    }),
  );
}

function wav(response) {
  const rate = 8000;
  const samples = Buffer.alloc(rate * 3 * 2);
  for (let i = 0; i < rate * 3; i += 1)
    samples.writeInt16LE(Math.round(4000 * Math.sin((i * 2 * Math.PI * 440) / rate)), i * 2);
  const head = Buffer.alloc(44);
  head.write("RIFF", 0);
  head.writeUInt32LE(36 + samples.length, 4);
  head.write("WAVEfmt ", 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE(rate * 2, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write("data", 36);
  head.writeUInt32LE(samples.length, 40);
  response.writeHead(200, { "content-type": "audio/wav" });
  response.end(Buffer.concat([head, samples]));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const fake = startFake({ scenario: process.argv[2] ?? "call" });
  console.log(`${fake.url}/console/ (anna, demo) and ${fake.url}/shop`);
}

/** A short call in two legs, as the server tells of it. */
function ladder() {
  const start = Date.UTC(2026, 10, 22, 9, 0) * 1000;
  const [carrier, browser] = ["198.51.100.7:5060", "203.0.113.4:50112"];
  const said = [
    ["in", "udp", carrier, "a84b4c76", "INVITE"],
    ["out", "udp", carrier, "a84b4c76", "100 INVITE"],
    ["out", "udp", carrier, "a84b4c76", "200 INVITE"],
    ["in", "udp", carrier, "a84b4c76", "ACK"],
    ["out", "wss", browser, "f81d4fae", "INVITE"],
    ["in", "wss", browser, "f81d4fae", "180 INVITE"],
    ["in", "wss", browser, "f81d4fae", "486 INVITE"],
    ["out", "wss", browser, "f81d4fae", "ACK"],
    ["in", "udp", carrier, "a84b4c76", "BYE"],
    ["out", "udp", carrier, "a84b4c76", "200 BYE"],
  ];
  const messages = said.map(([direction, transport, remote, call_id, summary], i) => ({
    at: start + i * 137_000,
    direction,
    transport,
    local: "192.0.2.1:5060",
    remote,
    call_id,
    summary,
    text: `${summary}\r\nVia: SIP/2.0/UDP ${remote};branch=z9hG4bK776asdhds\r\nCall-ID: ${call_id}\r\nCSeq: 1 INVITE\r\n\r\n`,
  }));
  return { messages, left_out: 2 };
}
