-- Incidents: what no machine may decide.  Opened once by kind and subject, whoever finds it and how often; resolved by
-- two operators who ask for the same, through entries and moves of their own, never by an edit.

-- Whose it is when nobody of ours is known: the house's own customer, made when something of its own is first recorded.
CREATE OR REPLACE FUNCTION house_customer() RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT '00000000-0000-0000-0000-000000000000'::uuid
$$;

CREATE OR REPLACE FUNCTION house_customer_ensure(p_customer uuid, p_now timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF p_customer = house_customer() AND NOT EXISTS (SELECT FROM customer c WHERE c.customer_id = p_customer) THEN
        INSERT INTO customer (customer_id, display_name, create_time) VALUES (p_customer, 'the house', p_now)
        ON CONFLICT ON CONSTRAINT customer_pkey DO NOTHING;
    END IF;
END $$;

-- The id that the incident has wherever it is found: a UUIDv8 of what it is about.
CREATE OR REPLACE FUNCTION incident_derive_id(p_customer uuid, p_kind text, p_subject text) RETURNS uuid
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    v_hash bytea := substr(sha256(convert_to(p_customer || E'\n' || p_kind || E'\n' || p_subject, 'UTF8')), 1, 16);
BEGIN
    v_hash := set_byte(v_hash, 6, get_byte(v_hash, 6) & 15 | 128);
    v_hash := set_byte(v_hash, 8, get_byte(v_hash, 8) & 63 | 128);
    RETURN encode(v_hash, 'hex')::uuid;
END $$;

-- For steps.  True: it is new.  `p_again`: what was resolved is open again when it happens again (an attempt that came back
-- to people); anything else that was resolved stays so.
CREATE OR REPLACE FUNCTION incident_add(p_customer uuid, p_incident uuid, p_new incident_new, p_again boolean,
                                        p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    v_id uuid;
BEGIN
    PERFORM house_customer_ensure(p_customer, p_now);
    INSERT INTO incident AS i (customer_id, incident_id, kind, subject, detail, attempt_id, payment_id, gateway,
                               gateway_transaction, currency, amount, create_time, update_time)
    VALUES (p_customer, coalesce(p_incident, incident_derive_id(p_customer, p_new.kind, p_new.subject)), p_new.kind,
            p_new.subject, p_new.detail, p_new.attempt_id, p_new.payment_id, coalesce(p_new.gateway, ''),
            coalesce(p_new.gateway_transaction, ''), p_new.currency, p_new.amount, p_now, p_now)
    ON CONFLICT ON CONSTRAINT incident_opened_once DO UPDATE
       SET state = 'OPEN', version = i.version + 1, detail = excluded.detail, resolution = '', account = '', outcome = '',
           update_time = p_now
     WHERE p_again AND i.state = 'RESOLVED'
    RETURNING i.incident_id INTO v_id;
    IF v_id IS NULL THEN
        RETURN false;
    END IF;
    PERFORM event_append(p_customer, 'incident.opened', v_id,
                         jsonb_build_object('kind', p_new.kind, 'about', p_new.subject), p_now);
    RETURN true;
END $$;

-- The same as a step of its own.  `p_incident` NULL: an id that follows from kind and subject.
CREATE OR REPLACE FUNCTION incident_open(p_customer uuid, p_incident uuid, p_kind text, p_subject text, p_detail text,
                                         p_now timestamptz, p_attempt uuid DEFAULT NULL, p_payment uuid DEFAULT NULL,
                                         p_gateway text DEFAULT '', p_transaction text DEFAULT '',
                                         p_currency text DEFAULT NULL, p_amount bigint DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    RETURN incident_add(p_customer, p_incident,
                        ROW(p_kind, p_subject, p_detail, p_attempt, p_payment, p_gateway, p_transaction, p_currency,
                            p_amount)::incident_new, false, p_now);
END $$;
GRANT EXECUTE ON FUNCTION incident_open(uuid, uuid, text, text, text, timestamptz, uuid, uuid, text, text, text, bigint)
    TO dues_service;
