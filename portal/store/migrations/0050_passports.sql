-- Read model of passports: how far each item of an institution's vetting holds. Whether that is past, the reader says.

CREATE TABLE passport_item (
    institution_id  VARCHAR NOT NULL,
    item            VARCHAR NOT NULL,
    valid_until     VARCHAR NOT NULL,
    awaiting_review BOOLEAN NOT NULL,
    PRIMARY KEY (institution_id, item)
);
