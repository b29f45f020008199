-- Read model of what is kept of runs because an agreement says so; the words lie sealed beside the database.

CREATE TABLE kept_text (
    run_id         VARCHAR PRIMARY KEY,
    agreement_id   VARCHAR NOT NULL,
    grant_id       VARCHAR NOT NULL,
    person_id      VARCHAR NOT NULL,
    institution_id VARCHAR,
    outlives       BOOLEAN NOT NULL,
    kept_at        VARCHAR NOT NULL,
    keep_until     VARCHAR NOT NULL,
    destroyed_at   VARCHAR NOT NULL  -- empty while the words are there
);
