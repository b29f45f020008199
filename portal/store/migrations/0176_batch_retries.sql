-- Which batch a batch takes up again.

ALTER TABLE batch ADD COLUMN retry_of VARCHAR;
