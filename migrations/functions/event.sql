-- Events: appended by step functions only, numbered without gaps from a counter in the customer's row.

-- All types there are.  docs/events.md tells what each means and says, and tests/tidy compares the two: clients rely on it.
CREATE OR REPLACE FUNCTION event_types() RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ARRAY[
        'customer.created',
        'customer.erased',
        'device.enrolled',
        'dispute.closed',
        'dispute.lost',
        'dispute.opened',
        'dispute.updated',
        'dispute.won',
        'incident.approved',
        'incident.opened',
        'incident.resolved',
        'incident.returned',
        'invoice.paid',
        'invoice.uncollectible',
        'invoice.void',
        'membership.cancel_scheduled',
        'membership.canceled',
        'membership.created',
        'membership.expired',
        'membership.past_due',
        'membership.payment_declined',
        'membership.payment_method_changed',
        'membership.recovered',
        'membership.renewed',
        'membership.started',
        'membership.trial_started',
        'payment.cancel_failed',
        'payment.canceled',
        'payment.capture_failed',
        'payment.captured',
        'payment.failed',
        'payment.requires_action',
        'payment.requires_capture',
        'payment.succeeded',
        'payment_method.deleted',
        'payment_method.expiring',
        'payment_method.updated',
        'refund.failed',
        'refund.succeeded',
        'session.compromised',
        'webhook_endpoint.disabled'
    ]
$$;

-- One more event of the customer, and with it a group for the ledger (`p_post`, NULL: none): the step's last write to the
-- customer's row, and its only one.
DROP FUNCTION IF EXISTS event_append(uuid, text, uuid, jsonb, timestamptz);
CREATE OR REPLACE FUNCTION event_append(p_customer uuid, p_type text, p_subject uuid, p_data jsonb, p_now timestamptz,
                                        p_post ledger_group DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_sequence bigint;
    v_has_endpoints boolean;
    v_count integer;
    v_before bigint;
    v_hashes bytea;
    v_done boolean;
BEGIN
    IF p_type <> ALL (event_types()) THEN
        RAISE EXCEPTION 'event type % is not in event_types(), nor in docs/events.md', p_type;
    END IF;
    IF p_post IS NULL THEN
        UPDATE customer c SET event_count = c.event_count + 1 WHERE c.customer_id = p_customer
        RETURNING c.event_count, EXISTS (SELECT FROM webhook_endpoint) INTO STRICT v_sequence, v_has_endpoints;
    ELSE
        v_count := ledger_check(p_post.group_id, p_post.kind, p_post.lines);
        UPDATE customer c
           SET event_count = c.event_count + 1, ledger_count = c.ledger_count + v_count,
               ledger_tail = ledger_extend(c.ledger_tail, c.ledger_count, p_customer, p_post.group_id, p_post.kind,
                                           p_post.lines, p_now)
         WHERE c.customer_id = p_customer
        RETURNING c.event_count, c.ledger_count - v_count, c.ledger_tail, EXISTS (SELECT FROM webhook_endpoint)
             INTO STRICT v_sequence, v_before, v_hashes, v_has_endpoints;
        v_done := ledger_write(p_customer, p_post.group_id, p_post.kind, p_post.lines, v_before, v_hashes, p_now);
    END IF;
    INSERT INTO event (customer_id, sequence, type, subject_id, data, create_time)
    VALUES (p_customer, v_sequence, p_type, p_subject, coalesce(p_data, '{}'), p_now);
    IF v_has_endpoints THEN
        PERFORM webhook_enqueue(p_customer, v_sequence, p_type, p_now);
    END IF;
    RETURN v_sequence;
END $$;
