-- Read model of who waits for a membership, of invitations, and of identity providers with who people are there.

CREATE TABLE person_waiting (
    person_id      VARCHAR PRIMARY KEY,
    institution_id VARCHAR NOT NULL,
    requested_at   VARCHAR NOT NULL,
    open           BOOLEAN NOT NULL  -- neither answered nor deactivated
);

CREATE TABLE invitation (
    invitation_id VARCHAR PRIMARY KEY,
    email         VARCHAR NOT NULL,  -- as it is compared: case folded
    code_id       VARCHAR NOT NULL,  -- the SHA-256 of the link's secret
    status        VARCHAR NOT NULL,
    invited_at    VARCHAR NOT NULL
);

CREATE TABLE identity (
    identity_id VARCHAR PRIMARY KEY,
    provider_id VARCHAR NOT NULL,
    person_id   VARCHAR NOT NULL  -- empty while it stands for nobody
);

CREATE TABLE identity_provider (
    provider_id    VARCHAR PRIMARY KEY,
    institution_id VARCHAR NOT NULL,
    issuer         VARCHAR NOT NULL,
    status         VARCHAR NOT NULL,
    registered_at  VARCHAR NOT NULL
);

CREATE TABLE identity_provider_domain (
    provider_id VARCHAR NOT NULL,
    domain      VARCHAR NOT NULL,
    PRIMARY KEY (provider_id, domain)
);

ALTER TABLE credential ADD COLUMN provider_id VARCHAR;
