-- Phones that can be reached without the connection that they registered by: they stay registered over a restart.
CREATE TABLE bindings (
    aor        TEXT    NOT NULL,
    contact    TEXT    NOT NULL,
    username   TEXT    NOT NULL,
    instance   TEXT,
    reg_id     BIGINT,
    q          INTEGER NOT NULL,
    path       TEXT    NOT NULL,
    call_id    TEXT    NOT NULL,
    cseq       BIGINT  NOT NULL,
    transport  TEXT    NOT NULL,
    local      TEXT    NOT NULL,
    remote     TEXT    NOT NULL,
    user_agent TEXT,
    expires_us BIGINT  NOT NULL,
    PRIMARY KEY (aor, contact)
);
