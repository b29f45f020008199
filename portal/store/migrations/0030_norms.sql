-- Read model of norms; everything is about the current revision.

CREATE TABLE norm (
    norm_id         VARCHAR PRIMARY KEY,
    ordinal         BIGINT NOT NULL,
    title           VARCHAR NOT NULL,
    institution_id  VARCHAR NOT NULL,
    decision        VARCHAR,
    revision        INTEGER NOT NULL,
    revision_digest VARCHAR NOT NULL,
    quorum          INTEGER NOT NULL,
    counted         INTEGER NOT NULL,
    objections      INTEGER NOT NULL,
    proposed_at     VARCHAR NOT NULL,
    decided_at      VARCHAR
);

CREATE TABLE norm_evidence (
    norm_id    VARCHAR NOT NULL,
    finding_id VARCHAR NOT NULL,
    PRIMARY KEY (norm_id, finding_id)
);

CREATE TABLE norm_position (
    norm_id        VARCHAR NOT NULL,
    institution_id VARCHAR NOT NULL,
    position       VARCHAR NOT NULL,
    PRIMARY KEY (norm_id, institution_id)
);
