-- Work that flows leave for people; a projection of the journal but for who did it. Times are microseconds since the Unix epoch.
CREATE TABLE tasks (
    session_id TEXT   NOT NULL,
    seq        BIGINT NOT NULL,
    kind       TEXT   NOT NULL,
    queue      TEXT,
    text       TEXT   NOT NULL,
    created_us BIGINT NOT NULL,
    due_us     BIGINT,
    done_us    BIGINT,
    done_by    TEXT,
    PRIMARY KEY (session_id, seq)
);
CREATE INDEX tasks_open ON tasks (created_us) WHERE done_us IS NULL;
