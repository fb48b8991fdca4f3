-- Changes of agents' states have an order of their own, and contacts of phones may be long: see store/bindings.rs.
CREATE TABLE agent_status_new (
    seq      INTEGER NOT NULL PRIMARY KEY,
    agent_id TEXT    NOT NULL,
    at_us    BIGINT  NOT NULL,
    status   TEXT    NOT NULL,
    set_by   TEXT    NOT NULL
);
INSERT INTO agent_status_new (agent_id, at_us, status, set_by)
    SELECT agent_id, at_us, status, set_by FROM agent_status ORDER BY at_us, rowid;
DROP TABLE agent_status;
ALTER TABLE agent_status_new RENAME TO agent_status;
CREATE INDEX agent_status_agent ON agent_status (agent_id, seq);
CREATE INDEX agent_status_at ON agent_status (at_us);
-- What is read back at a start, and by reports.
CREATE INDEX sessions_wrap_up ON sessions (state) WHERE state = 'wrap_up';
CREATE INDEX recordings_open ON recordings (session_id) WHERE millis IS NULL;
CREATE INDEX sessions_ended ON sessions (ended_us);
