-- The ledger's only door.
--
-- Accounts, by name; a debit is positive, a credit negative:
--   'gateway_clearing:<gateway>'  what the gateway owes us
--   'customer_receivable'         what the customer owes us
--   'revenue', 'bad_debt'
--   'refunds'                     reduces revenue
--   'fees'                        what gateways keep for their service
--   'disputes'                    withdrawn by the bank while a dispute is not decided
--   'dispute_losses'              lost with disputes
--   'suspense'                    money that moved and whose reason nobody knows yet
--
--   invoice   customer_receivable +  revenue -               (invoice.sql)
--   charge    gateway_clearing +     customer_receivable -   (without an invoice: revenue -)
--   capture   gateway_clearing +     revenue -               (capture.sql)
--   refund    refunds +              gateway_clearing -      (of what its invoice did not take: customer_receivable +)
--   fee       fees +                 gateway_clearing -
--   dispute   disputes +             gateway_clearing -      (dispute_reversal: the other way round)
--   dispute_loss  dispute_losses +   disputes -              (dispute_loss_reversal: the other way round)
--   dispute_fee   fees +             gateway_clearing -      (dispute_fee_reversal: the other way round)
--   refund_reversal  gateway_clearing +  as the refund -     (it failed after it had succeeded)
--   suspense  gateway_clearing +     suspense -              (a refund: the other way round)
--   suspense_correction_<n>  as suspense, by what differs    (the gateway says another amount now, or what it was is known)
--   suspense_release  suspense +     where it belongs -      (incident.sql)
--
-- A customer's entries are a chain: positions from 1 without gaps, each entry with a hash over the one before and itself
-- (ledger_entry_hash).  Head and length stand in the customer's row, and the UPDATE that moves them on is also the lock
-- that puts one post of a customer behind the other, on whatever server: a step comes here before it appends its event,
-- so nothing else that it locked would.  Whoever waited goes on from the row as the other left it.  A step locks that row
-- for its event in any case, so this costs no other lock and no other page.

-- The canonical bytes of an entry and the hash before it.  Chains of years rest on this form: it never changes, another one
-- would be another function.  What has a fixed size comes first; no kind, account or currency holds a line break.
-- The same in C: src/ledger/chain.c; a test compares them.  One expression, so that it becomes part of the caller's
-- (convert_to is only STABLE, so must this be).
CREATE OR REPLACE FUNCTION ledger_entry_hash(p_previous bytea, p_customer uuid, p_position bigint, p_group uuid, p_line smallint,
                                             p_amount bigint, p_time timestamptz, p_kind text, p_account text, p_currency text)
RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT sha256(p_previous || uuid_send(p_customer) || int8send(p_position) || uuid_send(p_group) || int2send(p_line)
                  || int8send(p_amount) || timestamptz_send(p_time)
                  || convert_to(p_kind || E'\n' || p_account || E'\n' || p_currency, 'UTF8'))
$$;

-- The hashes of the lines, one after the other; `p_tail` ends with the head, `p_count` is its position.
CREATE OR REPLACE FUNCTION ledger_extend(p_tail bytea, p_count bigint, p_customer uuid, p_group uuid, p_kind text,
                                         p_lines ledger_line[], p_now timestamptz) RETURNS bytea
LANGUAGE plpgsql AS $$
DECLARE
    v_line ledger_line;
    v_hash bytea := substr(p_tail, length(p_tail) - 31);
    v_number smallint := 0;
    v_hashes bytea := '';
BEGIN
    FOREACH v_line IN ARRAY p_lines LOOP
        v_number := v_number + 1;
        v_hash := ledger_entry_hash(v_hash, p_customer, p_count + v_number, p_group, v_number, v_line.amount, p_now, p_kind,
                                    v_line.account, v_line.currency);
        v_hashes := v_hashes || v_hash;
    END LOOP;
    RETURN v_hashes;
END $$;

-- How many lines; a group that does not sum to zero is our own bug: it raises, and the step with it.
CREATE OR REPLACE FUNCTION ledger_check(p_group uuid, p_kind text, p_lines ledger_line[]) RETURNS integer
LANGUAGE plpgsql AS $$
BEGIN
    -- Two lines of one currency, as nearly all are, are added up without a query.
    IF cardinality(p_lines) = 2 AND p_lines[1].currency = p_lines[2].currency
       AND p_lines[1].amount + p_lines[2].amount = 0 THEN
        RETURN 2;
    ELSIF coalesce(cardinality(p_lines), 0) < 2
       OR EXISTS (SELECT FROM unnest(p_lines) l GROUP BY l.currency HAVING sum(l.amount) <> 0) THEN
        RAISE EXCEPTION 'ledger group "%" of % does not sum to zero', p_kind, p_group
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_group_sums_to_zero';
    END IF;
    RETURN cardinality(p_lines);
END $$;

-- The entries behind `p_before`, with the hashes of ledger_extend.
CREATE OR REPLACE FUNCTION ledger_write(p_customer uuid, p_group uuid, p_kind text, p_lines ledger_line[], p_before bigint,
                                        p_hashes bytea, p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    v_recorded bigint := pg_current_xact_id()::text::bigint;
BEGIN
    IF cardinality(p_lines) = 2 THEN
        INSERT INTO ledger_entry (customer_id, group_id, kind, line_no, account, currency, amount, create_time, position,
                                  hash, recorded)
        VALUES (p_customer, p_group, p_kind, 1, p_lines[1].account, p_lines[1].currency, p_lines[1].amount, p_now,
                p_before + 1, substr(p_hashes, 1, 32), v_recorded),
               (p_customer, p_group, p_kind, 2, p_lines[2].account, p_lines[2].currency, p_lines[2].amount, p_now,
                p_before + 2, substr(p_hashes, 33, 32), v_recorded);
        RETURN true;
    END IF;
    INSERT INTO ledger_entry (customer_id, group_id, kind, line_no, account, currency, amount, create_time, position, hash,
                              recorded)
    SELECT p_customer, p_group, p_kind, l.ordinality, l.account, l.currency, l.amount, p_now, p_before + l.ordinality,
           substr(p_hashes, 32 * (l.ordinality::integer - 1) + 1, 32), v_recorded
      FROM unnest(p_lines) WITH ORDINALITY l;
    RETURN true;
END $$;

-- Posts one group once; true.  Where an event goes with it, event_append does the same with one UPDATE for both.
DROP FUNCTION IF EXISTS ledger_post(uuid, uuid, text, ledger_line[], timestamptz);
CREATE OR REPLACE FUNCTION ledger_post(p_customer uuid, p_group uuid, p_kind text, p_lines ledger_line[], p_now timestamptz)
RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    v_count integer := ledger_check(p_group, p_kind, p_lines);
    v_before bigint;
    v_hashes bytea;
BEGIN
    UPDATE customer c
       SET ledger_count = c.ledger_count + v_count,
           ledger_tail = ledger_extend(c.ledger_tail, c.ledger_count, p_customer, p_group, p_kind, p_lines, p_now)
     WHERE c.customer_id = p_customer
    RETURNING c.ledger_count - v_count, c.ledger_tail INTO STRICT v_before, v_hashes;
    RETURN ledger_write(p_customer, p_group, p_kind, p_lines, v_before, v_hashes, p_now);
END $$;
