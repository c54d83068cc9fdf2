-- Invoices: written, paid and settled by the steps of a membership only.

-- Numbered without gaps from a counter in the customer's row; one a period.  `p_payment`: what is on the way for it, or
-- NULL.
CREATE OR REPLACE FUNCTION invoice_write(p_customer uuid, p_membership uuid, p_invoice invoice_intent, p_payment uuid,
                                         p_now timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = dues, pg_temp AS $$
DECLARE
    v_number bigint;
BEGIN
    UPDATE customer c SET invoice_count = c.invoice_count + 1 WHERE c.customer_id = p_customer
    RETURNING c.invoice_count INTO STRICT v_number;
    INSERT INTO invoice (customer_id, invoice_id, number, membership_id, due_time, state, currency, total_minor,
        period_start, period_end, payment_id, create_time)
    VALUES (p_customer, p_invoice.invoice_id, v_number, p_membership, p_invoice.due_time, 'OPEN', p_invoice.currency,
        p_invoice.total_minor, p_invoice.period_start, p_invoice.period_end, p_payment, p_now);
    INSERT INTO invoice_line (customer_id, invoice_id, line_number, description, amount_minor, period_start, period_end)
    VALUES (p_customer, p_invoice.invoice_id, 1, p_invoice.description, p_invoice.total_minor, p_invoice.period_start,
        p_invoice.period_end);
    PERFORM ledger_post(p_customer, p_invoice.invoice_id, 'invoice',
        ARRAY[ROW('customer_receivable', p_invoice.currency, p_invoice.total_minor)::ledger_line,
              ROW('revenue', p_invoice.currency, -p_invoice.total_minor)::ledger_line], p_now);
END $$;

-- A payment for it is on the way; once a try, by the key of invoice_payment.  Whoever calls this says so in the invoice.
CREATE OR REPLACE FUNCTION invoice_pay(p_customer uuid, p_invoice uuid, p_retry integer, p_charge charge_intent,
                                       p_now timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = dues, pg_temp AS $$
BEGIN
    INSERT INTO invoice_payment (customer_id, invoice_id, retry_number, payment_id, create_time)
    VALUES (p_customer, p_invoice, p_retry, p_charge.payment_id, p_now);
    PERFORM payment_open(p_customer, p_charge, p_now);
END $$;

-- The period moves when the payment came after the grace: the member pays for time it can use.
CREATE OR REPLACE FUNCTION invoice_paid(p_customer uuid, p_invoice uuid, p_period_start timestamptz,
                                        p_period_end timestamptz, p_now timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = dues, pg_temp AS $$
DECLARE
    v_due timestamptz;
BEGIN
    UPDATE invoice i
       SET state = 'PAID', period_start = p_period_start, period_end = p_period_end, paid_time = p_now
     WHERE i.customer_id = p_customer AND i.invoice_id = p_invoice AND i.state = 'OPEN'
    RETURNING i.due_time INTO v_due;
    IF v_due IS DISTINCT FROM p_period_start THEN
        UPDATE invoice_line l SET period_start = p_period_start, period_end = p_period_end
         WHERE l.customer_id = p_customer AND l.invoice_id = p_invoice AND l.period_start <> p_period_start;
    END IF;
    PERFORM event_append(p_customer, 'invoice.paid', p_invoice, NULL, p_now);
END $$;

-- The open invoice of a membership that ended: VOID gives the revenue back, UNCOLLECTIBLE writes the debt off.  A customer who
-- authenticates its payment authenticates for nothing from now on: whoever asks what became of it asks at once, and has the
-- gateway let go.
CREATE OR REPLACE FUNCTION invoice_close(p_customer uuid, p_membership uuid, p_state text, p_now timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = dues, pg_temp AS $$
DECLARE
    v_invoice invoice%ROWTYPE;
BEGIN
    UPDATE invoice i SET state = p_state
     WHERE i.customer_id = p_customer AND i.membership_id = p_membership AND i.state = 'OPEN'
    RETURNING i.* INTO v_invoice;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM ledger_post(p_customer, v_invoice.invoice_id, CASE p_state WHEN 'VOID' THEN 'invoice_void' ELSE 'write_off' END,
        ARRAY[ROW(CASE p_state WHEN 'VOID' THEN 'revenue' ELSE 'bad_debt' END, v_invoice.currency,
                  v_invoice.total_minor)::ledger_line,
              ROW('customer_receivable', v_invoice.currency, -v_invoice.total_minor)::ledger_line], p_now);
    UPDATE obligation o SET due_time = least(o.due_time, p_now)
     WHERE o.customer_id = p_customer AND o.kind = 'payment.action' AND o.subject_id = v_invoice.payment_id;
    PERFORM event_append(p_customer, 'invoice.' || lower(p_state), v_invoice.invoice_id, NULL, p_now);
END $$;

-- The payment of a membership's open invoice that waits for its customer is waited for no longer; NULL: there is none.
CREATE OR REPLACE FUNCTION invoice_end_wait(p_customer uuid, p_membership uuid, p_now timestamptz) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    v_payment uuid;
BEGIN
    SELECT p.payment_id INTO v_payment
      FROM invoice i JOIN payment p ON p.customer_id = i.customer_id AND p.payment_id = i.payment_id
     WHERE i.customer_id = p_customer AND i.membership_id = p_membership AND i.state = 'OPEN' AND p.customer_id = p_customer
       AND p.state = 'REQUIRES_ACTION';
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    UPDATE payment_action a SET expire_time = least(a.expire_time, p_now)
     WHERE a.customer_id = p_customer AND a.payment_id = v_payment;
    -- Should the caller's server die before it has asked the gateway.
    UPDATE obligation o SET due_time = least(o.due_time, p_now + interval '1 minute')
     WHERE o.customer_id = p_customer AND o.kind = 'payment.action' AND o.subject_id = v_payment;
    RETURN v_payment;
END $$;

-- Money came for an invoice that does not take it: it was closed while the customer authenticated, or something else has
-- paid it.  People give it back.  Kind and subject are those of reconciliation_leaks, which finds it as well.
CREATE OR REPLACE FUNCTION invoice_paid_for_nothing(p_customer uuid, p_invoice uuid, p_settlement settlement, p_now timestamptz)
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_state text;
    v_attempt attempt%ROWTYPE;
BEGIN
    SELECT i.state INTO STRICT v_state FROM invoice i WHERE i.customer_id = p_customer AND i.invoice_id = p_invoice;
    SELECT * INTO STRICT v_attempt FROM attempt a
     WHERE a.customer_id = p_customer AND a.attempt_id = p_settlement.attempt_id;
    PERFORM incident_add(p_customer, NULL,
                         ROW('PAID_NOT_GRANTED', 'customers/' || p_customer || '/payments/' || p_settlement.payment_id,
                             format('payment SUCCEEDED, invoice %s %s: refund the payment', p_invoice, v_state),
                             v_attempt.attempt_id, v_attempt.payment_id, v_attempt.gateway, v_attempt.gateway_transaction,
                             v_attempt.currency, v_attempt.amount)::incident_new, false, p_now);
END $$;
