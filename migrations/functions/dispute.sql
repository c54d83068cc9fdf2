-- Disputes.  What the gateway says now is the truth: C makes of it how the dispute stands from now on, dispute_record writes
-- that once, and everything that follows from the difference: what the payment has left to refund, the ledger, the event.

-- How much of the payment cannot be refunded because of it.
CREATE OR REPLACE FUNCTION dispute_holds(p_state text, p_is_inquiry boolean, p_amount bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN p_state IN ('NEEDS_RESPONSE', 'UNDER_REVIEW', 'LOST', 'ACCEPTED') AND NOT p_is_inquiry
                THEN p_amount ELSE 0 END
$$;

-- One group, named after what moves, from the second time on with a number: the bank may withdraw again what it gave back.
CREATE OR REPLACE FUNCTION dispute_post(p_customer uuid, p_dispute uuid, p_kind text, p_currency text, p_amount bigint,
                                        p_debit text, p_credit text, p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    v_before bigint;
BEGIN
    IF p_amount <= 0 THEN
        RETURN false;
    END IF;
    SELECT count(*) INTO v_before FROM ledger_entry e
     WHERE e.customer_id = p_customer AND e.group_id = p_dispute AND (e.kind = p_kind OR e.kind ~ ('^' || p_kind || '_[0-9]+$'))
       AND e.line_no = 1;
    RETURN ledger_post(p_customer, p_dispute, CASE v_before WHEN 0 THEN p_kind ELSE p_kind || '_' || v_before + 1 END,
        ARRAY[ROW(p_debit, p_currency, p_amount)::ledger_line,
              ROW(p_credit, p_currency, -p_amount)::ledger_line], p_now);
END $$;

-- At any time account 'disputes' has what is withdrawn for disputes that are not decided, and 'dispute_losses' what is
-- withdrawn for those that are lost.  What is posted is the difference.
CREATE OR REPLACE FUNCTION dispute_post_change(p_customer uuid, p_before dispute, p_after dispute, p_now timestamptz)
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_clearing text := 'gateway_clearing:' || p_after.gateway;
    v_moved bigint := p_after.amount_withdrawn - p_before.amount_withdrawn;
    v_lost bigint := CASE WHEN p_after.state IN ('LOST', 'ACCEPTED') THEN p_after.amount_withdrawn ELSE 0 END
                   - CASE WHEN p_before.state IN ('LOST', 'ACCEPTED') THEN p_before.amount_withdrawn ELSE 0 END;
BEGIN
    PERFORM dispute_post(p_customer, p_after.dispute_id, 'dispute_loss_reversal', p_after.currency, -v_lost, 'disputes',
                         'dispute_losses', p_now);
    PERFORM dispute_post(p_customer, p_after.dispute_id, 'dispute', p_after.currency, v_moved, 'disputes', v_clearing, p_now);
    PERFORM dispute_post(p_customer, p_after.dispute_id, 'dispute_reversal', p_after.currency, -v_moved, v_clearing,
                         'disputes', p_now);
    PERFORM dispute_post(p_customer, p_after.dispute_id, 'dispute_loss', p_after.currency, v_lost, 'dispute_losses',
                         'disputes', p_now);
    IF p_before.fee_currency <> p_after.fee_currency THEN
        PERFORM dispute_post(p_customer, p_after.dispute_id, 'dispute_fee_reversal', p_before.fee_currency, p_before.fee,
                             v_clearing, 'fees', p_now);
        p_before.fee := 0;
    END IF;
    PERFORM dispute_post(p_customer, p_after.dispute_id, 'dispute_fee', p_after.fee_currency, p_after.fee - p_before.fee,
                         'fees', v_clearing, p_now);
    PERFORM dispute_post(p_customer, p_after.dispute_id, 'dispute_fee_reversal', p_after.fee_currency,
                         p_before.fee - p_after.fee, v_clearing, 'fees', p_now);
END $$;

CREATE OR REPLACE FUNCTION dispute_tell(p_customer uuid, p_type text, p_dispute dispute, p_now timestamptz) RETURNS bigint
LANGUAGE plpgsql AS $$
BEGIN
    RETURN event_append(p_customer, 'dispute.' || p_type, p_dispute.dispute_id,
        jsonb_build_object('payment', p_dispute.payment_id, 'amount', p_dispute.amount, 'currency', p_dispute.currency,
                           'reason', p_dispute.reason, 'state', p_dispute.state), p_now);
END $$;

CREATE OR REPLACE FUNCTION dispute_tell_change(p_customer uuid, p_before dispute, p_after dispute, p_now timestamptz)
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_ended text := CASE p_after.state WHEN 'WON' THEN 'won' WHEN 'LOST' THEN 'lost' WHEN 'ACCEPTED' THEN 'lost'
                                       WHEN 'CLOSED' THEN 'closed' END;
BEGIN
    IF p_before.version = 0 THEN
        PERFORM dispute_tell(p_customer, 'opened', p_after, p_now);
    END IF;
    IF v_ended IS NOT NULL AND (p_before.version = 0 OR p_before.state <> p_after.state) THEN
        PERFORM dispute_tell(p_customer, v_ended, p_after, p_now);
    ELSIF p_before.version > 0 THEN
        PERFORM dispute_tell(p_customer, 'updated', p_after, p_now);
    END IF;
END $$;

-- The row as it was before it is there: nothing has moved.
CREATE OR REPLACE FUNCTION dispute_unseen(p_customer uuid, p_after dispute_known, p_now timestamptz) RETURNS dispute
LANGUAGE plpgsql AS $$
DECLARE
    v_dispute dispute%ROWTYPE;
BEGIN
    INSERT INTO dispute (customer_id, dispute_id, payment_id, gateway, gateway_dispute, currency, amount, reason, is_inquiry,
                         state, amount_withdrawn, fee_currency, fee, asked_time, version, create_time, update_time)
    VALUES (p_customer, p_after.dispute_id, p_after.payment_id, p_after.gateway, p_after.gateway_dispute, p_after.currency,
            p_after.amount, p_after.reason, true, 'CLOSED', 0, p_after.fee_currency, 0, p_after.asked_time, 0, p_now, p_now)
    RETURNING * INTO v_dispute;
    RETURN v_dispute;
END $$;

-- What is known of it, locked; NULL: nothing, so far.  After the payment: each step locks in this order.
CREATE OR REPLACE FUNCTION dispute_lock(p_customer uuid, p_after dispute_known) RETURNS dispute
LANGUAGE plpgsql AS $$
DECLARE
    v_dispute dispute%ROWTYPE;
BEGIN
    PERFORM FROM payment p WHERE p.customer_id = p_customer AND p.payment_id = p_after.payment_id FOR NO KEY UPDATE;
    SELECT * INTO v_dispute FROM dispute d
     WHERE d.customer_id = p_customer AND d.gateway = p_after.gateway AND d.gateway_dispute = p_after.gateway_dispute
       FOR NO KEY UPDATE;
    RETURN v_dispute;
END $$;

-- Makes the dispute stand as `p_after`, from the row that dispute_lock gave.
CREATE OR REPLACE FUNCTION dispute_change(p_customer uuid, p_before dispute, p_after dispute_known, p_watch_time timestamptz,
                                          p_now timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_before dispute%ROWTYPE := p_before;
    v_after dispute%ROWTYPE;
    v_held bigint;
    v_currency text;
BEGIN
    IF v_before.dispute_id IS NULL THEN
        v_before := dispute_unseen(p_customer, p_after, p_now);
    END IF;
    UPDATE dispute d
       SET amount = p_after.amount, reason = p_after.reason, is_inquiry = p_after.is_inquiry, state = p_after.state,
           amount_withdrawn = p_after.amount_withdrawn, fee_currency = p_after.fee_currency, fee = p_after.fee,
           evidence_due_time = p_after.evidence_due_time, evidence_time = p_after.evidence_time,
           asked_time = p_after.asked_time, version = d.version + 1, update_time = p_now
     WHERE d.customer_id = p_customer AND d.dispute_id = v_before.dispute_id
    RETURNING d.* INTO STRICT v_after;
    v_held := dispute_holds(v_after.state, v_after.is_inquiry, v_after.amount)
            - dispute_holds(v_before.state, v_before.is_inquiry, v_before.amount);
    IF v_held <> 0 THEN
        UPDATE payment p SET amount_disputed = p.amount_disputed + v_held, update_time = p_now
         WHERE p.customer_id = p_customer AND p.payment_id = v_after.payment_id;
    END IF;
    PERFORM dispute_post_change(p_customer, v_before, v_after, p_now);
    PERFORM dispute_tell_change(p_customer, v_before, v_after, p_now);
    -- In wall time: the gateway decides.  One that is watched already is looked at when it would have been.
    PERFORM obligation_add(p_customer, 'dispute.watch', v_after.dispute_id::text, v_after.dispute_id, p_watch_time, false,
                           p_now);
END $$;

-- What was learned about a dispute.  False: it is not as whoever decided `p_after` has read it, nothing was written; read and
-- decide again.
CREATE OR REPLACE FUNCTION dispute_record(p_customer uuid, p_after dispute_known, p_watch_time timestamptz, p_now timestamptz)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_before dispute%ROWTYPE := dispute_lock(p_customer, p_after);
BEGIN
    IF coalesce(v_before.version, 0) <> p_after.version THEN
        RETURN false;
    END IF;
    PERFORM dispute_change(p_customer, v_before, p_after, p_watch_time, p_now);
    RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION dispute_record(uuid, dispute_known, timestamptz, timestamptz) TO dues_service;

-- The first step of a response: from here on it may have left.  Outcomes of request_record, and nothing was written for
--   'busy'     another response is on its way
--   'changed'  the dispute does not stand any more as it was read
CREATE OR REPLACE FUNCTION dispute_respond(p_customer uuid, p_key request_key, p_response dispute_response_intent,
                                           p_version bigint, p_now timestamptz,
                                           OUT outcome text, OUT answer bytea, OUT object_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_request record;
    v_dispute dispute%ROWTYPE;
    v_now timestamptz := clock_timestamp();
    v_lease timestamptz := v_now + p_response.lease_ms * interval '1 millisecond';
BEGIN
    v_request := request_record(p_customer, p_key, p_response.response_id, NULL, p_now);
    outcome := v_request.outcome;
    answer := v_request.answer;
    object_id := v_request.object_id;
    IF outcome = 'running' AND object_id = p_response.response_id THEN
        outcome := 'new';   -- this very step, again after a lost COMMIT
        RETURN;
    ELSIF outcome <> 'new' THEN
        RETURN;
    END IF;
    SELECT * INTO STRICT v_dispute FROM dispute d
     WHERE d.customer_id = p_customer AND d.dispute_id = p_response.dispute_id FOR NO KEY UPDATE;
    IF v_dispute.response_id IS NOT NULL OR v_dispute.version <> p_version THEN
        PERFORM request_forget(p_customer, p_key);
        outcome := CASE WHEN v_dispute.response_id IS NULL THEN 'changed' ELSE 'busy' END;
        RETURN;
    END IF;
    UPDATE dispute d
       SET response_id = p_response.response_id, response_action = p_response.action, version = d.version + 1
     WHERE d.customer_id = p_customer AND d.dispute_id = p_response.dispute_id;
    INSERT INTO dispute_response (customer_id, response_id, dispute_id, action, gateway_key, evidence_sealed,
                                  had_evidence, state, first_sent_time, create_time)
    VALUES (p_customer, p_response.response_id, p_response.dispute_id, p_response.action, p_response.gateway_key,
            p_response.evidence_sealed, coalesce(p_response.had_evidence, true), 'SENDING', v_now, p_now);
    PERFORM obligation_add(p_customer, 'dispute.respond', p_response.response_id::text, p_response.dispute_id, v_lease, false,
                           p_now);
END $$;
GRANT EXECUTE ON FUNCTION dispute_respond(uuid, request_key, dispute_response_intent, bigint, timestamptz) TO dues_service;

-- The response is over: what is sealed for it is forgotten, and nothing is owed any more.  False: it was over before.
CREATE OR REPLACE FUNCTION dispute_response_end(p_customer uuid, p_response uuid, p_state text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    v_dispute uuid;
BEGIN
    UPDATE dispute_response r SET state = p_state, evidence_sealed = ''
     WHERE r.customer_id = p_customer AND r.response_id = p_response AND r.state IN ('SENDING', 'UNKNOWN')
    RETURNING r.dispute_id INTO v_dispute;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE dispute d SET response_id = NULL, response_action = NULL
     WHERE d.customer_id = p_customer AND d.dispute_id = v_dispute AND d.response_id = p_response;
    DELETE FROM obligation WHERE customer_id = p_customer AND kind = 'dispute.respond' AND business_key = p_response::text;
    RETURN true;
END $$;

-- The gateway has done it: the dispute stands as `p_after` from now on, and `p_answer` is the request's.
--   'settled'  by this call     'again'  it was before     'changed'  as dispute_record's false
CREATE OR REPLACE FUNCTION dispute_responded(p_customer uuid, p_response uuid, p_after dispute_known, p_method text,
                                             p_answer bytea, p_watch_time timestamptz, p_now timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_before dispute%ROWTYPE := dispute_lock(p_customer, p_after);
BEGIN
    IF v_before.response_id IS DISTINCT FROM p_response THEN
        RETURN 'again';
    ELSIF v_before.version <> p_after.version THEN
        RETURN 'changed';
    ELSIF NOT dispute_response_end(p_customer, p_response, 'SUCCEEDED') THEN
        RETURN 'again';
    END IF;
    PERFORM dispute_change(p_customer, v_before, p_after, p_watch_time, p_now);
    PERFORM request_answer(p_customer, p_response, p_method, p_answer);
    RETURN 'settled';
END $$;
GRANT EXECUTE ON FUNCTION dispute_responded(uuid, uuid, dispute_known, text, bytea, timestamptz, timestamptz) TO dues_service;

-- It is over without an answer: the dispute can be answered again, and a repeat of the request tries anew.  False: it was over
-- before.
CREATE OR REPLACE FUNCTION dispute_response_drop(p_customer uuid, p_response uuid, p_state text, p_now timestamptz)
RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM dispute d WHERE d.customer_id = p_customer AND d.response_id = p_response FOR NO KEY UPDATE;
    IF NOT dispute_response_end(p_customer, p_response, p_state) THEN
        RETURN false;
    END IF;
    UPDATE dispute d SET version = d.version + 1, update_time = p_now
     WHERE d.customer_id = p_customer
       AND d.dispute_id = (SELECT r.dispute_id FROM dispute_response r
                            WHERE r.customer_id = p_customer AND r.response_id = p_response);
    DELETE FROM recorded_request r
     WHERE r.customer_id = p_customer AND r.object_id = p_response AND r.answer IS NULL;
    RETURN true;
END $$;

-- The gateway has refused it: it certainly did not happen.  False: it was recorded as done, or people have it; true also when it
-- had been recorded as refused before, by a COMMIT whose answer was lost or by whoever looked first.
CREATE OR REPLACE FUNCTION dispute_response_refused(p_customer uuid, p_response uuid, p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    RETURN dispute_response_drop(p_customer, p_response, 'FAILED', p_now)
        OR EXISTS (SELECT FROM dispute_response r
                    WHERE r.customer_id = p_customer AND r.response_id = p_response AND r.state = 'FAILED');
END $$;
GRANT EXECUTE ON FUNCTION dispute_response_refused(uuid, uuid, timestamptz) TO dues_service;

-- Nobody found out in time what became of it: people are told.  False: it was over before.
CREATE OR REPLACE FUNCTION dispute_response_give_up(p_customer uuid, p_response uuid, p_subject text, p_detail text,
                                                    p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    IF NOT dispute_response_drop(p_customer, p_response, 'MANUAL', p_now) THEN
        RETURN false;
    END IF;
    PERFORM incident_add(p_customer, NULL,
                         ROW('UNKNOWN_TOO_LONG', p_subject, p_detail, NULL, d.payment_id, d.gateway, d.gateway_dispute,
                             d.currency, d.amount)::incident_new, true, p_now)
       FROM dispute_response r JOIN dispute d USING (customer_id, dispute_id)
      WHERE r.customer_id = p_customer AND r.response_id = p_response;
    RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION dispute_response_give_up(uuid, uuid, text, text, timestamptz) TO dues_service;

-- Nobody knows what became of it: it is asked again, later and later.
CREATE OR REPLACE FUNCTION dispute_response_wait(p_customer uuid, p_response uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_count integer;
    v_due timestamptz;
BEGIN
    UPDATE dispute_response r SET state = 'UNKNOWN', check_count = r.check_count + 1
     WHERE r.customer_id = p_customer AND r.response_id = p_response AND r.state IN ('SENDING', 'UNKNOWN')
    RETURNING r.check_count INTO v_count;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    v_due := clock_timestamp() + attempt_backoff(v_count);
    UPDATE obligation SET due_time = v_due, lease_until = NULL
     WHERE customer_id = p_customer AND kind = 'dispute.respond' AND business_key = p_response::text;
    RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION dispute_response_wait(uuid, uuid) TO dues_service;
