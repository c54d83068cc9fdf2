-- Memberships: every step is one function, decided in C (src/membership/membership_rules.c) and guarded here by
-- the row's version.  A step that was done already answers as it did (change_id), so it may be run again.
--
-- Every step locks the customer's row before any other, then membership, then obligation: steps of one customer on
-- two servers are one after the other instead of a deadlock.

-- Writes the change of the row `p_old`, which the caller has locked and read, and makes the membership's obligations
-- exactly those owed.  False: somebody else was first.
CREATE OR REPLACE FUNCTION membership_apply(p_customer uuid, p_old membership, p_change membership_change,
                                            p_owed membership_owed, p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql SET search_path = dues, pg_temp AS $$
BEGIN
    IF p_old.version IS DISTINCT FROM p_change.version OR p_old.state IN ('CANCELED', 'EXPIRED') THEN
        RETURN false;
    END IF;
    UPDATE membership m
       SET version = p_change.version + 1, change_id = p_change.change_id, state = p_change.state,
           payment_method_id = p_change.payment_method_id, anchor_time = p_change.anchor_time,
           period_index = p_change.period_index, period_start = p_change.period_start, period_end = p_change.period_end,
           access_end_time = p_change.access_end_time, next_charge_time = p_change.next_charge_time,
           cancel_at_period_end = p_change.cancel_at_period_end, cancel_time = p_change.cancel_time,
           end_time = p_change.end_time, retry_number = p_change.retry_number,
           pending_payment_id = p_change.pending_payment_id, latest_invoice_id = p_change.latest_invoice_id,
           decline_code = p_change.decline_code, network_decline_code = '', advice = '',
           decline_time = p_change.decline_time, update_time = p_now
     WHERE m.customer_id = p_customer AND m.membership_id = p_change.membership_id;
    PERFORM membership_owe(p_customer, p_change.membership_id, p_owed, p_now);
    IF p_old.state <> p_change.state OR p_old.payment_method_id IS DISTINCT FROM p_change.payment_method_id THEN
        PERFORM payment_method_watch(p_customer, p_now);
    END IF;
    -- What entitlement_facts reads of it.
    IF p_old.state <> p_change.state OR p_old.cancel_at_period_end <> p_change.cancel_at_period_end
       OR p_old.period_end IS DISTINCT FROM p_change.period_end
       OR p_old.access_end_time IS DISTINCT FROM p_change.access_end_time THEN
        PERFORM entitlement_changed(p_customer);
    END IF;
    IF p_change.event_type IS NOT NULL THEN
        PERFORM event_append(p_customer, p_change.event_type, p_change.membership_id,
                             jsonb_build_object('state', p_change.state), p_now);
    END IF;
    RETURN true;
END $$;

-- What is no longer owed goes, what is newly owed comes; an obligation owed before and after keeps its epoch.
CREATE OR REPLACE FUNCTION membership_owe(p_customer uuid, p_membership uuid, p_owed membership_owed, p_now timestamptz)
RETURNS void
LANGUAGE plpgsql SET search_path = dues, pg_temp AS $$
BEGIN
    DELETE FROM obligation o
     WHERE o.customer_id = p_customer AND o.subject_id = p_membership
       AND o.kind IN ('membership.renew', 'membership.retry', 'membership.end', 'membership.expire')
       AND NOT (o.kind = coalesce(p_owed.kind, '') AND o.business_key = p_owed.business_key)
       AND NOT (o.kind = coalesce(p_owed.other_kind, '') AND o.business_key = p_owed.other_business_key);
    IF p_owed.kind IS NOT NULL THEN
        PERFORM obligation_add(p_customer, p_owed.kind, p_owed.business_key, p_membership, p_owed.due_time, true, p_now);
    END IF;
    IF p_owed.other_kind IS NOT NULL THEN
        PERFORM obligation_add(p_customer, p_owed.other_kind, p_owed.other_business_key, p_membership,
                               p_owed.other_due_time, true, p_now);
    END IF;
END $$;

-- The runner still holds its obligation; the row stays locked until the step's commit.
CREATE OR REPLACE FUNCTION obligation_is_held(p_customer uuid, p_hold obligation_hold) RETURNS boolean
LANGUAGE plpgsql SET search_path = dues, pg_temp AS $$
BEGIN
    IF p_hold.kind IS NULL THEN
        RETURN true;
    END IF;
    PERFORM 1 FROM obligation o WHERE o.customer_id = p_customer AND o.kind = p_hold.kind
        AND o.business_key = p_hold.business_key AND o.epoch = p_hold.epoch FOR UPDATE;
    RETURN FOUND;
END $$;

CREATE OR REPLACE FUNCTION membership_insert(p_customer uuid, p_intent membership_intent, p_change membership_change,
                                             p_owed membership_owed, p_now timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = dues, pg_temp AS $$
BEGIN
    INSERT INTO membership (customer_id, membership_id, version, change_id, state, plan_id, tier_id, currency, price_minor,
        period_months, payment_method_id, anchor_time, period_index, period_start, period_end, trial_end_time,
        access_end_time, next_charge_time, pending_payment_id, latest_invoice_id, create_time, update_time)
    VALUES (p_customer, p_change.membership_id, 1, p_change.change_id, p_change.state, p_intent.plan_id,
        p_intent.tier_id, p_intent.currency, p_intent.price_minor, p_intent.period_months, p_change.payment_method_id,
        p_change.anchor_time, p_change.period_index, p_change.period_start, p_change.period_end, p_intent.trial_end_time,
        p_change.access_end_time, p_change.next_charge_time, p_change.pending_payment_id, p_change.latest_invoice_id,
        p_now, p_now);
    PERFORM membership_owe(p_customer, p_change.membership_id, p_owed, p_now);
    PERFORM payment_method_watch(p_customer, p_now);
    PERFORM entitlement_changed(p_customer);
    PERFORM event_append(p_customer, p_change.event_type, p_change.membership_id,
                         jsonb_build_object('state', p_change.state, 'plan', p_intent.plan_id), p_now);
END $$;

-- Makes room for a new membership, or says which one stands in the way.  One that never began (first payment
-- declined) and one that costs nothing give way; money in flight never does.  Nor does a payment that its customer may have
-- authenticated ('pending', object_id: the payment): nobody waits for that any more, and who asks the gateway next has it let
-- go; then it gives way, or was paid.  The customer's row is locked, so two at once are one after the other.
CREATE OR REPLACE FUNCTION membership_make_room(p_customer uuid, p_key request_key, p_new_costs boolean, p_now timestamptz,
                                                OUT outcome text, OUT answer bytea, OUT object_id uuid)
LANGUAGE plpgsql SET search_path = dues, pg_temp AS $$
DECLARE
    v_old membership%ROWTYPE;
    v_state text;
    v_waiting uuid;
BEGIN
    PERFORM 1 FROM customer c WHERE c.customer_id = p_customer FOR NO KEY UPDATE;
    SELECT * INTO v_old FROM membership m
     WHERE m.customer_id = p_customer AND m.state NOT IN ('CANCELED', 'EXPIRED');
    IF NOT FOUND THEN
        outcome := 'new';
        RETURN;
    END IF;
    IF request_is_known(p_customer, p_key) THEN
        outcome := 'new';   -- request_record tells what it is
        RETURN;
    END IF;
    IF v_old.pending_payment_id IS NOT NULL
       OR NOT (v_old.state = 'INCOMPLETE' OR (v_old.price_minor = 0 AND p_new_costs)) THEN
        outcome := 'exists';
        object_id := v_old.membership_id;
        RETURN;
    END IF;
    v_waiting := invoice_end_wait(p_customer, v_old.membership_id, p_now);
    IF v_waiting IS NOT NULL THEN
        outcome := 'pending';
        object_id := v_waiting;
        RETURN;
    END IF;
    v_state := CASE WHEN v_old.state = 'INCOMPLETE' THEN 'EXPIRED' ELSE 'CANCELED' END;
    UPDATE membership m
       SET state = v_state, version = m.version + 1, end_time = p_now, next_charge_time = NULL, update_time = p_now,
           access_end_time = CASE WHEN v_state = 'CANCELED' THEN p_now END
     WHERE m.customer_id = p_customer AND m.membership_id = v_old.membership_id;
    PERFORM invoice_close(p_customer, v_old.membership_id, 'VOID', p_now);
    PERFORM membership_owe(p_customer, v_old.membership_id, NULL::membership_owed, p_now);
    PERFORM payment_method_watch(p_customer, p_now);
    PERFORM entitlement_changed(p_customer);
    PERFORM event_append(p_customer, 'membership.' || lower(v_state), v_old.membership_id,
                         jsonb_build_object('state', v_state), p_now);
    outcome := 'new';
END $$;

-- A membership whose first period must be paid: INCOMPLETE, its invoice OPEN, its payment on the way.
-- Outcomes: those of request_record, 'exists' (object_id: the one in the way), 'pending' (membership_make_room), and 'refused':
-- the payment method may not be charged now.
CREATE OR REPLACE FUNCTION membership_open(p_customer uuid, p_key request_key, p_intent membership_intent,
    p_change membership_change, p_invoice invoice_intent, p_charge charge_intent, p_owed membership_owed, p_now timestamptz,
    OUT outcome text, OUT answer bytea, OUT object_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    PERFORM 1 FROM customer c WHERE c.customer_id = p_customer FOR NO KEY UPDATE;
    IF NOT request_is_known(p_customer, p_key)
       AND payment_method_refuses(p_customer, p_charge.payment_method_id, p_charge.off_session, p_now) IS NOT NULL THEN
        outcome := 'refused';
        RETURN;
    END IF;
    SELECT r.outcome, r.answer, r.object_id INTO outcome, answer, object_id
      FROM membership_make_room(p_customer, p_key, true, p_now) r;
    IF outcome <> 'new' THEN
        RETURN;
    END IF;
    SELECT r.outcome, r.answer, r.object_id INTO outcome, answer, object_id
      FROM request_record(p_customer, p_key, p_change.membership_id, NULL, p_now) r;
    IF outcome = 'running' AND object_id = p_change.membership_id THEN
        outcome := 'new';   -- this very step, run again after a lost COMMIT
        RETURN;
    END IF;
    IF outcome <> 'new' THEN
        RETURN;
    END IF;
    PERFORM membership_insert(p_customer, p_intent, p_change, p_owed, p_now);
    PERFORM invoice_write(p_customer, p_change.membership_id, p_invoice, p_charge.payment_id, p_now);
    PERFORM invoice_pay(p_customer, p_invoice.invoice_id, 0, p_charge, p_now);
END $$;
GRANT EXECUTE ON FUNCTION membership_open(uuid, request_key, membership_intent, membership_change, invoice_intent, charge_intent,
    membership_owed, timestamptz) TO dues_service;

-- A membership that charges nothing now: a plan without a price, or a trial.  Outcomes: as membership_open,
-- and 'trial_used'.
CREATE OR REPLACE FUNCTION membership_start(p_customer uuid, p_key request_key, p_intent membership_intent,
    p_change membership_change, p_owed membership_owed, p_answer bytea, p_now timestamptz,
    OUT outcome text, OUT answer bytea, OUT object_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_trial_used boolean;
BEGIN
    SELECT c.trial_used INTO v_trial_used FROM customer c WHERE c.customer_id = p_customer FOR NO KEY UPDATE;
    IF p_intent.trial_end_time IS NOT NULL AND v_trial_used
       AND NOT request_is_known(p_customer, p_key) THEN
        outcome := 'trial_used';
        RETURN;
    END IF;
    SELECT r.outcome, r.answer, r.object_id INTO outcome, answer, object_id
      FROM membership_make_room(p_customer, p_key, p_intent.price_minor > 0, p_now) r;
    IF outcome <> 'new' THEN
        RETURN;
    END IF;
    SELECT r.outcome, r.answer, r.object_id INTO outcome, answer, object_id
      FROM request_record(p_customer, p_key, p_change.membership_id, p_answer, p_now) r;
    IF outcome <> 'new' THEN
        RETURN;
    END IF;
    PERFORM membership_insert(p_customer, p_intent, p_change, p_owed, p_now);
    IF p_intent.trial_end_time IS NOT NULL THEN
        UPDATE customer c SET trial_used = true WHERE c.customer_id = p_customer;
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION membership_start(uuid, request_key, membership_intent, membership_change, membership_owed, bytea,
    timestamptz) TO dues_service;

-- A renewal or a retry of one: the invoice (due_time NULL: it was written at an earlier try), its payment on the way, the obligation done; from here on the payment's own obligation carries it.
-- Outcomes: 'new', 'lost' (the lease), 'stale' (the membership changed, or the payment method may not be charged any more), 'charged' (this try was made before).
CREATE OR REPLACE FUNCTION membership_charge(p_customer uuid, p_hold obligation_hold, p_change membership_change,
    p_invoice invoice_intent, p_retry integer, p_charge charge_intent, p_owed membership_owed, p_now timestamptz,
    OUT outcome text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_old membership%ROWTYPE;
BEGIN
    PERFORM 1 FROM customer c WHERE c.customer_id = p_customer FOR NO KEY UPDATE;
    SELECT * INTO v_old FROM membership m
     WHERE m.customer_id = p_customer AND m.membership_id = p_change.membership_id FOR NO KEY UPDATE;
    IF v_old.change_id = p_change.change_id THEN
        outcome := 'new';   -- this very step, run again after a lost COMMIT
        RETURN;
    END IF;
    IF NOT obligation_is_held(p_customer, p_hold) THEN
        outcome := 'lost';
        RETURN;
    END IF;
    PERFORM 1 FROM invoice_payment ip
     WHERE ip.customer_id = p_customer AND ip.invoice_id = p_invoice.invoice_id AND ip.retry_number = p_retry;
    IF FOUND THEN
        outcome := 'charged';
        RETURN;
    END IF;
    IF payment_method_refuses(p_customer, p_charge.payment_method_id, p_charge.off_session, p_now) IS NOT NULL
       OR NOT membership_apply(p_customer, v_old, p_change, p_owed, p_now) THEN
        outcome := 'stale';
        RETURN;
    END IF;
    IF p_invoice.due_time IS NOT NULL THEN
        PERFORM invoice_write(p_customer, p_change.membership_id, p_invoice, p_charge.payment_id, p_now);
    ELSE
        UPDATE invoice i SET payment_id = p_charge.payment_id
         WHERE i.customer_id = p_customer AND i.invoice_id = p_invoice.invoice_id;
    END IF;
    PERFORM invoice_pay(p_customer, p_invoice.invoice_id, p_retry, p_charge, p_now);
    outcome := 'new';
END $$;
GRANT EXECUTE ON FUNCTION membership_charge(uuid, obligation_hold, membership_change, invoice_intent, integer, charge_intent,
    membership_owed, timestamptz) TO dues_service;

-- The result of a payment for an invoice, with all that follows, recorded once.  `p_invoice_state` NULL: the
-- outcome is not known yet, and nothing follows.  `p_answer` answers the request that made the membership, unless
-- it is answered already.
-- Outcomes: 'settled', 'pending', 'lost' (the attempt is somebody else's now), 'stale' (read and decide again).
CREATE OR REPLACE FUNCTION membership_settle(p_customer uuid, p_settlement settlement, p_invoice uuid,
    p_invoice_state text, p_period_start timestamptz, p_period_end timestamptz, p_change membership_change,
    p_owed membership_owed, p_method text, p_answer bytea, p_now timestamptz,
    OUT outcome text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_row membership%ROWTYPE;
    v_payment record;
BEGIN
    PERFORM 1 FROM customer c WHERE c.customer_id = p_customer FOR NO KEY UPDATE;
    SELECT * INTO v_row FROM membership m
     WHERE m.customer_id = p_customer AND m.membership_id = p_change.membership_id FOR NO KEY UPDATE;
    IF v_row.change_id = p_change.change_id THEN
        outcome := 'settled';   -- this very step, run again after a lost COMMIT
        RETURN;
    END IF;
    IF p_invoice_state IS NOT NULL AND v_row.version <> p_change.version THEN
        outcome := 'stale';
        RETURN;
    END IF;
    IF p_owed.kind = 'membership.expire' THEN
        -- Its customer is waited for as long as the first payment is, so that no invoice is closed before the gateway has let go.
        p_settlement.action_expire_time := least(p_settlement.action_expire_time, p_owed.due_time);
    END IF;
    v_payment := payment_settle(p_customer, p_settlement, p_now);
    IF v_payment.outcome <> 'settled' THEN
        outcome := CASE v_payment.outcome WHEN 'stale' THEN 'lost' ELSE 'pending' END;
        RETURN;
    END IF;
    IF p_answer IS NOT NULL THEN
        PERFORM request_answer(p_customer, p_change.membership_id, p_method, p_answer);
    END IF;
    IF p_invoice_state = 'PAID' THEN
        PERFORM invoice_paid(p_customer, p_invoice, p_period_start, p_period_end, p_now);
    ELSIF p_invoice_state <> 'OPEN' THEN
        PERFORM invoice_close(p_customer, p_change.membership_id, p_invoice_state, p_now);
    ELSIF v_payment.state = 'SUCCEEDED' THEN
        PERFORM invoice_paid_for_nothing(p_customer, p_invoice, p_settlement, p_now);
    END IF;
    IF v_row.state NOT IN ('CANCELED', 'EXPIRED') THEN
        PERFORM membership_apply(p_customer, v_row, p_change, p_owed, p_now);
        IF p_change.decline_code IS NOT NULL THEN
            UPDATE membership m
               SET network_decline_code = coalesce(p_settlement.network_decline_code, ''), advice = coalesce(p_settlement.advice, '')
             WHERE m.customer_id = p_customer AND m.membership_id = p_change.membership_id;
        END IF;
    END IF;
    outcome := 'settled';
END $$;
GRANT EXECUTE ON FUNCTION membership_settle(uuid, settlement, uuid, text, timestamptz, timestamptz, membership_change,
    membership_owed, text, bytea, timestamptz) TO dues_service;

-- A change that moves no money: cancelled, ended, expired, a retry that was not sent.  `p_open_invoice`: what
-- becomes of the invoice that is still open; NULL: nothing.  `p_invoice`: one to write; due_time NULL: none.
-- Outcomes: those of request_record, 'lost' (the lease), 'stale'.
CREATE OR REPLACE FUNCTION membership_move(p_customer uuid, p_key request_key, p_hold obligation_hold,
    p_change membership_change, p_invoice invoice_intent, p_open_invoice text, p_owed membership_owed, p_answer bytea, p_now timestamptz,
    OUT outcome text, OUT answer bytea, OUT object_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_old membership%ROWTYPE;
BEGIN
    object_id := p_change.membership_id;
    outcome := 'new';
    PERFORM 1 FROM customer c WHERE c.customer_id = p_customer FOR NO KEY UPDATE;
    SELECT * INTO v_old FROM membership m
     WHERE m.customer_id = p_customer AND m.membership_id = p_change.membership_id FOR NO KEY UPDATE;
    IF v_old.change_id = p_change.change_id THEN
        RETURN;   -- this very step, run again after a lost COMMIT
    END IF;
    IF NOT obligation_is_held(p_customer, p_hold) THEN
        outcome := 'lost';
        RETURN;
    END IF;
    IF (v_old.version IS DISTINCT FROM p_change.version
        OR v_old.pending_payment_id IS DISTINCT FROM p_change.pending_payment_id)
       AND NOT request_is_known(p_customer, p_key) THEN
        outcome := 'stale';
        RETURN;
    END IF;
    SELECT r.outcome, r.answer, r.object_id INTO outcome, answer, object_id
      FROM request_record(p_customer, p_key, p_change.membership_id, p_answer, p_now) r;
    IF outcome <> 'new' THEN
        RETURN;
    END IF;
    PERFORM membership_apply(p_customer, v_old, p_change, p_owed, p_now);
    IF p_invoice.due_time IS NOT NULL THEN
        PERFORM invoice_write(p_customer, p_change.membership_id, p_invoice, NULL, p_now);
    END IF;
    IF p_open_invoice IS NOT NULL THEN
        PERFORM invoice_close(p_customer, p_change.membership_id, p_open_invoice, p_now);
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION membership_move(uuid, request_key, obligation_hold, membership_change, invoice_intent, text,
    membership_owed, bytea, timestamptz) TO dues_service;
