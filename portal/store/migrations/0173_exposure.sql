-- How many log-probabilities a run may have told its holder: what exposure of a checkpoint's weights is added up from.

ALTER TABLE run ADD COLUMN seen_values BIGINT DEFAULT 0;
