-- What happened, in order: the leaves of the transparency log. Append-only; see portal/store/append_only.py.
CREATE TABLE event (
    position    BIGINT PRIMARY KEY,
    stream      VARCHAR NOT NULL,
    version     INTEGER NOT NULL,
    type        VARCHAR NOT NULL,
    actor_id    VARCHAR NOT NULL,
    channel     VARCHAR NOT NULL,
    recorded_at TIMESTAMP NOT NULL,  -- UTC
    body        VARCHAR NOT NULL,    -- canonical JSON, RFC 8785
    salt        VARCHAR NOT NULL,    -- 16 random bytes in hex: a published leaf hash gives nothing away by guessing
    leaf_hash   BLOB NOT NULL,       -- RFC 6962 section 2.1
    UNIQUE (stream, version)
);

-- The signed head after each transaction. Append-only as well.
CREATE TABLE log_head (
    number BIGINT PRIMARY KEY,      -- from 0, the head of the empty log
    size   BIGINT NOT NULL UNIQUE,
    note   VARCHAR NOT NULL         -- C2SP tlog-checkpoint
);

-- Where the append-only triggers would write if they did not refuse; stays empty.
CREATE TABLE append_only_refusal (reason VARCHAR);

-- The present state of every object, folded from its events.
CREATE TABLE state (
    stream  VARCHAR PRIMARY KEY,
    version INTEGER NOT NULL,
    body    VARCHAR NOT NULL
);

-- How actors are called now. Apart from the log, so that a name can change or go without touching any leaf.
CREATE TABLE actor (
    actor_id VARCHAR PRIMARY KEY,
    name     VARCHAR NOT NULL
);

-- What each actor's idempotency keys stand for.
CREATE TABLE idempotency (
    actor_id       VARCHAR NOT NULL,
    key            VARCHAR NOT NULL,
    request_digest VARCHAR NOT NULL,
    first_position BIGINT NOT NULL,
    event_count    INTEGER NOT NULL,
    versions       VARCHAR NOT NULL,  -- JSON object: stream to version
    PRIMARY KEY (actor_id, key)
);
