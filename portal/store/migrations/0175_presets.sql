-- Whose preset one is, by its id: a link to it names nothing else.

CREATE TABLE preset (
    preset_id VARCHAR PRIMARY KEY,
    person_id VARCHAR NOT NULL
);
