-- Reconciliation: the steps of a run.  Each moves the run on from the place where it stood, or does nothing, so a run that was
-- cut may be gone on with by anybody; what a step finds is opened, posted or mended once, whoever finds it again.

CREATE OR REPLACE FUNCTION reconciliation_bucket(p_transaction text) RETURNS smallint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (get_byte(sha256(convert_to(p_transaction, 'UTF8')), 0) % 64)::smallint
$$;

-- What is owed every day and every minute for a gateway, by the house.
CREATE OR REPLACE FUNCTION reconciliation_schedule(p_customer uuid, p_gateway text, p_confirms boolean, p_is_daily boolean,
                                                   p_now timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    PERFORM house_customer_ensure(p_customer, p_now);
    IF p_confirms THEN
        PERFORM obligation_add(p_customer, 'reconcile.confirm', p_gateway, p_customer, p_now, false, p_now);
    END IF;
    IF p_is_daily THEN
        PERFORM obligation_add(p_customer, 'reconcile.daily', p_gateway, p_customer, p_now, false, p_now);
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION reconciliation_schedule(uuid, text, boolean, boolean, timestamptz) TO dues_service;

-- Outcomes of request_record.  `p_run` NULL: the day's run, whose id follows from the gateway and its day.
CREATE OR REPLACE FUNCTION reconciliation_begin(p_customer uuid, p_key request_key, p_answer bytea, p_run uuid, p_gateway text,
                                                p_from timestamptz, p_until timestamptz, p_requester text, p_now timestamptz,
                                                OUT outcome text, OUT answer bytea, OUT object_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_run uuid := coalesce(p_run, incident_derive_id(p_customer, 'day of ' || p_gateway, extract(epoch FROM p_until)::text));
BEGIN
    PERFORM house_customer_ensure(p_customer, p_now);
    SELECT r.outcome, r.answer, r.object_id INTO outcome, answer, object_id
      FROM request_record(p_customer, p_key, v_run, p_answer, p_now) r;
    IF outcome <> 'new' THEN
        RETURN;
    END IF;
    INSERT INTO reconciliation (reconciliation_id, gateway, from_time, until_time, requester, create_time, update_time)
    VALUES (v_run, p_gateway, p_from, p_until, p_requester, p_now, p_now)
    ON CONFLICT ON CONSTRAINT reconciliation_pkey DO NOTHING;
    IF FOUND THEN
        PERFORM obligation_add(p_customer, 'reconcile.run', v_run::text, v_run, p_now, false, p_now);
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION reconciliation_begin(uuid, request_key, bytea, uuid, text, timestamptz, timestamptz, text,
                                               timestamptz) TO dues_service;

-- What is in doubt, in words; '' when nothing is.
CREATE OR REPLACE FUNCTION reconciliation_problem(p_run uuid) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT CASE count(*) WHEN 0 THEN ''
                ELSE format('%s could not be found out about, %s: %s', count(DISTINCT l.transaction),
                            (array_agg(l.transaction ORDER BY l.transaction))[1],
                            (array_agg(l.doubt ORDER BY l.transaction))[1]) END
      FROM reconciliation_line l WHERE l.reconciliation_id = p_run AND l.doubt <> ''
$$;

-- Transactions that do not name us.  `p_foreign`: how many; `p_sums`: a line each currency, it and the sum with a tab between.
CREATE OR REPLACE FUNCTION reconciliation_count_foreign(p_run uuid, p_foreign bigint, p_sums text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE reconciliation r SET foreign_count = r.foreign_count + p_foreign
     WHERE r.reconciliation_id = p_run AND p_foreign > 0;
    INSERT INTO reconciliation_foreign AS o (reconciliation_id, currency, amount)
    SELECT p_run, split_part(l.line, E'\t', 1), split_part(l.line, E'\t', 2)::bigint
      FROM unnest(string_to_array(p_sums, E'\n')) AS l (line) WHERE l.line <> ''
    ON CONFLICT ON CONSTRAINT reconciliation_foreign_pkey DO UPDATE SET amount = o.amount + excluded.amount;
END $$;

-- From one place to the next; false: it does not stand there.
CREATE OR REPLACE FUNCTION reconciliation_pass(p_run uuid, p_stage text, p_position text, p_next_stage text, p_next text,
                                               p_mended bigint, p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    UPDATE reconciliation r
       SET stage = p_next_stage, position = p_next, mended_count = r.mended_count + p_mended,
           problem = reconciliation_problem(p_run), update_time = p_now,
           state = CASE p_next_stage WHEN 'DONE' THEN 'SUCCEEDED' ELSE 'RUNNING' END,
           finish_time = CASE p_next_stage WHEN 'DONE' THEN p_now END
     WHERE r.reconciliation_id = p_run AND r.state = 'RUNNING' AND r.stage = p_stage AND r.position = p_position;
    RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION reconciliation_pass(uuid, text, text, text, text, bigint, timestamptz) TO dues_service;

-- Nothing can be said of a transaction now; '': something can.
CREATE OR REPLACE FUNCTION reconciliation_doubt(p_run uuid, p_bucket integer, p_transaction text, p_doubt text,
                                                p_now timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    UPDATE reconciliation_line l SET doubt = p_doubt
     WHERE l.reconciliation_id = p_run AND l.bucket = p_bucket AND l.side IN ('O', 'T') AND l.transaction = p_transaction;
    UPDATE reconciliation r
       SET update_time = p_now,
           doubt_count = (SELECT count(DISTINCT l.transaction) FROM reconciliation_line l
                           WHERE l.reconciliation_id = p_run AND l.doubt <> '')
     WHERE r.reconciliation_id = p_run AND r.state = 'RUNNING';
END $$;
GRANT EXECUTE ON FUNCTION reconciliation_doubt(uuid, integer, text, text, timestamptz) TO dues_service;

-- The lists are compared: what is in doubt is looked at again until `p_until`.
CREATE OR REPLACE FUNCTION reconciliation_ask(p_run uuid, p_position text, p_until timestamptz, p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    UPDATE reconciliation r SET stage = 'ASK', position = '', ask_until_time = p_until, update_time = p_now
     WHERE r.reconciliation_id = p_run AND r.state = 'RUNNING' AND r.stage = 'LEAKS' AND r.position = p_position;
    RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION reconciliation_ask(uuid, text, timestamptz, timestamptz) TO dues_service;

-- What was in doubt was looked at again: what came of it, and on to the next.
CREATE OR REPLACE FUNCTION reconciliation_asked(p_run uuid, p_stage text, p_position text, p_next text, p_bucket integer,
                                                p_transaction text, p_doubt text, p_mended bigint, p_foreign bigint,
                                                p_sums text, p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    IF NOT reconciliation_pass(p_run, p_stage, p_position, p_stage, p_next, p_mended, p_now) THEN
        RETURN false;
    END IF;
    PERFORM reconciliation_doubt(p_run, p_bucket, p_transaction, p_doubt, p_now);
    PERFORM reconciliation_count_foreign(p_run, p_foreign, p_sums);
    RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION reconciliation_asked(uuid, text, text, text, integer, text, text, bigint, bigint, text, timestamptz)
    TO dues_service;

-- Lines of runs that ended three days ago, at most `p_limit`; how many there were.
CREATE OR REPLACE FUNCTION reconciliation_sweep(p_limit bigint, p_now timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_swept bigint;
BEGIN
    -- By place: without statistics of what has just been written, a join back by key may be planned as a scan for each row.
    DELETE FROM reconciliation_line d
     WHERE d.ctid = ANY (ARRAY(SELECT l.ctid FROM reconciliation r
                                 JOIN reconciliation_line l ON l.reconciliation_id = r.reconciliation_id
                                WHERE r.finish_time < p_now - interval '3 days' LIMIT p_limit));
    GET DIAGNOSTICS v_swept = ROW_COUNT;
    RETURN v_swept;
END $$;
GRANT EXECUTE ON FUNCTION reconciliation_sweep(bigint, timestamptz) TO dues_service;

-- Why it does not go on; the end of it when `p_is_over`.
CREATE OR REPLACE FUNCTION reconciliation_trouble(p_run uuid, p_problem text, p_is_over boolean, p_now timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    UPDATE reconciliation r
       SET problem = p_problem, update_time = p_now, state = CASE WHEN p_is_over THEN 'FAILED' ELSE 'RUNNING' END,
           finish_time = CASE WHEN p_is_over THEN p_now END
     WHERE r.reconciliation_id = p_run AND r.state = 'RUNNING';
END $$;
GRANT EXECUTE ON FUNCTION reconciliation_trouble(uuid, text, boolean, timestamptz) TO dues_service;

-- A page of the gateway's list.  `p_lines`: a line each, its fields with tabs between them: id, kind, transaction, acted_on,
-- reference, acted_on_reference, currency, amount, fee, microseconds since 1970, the fee's currency.
CREATE OR REPLACE FUNCTION reconciliation_list(p_run uuid, p_position text, p_next text, p_lines text, p_now timestamptz)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_added bigint;
BEGIN
    INSERT INTO reconciliation_line (reconciliation_id, bucket, side, line_id, kind, transaction, acted_on, reference,
                                     acted_on_reference, currency, amount, fee, fee_currency, line_time)
    SELECT p_run, reconciliation_bucket(f.v[3]), 'T', f.v[1], f.v[2], f.v[3], f.v[4], f.v[5], f.v[6], f.v[7], f.v[8]::bigint,
           f.v[9]::bigint, f.v[11], 'epoch'::timestamptz + f.v[10]::bigint * interval '1 microsecond'
      FROM (SELECT string_to_array(l.line, E'\t') AS v FROM unnest(string_to_array(p_lines, E'\n')) AS l (line)
             WHERE l.line <> '') AS f
    ON CONFLICT ON CONSTRAINT reconciliation_line_pkey DO NOTHING;
    GET DIAGNOSTICS v_added = ROW_COUNT;
    UPDATE reconciliation r
       SET position = p_next, stage = CASE p_next WHEN '' THEN 'OWN' ELSE 'LIST' END, entry_count = r.entry_count + v_added,
           problem = '', update_time = p_now
     WHERE r.reconciliation_id = p_run AND r.state = 'RUNNING' AND r.stage = 'LIST' AND r.position = p_position;
    RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION reconciliation_list(uuid, text, text, text, timestamptz) TO dues_service;

-- What a gateway did for us with money, as we recorded it: positive is what came.
CREATE OR REPLACE FUNCTION attempt_moved(p_operation text, p_amount bigint, p_refund_state text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN p_operation IN ('CHARGE', 'CAPTURE') THEN p_amount
                WHEN p_operation = 'REFUND' AND p_refund_state = 'SUCCEEDED' THEN -p_amount ELSE 0 END
$$;
GRANT EXECUTE ON FUNCTION attempt_moved(text, bigint, text) TO dues_service;

-- Ours that were first sent from `p_from` to `p_until`, behind `p_attempt`, at most `p_limit` in one statement.  `p_next`: where
-- to go on when that were all; `p_window`: the second word of the place where they were not.  `p_due_from`, `p_due_until`:
-- those that the gateway must have listed.
DROP FUNCTION IF EXISTS reconciliation_own(uuid, text, text, timestamptz, timestamptz, timestamptz, timestamptz);
CREATE OR REPLACE FUNCTION reconciliation_own(p_run uuid, p_position text, p_next text, p_window bigint,
                                              p_from timestamptz, p_attempt uuid, p_until timestamptz, p_limit bigint,
                                              p_due_from timestamptz, p_due_until timestamptz, p_now timestamptz)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_gateway text := (SELECT n.gateway FROM reconciliation n WHERE n.reconciliation_id = p_run);
    v_looked bigint;
    v_added bigint;
    v_next text;
BEGIN
    WITH page AS MATERIALIZED (
        SELECT a.customer_id, a.attempt_id, a.payment_id, a.refund_id, a.operation, a.gateway_transaction, a.currency, a.amount,
               a.first_sent_time
          FROM attempt a
         WHERE a.gateway = v_gateway AND a.first_sent_time >= p_from AND a.first_sent_time < p_until
           AND (a.first_sent_time, a.attempt_id) > (p_from, p_attempt)
           AND a.state = 'SUCCEEDED' AND a.operation IN ('CHARGE', 'CAPTURE', 'REFUND')
         ORDER BY a.first_sent_time, a.attempt_id LIMIT p_limit
    ), added AS (
        INSERT INTO reconciliation_line (reconciliation_id, bucket, side, line_id, kind, transaction, reference, currency, amount,
                                         customer_id, is_due, line_time)
        SELECT p_run, reconciliation_bucket(a.gateway_transaction), 'O', a.attempt_id::text, a.operation, a.gateway_transaction,
               a.attempt_id::text, a.currency, attempt_moved(a.operation, a.amount, r.state), a.customer_id,
               a.first_sent_time >= p_due_from AND a.first_sent_time < p_due_until, a.first_sent_time
          FROM page a
          LEFT JOIN refund r ON r.customer_id = a.customer_id AND r.payment_id = a.payment_id AND r.refund_id = a.refund_id
        ON CONFLICT ON CONSTRAINT reconciliation_line_pkey DO NOTHING
        RETURNING true
    )
    SELECT (SELECT count(*) FROM page), (SELECT count(*) FROM added),
           (SELECT concat((extract(epoch FROM l.first_sent_time) * 1000000)::bigint, ' ', p_window, ' ', l.attempt_id)
              FROM page l ORDER BY l.first_sent_time DESC, l.attempt_id DESC LIMIT 1)
      INTO v_looked, v_added, v_next;
    IF v_looked < p_limit THEN
        v_next := p_next;
    END IF;
    UPDATE reconciliation r
       SET position = v_next, stage = CASE v_next WHEN '' THEN 'COMPARE' ELSE 'OWN' END, own_count = r.own_count + v_added,
           update_time = p_now
     WHERE r.reconciliation_id = p_run AND r.state = 'RUNNING' AND r.stage = 'OWN' AND r.position = p_position;
    RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION reconciliation_own(uuid, text, text, bigint, timestamptz, uuid, timestamptz, bigint, timestamptz, timestamptz,
                                             timestamptz) TO dues_service;

-- A bucket is compared: its part of the hash, what does not name us, and on to the next.
DROP FUNCTION IF EXISTS reconciliation_compared(uuid, integer, bigint, timestamptz);
CREATE OR REPLACE FUNCTION reconciliation_compared(p_run uuid, p_bucket integer, p_mended bigint, p_foreign bigint,
                                                   p_sums text, p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_hash bytea;
BEGIN
    SELECT sha256(coalesce(string_agg(convert_to(concat_ws(E'\t', l.line_id, l.kind, l.transaction, l.acted_on, l.reference,
                                                           l.currency, l.amount, l.fee, l.fee_currency) || E'\n', 'UTF8'), ''
                                      ORDER BY l.line_id), ''))
      INTO v_hash
      FROM reconciliation_line l
     WHERE l.reconciliation_id = p_run AND l.bucket = p_bucket AND l.side = 'T';
    UPDATE reconciliation r
       SET position = CASE WHEN p_bucket = 63 THEN '' ELSE (p_bucket + 1)::text END,
           stage = CASE WHEN p_bucket = 63 THEN 'FEES' ELSE 'COMPARE' END,
           list_hash = sha256(coalesce(r.list_hash, '') || v_hash), mended_count = r.mended_count + p_mended,
           problem = reconciliation_problem(p_run), update_time = p_now
     WHERE r.reconciliation_id = p_run AND r.state = 'RUNNING' AND r.stage = 'COMPARE'
       AND r.position = CASE p_bucket WHEN 0 THEN '' ELSE p_bucket::text END;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM reconciliation_count_foreign(p_run, p_foreign, p_sums);
    RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION reconciliation_compared(uuid, integer, bigint, bigint, text, timestamptz) TO dues_service;

-- What was put into suspense already because of an attempt's transaction, by the steps that record answers and by other
-- incidents.  Where people then said that it belongs is no matter: it is in our books.  Positive: came.
CREATE OR REPLACE FUNCTION reconciliation_suspended(p_customer uuid, p_attempt uuid, p_gateway text, p_transaction text,
                                                    p_currency text) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(e.amount), 0)::bigint FROM ledger_entry e
     WHERE e.customer_id = p_customer AND e.account = 'gateway_clearing:' || p_gateway AND e.currency = p_currency
       AND (e.kind = 'suspense' OR e.kind LIKE 'suspense\_correction%')
       AND e.group_id IN (SELECT CASE i.subject WHEN p_attempt::text THEN p_attempt ELSE i.incident_id END
                            FROM incident i
                           WHERE i.customer_id = p_customer AND i.attempt_id = p_attempt
                             AND i.gateway_transaction = p_transaction)
$$;

-- What only people may decide, found by the run: the incident, once; with it the money that the gateway's books have and ours
-- do not (`p_delta`, positive: came) into suspense, as far as it does not stand there; an attempt that says the opposite goes
-- to people.  The attempt is locked first, as in every step but that of a membership's payment (membership_settle), which begins
-- with the customer: when the two meet on one attempt the database breaks the circle, and the lane runs the step again.
CREATE OR REPLACE FUNCTION reconciliation_differs(p_customer uuid, p_run uuid, p_kind text, p_subject text, p_detail text,
                                                  p_attempt uuid, p_payment uuid, p_gateway text, p_transaction text,
                                                  p_currency text, p_amount bigint, p_delta bigint, p_to_people boolean,
                                                  p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_id uuid := incident_derive_id(p_customer, p_kind, p_subject);
    v_delta bigint := p_delta;
    v_is_new boolean;
BEGIN
    PERFORM FROM attempt a WHERE a.customer_id = p_customer AND a.attempt_id = p_attempt FOR NO KEY UPDATE;
    PERFORM FROM incident i WHERE i.customer_id = p_customer AND i.incident_id = v_id FOR NO KEY UPDATE;
    IF p_delta <> 0 THEN
        IF EXISTS (SELECT FROM ledger_entry e WHERE e.customer_id = p_customer AND e.group_id = v_id AND e.kind = 'suspense') THEN
            RETURN false;
        END IF;
        v_delta := p_delta - reconciliation_suspended(p_customer, p_attempt, p_gateway, p_transaction, p_currency);
        IF v_delta = 0 THEN
            RETURN false;
        END IF;
    END IF;
    -- One that told of it before the money was seen, as news of the gateway do, is about the money from now on.
    v_is_new := incident_add(p_customer, v_id,
                             ROW(p_kind, p_subject, p_detail, p_attempt, p_payment, p_gateway, p_transaction, p_currency,
                                 p_amount)::incident_new, v_delta <> 0, p_now);
    IF NOT v_is_new AND v_delta = 0 THEN
        RETURN false;
    END IF;
    IF v_delta <> 0 THEN
        UPDATE incident i
           SET version = i.version + CASE i.state WHEN 'OPEN' THEN 1 ELSE 0 END, detail = p_detail, update_time = p_now,
               payment_id = coalesce(i.payment_id, p_payment), currency = p_currency, amount = p_amount
         WHERE i.customer_id = p_customer AND i.incident_id = v_id AND NOT v_is_new;
        PERFORM ledger_post(p_customer, v_id, 'suspense',
                            ARRAY[ROW('gateway_clearing:' || p_gateway, p_currency, v_delta)::ledger_line,
                                  ROW('suspense', p_currency, -v_delta)::ledger_line], p_now);
    END IF;
    IF p_to_people THEN
        UPDATE attempt a SET state = 'MANUAL', lease_until = NULL
         WHERE a.customer_id = p_customer AND a.attempt_id = p_attempt AND a.state IN ('DECLINED', 'FAILED');
    END IF;
    IF v_is_new THEN
        UPDATE reconciliation r SET incident_count = r.incident_count + 1 WHERE r.reconciliation_id = p_run;
    END IF;
    RETURN v_is_new;
END $$;
GRANT EXECUTE ON FUNCTION reconciliation_differs(uuid, uuid, text, text, text, uuid, uuid, text, text, text, bigint, bigint,
                                                 boolean, timestamptz) TO dues_service;

-- The attempt is looked at now instead of later.  False: nothing is owed for it.
CREATE OR REPLACE FUNCTION reconciliation_hurry(p_customer uuid, p_attempt uuid, p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    UPDATE obligation o SET due_time = p_now
     WHERE o.customer_id = p_customer AND o.business_key = p_attempt::text
       AND o.kind IN ('payment.resolve', 'refund.resolve', 'payment.action', 'refund.watch') AND o.due_time > p_now
       AND (o.lease_until IS NULL OR o.lease_until < clock_timestamp());
    RETURN FOUND OR EXISTS (SELECT FROM obligation o
                             WHERE o.customer_id = p_customer AND o.business_key = p_attempt::text
                               AND o.kind IN ('payment.resolve', 'refund.resolve', 'payment.action', 'refund.watch'));
END $$;
GRANT EXECUTE ON FUNCTION reconciliation_hurry(uuid, uuid, timestamptz) TO dues_service;

-- A gateway's fee, once by the id of its line; false: it was posted.
CREATE OR REPLACE FUNCTION reconciliation_fee(p_customer uuid, p_run uuid, p_gateway text, p_line text, p_currency text,
                                              p_fee bigint, p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_group uuid := incident_derive_id(house_customer(), 'fee of ' || p_gateway, p_line);
BEGIN
    PERFORM house_customer_ensure(p_customer, p_now);
    PERFORM FROM customer c WHERE c.customer_id = p_customer FOR NO KEY UPDATE;
    IF EXISTS (SELECT FROM ledger_entry e WHERE e.customer_id = p_customer AND e.group_id = v_group AND e.kind = 'fee') THEN
        RETURN false;
    END IF;
    PERFORM ledger_post(p_customer, v_group, 'fee',
                        ARRAY[ROW('fees', p_currency, p_fee)::ledger_line,
                              ROW('gateway_clearing:' || p_gateway, p_currency, -p_fee)::ledger_line], p_now);
    UPDATE reconciliation r SET fee_count = r.fee_count + 1 WHERE r.reconciliation_id = p_run;
    RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION reconciliation_fee(uuid, uuid, text, text, text, bigint, timestamptz) TO dues_service;

-- Money and access that do not go together, of attempts that were first sent from `p_from` to `p_until`, behind `p_attempt`; at
-- most `p_limit` are looked at in one statement.  The last of these comes as well, with or without a kind, in order to go on
-- behind it; `looked`: how many there were up to this one.
DROP FUNCTION IF EXISTS reconciliation_leaks(text, timestamptz, timestamptz);
CREATE OR REPLACE FUNCTION reconciliation_leaks(p_gateway text, p_from timestamptz, p_attempt uuid, p_until timestamptz,
                                                p_limit bigint, p_now timestamptz)
RETURNS TABLE (customer_id uuid, kind text, subject text, detail text, attempt_id uuid, payment_id uuid, transaction text,
               currency text, amount bigint, first_sent_time timestamptz, looked bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = dues, pg_temp AS $$
    SELECT f.customer_id, f.kind, 'customers/' || f.customer_id || '/payments/' || f.payment_id, f.detail, f.attempt_id,
           f.payment_id, f.gateway_transaction, f.currency::text, f.amount, f.first_sent_time, f.looked
      FROM (SELECT a.customer_id, a.attempt_id, a.payment_id, a.gateway_transaction, a.currency, a.amount, a.first_sent_time,
                   a.looked, a.is_last,
                   CASE WHEN a.operation = 'CHARGE' AND p.state = 'SUCCEEDED' AND i.state <> 'PAID'
                             AND p.amount_refunded < p.amount_captured AND p.amount_refund_pending = 0
                        THEN 'PAID_NOT_GRANTED'
                        WHEN a.operation = 'CHARGE' AND i.state = 'PAID' AND i.payment_id = p.payment_id
                             AND p.state <> 'SUCCEEDED' THEN 'GRANTED_NOT_PAID'
                        WHEN a.operation = 'AUTHORIZE' AND p.state = 'REQUIRES_CAPTURE'
                             AND p.authorization_expire_time
                                 < coalesce((SELECT t.clock_time FROM customer c
                                               JOIN test_clock t ON t.test_clock_id = c.test_clock_id
                                              WHERE c.customer_id = a.customer_id), p_now) - interval '1 day'
                        THEN 'NEVER_CAPTURED' END AS kind,
                   concat('payment ', p.state, ', invoice ', coalesce(i.state, 'none'), ', authorization until ',
                          coalesce(p.authorization_expire_time::text, 'never')) AS detail
              FROM (SELECT b.*, row_number() OVER behind AS looked, lead(b.attempt_id) OVER behind IS NULL AS is_last
                      FROM (SELECT c.* FROM attempt c
                             WHERE c.gateway = p_gateway AND c.operation IN ('CHARGE', 'AUTHORIZE')
                               AND c.first_sent_time >= p_from AND c.first_sent_time < p_until
                               AND (c.first_sent_time, c.attempt_id) > (p_from, p_attempt)
                               AND c.first_sent_time < p_now - interval '10 minutes'
                             ORDER BY c.first_sent_time, c.attempt_id LIMIT p_limit) AS b
                    WINDOW behind AS (ORDER BY b.first_sent_time, b.attempt_id)) AS a
              JOIN payment p ON p.customer_id = a.customer_id AND p.payment_id = a.payment_id
              LEFT JOIN invoice i ON i.customer_id = p.customer_id AND i.invoice_id = p.invoice_id) AS f
     WHERE f.kind IS NOT NULL OR f.is_last
     ORDER BY f.looked
$$;
GRANT EXECUTE ON FUNCTION reconciliation_leaks(text, timestamptz, uuid, timestamptz, bigint, timestamptz) TO dues_service;

-- How far what succeeded is confirmed.
CREATE OR REPLACE FUNCTION reconciliation_confirmed(p_gateway text, p_time timestamptz, p_attempt uuid, p_now timestamptz)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    INSERT INTO reconciliation_watch AS w (gateway, confirm_time, attempt_id, update_time)
    VALUES (p_gateway, p_time, p_attempt, p_now)
    ON CONFLICT ON CONSTRAINT reconciliation_watch_pkey DO UPDATE
       SET confirm_time = p_time, attempt_id = p_attempt, update_time = p_now
     WHERE (w.confirm_time, w.attempt_id) < (p_time, p_attempt);
END $$;
GRANT EXECUTE ON FUNCTION reconciliation_confirmed(text, timestamptz, uuid, timestamptz) TO dues_service;

-- What /metrics tells: incidents that wait for people, up to 10,000, attempts in their hands among them, and since when each
-- gateway has not been reconciled.
CREATE OR REPLACE FUNCTION telemetry_incidents()
RETURNS TABLE (open_count bigint, manual_count bigint, oldest_age_us bigint)
LANGUAGE sql STABLE SET search_path = dues, pg_temp AS $$
    SELECT count(*), count(DISTINCT a.attempt_id),
           coalesce((extract(epoch FROM clock_timestamp() - min(i.create_time)) * 1000000)::bigint, 0)
      FROM (SELECT w.customer_id, w.attempt_id, w.create_time FROM incident w
             WHERE w.state <> 'RESOLVED' ORDER BY w.create_time LIMIT 10000) AS i
      LEFT JOIN attempt a ON a.customer_id = i.customer_id AND a.attempt_id = i.attempt_id AND a.state = 'MANUAL'
$$;
GRANT EXECUTE ON FUNCTION telemetry_incidents() TO dues_service;

-- How far behind confirming is; a gateway whose obligation has just been made is not.
CREATE OR REPLACE FUNCTION telemetry_confirmations()
RETURNS TABLE (gateway text, behind_us bigint)
LANGUAGE sql STABLE SET search_path = dues, pg_temp AS $$
    SELECT o.business_key,
           (extract(epoch FROM clock_timestamp() - coalesce(w.confirm_time, o.create_time)) * 1000000)::bigint
      FROM obligation o
      LEFT JOIN reconciliation_watch w ON w.gateway = o.business_key
     WHERE o.customer_id = house_customer() AND o.kind = 'reconcile.confirm'
$$;
GRANT EXECUTE ON FUNCTION telemetry_confirmations() TO dues_service;

CREATE OR REPLACE FUNCTION telemetry_reconciliations()
RETURNS TABLE (gateway text, success_age_us bigint)
LANGUAGE sql STABLE SET search_path = dues, pg_temp AS $$
    SELECT o.business_key,
           coalesce((extract(epoch FROM clock_timestamp() - coalesce(max(r.finish_time), o.create_time)) * 1000000)::bigint, 0)
      FROM obligation o
      LEFT JOIN LATERAL (SELECT n.finish_time FROM reconciliation n
                          WHERE n.gateway = o.business_key AND n.state = 'SUCCEEDED'
                          ORDER BY n.create_time DESC LIMIT 1) AS r ON true
     WHERE o.customer_id = house_customer() AND o.kind = 'reconcile.daily'
     GROUP BY o.business_key, o.create_time
$$;
GRANT EXECUTE ON FUNCTION telemetry_reconciliations() TO dues_service;
