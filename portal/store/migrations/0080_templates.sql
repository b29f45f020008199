-- Read model of templates published here (those that only ship with the package have no rows) and of campaigns.

CREATE TABLE template (
    template_id VARCHAR PRIMARY KEY,
    versions    BIGINT NOT NULL,
    retired_at  VARCHAR NOT NULL
);

CREATE TABLE campaign (
    campaign_id VARCHAR PRIMARY KEY,
    template_id VARCHAR NOT NULL,
    to_version  BIGINT NOT NULL,
    started_at  VARCHAR NOT NULL,
    closed_at   VARCHAR NOT NULL
);
