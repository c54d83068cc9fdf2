-- Events: appended by step functions only, numbered without gaps from a counter in the customer's row.

-- All types there are.  docs/events.md tells what each means and says, and tests/tidy compares the two: clients rely on it.
CREATE OR REPLACE FUNCTION event_types() RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ARRAY[
        'customer.created',
        'customer.erased',
        'device.enrolled',
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

CREATE OR REPLACE FUNCTION event_append(p_customer uuid, p_type text, p_subject uuid, p_data jsonb, p_now timestamptz)
RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_sequence bigint;
BEGIN
    IF p_type <> ALL (event_types()) THEN
        RAISE EXCEPTION 'event type % is not in event_types(), nor in docs/events.md', p_type;
    END IF;
    UPDATE customer SET event_count = event_count + 1 WHERE customer_id = p_customer
    RETURNING event_count INTO STRICT v_sequence;
    INSERT INTO event (customer_id, sequence, type, subject_id, data, create_time)
    VALUES (p_customer, v_sequence, p_type, p_subject, coalesce(p_data, '{}'), p_now);
    IF EXISTS (SELECT FROM webhook_endpoint) THEN
        PERFORM webhook_enqueue(p_customer, v_sequence, p_type, p_now);
    END IF;
    RETURN v_sequence;
END $$;
