-- What is on record about duties; what is owed, and how it stands today, is computed from the agreement when it is read.

CREATE TABLE duty_record (
    agreement_id VARCHAR NOT NULL,
    duty_key     VARCHAR NOT NULL,
    outcome      VARCHAR NOT NULL,  -- fulfilled, waived, or open while it is only postponed, reminded of or sent back
    due_at       VARCHAR NOT NULL,  -- empty while it is due as scheduled
    changed_at   VARCHAR NOT NULL,
    PRIMARY KEY (agreement_id, duty_key)
);

CREATE TABLE incident (
    agreement_id VARCHAR NOT NULL,
    number       INTEGER NOT NULL,
    kind         VARCHAR NOT NULL,
    aware_at     VARCHAR NOT NULL,
    reported_at  VARCHAR NOT NULL,
    PRIMARY KEY (agreement_id, number)
);
