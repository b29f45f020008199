-- Read model of access requests; what depends on the time is computed when it is read.

CREATE TABLE access_request (
    request_id     VARCHAR PRIMARY KEY,
    institution_id VARCHAR NOT NULL,
    agreement_id   VARCHAR NOT NULL,  -- empty while a draft names none
    requester_id   VARCHAR NOT NULL,
    status         VARCHAR NOT NULL,  -- as recorded
    opened_at      VARCHAR NOT NULL,
    submitted_at   VARCHAR NOT NULL,  -- empty for what was never submitted
    decide_by      VARCHAR NOT NULL
);
