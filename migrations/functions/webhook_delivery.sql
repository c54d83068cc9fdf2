-- The queues of webhooks: one a customer and endpoint, in the order of the customer's events.
--
-- What is due is one obligation 'webhook.deliver' a queue.  It is there as long as something is pending: who adds to a queue
-- holds the customer's row (event_append), and who ends the obligation takes that row first and then looks, so neither can
-- miss the other.  Always the customer before the obligation, or they would wait for each other.

CREATE OR REPLACE FUNCTION webhook_wants(p_event_types text[], p_type text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT cardinality(p_event_types) = 0 OR p_type = ANY (p_event_types)
        OR split_part(p_type, '.', 1) || '.*' = ANY (p_event_types)
$$;

-- Puts an event into the queues of the endpoints that want it, those of disabled endpoints too: they go on from there when
-- they are enabled again.  What is owed to others is due in wall time, whatever the customer's clock says.
CREATE OR REPLACE FUNCTION webhook_enqueue(p_customer uuid, p_sequence bigint, p_type text, p_now timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_endpoint uuid;
    v_added boolean;
    v_now timestamptz := clock_timestamp();
BEGIN
    FOR v_endpoint IN SELECT e.webhook_endpoint_id FROM webhook_endpoint e
                       WHERE webhook_wants(e.event_types, p_type) ORDER BY e.webhook_endpoint_id LOOP
        INSERT INTO webhook_delivery (customer_id, webhook_endpoint_id, sequence, event_type, create_time, update_time)
        VALUES (p_customer, v_endpoint, p_sequence, p_type, v_now, v_now);
        v_added := obligation_add(p_customer, 'webhook.deliver', v_endpoint::text, v_endpoint, least(p_now, v_now), false,
                                  v_now);
    END LOOP;
END $$;

-- The endpoint is believed to be broken, or said itself that it is gone: nothing more is sent to it.
CREATE OR REPLACE FUNCTION webhook_disable(p_customer uuid, p_endpoint uuid, p_reason text, p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    v_sequence bigint;
    v_present timestamptz;
BEGIN
    UPDATE webhook_endpoint SET state = 'DISABLED', disable_reason = p_reason, update_time = p_now
     WHERE webhook_endpoint_id = p_endpoint AND state = 'ENABLED';
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    SELECT coalesce(t.clock_time, p_now) INTO STRICT v_present
      FROM customer c LEFT JOIN test_clock t ON t.test_clock_id = c.test_clock_id WHERE c.customer_id = p_customer;
    v_sequence := event_append(p_customer, 'webhook_endpoint.disabled', p_endpoint,
                               jsonb_build_object('reason', lower(p_reason)), v_present);
    RETURN true;
END $$;

-- The customer's row, then the queue's obligation.  False: the lease was lost.
CREATE OR REPLACE FUNCTION webhook_hold(p_customer uuid, p_endpoint uuid, p_epoch bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM customer WHERE customer_id = p_customer FOR NO KEY UPDATE;
    PERFORM FROM obligation WHERE customer_id = p_customer AND kind = 'webhook.deliver' AND business_key = p_endpoint::text
        AND epoch = p_epoch FOR NO KEY UPDATE;
    RETURN FOUND;
END $$;

-- Records an attempt.  `retry_time` NULL: after a failure there is no other attempt, the next event's turn comes.
-- Outcomes:
--   'next'      something is pending: go on
--   'done'      nothing is: the obligation is finished
--   'waiting'   it is tried again at retry_time
--   'disabled'  the endpoint was disabled by this; the queue waits
--   'stale'     the lease was lost, or this very step had finished the queue (again after a lost COMMIT)
CREATE OR REPLACE FUNCTION webhook_record(p_customer uuid, p_endpoint uuid, p_epoch bigint, p_result webhook_attempt_result,
                                          p_now timestamptz, OUT outcome text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_delivered boolean := p_result.problem = '';
    v_waits boolean := p_result.problem <> '' AND p_result.retry_time IS NOT NULL;
    v_disabled boolean := false;
BEGIN
    IF NOT webhook_hold(p_customer, p_endpoint, p_epoch) THEN
        outcome := 'stale';
        RETURN;
    END IF;
    UPDATE webhook_delivery
       SET state = CASE WHEN v_delivered THEN 'SUCCEEDED' WHEN v_waits THEN 'PENDING' ELSE 'FAILED' END,
           try_count = try_count + 1, attempt_count = p_result.number, update_time = p_now,
           next_attempt_time = CASE WHEN v_waits THEN p_result.retry_time END
     WHERE customer_id = p_customer AND webhook_endpoint_id = p_endpoint AND sequence = p_result.sequence
       AND state = 'PENDING' AND attempt_count = p_result.number - 1;
    IF FOUND THEN
        INSERT INTO webhook_attempt (customer_id, webhook_endpoint_id, sequence, number, attempt_time, status, latency_us,
                                     problem, answer)
        VALUES (p_customer, p_endpoint, p_result.sequence, p_result.number, p_result.attempt_time, p_result.status,
                p_result.latency_us, p_result.problem, p_result.answer);
        v_disabled := webhook_note(p_customer, p_endpoint, p_result, p_now);
    END IF;
    outcome := webhook_go_on(p_customer, p_endpoint, p_epoch,
                             CASE WHEN v_disabled THEN p_now + interval '1 day' WHEN v_waits THEN p_result.retry_time END);
    IF v_disabled AND outcome = 'waiting' THEN
        outcome := 'disabled';
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION webhook_record(uuid, uuid, bigint, webhook_attempt_result, timestamptz) TO dues_service;

-- What an attempt says about its endpoint, and what becomes old.  True: the endpoint was disabled.
CREATE OR REPLACE FUNCTION webhook_note(p_customer uuid, p_endpoint uuid, p_result webhook_attempt_result, p_now timestamptz)
RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    v_long boolean;
BEGIN
    DELETE FROM webhook_attempt
     WHERE customer_id = p_customer AND webhook_endpoint_id = p_endpoint AND sequence = p_result.sequence
       AND number <= p_result.number - 15;
    -- Each delivery takes up to two old ones with it, so the log of a customer stays at thirty days.
    DELETE FROM webhook_delivery d
     WHERE d.customer_id = p_customer AND d.webhook_endpoint_id = p_endpoint
       AND d.sequence IN (SELECT o.sequence FROM webhook_delivery o
                           WHERE o.customer_id = p_customer AND o.webhook_endpoint_id = p_endpoint
                           ORDER BY o.sequence LIMIT 2)
       AND d.state <> 'PENDING' AND d.update_time < p_now - interval '30 days';
    IF p_result.problem = '' THEN
        UPDATE webhook_endpoint SET failing_since = NULL
         WHERE webhook_endpoint_id = p_endpoint AND failing_since IS NOT NULL;
        RETURN false;
    END IF;
    IF p_result.is_gone THEN
        RETURN webhook_disable(p_customer, p_endpoint, 'GONE', p_now);
    END IF;
    UPDATE webhook_endpoint SET failing_since = p_now WHERE webhook_endpoint_id = p_endpoint AND failing_since IS NULL;
    -- One event that is refused for days while others are taken says nothing about the endpoint.
    SELECT e.failing_since <= p_now - interval '3 days' INTO v_long
      FROM webhook_endpoint e WHERE e.webhook_endpoint_id = p_endpoint;
    RETURN p_result.retry_time IS NULL AND v_long AND webhook_disable(p_customer, p_endpoint, 'FAILING', p_now);
END $$;

-- With the customer's row held: the queue's obligation waits until `p_due`, or goes on, or ends.
CREATE OR REPLACE FUNCTION webhook_go_on(p_customer uuid, p_endpoint uuid, p_epoch bigint, p_due timestamptz) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM webhook_delivery d
                    WHERE d.customer_id = p_customer AND d.webhook_endpoint_id = p_endpoint AND d.state = 'PENDING') THEN
        DELETE FROM obligation WHERE customer_id = p_customer AND kind = 'webhook.deliver'
           AND business_key = p_endpoint::text AND epoch = p_epoch;
        RETURN 'done';
    END IF;
    IF p_due IS NULL THEN
        RETURN 'next';
    END IF;
    UPDATE obligation SET due_time = p_due, lease_until = NULL, failure_count = 0, last_failure = NULL
     WHERE customer_id = p_customer AND kind = 'webhook.deliver' AND business_key = p_endpoint::text AND epoch = p_epoch;
    RETURN 'waiting';
END $$;

-- Nothing is sent now: the endpoint is disabled or deleted, or nothing is pending.  Outcomes: 'waiting' until `p_due`,
-- 'done', and 'stale'.  What was pending for a deleted endpoint is forgotten.
CREATE OR REPLACE FUNCTION webhook_rest(p_customer uuid, p_endpoint uuid, p_epoch bigint, p_due timestamptz,
                                        p_now timestamptz, OUT outcome text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_state text;
BEGIN
    IF NOT webhook_hold(p_customer, p_endpoint, p_epoch) THEN
        outcome := 'stale';
        RETURN;
    END IF;
    -- Waits for who enables it just now: its webhook_wake then finds the queue as this leaves it.
    SELECT e.state INTO v_state FROM webhook_endpoint e WHERE e.webhook_endpoint_id = p_endpoint FOR SHARE;
    IF NOT FOUND THEN
        DELETE FROM webhook_delivery WHERE customer_id = p_customer AND webhook_endpoint_id = p_endpoint;
    END IF;
    outcome := webhook_go_on(p_customer, p_endpoint, p_epoch, CASE WHEN v_state = 'ENABLED' THEN p_now ELSE p_due END);
END $$;
GRANT EXECUTE ON FUNCTION webhook_rest(uuid, uuid, bigint, timestamptz, timestamptz) TO dues_service;

-- Lets queues of an endpoint go on at once, in the order of their customers behind `p_after`.  The last one that was looked
-- at; NULL: there are no more.
CREATE OR REPLACE FUNCTION webhook_wake(p_endpoint uuid, p_after uuid, p_limit integer, p_now timestamptz) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_customers uuid[];
BEGIN
    SELECT array_agg(w.customer_id ORDER BY w.customer_id) INTO v_customers
      FROM (SELECT o.customer_id FROM obligation o
             WHERE o.kind = 'webhook.deliver' AND o.business_key = p_endpoint::text AND o.customer_id > p_after
             ORDER BY o.customer_id LIMIT p_limit) AS w;
    UPDATE obligation o SET due_time = p_now
     WHERE o.customer_id = ANY (v_customers) AND o.kind = 'webhook.deliver' AND o.business_key = p_endpoint::text
       AND o.due_time > p_now AND o.lease_until IS NULL;
    RETURN CASE WHEN cardinality(v_customers) = p_limit THEN v_customers[p_limit] END;
END $$;
GRANT EXECUTE ON FUNCTION webhook_wake(uuid, uuid, integer, timestamptz) TO dues_service;

-- Delivers once more, whatever became of it, before what is pending behind it.  Outcomes of request_record, and 'absent',
-- 'disabled'.
CREATE OR REPLACE FUNCTION webhook_redeliver(p_customer uuid, p_key request_key, p_endpoint uuid, p_sequence bigint,
                                             p_answer bytea, p_now timestamptz,
                                             OUT outcome text, OUT answer bytea, OUT object_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_added boolean;
BEGIN
    PERFORM FROM customer WHERE customer_id = p_customer FOR NO KEY UPDATE;
    IF NOT EXISTS (SELECT FROM webhook_endpoint e WHERE e.webhook_endpoint_id = p_endpoint AND e.state = 'ENABLED') THEN
        outcome := 'disabled';
        RETURN;
    END IF;
    SELECT r.outcome, r.answer, r.object_id INTO outcome, answer, object_id
      FROM request_record(p_customer, p_key, p_endpoint, p_answer, p_now) r;
    IF outcome <> 'new' THEN
        RETURN;
    END IF;
    UPDATE webhook_delivery SET state = 'PENDING', try_count = 0, next_attempt_time = NULL, update_time = p_now
     WHERE customer_id = p_customer AND webhook_endpoint_id = p_endpoint AND sequence = p_sequence;
    IF NOT FOUND THEN
        outcome := 'absent';
        PERFORM request_forget(p_customer, p_key);
        RETURN;
    END IF;
    v_added := obligation_add(p_customer, 'webhook.deliver', p_endpoint::text, p_endpoint, p_now, false, p_now);
    IF NOT v_added THEN
        UPDATE obligation SET due_time = p_now
         WHERE customer_id = p_customer AND kind = 'webhook.deliver' AND business_key = p_endpoint::text
           AND due_time > p_now AND lease_until IS NULL;
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION webhook_redeliver(uuid, request_key, uuid, bigint, bytea, timestamptz) TO dues_service;
