-- How many hidden states a run may have told its holder, through embeddings: the other part of exposure.

ALTER TABLE run ADD COLUMN seen_states BIGINT DEFAULT 0;
