-- Read models of batches and of the files that are kept for them; what is in the files lies sealed beside the database.

CREATE TABLE batch (
    batch_id       VARCHAR PRIMARY KEY,
    person_id      VARCHAR NOT NULL,
    institution_id VARCHAR,
    grant_id       VARCHAR,
    status         VARCHAR NOT NULL,
    input_file_id  VARCHAR NOT NULL,
    output_file_id VARCHAR,
    error_file_id  VARCHAR,
    created_at     VARCHAR NOT NULL
);

CREATE TABLE stored_file (
    file_id        VARCHAR PRIMARY KEY,
    person_id      VARCHAR NOT NULL,
    institution_id VARCHAR,
    purpose        VARCHAR NOT NULL,
    size           BIGINT NOT NULL,
    stored_at      VARCHAR NOT NULL,
    keep_until     VARCHAR NOT NULL,
    destroyed_at   VARCHAR NOT NULL  -- empty while its contents are there
);
