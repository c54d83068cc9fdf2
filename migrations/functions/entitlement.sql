-- May this customer use X?  All that the answer rests on, in one call; src/membership/membership_rules.c decides.
-- No row: no such customer.  The latest membership is the live one, else the newest that ever granted something,
-- else the newest.
CREATE OR REPLACE FUNCTION entitlement_facts(p_customer uuid, p_entitlement text, p_now timestamptz)
RETURNS TABLE (customer_now timestamptz, open_tier_id text, granted boolean, membership_id uuid, tier_id text, state text,
               period_end timestamptz, access_end_time timestamptz, cancel_at_period_end boolean)
LANGUAGE plpgsql STABLE SET search_path = dues, pg_temp AS $$
DECLARE
    v_clock uuid;
BEGIN
    SELECT c.test_clock_id INTO v_clock FROM customer c WHERE c.customer_id = p_customer;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    customer_now := p_now;
    IF v_clock IS NOT NULL THEN
        SELECT t.clock_time INTO customer_now FROM test_clock t WHERE t.test_clock_id = v_clock;
    END IF;
    SELECT t.tier_id INTO open_tier_id FROM tier t, tier_entitlement e
     WHERE t.open_to_all AND e.tier_id = t.tier_id AND e.entitlement = p_entitlement LIMIT 1;
    SELECT m.membership_id, m.tier_id, m.state, m.period_end, m.access_end_time, m.cancel_at_period_end
      INTO membership_id, tier_id, state, period_end, access_end_time, cancel_at_period_end
      FROM membership m WHERE m.customer_id = p_customer
     ORDER BY m.state IN ('CANCELED', 'EXPIRED'), m.access_end_time IS NULL, m.membership_id DESC LIMIT 1;
    granted := false;
    IF FOUND THEN
        granted := EXISTS (SELECT 1 FROM tier_entitlement e
                            WHERE e.tier_id = entitlement_facts.tier_id AND e.entitlement = p_entitlement);
    END IF;
    RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION entitlement_facts(uuid, text, timestamptz) TO dues_service;
