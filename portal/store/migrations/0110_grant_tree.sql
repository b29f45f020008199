-- Grants form a tree: whose each is, and from which it was delegated (empty at the root).

ALTER TABLE access_grant ADD COLUMN parent_id VARCHAR DEFAULT '';
ALTER TABLE access_grant ADD COLUMN holder_kind VARCHAR DEFAULT 'institution';
ALTER TABLE access_grant ADD COLUMN holder_id VARCHAR DEFAULT '';
