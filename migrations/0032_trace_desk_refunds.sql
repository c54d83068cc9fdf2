-- A refund at the gateway's desk that comes back is found by the incident that recorded it.
SET search_path = dues;

ALTER TABLE refund ADD COLUMN incident_id uuid; -- origin GATEWAY: whose transaction it is; NULL: nobody knows any more

-- Both were written by one step, so of those that are there the times say which.
UPDATE refund r SET incident_id = i.incident_id
  FROM incident i
 WHERE r.origin = 'GATEWAY' AND i.customer_id = r.customer_id AND i.payment_id = r.payment_id
   AND i.kind = 'REFUNDED_AT_GATEWAY_ONLY' AND i.state = 'RESOLVED' AND i.update_time = r.create_time
   AND i.currency = r.currency;
