-- Devices: the row is written with the certificate's hashes in the commit that answers with the certificate.
CREATE OR REPLACE FUNCTION device_enroll(p_customer uuid, p_key request_key, p_device uuid, p_display_name text,
                                         p_certificate_hash bytea, p_spki_hash bytea, p_expire timestamptz,
                                         p_answer bytea, p_now timestamptz,
                                         OUT outcome text, OUT answer bytea, OUT object_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    SELECT q.outcome, q.answer, q.object_id INTO outcome, answer, object_id
      FROM request_record(p_customer, p_key, p_device, p_answer, p_now) q;
    IF outcome <> 'new' THEN
        RETURN;
    END IF;
    INSERT INTO device AS d (customer_id, device_id, display_name, certificate_hash, spki_hash, expire_time, create_time)
    VALUES (p_customer, p_device, p_display_name, p_certificate_hash, p_spki_hash, p_expire, p_now)
    ON CONFLICT ON CONSTRAINT device_pkey DO NOTHING;
    IF FOUND THEN
        PERFORM event_append(p_customer, 'device.enrolled', p_device, '{}', p_now);
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION device_enroll(uuid, request_key, uuid, text, bytea, bytea, timestamptz, bytea, timestamptz)
TO dues_service;
