-- The same tables as in ../sqlite up to its 0008; every later change is in both folders under the same number.
-- Times are microseconds since the Unix epoch, UTC. Ids are UUIDs as text. Sessions, legs, messages, recordings and
-- session_agents are projections of the journal and can be rebuilt from it.

CREATE TABLE settings (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE users (
    user_id        TEXT    NOT NULL PRIMARY KEY,
    login          TEXT    NOT NULL,
    name           TEXT    NOT NULL,
    password_hash  TEXT,
    roles          TEXT    NOT NULL,
    queues         TEXT    NOT NULL,
    voice_capacity BIGINT  NOT NULL,
    chat_capacity  BIGINT  NOT NULL,
    locale         TEXT    NOT NULL,
    encryption     TEXT    NOT NULL DEFAULT '"accepted"',
    created_us     BIGINT  NOT NULL,
    removed_us     BIGINT
);
CREATE UNIQUE INDEX users_login ON users (login) WHERE removed_us IS NULL;

-- Digest accounts of desk phones.
CREATE TABLE devices (
    username   TEXT NOT NULL PRIMARY KEY,
    user_id    TEXT NOT NULL,
    realm      TEXT NOT NULL,
    ha1_md5    TEXT NOT NULL,
    ha1_sha256 TEXT NOT NULL
);
CREATE INDEX devices_user ON devices (user_id);

CREATE TABLE sign_ins (
    token_hash TEXT   NOT NULL PRIMARY KEY,
    user_id    TEXT   NOT NULL,
    created_us BIGINT NOT NULL,
    used_us    BIGINT NOT NULL
);
CREATE INDEX sign_ins_user ON sign_ins (user_id);

CREATE TABLE visitors (
    visitor_id TEXT   NOT NULL PRIMARY KEY,
    token_hash TEXT   NOT NULL UNIQUE,
    account    TEXT   NOT NULL,
    created_us BIGINT NOT NULL
);

CREATE TABLE customers (
    customer_id TEXT   NOT NULL PRIMARY KEY,
    name        TEXT,
    created_us  BIGINT NOT NULL
);

-- Which customer an identity belongs to, and why. A link that was taken back or taken over keeps its row, with ended_us.
CREATE TABLE identities (
    kind        TEXT   NOT NULL,
    value       TEXT   NOT NULL,
    customer_id TEXT   NOT NULL,
    evidence    TEXT   NOT NULL,
    session_id  TEXT,
    linked_us   BIGINT NOT NULL,
    ended_us    BIGINT
);
CREATE UNIQUE INDEX identities_live ON identities (kind, value) WHERE ended_us IS NULL;
CREATE INDEX identities_customer ON identities (customer_id);

CREATE TABLE journal (
    session_id TEXT   NOT NULL,
    seq        BIGINT NOT NULL,
    at_us      BIGINT NOT NULL,
    change     TEXT   NOT NULL,
    PRIMARY KEY (session_id, seq)
);

CREATE TABLE sessions (
    session_id    TEXT    NOT NULL PRIMARY KEY,
    customer_id   TEXT    NOT NULL,
    entry         TEXT    NOT NULL,
    state         TEXT    NOT NULL,
    voice         BIGINT  NOT NULL,
    chat          BIGINT  NOT NULL,
    queue         TEXT,
    owner_id      TEXT,
    opened_us     BIGINT  NOT NULL,
    ended_us      BIGINT,
    ending_cause  TEXT,
    ending_by     TEXT,
    ending_status BIGINT ,
    disposition   TEXT,
    note          TEXT,
    merged_into   TEXT
);
CREATE INDEX sessions_customer ON sessions (customer_id, opened_us);
CREATE INDEX sessions_opened ON sessions (opened_us);
CREATE INDEX sessions_open ON sessions (opened_us) WHERE ended_us IS NULL;

-- Every operator who has owned the session.
CREATE TABLE session_agents (
    session_id TEXT NOT NULL,
    agent_id   TEXT NOT NULL,
    PRIMARY KEY (session_id, agent_id)
);

CREATE TABLE legs (
    leg_id        TEXT   NOT NULL PRIMARY KEY,
    session_id    TEXT   NOT NULL,
    medium        TEXT   NOT NULL,
    party         TEXT   NOT NULL,
    agent_id      TEXT,
    address       TEXT   NOT NULL,
    opened_us     BIGINT NOT NULL,
    ringing_us    BIGINT,
    answered_us   BIGINT,
    ended_us      BIGINT,
    ending_cause  TEXT,
    ending_by     TEXT,
    ending_status BIGINT 
);
CREATE INDEX legs_session ON legs (session_id);

CREATE TABLE messages (
    session_id  TEXT   NOT NULL,
    seq         BIGINT NOT NULL,
    at_us       BIGINT NOT NULL,
    author      TEXT   NOT NULL,
    external_id TEXT,
    message     TEXT   NOT NULL,
    PRIMARY KEY (session_id, seq)
);
-- Two parties may choose the same id; one party may not use it twice.
CREATE UNIQUE INDEX messages_external ON messages (session_id, author, external_id) WHERE external_id IS NOT NULL;

CREATE TABLE recordings (
    recording_id TEXT   NOT NULL PRIMARY KEY,
    session_id   TEXT   NOT NULL,
    file         TEXT   NOT NULL,
    started_us   BIGINT NOT NULL,
    millis       BIGINT
);
CREATE INDEX recordings_session ON recordings (session_id);

CREATE TABLE agent_status (
    seq      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    agent_id TEXT   NOT NULL,
    at_us    BIGINT NOT NULL,
    status   TEXT   NOT NULL,
    set_by   TEXT   NOT NULL
);
CREATE INDEX agent_status_agent ON agent_status (agent_id, seq);
CREATE INDEX agent_status_at ON agent_status (at_us);
CREATE INDEX sessions_wrap_up ON sessions (state) WHERE state = 'wrap_up';
CREATE INDEX recordings_open ON recordings (session_id) WHERE millis IS NULL;
CREATE INDEX sessions_ended ON sessions (ended_us);

-- Phones that can be reached without the connection that they registered by: they stay registered over a restart.
CREATE TABLE bindings (
    aor        TEXT    NOT NULL,
    contact    TEXT    NOT NULL,
    username   TEXT    NOT NULL,
    instance   TEXT,
    reg_id     BIGINT,
    q          BIGINT  NOT NULL,
    path       TEXT    NOT NULL,
    call_id    TEXT    NOT NULL,
    cseq       BIGINT  NOT NULL,
    transport  TEXT    NOT NULL,
    local      TEXT    NOT NULL,
    remote     TEXT    NOT NULL,
    user_agent TEXT,
    expires_us BIGINT  NOT NULL
);
-- A contact may be longer than what an index takes.
CREATE INDEX bindings_aor ON bindings (aor);
