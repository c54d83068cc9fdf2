-- The ledger's chain: every entry has its place in its customer's chain and a hash over the one before and itself, so that
-- none can be changed, left out, moved or cut off behind the server's back without it being seen (docs/ledger.md).
SET search_path = dues;

-- What is posted together.
CREATE TYPE ledger_group AS (group_id uuid, kind text, lines ledger_line[]);

CREATE DOMAIN ledger_hash AS bytea CONSTRAINT ledger_hash_size CHECK (length(VALUE) = 32);

-- The canonical bytes of an entry and the hash before it.  Chains of years rest on this form: it never changes, another one
-- would be another function.  What has a fixed size comes first; no kind, account or currency holds a line break.
-- The same in C: src/ledger/chain.c; a test compares them.
CREATE FUNCTION ledger_entry_hash(p_previous bytea, p_customer uuid, p_position bigint, p_group uuid, p_line smallint,
                                  p_amount bigint, p_time timestamptz, p_kind text, p_account text, p_currency text)
RETURNS bytea
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN sha256(p_previous || uuid_send(p_customer) || int8send(p_position) || uuid_send(p_group) || int2send(p_line)
                  || int8send(p_amount) || timestamptz_send(p_time)
                  || convert_to(p_kind || E'\n' || p_account || E'\n' || p_currency, 'UTF8'));
END $$;

-- The head stands in the customer's row, which a step locks for its event anyway.
ALTER TABLE customer
    ADD COLUMN ledger_count bigint NOT NULL DEFAULT 0,  -- entries; the position of the last one
    -- Hashes of the group posted last, in its lines' order: the last 32 bytes are the head.  Before the first: zeros.
    ADD COLUMN ledger_tail bytea NOT NULL DEFAULT '\x0000000000000000000000000000000000000000000000000000000000000000';

ALTER TABLE ledger_entry
    ADD COLUMN position bigint,
    ADD COLUMN hash ledger_hash,
    ADD COLUMN recorded bigint NOT NULL DEFAULT 0;      -- its transaction: how new entries are found, not part of the chain

-- What was posted before, in the order of its time.
CREATE AGGREGATE ledger_chain(uuid, bigint, uuid, smallint, bigint, timestamptz, text, text, text) (
    sfunc = ledger_entry_hash, stype = bytea,
    initcond = '\x0000000000000000000000000000000000000000000000000000000000000000'
);
UPDATE ledger_entry e
   SET position = c.position, hash = c.hash
  FROM (SELECT n.*, ledger_chain(n.customer_id, n.position, n.group_id, n.line_no, n.amount, n.create_time, n.kind, n.account,
                                 n.currency::text) OVER (PARTITION BY n.customer_id ORDER BY n.position) AS hash
          FROM (SELECT o.customer_id, o.group_id, o.kind, o.line_no, o.amount::bigint AS amount, o.create_time, o.account,
                       o.currency,
                       row_number() OVER (PARTITION BY o.customer_id
                                          ORDER BY o.create_time, o.group_id, o.kind, o.line_no) AS position
                  FROM ledger_entry o) n) c
 WHERE e.customer_id = c.customer_id AND e.group_id = c.group_id AND e.kind = c.kind AND e.line_no = c.line_no;
DROP AGGREGATE ledger_chain(uuid, bigint, uuid, smallint, bigint, timestamptz, text, text, text);
UPDATE customer c
   SET ledger_count = h.position, ledger_tail = h.hash
  FROM (SELECT DISTINCT ON (e.customer_id) e.customer_id, e.position, e.hash FROM ledger_entry e
         ORDER BY e.customer_id, e.position DESC) h
 WHERE c.customer_id = h.customer_id;

ALTER TABLE ledger_entry
    ALTER COLUMN position SET NOT NULL,
    ALTER COLUMN hash SET NOT NULL,
    ALTER COLUMN recorded DROP DEFAULT,
    ADD CONSTRAINT ledger_entry_in_chain UNIQUE (customer_id, position);
-- The table grows in about the order of its transactions, so a few bytes for 128 pages will do.
CREATE INDEX ledger_entry_recorded ON ledger_entry USING brin (recorded) WITH (autosummarize = on);

-- Heads of chains as they stood, sealed by signature.  Looked up by number, without a customer.
CREATE TABLE ledger_checkpoint (
    number bigint PRIMARY KEY,          -- from 1 without gaps
    draw_time timestamptz NOT NULL,
    head_count bigint NOT NULL,
    heads_hash ledger_hash NOT NULL,    -- over (customer, position, hash) of its heads, in the customers' order
    previous_hash ledger_hash NOT NULL, -- of the checkpoint before; zeros before the first
    hash ledger_hash NOT NULL,          -- over all of the above
    seen_until bigint,                  -- entries of transactions below are sealed; NULL: more were to follow
    key_id text,                        -- thumbprint of the key that signed
    signature bytea                     -- ES256; NULL until it is signed
);
CREATE INDEX ledger_checkpoint_unsigned ON ledger_checkpoint (number) WHERE signature IS NULL;
CREATE INDEX ledger_checkpoint_seen ON ledger_checkpoint (number) WHERE seen_until IS NOT NULL;

CREATE TABLE ledger_sealed_head (
    customer_id uuid NOT NULL,
    position bigint NOT NULL,
    hash ledger_hash NOT NULL,
    checkpoint_number bigint NOT NULL,
    PRIMARY KEY (customer_id, position)
);
CREATE INDEX ledger_sealed_head_of_checkpoint ON ledger_sealed_head (checkpoint_number, customer_id);

-- Walks through all chains that came to their end: when, how far, and what they found.
CREATE TABLE ledger_verification (
    finish_time timestamptz PRIMARY KEY,
    start_time timestamptz NOT NULL,
    customer_count bigint NOT NULL,
    entry_count bigint NOT NULL,
    finding_count bigint NOT NULL,
    checkpoint_number bigint NOT NULL   -- the newest there was; 0: none
);
