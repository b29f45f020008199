-- What usage is counted from and an access log is read by: what a run used of each kind, with which token, how it ended.

ALTER TABLE run ADD COLUMN prompt_tokens BIGINT DEFAULT 0;
ALTER TABLE run ADD COLUMN completion_tokens BIGINT DEFAULT 0;
ALTER TABLE run ADD COLUMN token_id VARCHAR;
ALTER TABLE run ADD COLUMN failure_code VARCHAR;
