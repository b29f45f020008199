-- Read model of findings: the current version of each.

CREATE TABLE finding (
    finding_id     VARCHAR PRIMARY KEY,
    ordinal        BIGINT NOT NULL,
    version        INTEGER NOT NULL,
    digest         VARCHAR NOT NULL,
    title          VARCHAR NOT NULL,
    kind           VARCHAR NOT NULL,
    severity       VARCHAR,
    marking        VARCHAR NOT NULL,
    institution_id VARCHAR NOT NULL,
    status         VARCHAR NOT NULL,
    duplicate_of   VARCHAR,
    words          INTEGER NOT NULL,
    filed_at       VARCHAR NOT NULL,
    changed_at     VARCHAR NOT NULL
);

-- Who may read it, as keys; see portal/findings/marking.py.
CREATE TABLE finding_reader (
    finding_id VARCHAR NOT NULL,
    reader     VARCHAR NOT NULL,
    PRIMARY KEY (finding_id, reader)
);

CREATE TABLE finding_checkpoint (
    finding_id    VARCHAR NOT NULL,
    checkpoint_id VARCHAR NOT NULL,
    PRIMARY KEY (finding_id, checkpoint_id)
);

-- BM25 postings over title and summary.
CREATE TABLE finding_posting (
    finding_id  VARCHAR NOT NULL,
    term        VARCHAR NOT NULL,
    occurrences INTEGER NOT NULL,
    PRIMARY KEY (finding_id, term)
);
