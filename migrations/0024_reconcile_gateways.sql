-- Our books against the gateways': what they list, compared with what we recorded.
SET search_path = dues;

-- The table grows in about the order of these times; found by time without an index that every payment would write to.
CREATE INDEX attempt_lately ON attempt USING brin (first_sent_time) WITH (autosummarize = on);

-- One row a run: looked up by id, without a customer.
CREATE DOMAIN reconciliation_state AS text CONSTRAINT reconciliation_state_known
    CHECK (VALUE IN ('RUNNING', 'SUCCEEDED', 'FAILED'));
CREATE DOMAIN reconciliation_stage AS text CONSTRAINT reconciliation_stage_known
    CHECK (VALUE IN ('LIST', 'OWN', 'COMPARE', 'FEES', 'LEAKS', 'DONE'));
CREATE TABLE reconciliation (
    reconciliation_id uuid PRIMARY KEY,
    gateway text NOT NULL,
    from_time timestamptz NOT NULL,     -- of what the gateway did, inclusive
    until_time timestamptz NOT NULL,    -- exclusive
    requester text NOT NULL,            -- the certificate's identity, or 'daily'
    state reconciliation_state NOT NULL DEFAULT 'RUNNING',
    stage reconciliation_stage NOT NULL DEFAULT 'LIST',
    position text NOT NULL DEFAULT '',  -- within the stage: what has been dealt with
    entry_count bigint NOT NULL DEFAULT 0,   -- what the gateway listed
    own_count bigint NOT NULL DEFAULT 0,     -- what we recorded in that time
    mended_count bigint NOT NULL DEFAULT 0,  -- differences that were mended
    incident_count bigint NOT NULL DEFAULT 0, -- incidents that this run opened
    fee_count bigint NOT NULL DEFAULT 0,     -- fees that this run posted
    list_hash bytea,                    -- SHA-256 over the gateway's list, bucket by bucket
    problem text NOT NULL DEFAULT '',   -- what keeps it from going on, or ended it
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    finish_time timestamptz
);
CREATE INDEX reconciliation_lately ON reconciliation (create_time, reconciliation_id);

-- What is compared, both sides; deleted a while after the run.  `side` 'T': theirs, a line of the gateway's list; 'O': ours,
-- a thing that a gateway was asked for and did.  Buckets by transaction, so that both sides of a transaction meet.
CREATE TABLE reconciliation_line (
    reconciliation_id uuid NOT NULL,
    bucket smallint NOT NULL CONSTRAINT reconciliation_line_bucket_range CHECK (bucket BETWEEN 0 AND 63),
    side char(1) NOT NULL CONSTRAINT reconciliation_line_side_known CHECK (side IN ('T', 'O')),
    line_id text NOT NULL,              -- theirs: the gateway's id of the line; ours: the attempt
    kind text NOT NULL,                 -- 'CHARGE', 'REFUND', 'DISPUTE', 'FEE', 'PAYOUT'
    transaction text NOT NULL,          -- the gateway's id of what was done
    acted_on text NOT NULL DEFAULT '',  -- a refund's or dispute's charge
    reference text NOT NULL DEFAULT '', -- the attempt that the gateway was told
    acted_on_reference text NOT NULL DEFAULT '',
    currency char(3) NOT NULL,
    amount bigint NOT NULL,
    fee bigint NOT NULL DEFAULT 0,
    fee_currency char(3),               -- NULL: the amount's
    customer_id uuid,                   -- ours
    is_due boolean NOT NULL DEFAULT true, -- ours: old enough that the gateway must have listed it
    line_time timestamptz NOT NULL,
    PRIMARY KEY (reconciliation_id, bucket, side, line_id)
);
CREATE INDEX reconciliation_line_transaction ON reconciliation_line (reconciliation_id, bucket, side, transaction);

-- How far what succeeded has been confirmed by asking again.
CREATE TABLE reconciliation_watch (
    gateway text PRIMARY KEY,
    confirm_time timestamptz NOT NULL,  -- of the first send of the last one that was dealt with
    attempt_id uuid NOT NULL,
    update_time timestamptz NOT NULL
);
