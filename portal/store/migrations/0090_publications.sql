-- Read model of publications under review; what depends on the time is computed when it is read.

CREATE TABLE publication (
    publication_id VARCHAR PRIMARY KEY,
    institution_id VARCHAR NOT NULL,
    agreement_id   VARCHAR NOT NULL,
    opened_at      VARCHAR NOT NULL,
    decided        BOOLEAN NOT NULL  -- published, withdrawn, or cleared by the lab's word
);
