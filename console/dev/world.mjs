// Made-up customers and sessions for looking at the console without a server.
import { randomUUID } from "node:crypto";

export const now = () => Date.now() * 1000;
const min = 60e6;

export const agents = [
  { agent: "a0000000-0000-7000-8000-000000000001", login: "anna", name: "Анна Ковалёва" },
  { agent: "a0000000-0000-7000-8000-000000000002", login: "boris", name: "Борис Лядов" },
  { agent: "a0000000-0000-7000-8000-000000000003", login: "sofia", name: "София Мельник" },
  { agent: "a0000000-0000-7000-8000-000000000004", login: "root", name: "Игорь Тарасов" },
];
const anna = agents[0].agent;

const customer = (n, name, phone, email, earlier = 0) => ({
  customer: `c0000000-0000-7000-8000-00000000000${n}`,
  name,
  identities: [
    ...(phone ? [{ kind: "phone", value: phone }] : []),
    ...(email ? [{ kind: "email", value: email }] : []),
    { kind: "visitor", value: `b0000000-0000-7000-8000-0000000a4f0${n}` },
  ],
  earlier_sessions: earlier,
});

export const customers = [
  customer(1, "Мария Соболева", "+79161234567", "m.soboleva@example.org", 4),
  customer(2, "Денис Грачёв", "+79031110022", null, 1),
  customer(3, null, "+74957778899", null, 0),
  customer(4, "Ольга Ветрова", null, "vetrova@example.org", 2),
  customer(5, "ООО «Северный ветер»", "+78126660011", "zakaz@example.org", 11),
];

const id = (n) => `50000000-0000-7000-8000-00000000000${n}`;
const leg = (n) => `10000000-0000-7000-8000-00000000000${n}`;

/** Journals are written as [seconds ago, change]. */
function journal(session, rows) {
  return rows.map(([ago, change], i) => ({ session, seq: i + 1, at: now() - ago * 1e6, change }));
}
const text = (author, text, more = {}) => ({ type: "message", message: { id: randomUUID(), author, text, ...more } });
const visitor = { who: "customer" };
const flow = { who: "flow" };
const operator = { who: "agent", agent: anna, name: agents[0].name };

export function world(scenario) {
  const w = {
    desk: {
      agent: anna,
      name: agents[0].name,
      status: { state: "ready" },
      since: now() - 24 * min,
      phone_registered: true,
      offers: [],
      sessions: [],
    },
    journals: new Map(),
    floor: { queues: [{ name: "support", waiting: 0, longest_wait_seconds: 0, agents_ready: 2 }], sessions: [] },
    rows: [],
  };
  const history = closedSessions(w);
  w.rows.push(...history);

  const chat = {
    session: id(1),
    customer: customers[0],
    context: { topic: "support" },
    opened: now() - 6.4 * min,
    queue: "support",
    state: "active",
    legs: [
      {
        leg: leg(1),
        medium: "chat",
        party: visitor,
        address: "main",
        part: "customer",
        state: "up",
        held: false,
        muted: false,
        since: now() - 6.4 * min,
      },
    ],
    recording: false,
    wrap_up_until: null,
    last_seq: 0,
  };
  const chatRows = [
    [384, { type: "session_opened", customer: customers[0].customer, entry: "main", medium: "chat" }],
    [
      384,
      {
        type: "identity_linked",
        customer: customers[0].customer,
        identity: customers[0].identities[2],
        evidence: "origin",
      },
    ],
    [384, { type: "leg_opened", leg: leg(1), medium: "chat", party: visitor, address: "main" }],
    [384, text(visitor, "Здравствуйте! Купила у вас «Бульвар», и на третий день начала скрипеть каретка.")],
    [383, { type: "step", flow: "demo", state: "hello", verb: "say", outcome: "" }],
    [383, text(flow, "Здравствуйте, Мария Соболева! Рады снова вас видеть.")],
    [383, { type: "step", flow: "demo", state: "menu", verb: "ask", outcome: "" }],
    [
      383,
      text(flow, "Чем помочь: продажи или поддержка?", {
        buttons: [
          { choice: "sales", label: "Продажи" },
          { choice: "support", label: "Поддержка" },
        ],
      }),
    ],
    [371, text(visitor, "Поддержка")],
    [371, { type: "step", flow: "demo", state: "menu", verb: "ask", outcome: "support" }],
    [371, { type: "context_set", key: "topic", value: "support" }],
    [371, { type: "step", flow: "demo", state: "support", verb: "queue", outcome: "" }],
    [371, { type: "queued", queue: "support", priority: 0, since: now() - 371e6 }],
    [369, { type: "offered", offer: id(9), agent: agents[1].agent, queue: "support" }],
    [349, { type: "offer_ended", offer: id(9), agent: agents[1].agent, outcome: "timed_out" }],
    [348, { type: "offered", offer: id(8), agent: anna, queue: "support" }],
    [340, { type: "offer_ended", offer: id(8), agent: anna, outcome: "accepted" }],
    [340, { type: "owner_changed", agent: anna }],
    [
      318,
      text(
        operator,
        "Мария, здравствуйте! Это Анна. Скрип слышно на каждом обороте педалей или только под нагрузкой?",
        { external_id: "m1" },
      ),
    ],
    [
      290,
      text(
        visitor,
        "Под нагрузкой, когда в горку.\nСняла видео: https://video.example.org/w/8fk2?t=12 — слышно с 12-й секунды.",
      ),
    ],
    [
      262,
      text(
        operator,
        "Спасибо, послушала. Похоже, не дотянута каретка. Это гарантийный случай, сделаем бесплатно за час.",
        { external_id: "m2" },
      ),
    ],
    [240, { type: "delivered", up_to: 21 }],
    [239, { type: "read", by: "customer", up_to: 21 }],
    [239, { type: "read", by: "agent", up_to: 20 }],
  ];

  if (scenario === "offer" || scenario === "offers") {
    const offer = {
      offer: id(7),
      session: id(2),
      queue: "support",
      media: { voice: true, chat: false },
      customer: customers[1],
      context: { topic: "sales" },
      waiting_since: now() - 42e6,
      deadline: now() + 16e6,
    };
    w.desk.offers.push(offer);
    w.journals.set(
      id(2),
      journal(id(2), [
        [61, { type: "session_opened", customer: customers[1].customer, entry: "+74950000000", medium: "voice" }],
        [61, { type: "leg_opened", leg: leg(2), medium: "voice", party: visitor, address: "+79031110022" }],
        [61, { type: "step", flow: "demo", state: "hello_again", verb: "say", outcome: "played" }],
        [60, { type: "leg_answered", leg: leg(2) }],
        [52, { type: "step", flow: "demo", state: "menu", verb: "ask", outcome: "sales" }],
        [52, { type: "context_set", key: "topic", value: "sales" }],
        [42, { type: "queued", queue: "support", priority: 5, since: now() - 42e6 }],
        [4, { type: "offered", offer: id(7), agent: anna, queue: "support" }],
      ]),
    );
    if (scenario === "offers") {
      w.desk.offers.push({
        ...{
          offer: id(6),
          session: id(3),
          queue: "support",
          media: { voice: false, chat: true },
          customer: customers[3],
        },
        ...{ context: { topic: "support", model: "Просёлок" }, waiting_since: now() - 95e6, deadline: now() + 38e6 },
      });
    }
  }

  if (scenario === "chat" || scenario === "call" || scenario === "wrapup" || scenario === "offers") {
    if (scenario !== "chat" && scenario !== "offers") {
      chatRows.push(
        [128, text(visitor, "А можно голосом? Мне проще объяснить.")],
        [127, { type: "read", by: "agent", up_to: 25 }],
        [124, { type: "escalated", to: "voice", by: "agent", how: "+79161234567" }],
        [124, { type: "leg_opened", leg: leg(3), medium: "voice", party: visitor, address: "+79161234567" }],
        [
          124,
          {
            type: "leg_opened",
            leg: leg(4),
            medium: "voice",
            party: { who: "agent", agent: anna },
            address: "sip:anna@127.0.0.1",
          },
        ],
        [121, { type: "leg_answered", leg: leg(4) }],
        [113, { type: "leg_answered", leg: leg(3) }],
        [113, { type: "recording_started", recording: "e0000000-0000-7000-8000-000000000001", file: "r/1.wav" }],
        [
          70,
          text(operator, "Адрес мастерской, чтобы не искать: Колёсный переулок, 8. Вход со двора.", {
            external_id: "m3",
          }),
        ],
        [69, { type: "delivered", up_to: 33 }],
      );
      chat.legs.push(
        {
          leg: leg(3),
          medium: "voice",
          party: visitor,
          address: "+79161234567",
          part: "customer",
          state: "up",
          held: false,
          muted: false,
          since: now() - 113e6,
        },
        {
          leg: leg(4),
          medium: "voice",
          party: { who: "agent", agent: anna },
          address: "sip:anna@127.0.0.1",
          part: "partner",
          state: "up",
          held: false,
          muted: false,
          since: now() - 113e6,
        },
      );
      chat.recording = true;
    }
    if (scenario === "wrapup") {
      chatRows.push(
        [21, { type: "leg_ended", leg: leg(3), ending: { cause: "hung_up", by: "customer" } }],
        [21, { type: "recording_ended", recording: "e0000000-0000-7000-8000-000000000001", millis: 92_000 }],
        [21, { type: "leg_ended", leg: leg(4), ending: { cause: "hung_up", by: "customer" } }],
        [18, { type: "leg_ended", leg: leg(1), ending: { cause: "hung_up", by: "agent" } }],
        [18, { type: "session_ended", ending: { cause: "hung_up", by: "agent" } }],
        [18, { type: "wrap_up_started", agent: anna }],
      );
      chat.legs = [];
      chat.recording = false;
      chat.state = "wrap_up";
      chat.wrap_up_until = now() + 26e6;
    }
    w.journals.set(id(1), journal(id(1), chatRows));
    chat.last_seq = chatRows.length;
    w.desk.sessions.push(chat);
    const second = {
      ...{
        session: id(4),
        customer: customers[3],
        context: { topic: "sales" },
        opened: now() - 2.1 * min,
        queue: "support",
        state: "active",
      },
      legs: [
        {
          leg: leg(5),
          medium: "chat",
          party: visitor,
          address: "main",
          part: "customer",
          state: "up",
          held: false,
          muted: false,
          since: now() - 2.1 * min,
        },
      ],
      ...{ recording: false, wrap_up_until: null },
    };
    const rows = journal(id(4), [
      [126, { type: "session_opened", customer: customers[3].customer, entry: "main", medium: "chat" }],
      [126, { type: "leg_opened", leg: leg(5), medium: "chat", party: visitor, address: "main" }],
      [120, { type: "owner_changed", agent: anna }],
      [90, text(operator, "Ольга, добрый день! Чем помочь?", { external_id: "m9" })],
      [40, text(visitor, "Подойдёт ли «Просёлок» на рост 164?")],
      [12, text(visitor, "И есть ли он в зелёном?")],
    ]);
    w.journals.set(id(4), rows);
    if (scenario !== "wrapup") w.desk.sessions.push({ ...second, last_seq: rows.length });
  }

  if (scenario === "notready") w.desk.status = { state: "not_ready", reason: "lunch" };

  if (scenario === "floor") {
    w.floor.queues = [
      { name: "support", waiting: 3, longest_wait_seconds: 107, agents_ready: 2 },
      { name: "sales", waiting: 0, longest_wait_seconds: 0, agents_ready: 1 },
      { name: "workshop", waiting: 1, longest_wait_seconds: 12, agents_ready: 0 },
    ];
    const row = (n, c, media, state, owner, queue, ago) => ({
      ...{ session: id(n), customer: customers[c], media, state, owner, queue, opened: now() - ago * 1e6 },
    });
    w.floor.sessions = [
      row(1, 0, { voice: true, chat: true }, "active", anna, "support", 384),
      row(2, 1, { voice: true, chat: false }, "offered", null, "support", 61),
      row(3, 2, { voice: true, chat: false }, "waiting", null, "support", 107),
      row(4, 3, { voice: false, chat: true }, "active", agents[1].agent, "sales", 126),
      row(8, 3, { voice: true, chat: false }, "active", agents[1].agent, "sales", 95),
      row(5, 4, { voice: true, chat: false }, "agent_lost", agents[2].agent, "sales", 512),
      row(6, 1, { voice: false, chat: true }, "flow", null, null, 14),
      row(7, 2, { voice: true, chat: false }, "wrap_up", agents[2].agent, "workshop", 733),
    ];
    for (const { session } of w.floor.sessions)
      if (!w.journals.has(session)) w.journals.set(session, journal(session, chatRows));
  }
  return w;
}

function closedSessions(w) {
  const rows = [];
  const results = [
    "resolved",
    "sold",
    "follow_up",
    null,
    "complaint",
    "resolved",
    "no_contact",
    "resolved",
    "sold",
    "other",
    null,
    "resolved",
  ];
  for (let i = 0; i < results.length; i += 1) {
    const session = `d0000000-0000-7000-8000-0000000000${String(10 + i)}`;
    const c = customers[[0, 1, 4, 2, 0, 3, 4, 0, 1, 4, 2, 0][i]];
    const opened = now() - (i + 1) * 47 * min - (i > 4 ? 26 * 60 * min : 0);
    const length = (2 + ((i * 7) % 11)) * min;
    const voice = i % 3 !== 1;
    rows.push({
      session,
      customer: { customer: c.customer, name: c.name },
      opened,
      ended: opened + length,
      media: { voice, chat: !voice || i % 4 === 0 },
      entry: voice ? "+74950000000" : "main",
      queue: results[i] ? "support" : null,
      owner: results[i] ? agents[i % 3] : null,
      ending: results[i]
        ? { cause: "hung_up", by: i % 2 ? "agent" : "customer" }
        : { cause: "abandoned", by: "customer" },
      disposition: results[i],
      recordings: voice && results[i] ? 1 : 0,
    });
    const recording = `e0000000-0000-7000-8000-0000000000${10 + i}`;
    const at = (seconds) => opened + seconds * 1e6;
    const entries = [
      { type: "session_opened", customer: c.customer, entry: "+74950000000", medium: "voice" },
      { type: "leg_opened", leg: leg(6), medium: "voice", party: visitor, address: "+79161234567" },
      { type: "leg_answered", leg: leg(6) },
      { type: "step", flow: "demo", state: "menu", verb: "ask", outcome: "support" },
      { type: "queued", queue: "support", priority: 0, since: at(9) },
      { type: "offer_ended", offer: id(5), agent: anna, outcome: "accepted" },
      { type: "recording_started", recording, file: "r/2.wav" },
      { type: "leg_ended", leg: leg(6), ending: { cause: "hung_up", by: "customer" } },
      { type: "recording_ended", recording, millis: 143_000 },
      { type: "session_ended", ending: { cause: "hung_up", by: "customer" } },
      {
        type: "wrap_up_ended",
        agent: anna,
        disposition: results[i],
        note: "Договорились, что заедет в субботу утром. Каретку заказали.",
      },
    ];
    w.journals.set(
      session,
      entries.map((change, n) => ({ session, seq: n + 1, at: at(n * 9), change })),
    );
  }
  return rows;
}
