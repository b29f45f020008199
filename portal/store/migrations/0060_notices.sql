-- Read model of notices, of what became of them, and of the endpoints they are sent to.

CREATE TABLE notice (
    notice_id      VARCHAR PRIMARY KEY,
    kind           VARCHAR NOT NULL,
    institution_id VARCHAR NOT NULL,
    raised_at      VARCHAR NOT NULL
);

-- Whom it is for: a person's id, or <role>@<institution> with that institution; see portal/notices/model.py.
CREATE TABLE notice_reader (
    notice_id      VARCHAR NOT NULL,
    reader         VARCHAR NOT NULL,
    institution_id VARCHAR NOT NULL,
    PRIMARY KEY (notice_id, reader)
);

CREATE TABLE notice_read (
    notice_id VARCHAR NOT NULL,
    person_id VARCHAR NOT NULL,
    read_at   VARCHAR NOT NULL,
    PRIMARY KEY (notice_id, person_id)
);

-- The latest attempt for each target; next_at is empty when there will be no other.
CREATE TABLE notice_delivery (
    notice_id    VARCHAR NOT NULL,
    channel      VARCHAR NOT NULL,
    target_id    VARCHAR NOT NULL,
    status       VARCHAR NOT NULL,
    reason       VARCHAR NOT NULL,
    attempted_at VARCHAR NOT NULL,
    next_at      VARCHAR NOT NULL,
    PRIMARY KEY (notice_id, channel, target_id)
);

CREATE TABLE webhook (
    webhook_id     VARCHAR PRIMARY KEY,
    institution_id VARCHAR NOT NULL,
    status         VARCHAR NOT NULL,
    registered_at  VARCHAR NOT NULL
);
