-- Events: appended by step functions only, numbered without gaps from a counter in the customer's row.
CREATE OR REPLACE FUNCTION event_append(p_customer uuid, p_type text, p_subject uuid, p_data jsonb, p_now timestamptz)
RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_sequence bigint;
BEGIN
    UPDATE customer SET event_count = event_count + 1 WHERE customer_id = p_customer
    RETURNING event_count INTO STRICT v_sequence;
    INSERT INTO event (customer_id, sequence, type, subject_id, data, create_time)
    VALUES (p_customer, v_sequence, p_type, p_subject, coalesce(p_data, '{}'), p_now);
    RETURN v_sequence;
END $$;
