-- Read model of release decisions.

CREATE TABLE release_decision (
    decision_id   VARCHAR PRIMARY KEY,
    ordinal       BIGINT NOT NULL,
    checkpoint_id VARCHAR NOT NULL,
    verdict       VARCHAR NOT NULL,
    from_stage    VARCHAR NOT NULL,
    to_stage      VARCHAR,
    digest        VARCHAR NOT NULL,
    decided_at    VARCHAR NOT NULL
);
