-- Read model of institutions, people, agreements, grants, credentials, checkpoints and runs.

CREATE TABLE institution (
    institution_id VARCHAR PRIMARY KEY,
    name           VARCHAR NOT NULL,
    constituency   VARCHAR NOT NULL,
    registered_at  VARCHAR NOT NULL
);

CREATE TABLE person (
    person_id   VARCHAR PRIMARY KEY,
    name        VARCHAR NOT NULL,
    coordinator BOOLEAN NOT NULL,
    active      BOOLEAN NOT NULL
);

CREATE TABLE person_institution (
    person_id      VARCHAR NOT NULL,
    institution_id VARCHAR NOT NULL,
    role           VARCHAR NOT NULL,
    PRIMARY KEY (person_id, institution_id, role)
);

CREATE TABLE agreement (
    agreement_id   VARCHAR PRIMARY KEY,
    institution_id VARCHAR NOT NULL,
    title          VARCHAR NOT NULL,
    status         VARCHAR NOT NULL,
    drafted_at     VARCHAR NOT NULL
);

CREATE TABLE access_grant (
    grant_id       VARCHAR PRIMARY KEY,
    institution_id VARCHAR NOT NULL,
    agreement_id   VARCHAR NOT NULL,
    status         VARCHAR NOT NULL,
    expires_at     VARCHAR NOT NULL,
    issued_at      VARCHAR NOT NULL
);

-- Names of credentials, never the credentials: hashes of links and sessions, the jti of tokens.
CREATE TABLE credential (
    credential_id VARCHAR PRIMARY KEY,
    kind          VARCHAR NOT NULL,
    person_id     VARCHAR NOT NULL,
    grant_id      VARCHAR,
    issued_at     VARCHAR NOT NULL,
    expires_at    VARCHAR NOT NULL,
    ended         BOOLEAN NOT NULL
);

CREATE TABLE model_checkpoint (
    checkpoint_id VARCHAR PRIMARY KEY,
    family        VARCHAR NOT NULL,
    parameters    BIGINT NOT NULL,
    digest        VARCHAR NOT NULL,
    stage         VARCHAR NOT NULL
);

CREATE TABLE run (
    run_id          VARCHAR PRIMARY KEY,
    checkpoint_id   VARCHAR NOT NULL,
    person_id       VARCHAR NOT NULL,
    institution_id  VARCHAR,
    grant_id        VARCHAR,
    account         VARCHAR NOT NULL,
    status          VARCHAR NOT NULL,
    purpose         VARCHAR NOT NULL,
    operation       VARCHAR NOT NULL,
    reserved_tokens BIGINT NOT NULL,
    charged_tokens  BIGINT NOT NULL,
    started_at      VARCHAR NOT NULL
);
