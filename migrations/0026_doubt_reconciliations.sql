-- A run ends also when nobody says what became of something, and tells so; what is not ours is counted and added up.
SET search_path = dues;

-- ASK: what is in doubt is looked at again for a while; LAST: once more, and people are told of what is still in doubt.
ALTER DOMAIN reconciliation_stage DROP CONSTRAINT reconciliation_stage_known;
ALTER DOMAIN reconciliation_stage ADD CONSTRAINT reconciliation_stage_known
    CHECK (VALUE IN ('LIST', 'OWN', 'COMPARE', 'FEES', 'LEAKS', 'ASK', 'LAST', 'DONE'));

ALTER TABLE reconciliation
    ADD COLUMN doubt_count bigint NOT NULL DEFAULT 0,   -- transactions of which nothing could be said
    ADD COLUMN ask_until_time timestamptz,              -- so long they are looked at again; NULL: not yet
    ADD COLUMN foreign_count bigint NOT NULL DEFAULT 0; -- transactions of the gateway's list that do not name us

ALTER TABLE reconciliation_line ADD COLUMN doubt text NOT NULL DEFAULT ''; -- why nothing could be said of its transaction
CREATE INDEX reconciliation_line_doubt ON reconciliation_line (reconciliation_id, bucket, transaction) WHERE doubt <> '';

-- What the transactions that do not name us add up to; kept with the run, longer than its lines.
CREATE TABLE reconciliation_foreign (
    reconciliation_id uuid NOT NULL,
    currency char(3) NOT NULL,
    amount bigint NOT NULL,             -- what came less what went
    PRIMARY KEY (reconciliation_id, currency)
);
