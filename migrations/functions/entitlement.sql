-- May this customer use X?  All that the answer rests on; src/membership/membership_rules.c decides.
-- No row: no such customer.  The latest membership is the live one, else the newest that ever granted something,
-- else the newest.
--
-- One expression whose names are bound here (BEGIN ATOMIC), so that PostgreSQL sets it into the statement that asks.
-- The live membership has an index of its own; only who has none costs a look at the others, and a sort.
CREATE OR REPLACE FUNCTION entitlement_facts(p_customer uuid, p_entitlement text, p_now timestamptz)
RETURNS TABLE (customer_now timestamptz, open_tier_id text, granted boolean, membership_id uuid, tier_id text, state text,
               period_end timestamptz, access_end_time timestamptz, cancel_at_period_end boolean)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT coalesce((SELECT t.clock_time FROM test_clock t WHERE t.test_clock_id = c.test_clock_id), p_now),
           (SELECT t.tier_id FROM tier t
             WHERE t.open_to_all
               AND EXISTS (SELECT FROM tier_entitlement e WHERE e.tier_id = t.tier_id AND e.entitlement = p_entitlement)
             LIMIT 1),
           EXISTS (SELECT FROM tier_entitlement e WHERE e.tier_id = m.tier_id AND e.entitlement = p_entitlement),
           m.membership_id, m.tier_id, m.state, m.period_end, m.access_end_time, m.cancel_at_period_end
      FROM customer c
      LEFT JOIN LATERAL (
          (SELECT l.membership_id, l.tier_id, l.state, l.period_end, l.access_end_time, l.cancel_at_period_end
             FROM membership l
            WHERE l.customer_id = p_customer AND l.state NOT IN ('CANCELED', 'EXPIRED'))
          UNION ALL
          (SELECT l.membership_id, l.tier_id, l.state, l.period_end, l.access_end_time, l.cancel_at_period_end
             FROM membership l
            WHERE l.customer_id = p_customer
              AND NOT EXISTS (SELECT FROM membership o
                               WHERE o.customer_id = p_customer AND o.state NOT IN ('CANCELED', 'EXPIRED'))
            ORDER BY l.access_end_time IS NULL, l.membership_id DESC LIMIT 1)
          LIMIT 1) m ON true
     WHERE c.customer_id = p_customer;
END;
GRANT EXECUTE ON FUNCTION entitlement_facts(uuid, text, timestamptz) TO dues_service;
