-- What /metrics tells about the database.  Asked every few seconds by every server, so each answer costs the same however
-- large the tables are: it reads from one end of an index and stops at a limit.

-- Obligations of wall time that are due and not done, by kind.  Each of the 64 buckets shows its 200 that have waited
-- longest: beyond 12,800 the count says "many", and the oldest is still among them.
CREATE OR REPLACE FUNCTION telemetry_obligations(p_now timestamptz)
RETURNS TABLE (kind text, overdue_count bigint, oldest_due timestamptz)
LANGUAGE sql STABLE SET search_path = dues, pg_temp AS $$
    SELECT o.kind, count(*), min(o.due_time)
      FROM generate_series(0, 63) AS b (bucket)
     CROSS JOIN LATERAL (
           SELECT w.kind, w.due_time FROM obligation w
            WHERE w.bucket = b.bucket AND w.test_clock_id IS NULL AND w.due_time < p_now
            ORDER BY w.due_time LIMIT 200) AS o
     GROUP BY o.kind
$$;
GRANT EXECUTE ON FUNCTION telemetry_obligations(timestamptz) TO dues_service;

-- Attempts whose outcome nobody knows: asked, and not being asked by a fiber that holds the lease of its first send.
-- Each has its resolver's obligation, of which the 5,000 oldest are looked at.  Ages are by the database's clock, as
-- leases are.
CREATE OR REPLACE FUNCTION telemetry_attempts()
RETURNS TABLE (unknown_count bigint, oldest_age_us bigint)
LANGUAGE sql STABLE SET search_path = dues, pg_temp AS $$
    SELECT count(*), coalesce((extract(epoch FROM clock_timestamp() - min(a.first_sent_time)) * 1000000)::bigint, 0)
      FROM (SELECT w.customer_id, w.business_key FROM obligation w
             WHERE w.kind IN ('payment.resolve', 'refund.resolve') ORDER BY w.create_time LIMIT 5000) AS o
      JOIN attempt a ON a.customer_id = o.customer_id AND a.attempt_id = o.business_key::uuid
     WHERE a.state IN ('UNKNOWN', 'RESOLVING') OR a.state = 'SENDING' AND a.lease_until < clock_timestamp()
$$;
GRANT EXECUTE ON FUNCTION telemetry_attempts() TO dues_service;

-- Groups of the ledger that do not sum to zero, among those posted between the two times; at most 50,000 lines, the ones
-- that lie first in the table, which are the oldest.  The limit may cut a group, so a suspect is summed up again alone.
CREATE OR REPLACE FUNCTION telemetry_ledger_recent(p_from timestamptz, p_until timestamptz)
RETURNS TABLE (group_count bigint, unbalanced_count bigint)
LANGUAGE sql STABLE SET search_path = dues, pg_temp AS $$
    SELECT count(*), count(*) FILTER (
               WHERE g.total <> 0
                 AND EXISTS (SELECT FROM ledger_entry e WHERE e.customer_id = g.customer_id AND e.group_id = g.group_id
                              GROUP BY e.kind, e.currency HAVING sum(e.amount) <> 0))
      FROM (SELECT l.customer_id, l.group_id, sum(l.amount) AS total
              FROM (SELECT e.customer_id, e.group_id, e.kind, e.currency, e.amount FROM ledger_entry e
                     WHERE e.create_time >= p_from AND e.create_time < p_until LIMIT 50000) AS l
             GROUP BY l.customer_id, l.group_id, l.kind, l.currency) AS g
$$;
GRANT EXECUTE ON FUNCTION telemetry_ledger_recent(timestamptz, timestamptz) TO dues_service;

-- The same for the next `p_limit` lines in the order of the key, behind a group: whoever goes on from where it ended
-- sees the whole ledger, also what was changed behind the server's back long after it was posted.  NULL: the end.
-- The last group of a full answer may be cut, so it is left for the next.
CREATE OR REPLACE FUNCTION telemetry_ledger_walk(p_customer uuid, p_group uuid, p_limit integer)
RETURNS TABLE (group_count bigint, unbalanced_count bigint, last_customer uuid, last_group uuid)
LANGUAGE sql STABLE SET search_path = dues, pg_temp AS $$
    WITH line AS (
        SELECT e.customer_id, e.group_id, e.kind, e.currency, e.amount FROM ledger_entry e
         WHERE (e.customer_id, e.group_id) > (p_customer, p_group)
         ORDER BY e.customer_id, e.group_id, e.kind, e.line_no LIMIT p_limit
    ), part AS (
        SELECT l.customer_id, l.group_id, bool_or(l.total <> 0) AS unbalanced
          FROM (SELECT customer_id, group_id, kind, currency, sum(amount) AS total FROM line
                 GROUP BY customer_id, group_id, kind, currency) AS l
         GROUP BY l.customer_id, l.group_id
    ), cut AS (
        SELECT customer_id, group_id FROM part ORDER BY customer_id DESC, group_id DESC
         LIMIT CASE WHEN (SELECT count(*) FROM line) = p_limit AND (SELECT count(*) FROM part) > 1 THEN 1 ELSE 0 END
    ), whole AS (
        SELECT p.* FROM part p WHERE NOT EXISTS (SELECT FROM cut c WHERE c.customer_id = p.customer_id AND c.group_id = p.group_id)
    ), farthest AS (
        SELECT customer_id, group_id FROM whole ORDER BY customer_id DESC, group_id DESC
         LIMIT CASE WHEN (SELECT count(*) FROM line) = p_limit THEN 1 ELSE 0 END
    )
    SELECT (SELECT count(*) FROM whole), (SELECT count(*) FROM whole WHERE unbalanced),
           (SELECT customer_id FROM farthest), (SELECT group_id FROM farthest)
$$;
GRANT EXECUTE ON FUNCTION telemetry_ledger_walk(uuid, uuid, integer) TO dues_service;

-- Endpoints of webhooks, by who switched them off, and what is pending for them: counted up to 10,000 an endpoint.  Ages are
-- by the database's clock, as the queue's times are, and of what is to be sent only.
CREATE OR REPLACE FUNCTION telemetry_webhooks()
RETURNS TABLE (state text, endpoint_count bigint, pending_count bigint, oldest_age_us bigint)
LANGUAGE sql STABLE SET search_path = dues, pg_temp AS $$
    SELECT s.state, count(e.webhook_endpoint_id), coalesce(sum(p.pending), 0)::bigint,
           coalesce((extract(epoch FROM clock_timestamp() - min(p.oldest)) * 1000000)::bigint, 0)
      FROM unnest(ARRAY['enabled', 'disabled', 'broken']) AS s (state)
      LEFT JOIN webhook_endpoint e
        ON s.state = CASE e.disable_reason WHEN '' THEN 'enabled' WHEN 'REQUESTED' THEN 'disabled' ELSE 'broken' END
      LEFT JOIN LATERAL (
           SELECT count(*) AS pending, min(w.create_time) AS oldest
             FROM (SELECT d.create_time FROM webhook_delivery d
                    WHERE d.webhook_endpoint_id = e.webhook_endpoint_id AND d.state = 'PENDING'
                    ORDER BY d.create_time LIMIT 10000) AS w) AS p ON true
     GROUP BY s.state
$$;
GRANT EXECUTE ON FUNCTION telemetry_webhooks() TO dues_service;
