-- News of gateways: taken once, matched to a customer, applied by an obligation of the customer's.

-- What is to be done about it, by what is known now.  A charge that has succeeded with this very transaction has nothing
-- to learn, so most news cost no question.  Disputes are nobody's here: whoever learns of one finds the payment itself.
CREATE OR REPLACE FUNCTION news_judge(p_news news_told) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = dues, pg_temp AS $$
DECLARE
    v_attempt attempt%ROWTYPE;
BEGIN
    IF p_news.kind = 'OTHER' THEN
        RETURN 'IGNORED';
    END IF;
    IF p_news.customer_id IS NULL OR p_news.kind = 'DISPUTE' THEN
        RETURN 'UNMATCHED';
    END IF;
    IF p_news.kind = 'PAYMENT_METHOD' THEN
        PERFORM FROM customer c WHERE c.customer_id = p_news.customer_id;
        RETURN CASE WHEN FOUND THEN 'OWED' ELSE 'UNMATCHED' END;
    END IF;
    SELECT * INTO v_attempt FROM attempt a
     WHERE a.customer_id = p_news.customer_id AND a.attempt_id = p_news.reference AND a.gateway = p_news.gateway
       AND (a.operation = 'REFUND') = (p_news.kind = 'REFUND');
    IF NOT FOUND THEN
        RETURN 'UNMATCHED';
    END IF;
    IF v_attempt.operation = 'CHARGE' AND v_attempt.state = 'SUCCEEDED'
       AND v_attempt.gateway_transaction = p_news.object_id THEN
        RETURN 'APPLIED';
    END IF;
    RETURN 'OWED';
END $$;

CREATE OR REPLACE FUNCTION news_key(p_gateway text, p_event text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT p_gateway || ':' || p_event
$$;

CREATE OR REPLACE FUNCTION news_owe(p_customer uuid, p_gateway text, p_event text, p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    RETURN obligation_add(p_customer, 'gateway.news', news_key(p_gateway, p_event), p_customer, p_now, false, p_now);
END $$;

-- The body is kept while something is to be done.  'DUPLICATE': it had come before, and nothing was written; else its state.
CREATE OR REPLACE FUNCTION news_store(p_news news_told, p_body bytea, p_body_hash bytea, p_now timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_state text := news_judge(p_news);
    v_is_open boolean := v_state IN ('OWED', 'UNMATCHED');
    v_added boolean;
BEGIN
    INSERT INTO news (gateway, event_id, kind, type, object_id, belongs_to, customer_id, reference, state, body_sealed,
                      body_hash, event_time, receive_time, due_time, settle_time)
    VALUES (p_news.gateway, p_news.event_id, p_news.kind, p_news.type, p_news.object_id, p_news.belongs_to,
            p_news.customer_id, p_news.reference, v_state, CASE WHEN v_is_open THEN p_body END, p_body_hash,
            p_news.event_time, p_now, CASE WHEN v_state = 'UNMATCHED' THEN p_now END, CASE WHEN NOT v_is_open THEN p_now END)
    ON CONFLICT ON CONSTRAINT news_pkey DO NOTHING;
    IF NOT FOUND THEN
        RETURN 'DUPLICATE';
    END IF;
    IF v_state = 'OWED' THEN
        v_added := news_owe(p_news.customer_id, p_news.gateway, p_news.event_id, p_now);
    END IF;
    RETURN v_state;
END $$;
GRANT EXECUTE ON FUNCTION news_store(news_told, bytea, bytea, timestamptz) TO dues_service;

-- One more look at what is UNMATCHED, by one server at a time: false when another has it until `p_until`.
CREATE OR REPLACE FUNCTION news_claim(p_gateway text, p_event text, p_due timestamptz, p_until timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    UPDATE news n SET due_time = p_until
     WHERE n.gateway = p_gateway AND n.event_id = p_event AND n.state = 'UNMATCHED' AND n.due_time = p_due;
    RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION news_claim(text, text, timestamptz, timestamptz) TO dues_service;

-- With what the gateway said of its owner.  The state then.
CREATE OR REPLACE FUNCTION news_match(p_gateway text, p_event text, p_customer uuid, p_reference uuid, p_now timestamptz)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_news news%ROWTYPE;
    v_state text;
    v_added boolean;
BEGIN
    SELECT * INTO STRICT v_news FROM news n WHERE n.gateway = p_gateway AND n.event_id = p_event FOR NO KEY UPDATE;
    IF v_news.state <> 'UNMATCHED' THEN
        RETURN v_news.state;
    END IF;
    v_news.customer_id := coalesce(p_customer, v_news.customer_id);
    v_news.reference := coalesce(p_reference, v_news.reference);
    v_state := news_judge(ROW(v_news.gateway, v_news.event_id, v_news.kind, v_news.type, v_news.object_id, v_news.belongs_to,
                              v_news.customer_id, v_news.reference, v_news.event_time)::news_told);
    UPDATE news n
       SET state = v_state, customer_id = v_news.customer_id, reference = v_news.reference,
           body_sealed = CASE WHEN v_state = 'APPLIED' THEN NULL ELSE n.body_sealed END,
           due_time = CASE WHEN v_state = 'UNMATCHED' THEN n.due_time END,
           settle_time = CASE WHEN v_state = 'APPLIED' THEN p_now END
     WHERE n.gateway = p_gateway AND n.event_id = p_event;
    IF v_state = 'OWED' THEN
        v_added := news_owe(v_news.customer_id, p_gateway, p_event, p_now);
    END IF;
    RETURN v_state;
END $$;
GRANT EXECUTE ON FUNCTION news_match(text, text, uuid, uuid, timestamptz) TO dues_service;

-- It is over without an obligation: applied by whoever looked, or nobody's for good.
CREATE OR REPLACE FUNCTION news_end(p_gateway text, p_event text, p_state text, p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    UPDATE news n
       SET state = p_state, settle_time = p_now, due_time = NULL,
           body_sealed = CASE WHEN p_state = 'APPLIED' THEN NULL ELSE n.body_sealed END
     WHERE n.gateway = p_gateway AND n.event_id = p_event AND n.state = 'UNMATCHED';
    RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION news_end(text, text, text, timestamptz) TO dues_service;

-- The obligation is done, and what it was for.  False: the lease was lost.
CREATE OR REPLACE FUNCTION news_apply(p_customer uuid, p_gateway text, p_event text, p_epoch bigint, p_now timestamptz)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    DELETE FROM obligation o
     WHERE o.customer_id = p_customer AND o.kind = 'gateway.news' AND o.business_key = news_key(p_gateway, p_event)
       AND o.epoch = p_epoch;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE news n SET state = 'APPLIED', settle_time = p_now, body_sealed = NULL
     WHERE n.gateway = p_gateway AND n.event_id = p_event AND n.state = 'OWED';
    RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION news_apply(uuid, text, text, bigint, timestamptz) TO dues_service;

-- Old rows go, some at a time; what is still owed stays.  How many went.
CREATE OR REPLACE FUNCTION news_sweep(p_before timestamptz, p_limit integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_count bigint;
BEGIN
    DELETE FROM news n
     WHERE (n.gateway, n.event_id) IN (
           SELECT o.gateway, o.event_id FROM news o
            WHERE o.receive_time < p_before AND o.state NOT IN ('OWED', 'UNMATCHED')
            ORDER BY o.receive_time LIMIT p_limit);
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END $$;
GRANT EXECUTE ON FUNCTION news_sweep(timestamptz, integer) TO dues_service;
