-- Endpoints of webhooks.  Their requests are recorded under the endpoint's id.

-- Of the blank-separated ones those that no event has: 'payment.nix', 'nix.*'.
CREATE OR REPLACE FUNCTION webhook_types_unknown(p_event_types text) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT w.wanted FROM unnest(string_to_array(p_event_types, ' ')) AS w (wanted)
                  WHERE NOT EXISTS (SELECT FROM unnest(event_types()) AS e (type) WHERE webhook_wants(ARRAY[w.wanted], e.type));
END $$;
GRANT EXECUTE ON FUNCTION webhook_types_unknown(text) TO dues_service;

-- Outcomes of request_record, and 'full', 'changed' (another took the slot meanwhile: again).
CREATE OR REPLACE FUNCTION webhook_endpoint_create(p_endpoint uuid, p_key request_key, p_answer bytea, p_url text,
                                                   p_event_types text, p_description text, p_signing text, p_state text,
                                                   p_secret uuid, p_secret_sealed bytea, p_public_key bytea,
                                                   p_limit integer, p_now timestamptz,
                                                   OUT outcome text, OUT answer bytea, OUT object_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_slot smallint;
BEGIN
    SELECT r.outcome, r.answer, r.object_id INTO outcome, answer, object_id
      FROM request_record(p_endpoint, p_key, p_endpoint, p_answer, p_now) r;
    IF outcome <> 'new' OR EXISTS (SELECT FROM webhook_endpoint e WHERE e.webhook_endpoint_id = p_endpoint) THEN
        RETURN;
    END IF;
    SELECT min(s.slot) INTO v_slot FROM generate_series(0, p_limit - 1) AS s (slot)
     WHERE NOT EXISTS (SELECT FROM webhook_endpoint e WHERE e.slot = s.slot);
    IF v_slot IS NULL THEN
        outcome := 'full';
    ELSE
        INSERT INTO webhook_endpoint (webhook_endpoint_id, slot, url, event_types, description, signing, state, disable_reason,
                                      secret_id, secret_sealed, public_key, create_time, update_time)
        VALUES (p_endpoint, v_slot, p_url, string_to_array(p_event_types, ' '), p_description, p_signing, p_state,
                CASE p_state WHEN 'DISABLED' THEN 'REQUESTED' ELSE '' END, p_secret, p_secret_sealed, p_public_key, p_now, p_now)
        ON CONFLICT ON CONSTRAINT webhook_endpoint_slot_once DO NOTHING;
        IF NOT FOUND THEN
            outcome := 'changed';
        END IF;
    END IF;
    IF outcome <> 'new' THEN
        PERFORM request_forget(p_endpoint, p_key);
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION webhook_endpoint_create(uuid, request_key, bytea, text, text, text, text, text, uuid, bytea, bytea,
                                                  integer, timestamptz) TO dues_service;

-- The endpoint as the answer tells it, if nobody changed it since `p_before`, its update_time.  Outcomes of request_record,
-- and 'changed', 'absent'.
CREATE OR REPLACE FUNCTION webhook_endpoint_update(p_endpoint uuid, p_key request_key, p_answer bytea, p_before timestamptz,
                                                   p_url text, p_event_types text, p_description text, p_state text,
                                                   p_disable_reason text, p_failing_since timestamptz, p_now timestamptz,
                                                   OUT outcome text, OUT answer bytea, OUT object_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    SELECT r.outcome, r.answer, r.object_id INTO outcome, answer, object_id
      FROM request_record(p_endpoint, p_key, p_endpoint, p_answer, p_now) r;
    IF outcome <> 'new' THEN
        RETURN;
    END IF;
    UPDATE webhook_endpoint e
       SET url = p_url, event_types = string_to_array(p_event_types, ' '), description = p_description, state = p_state,
           disable_reason = p_disable_reason, failing_since = p_failing_since, update_time = p_now
     WHERE e.webhook_endpoint_id = p_endpoint AND e.update_time = p_before;
    IF NOT FOUND THEN
        outcome := webhook_endpoint_missed(p_endpoint, p_key, p_now);
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION webhook_endpoint_update(uuid, request_key, bytea, timestamptz, text, text, text, text, text,
                                                  timestamptz, timestamptz) TO dues_service;

-- A step found another row than it was made for.  Nothing was recorded; unless it was this very step, again after a lost
-- COMMIT, which without a request_id only the times can tell.
CREATE OR REPLACE FUNCTION webhook_endpoint_missed(p_endpoint uuid, p_key request_key, p_now timestamptz) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_time timestamptz;
BEGIN
    PERFORM request_forget(p_endpoint, p_key);
    SELECT e.update_time INTO v_time FROM webhook_endpoint e WHERE e.webhook_endpoint_id = p_endpoint;
    RETURN CASE WHEN v_time IS NULL THEN 'absent' WHEN v_time = p_now THEN 'new' ELSE 'changed' END;
END $$;

-- Another secret; the one before signs too until `p_expire`.  Outcomes as webhook_endpoint_update.
CREATE OR REPLACE FUNCTION webhook_endpoint_rotate(p_endpoint uuid, p_key request_key, p_answer bytea, p_before timestamptz,
                                                   p_secret uuid, p_secret_sealed bytea, p_public_key bytea,
                                                   p_expire timestamptz, p_now timestamptz,
                                                   OUT outcome text, OUT answer bytea, OUT object_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    SELECT r.outcome, r.answer, r.object_id INTO outcome, answer, object_id
      FROM request_record(p_endpoint, p_key, p_endpoint, p_answer, p_now) r;
    IF outcome <> 'new' THEN
        RETURN;
    END IF;
    UPDATE webhook_endpoint e
       SET previous_secret_id = CASE WHEN p_expire > p_now THEN e.secret_id END,
           previous_secret_sealed = CASE WHEN p_expire > p_now THEN e.secret_sealed END,
           previous_public_key = CASE WHEN p_expire > p_now THEN e.public_key END,
           previous_expire_time = CASE WHEN p_expire > p_now THEN p_expire END,
           secret_id = p_secret, secret_sealed = p_secret_sealed, public_key = p_public_key, update_time = p_now
     WHERE e.webhook_endpoint_id = p_endpoint AND e.update_time = p_before;
    IF NOT FOUND THEN
        outcome := webhook_endpoint_missed(p_endpoint, p_key, p_now);
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION webhook_endpoint_rotate(uuid, request_key, bytea, timestamptz, uuid, bytea, bytea, timestamptz,
                                                  timestamptz) TO dues_service;

-- Its queues are forgotten as they fall due.  Outcomes of request_record, and 'absent'.
CREATE OR REPLACE FUNCTION webhook_endpoint_delete(p_endpoint uuid, p_key request_key, p_answer bytea, p_now timestamptz,
                                                   OUT outcome text, OUT answer bytea, OUT object_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    SELECT r.outcome, r.answer, r.object_id INTO outcome, answer, object_id
      FROM request_record(p_endpoint, p_key, p_endpoint, p_answer, p_now) r;
    IF outcome <> 'new' THEN
        RETURN;
    END IF;
    DELETE FROM webhook_endpoint e WHERE e.webhook_endpoint_id = p_endpoint;
    IF NOT FOUND THEN
        outcome := webhook_endpoint_missed(p_endpoint, p_key, p_now);
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION webhook_endpoint_delete(uuid, request_key, bytea, timestamptz) TO dues_service;
