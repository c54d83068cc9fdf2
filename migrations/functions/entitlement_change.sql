-- The feed of changed entitlements, followed by every server that remembers answers.
--
-- A follower keeps the snapshot of its last poll and asks for the rows which that snapshot did not see.  So a row is
-- told exactly once whatever the order of commits: one whose transaction was still running then has an id that the
-- snapshot does not count as done, however much newer others were visible before it.

-- In the commit of the change.  pg_current_xact_id costs nothing here: the change has an id already.
CREATE OR REPLACE FUNCTION entitlement_changed(p_customer uuid) RETURNS void
LANGUAGE plpgsql SET search_path = dues, pg_temp AS $$
DECLARE
    v_recorded xid8 := pg_current_xact_id();
BEGIN
    INSERT INTO entitlement_change (recorded, customer_id) VALUES (v_recorded, p_customer)
    ON CONFLICT ON CONSTRAINT entitlement_change_pkey DO NOTHING;
END $$;

-- Rows of transactions below `p_before`: long seen by every follower, and one that was away longer begins anew.
CREATE OR REPLACE FUNCTION entitlement_change_forget(p_before text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    DELETE FROM entitlement_change e WHERE e.recorded < p_before::xid8;
END $$;
GRANT EXECUTE ON FUNCTION entitlement_change_forget(text) TO dues_service;
