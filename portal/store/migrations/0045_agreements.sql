-- Agreements come in forms, schedules belong to frameworks, and clauses name people by address.

ALTER TABLE agreement ADD COLUMN form VARCHAR DEFAULT 'standalone';
ALTER TABLE agreement ADD COLUMN framework_id VARCHAR;
ALTER TABLE person ADD COLUMN email VARCHAR DEFAULT '';

-- What a run draws on besides its grant: the account of the agreement, and of the listed use.
CREATE TABLE run_account (
    run_id         VARCHAR NOT NULL,
    account        VARCHAR NOT NULL,
    charged_tokens BIGINT NOT NULL,
    PRIMARY KEY (run_id, account)
);
