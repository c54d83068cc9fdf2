"""What was paid for a membership was granted, or people were told, and only where its member had given it up."""

from collections import defaultdict

from facts import by, last_id

NOT_GRANTED = "PAID_NOT_GRANTED"
ENDS = ("membership.expired", "membership.canceled")


class Grants:
    """Of one `Facts`: what the clients asked to cancel is told line by line, then each incident can be judged."""

    def __init__(self, facts):
        self.facts = facts
        self.invoices = {row["invoice_id"]: row for row in facts.tables["invoice"]}
        self.paid = by((row for row in facts.tables["payment"] if row["invoice_id"] and row["state"] == "SUCCEEDED"),
                       "invoice_id")
        self.told_to_people = {row["subject"] for row in facts.tables["incident"] if row["kind"] == NOT_GRANTED}
        self.canceled = defaultdict(set)  # membership's name: ids of the requests to cancel it
        self.sequence = {(row["customer_id"], row["type"], row["subject_id"]): int(row["sequence"])
                         for row in facts.tables["event"] if row["type"] in (*ENDS, "invoice.void", "payment.succeeded")}

    def client(self, lines):
        for line in lines:
            if line["e"] == "intent" and line["rpc"] == "CancelMembership" and not line.get("other"):
                self.canceled[line["parent"]].add(line["id"])

    def was_canceled(self, customer, membership):
        """A client asked for it, and the request is recorded as done."""
        requests = self.canceled.get(f"customers/{customer}/memberships/{membership}", ())
        recorded = (self.facts.recorded.get((customer, "CancelMembership", request)) for request in requests)
        return any(row and row["object_id"] == membership and row["answer"] for row in recorded)

    def is_in_order(self, customer, membership, invoice, payment):
        """It ended, its invoice with it, and then the money came: who had paid before had to be granted it."""
        ended = [self.sequence[customer, kind, membership] for kind in ENDS if (customer, kind, membership) in self.sequence]
        closed = self.sequence.get((customer, "invoice.void", invoice))
        paid = self.sequence.get((customer, "payment.succeeded", payment))
        return bool(ended) and closed is not None and paid is not None and ended[0] < closed < paid

    def is_explained(self, incident):
        """The customer authenticated a payment whose membership a client had canceled meanwhile: people give it back."""
        payment = self.facts.payments.get(last_id(incident["subject"]))
        invoice = payment and self.invoices.get(payment["invoice_id"])
        if incident["kind"] != NOT_GRANTED or not invoice:
            return False
        customer, membership = payment["customer_id"], invoice["membership_id"]
        return (incident["subject"] == f"customers/{customer}/payments/{payment['payment_id']}"
                and incident["customer_id"] == invoice["customer_id"] == customer
                and payment["state"] == "SUCCEEDED" and invoice["state"] == "VOID"
                and self.was_canceled(customer, membership)
                and self.is_in_order(customer, membership, invoice["invoice_id"], payment["payment_id"]))

    def differences(self):
        """Texts: paid and nobody knows, granted and not paid."""
        for rows in self.paid.values():
            for payment in rows:
                invoice = self.invoices.get(payment["invoice_id"], {"state": "not there"})
                subject = f"customers/{payment['customer_id']}/payments/{payment['payment_id']}"
                if invoice["state"] != "PAID" and subject not in self.told_to_people:
                    yield f"payment {payment['payment_id']} is paid, its invoice is {invoice['state']}, and nobody was told"
        for invoice, row in self.invoices.items():
            if row["state"] == "PAID" and (invoice,) not in self.paid:
                yield f"invoice {invoice} is PAID and no payment of it succeeded"
