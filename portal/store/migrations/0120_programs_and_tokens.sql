-- Programs of institutions, and tokens that were made from other tokens.

CREATE TABLE program (
    program_id     VARCHAR PRIMARY KEY,
    institution_id VARCHAR NOT NULL,
    name           VARCHAR NOT NULL,
    status         VARCHAR NOT NULL,
    registered_at  VARCHAR NOT NULL
);

ALTER TABLE credential ADD COLUMN parent_id VARCHAR;
ALTER TABLE credential ADD COLUMN institution_id VARCHAR;
ALTER TABLE credential ADD COLUMN granted_by VARCHAR[];
