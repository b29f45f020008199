-- Which run a run was made to replay.

ALTER TABLE run ADD COLUMN replays VARCHAR;
