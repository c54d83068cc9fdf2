"""Nothing lost, nothing twice, the ledger balances, and all sides agree: the invariants of money."""

import hashlib
import struct
import uuid
from collections import Counter, defaultdict

from facts import PAYMENT_MOVES, REFUND_MOVES, TAKES, Invariant, by, is_unseen, last_id, may_become, signed
from invariants_books import check_books
from grants import Grants

MONEY_MOVES = {"CHARGE", "CAPTURE", "REFUND"}
POSTS = {"CHARGE": "charge", "CAPTURE": "capture", "REFUND": "refund"}
# Groups that follow from attempts; those of fees and disputes are compared in invariants_books.
OF_ATTEMPTS = ("charge", "capture", "refund", "refund_reversal", "suspense")
OF_INVOICES = ("invoice", "invoice_void", "write_off")


class NoLoss(Invariant):
    name = "I1"
    title = "nothing acknowledged is lost"

    MADE = {"CreateCustomer": ("customer", "customer_id"), "CreatePaymentMethod": ("payment_method", "payment_method_id"),
            "CreateMembership": ("membership", "membership_id"), "CreateTestClock": ("test_clock", "test_clock_id")}

    def __init__(self, facts):
        super().__init__(facts)
        self.there = {rpc: {row[column] for row in facts.tables[table]} for rpc, (table, column) in self.MADE.items()}

    def client(self, lines):
        intents, seen = {}, set()
        for line in lines:
            key = line["rpc"], line["id"]
            if line.get("other"):
                continue
            if line["e"] == "intent":
                intents[key] = line
            elif line["status"] == "OK" and line["definitive"] and key not in seen:
                seen.add(key)
                self.acknowledged(line, intents.get(key))

    def acknowledged(self, answer, intent):
        rpc = answer["rpc"]
        if rpc == "CreatePayment":
            self.payment(answer, intent)
        elif rpc == "ConfirmPayment":
            self.confirmed(answer)
        elif rpc in ("CapturePayment", "CancelPayment"):
            self.acted(answer, intent, "CAPTURE" if rpc == "CapturePayment" else "VOID")
        elif rpc == "CreateRefund":
            self.refund(answer)
        elif rpc in self.MADE:
            table = self.MADE[rpc][0]
            self.counts[table + "s"] += 1
            self.check(last_id(answer["name"]) in self.there[rpc],
                       f"{table} {last_id(answer['name'])} ({answer['id']}) was acknowledged and is not there")

    def at_gateway(self, what, attempts, amount, currency):
        done = [attempt for attempt in attempts if attempt["state"] == "SUCCEEDED"]
        if not self.check(len(done) == 1, f"{what} has {len(done)} attempts that succeeded"):
            return
        deeds = self.facts.deeds_of(done[0])
        self.check(len(deeds) == 1, f"{what}: the gateway did it {len(deeds)} times for attempt {done[0]['attempt_id']}")
        for deed in deeds:
            self.check(deed["amount"] == int(amount) and deed["currency"] == currency,
                       f"{what} is over {amount} {currency}, the gateway's is over {deed['amount']} {deed['currency']}")

    def payment(self, answer, intent):
        self.counts["payments"] += 1
        what = f"payment {last_id(answer['name'])} ({answer['id']})"
        row = self.facts.payments.get(last_id(answer["name"]))
        if not self.check(row is not None, f"{what} was acknowledged and is not there"):
            return
        self.check(may_become(PAYMENT_MOVES, answer["state"], row["state"]),
                   f"{what} was acknowledged {answer['state']} and is {row['state']}")
        if intent is not None:
            self.check(int(row["amount"]) == intent["amount"] and row["currency"] == intent["currency"],
                       f"{what} is not over what was asked for")
        if answer["state"] in ("SUCCEEDED", "REQUIRES_CAPTURE"):
            wanted = "AUTHORIZE" if row["is_manual"] == "t" else "CHARGE"
            self.counts["authorized" if wanted == "AUTHORIZE" else "charged"] += 1
            self.at_gateway(what, [attempt for attempt in self.facts.attempts_of_payment.get((row["payment_id"],), ())
                                   if attempt["operation"] == wanted], row["amount"], row["currency"])

    def confirmed(self, answer):
        self.counts["confirmed"] += 1
        row = self.facts.payments.get(last_id(answer["name"]))
        what = f"payment {last_id(answer['name'])}"
        if self.check(row is not None, f"{what} was confirmed and is not there"):
            self.check(may_become(PAYMENT_MOVES, answer["state"], row["state"]),
                       f"{what} was confirmed {answer['state']} and is {row['state']}")

    def acted(self, answer, intent, operation):
        """A capture or a cancellation: the recorded request leads to its attempt."""
        self.counts["captures" if operation == "CAPTURE" else "cancellations"] += 1
        parts = answer["name"].split("/")
        what = f"{operation} {answer['id']} of payment {parts[-1]}"
        row = self.facts.payments.get(parts[-1])
        recorded = self.facts.recorded.get((parts[1], answer["rpc"], answer["id"])) if len(parts) > 1 else None
        attempt = self.facts.attempts.get(recorded["object_id"]) if recorded else None
        if not self.check(row is not None and attempt is not None, f"{what} was acknowledged and is not there"):
            return
        self.check(may_become(PAYMENT_MOVES, answer["state"], row["state"]),
                   f"{what} was acknowledged {answer['state']} and is {row['state']}")
        self.check(attempt["operation"] == operation and attempt["payment_id"] == row["payment_id"],
                   f"{what} is recorded as {attempt['operation']} of payment {attempt['payment_id']}")
        if operation == "CAPTURE" and intent is not None and intent["amount"] > 0:
            self.check(int(attempt["amount"]) == intent["amount"],
                       f"{what} was over {intent['amount']} and is over {attempt['amount']}")
        self.at_gateway(what, [attempt], attempt["amount"], attempt["currency"])

    def refund(self, answer):
        self.counts["refunds"] += 1
        what = f"refund {last_id(answer['name'])} ({answer['id']})"
        row = self.facts.refunds.get(last_id(answer["name"]))
        if not self.check(row is not None, f"{what} was acknowledged and is not there"):
            return
        attempts = [attempt for attempt in self.facts.attempts_of_payment.get((row["payment_id"],), ())
                    if attempt["refund_id"] == row["refund_id"]]
        reversed_there = any(attempt["attempt_id"] in self.facts.reversed for attempt in attempts)
        self.check(row["state"] == answer["state"] or (may_become(REFUND_MOVES, answer["state"], row["state"])
                                                       and reversed_there),
                   f"{what} was acknowledged {answer['state']} and is {row['state']}")
        if answer["state"] == "SUCCEEDED":
            self.at_gateway(what, attempts, row["amount"], row["currency"])


class NoDuplicate(Invariant):
    name = "I2"
    title = "nothing is done twice"

    def __init__(self, facts):
        super().__init__(facts)
        self.names = defaultdict(set)

    def client(self, lines):
        for line in lines:
            if line["e"] == "answer" and line["status"] == "OK" and not line.get("other"):
                self.names[line["rpc"], line["id"]].add(line["name"])

    def finish(self):
        self.gateway_once()
        self.payments_once()
        self.tables_once()
        for (rpc, request_id), made in self.names.items():
            self.counts["requests"] += 1
            self.check(len(made) == 1, f"{rpc} {request_id} made {len(made)} things: {', '.join(sorted(made))}")

    def gateway_once(self):
        journal = self.facts.journal
        for key, count in journal.done_by_key.items():
            self.check(count == 1, f"idempotency key {key}: the gateway did it {count} times")
        for (reference,), deeds in self.facts.approved.items():
            self.counts["deeds of the gateway"] += len(deeds)
            moves = [deed for deed in deeds if deed["operation"] in MONEY_MOVES | {"AUTHORIZE"}]
            self.check(len(moves) <= 1 or not reference,
                       f"attempt {reference}: the gateway moved money {len(moves)} times")
        whole = [deed for deed in journal.deeds if deed["operation"] in ("CHARGE", "REFUND") and deed["outcome"] == "APPROVED"]
        for (transaction,), deeds in by(whole, "transaction").items():
            self.check(len(deeds) == 1, f"transaction {transaction}: the gateway moved money {len(deeds)} times")

    def payments_once(self):
        begun, taken, refunded, ended = Counter(), Counter(), Counter(), set()
        for deed in self.facts.journal.deeds:
            attempt = self.facts.attempts.get(deed["reference"])
            if attempt is None or deed["operation"] == "LET_GO":
                continue
            payment = attempt["payment_id"]
            if deed["operation"] in ("CHARGE", "AUTHORIZE"):
                begun[payment] += 1
            if deed["operation"] in TAKES:
                taken[payment] += deed["amount"]
                self.check(payment not in ended, f"payment {payment} was captured after it had been let go of")
            if deed["operation"] == "VOID" and attempt["operation"] == "VOID":
                ended.add(payment)
            if deed["operation"] == "REFUND":
                refunded[payment] -= signed(deed)
        for payment, count in begun.items():
            self.check(count == 1, f"payment {payment} was charged or authorized {count} times")
        for row in self.facts.tables["payment"]:
            payment, amount = row["payment_id"], int(row["amount"])
            self.check(taken[payment] <= amount, f"of payment {payment} of {amount} were {taken[payment]} taken")
            self.check(refunded[payment] <= taken[payment],
                       f"of payment {payment} {taken[payment]} were taken and {refunded[payment]} given back")

    def tables_once(self):
        tables = self.facts.tables
        paid = by((row for row in tables["payment"] if row["invoice_id"] and row["state"] == "SUCCEEDED"), "invoice_id")
        for (invoice,), rows in paid.items():
            self.counts["paid invoices"] += 1
            self.check(len(rows) == 1, f"invoice {invoice} was paid {len(rows)} times")
        for key, rows in by(tables["invoice"], "customer_id", "membership_id", "due_time").items():
            self.check(len(rows) == 1, f"membership {key[1]} has {len(rows)} invoices for the period from {key[2]}")
        for key, rows in by(tables["recorded_request"], "customer_id", "caller", "method", "request_id").items():
            self.check(len(rows) == 1, f"{key[2]} {key[3]} of {key[0]} is recorded {len(rows)} times")
        for transaction, rows in by(tables["gateway_transaction"], "gateway_transaction").items():
            self.check(len(rows) == 1, f"transaction {transaction[0]} belongs to {len(rows)} attempts")


def entry_hash(previous, row):
    """As docs/ledger.md says."""
    texts = "\n".join((row["kind"], row["account"], row["currency"])).encode()
    return hashlib.sha256(previous + uuid.UUID(row["customer_id"]).bytes + struct.pack(">q", int(row["position"]))
                          + uuid.UUID(row["group_id"]).bytes
                          + struct.pack(">hqq", int(row["line_no"]), int(row["amount"]), int(row["time_us"]))
                          + texts).digest()


class Conservation(Invariant):
    name = "I3"
    title = "the ledger balances, and nobody changed it"

    def finish(self):
        totals, groups, chains = Counter(), defaultdict(list), defaultdict(list)
        for row in self.facts.tables["ledger_entry"]:
            totals[row["currency"]] += int(row["amount"])
            groups[row["customer_id"], row["group_id"], row["kind"]].append(row)
            chains[row["customer_id"]].append(row)
        self.counts["entries"] = len(self.facts.tables["ledger_entry"])
        self.counts["groups"] = len(groups)
        for currency, total in totals.items():
            self.check(total == 0, f"all entries in {currency} sum to {total}")
        for key, rows in groups.items():
            self.group(key, rows)
        self.attempts(groups)
        self.chains(chains)

    def group(self, key, rows):
        customer, group, kind = key
        sums = Counter()
        for row in rows:
            sums[row["currency"]] += int(row["amount"])
        for currency, total in sums.items():
            self.check(total == 0, f"group {kind} {group} sums to {total} {currency}")
        numbers = sorted(int(row["line_no"]) for row in rows)
        self.check(numbers == list(range(1, len(rows) + 1)) and len(rows) > 1, f"group {kind} {group} has the lines {numbers}")
        if kind in OF_ATTEMPTS:
            attempt = self.facts.attempts.get(group)
            if self.check(attempt is not None, f"group {kind} {group} belongs to no attempt"):
                moved = sum(int(row["amount"]) for row in rows if int(row["amount"]) > 0)
                self.check(attempt["customer_id"] == customer, f"group {kind} {group} is another customer's")
                self.check(kind == "suspense" or moved == int(attempt["amount"]),
                           f"group {kind} {group} moves {moved}, its attempt {attempt['amount']}")
        elif kind in OF_INVOICES:
            self.invoices = getattr(self, "invoices", None) or {row["invoice_id"] for row in self.facts.tables["invoice"]}
            self.check(group in self.invoices, f"group {kind} {group} belongs to no invoice")

    def attempts(self, groups):
        for attempt_id, attempt in self.facts.attempts.items():
            operation, state = attempt["operation"], attempt["state"]
            kind = POSTS.get(operation)
            posted = kind is not None and (attempt["customer_id"], attempt_id, kind) in groups
            self.check(posted == (state == "SUCCEEDED" and kind is not None),
                       f"attempt {attempt_id} is {state} and has {'a' if posted else 'no'} {kind} group")
            turned = (attempt["customer_id"], attempt_id, "refund_reversal") in groups
            failed = self.facts.refunds.get(attempt["refund_id"], {}).get("state") == "FAILED"
            self.check(turned == (operation == "REFUND" and state == "SUCCEEDED" and failed),
                       f"attempt {attempt_id} has {'a' if turned else 'no'} refund_reversal group")
            self.counts["reversals"] += turned

    def chains(self, chains):
        for customer in self.facts.tables["customer"]:
            rows = sorted(chains.pop(customer["customer_id"], ()), key=lambda row: int(row["position"]))
            head = bytes(32)
            self.check([int(row["position"]) for row in rows] == list(range(1, int(customer["ledger_count"]) + 1)),
                       f"customer {customer['customer_id']} has {len(rows)} entries and counts {customer['ledger_count']}")
            for row in rows:
                head = entry_hash(head, row)
                if not self.check(head.hex() == row["hash"],
                                  f"entry {row['position']} of customer {customer['customer_id']} does not fit its hash"):
                    break
            else:
                self.check(head.hex() == customer["ledger_head"],
                           f"the head of customer {customer['customer_id']} is not the hash of the last entry")
        for customer in chains:
            self.check(False, f"entries of {customer}, who is no customer")


class Agreement(Invariant):
    name = "I4"
    title = "intents, ledger and gateway agree"

    def __init__(self, facts):
        super().__init__(facts)
        self.grants = Grants(facts)

    def client(self, lines):
        self.grants.client(lines)

    def finish(self):
        self.at_rest()
        self.incidents()
        self.deeds()
        self.sums()
        self.payments()
        check_books(self, OF_ATTEMPTS)

    def at_rest(self):
        tables = self.facts.tables
        self.counts["attempts"] = len(self.facts.attempts)
        forgiven = set()
        for attempt in tables["attempt"]:
            if attempt["state"] not in ("SENDING", "UNKNOWN", "RESOLVING", "MANUAL"):
                continue
            if attempt["gateway_key"] in self.facts.journal.unanswerable:
                self.counts["the gateway cannot tell"] += 1
                forgiven |= {attempt["attempt_id"], attempt["payment_id"], attempt["refund_id"]}
            else:
                self.check(False, f"attempt {attempt['attempt_id']} is {attempt['state']}")
        for table, key, state in (("payment", "payment_id", "PROCESSING"), ("refund", "refund_id", "PENDING")):
            for row in tables[table]:
                self.check(row["state"] != state or row[key] in forgiven, f"{table} {row[key]} is {state}")
        for row in tables["obligation"]:
            what = f"obligation {row['kind']} {row['business_key']}"
            self.check(not row["kind"].endswith(".resolve") or row["business_key"] in forgiven, f"{what} is still owed")
            self.check(row["overdue"] != "t",
                       f"{what} is overdue after {row['failure_count']} failures: {row['last_failure']}")

    def incidents(self):
        for row in self.facts.tables["incident"]:
            if row["state"] == "OPEN" and self.grants.is_explained(row):
                self.counts["paid after it was canceled"] += 1
            else:
                self.check(row["state"] == "RESOLVED", f"incident {row['kind']} of {row['subject']}: {row['detail']}")
        for text in self.grants.differences():
            self.check(False, text)

    def deeds(self):
        attempts = self.facts.attempts
        for (reference,), deeds in self.facts.approved.items():
            attempt = attempts.get(reference)
            if attempt is None:
                worth = [deed for deed in deeds if deed["operation"] != "LET_GO"]
                self.check(not worth, f"the gateway did {worth[0]['operation'] if worth else ''} "
                                      f"{worth[0]['transaction'] if worth else ''} for '{reference}', which is no attempt")
                continue
            if attempt["state"] == "REQUIRES_ACTION" and reference in self.facts.not_looked_at:
                self.counts["customers not looked at yet"] += 1
                continue
            # It may have failed before anybody here knew that it had succeeded.
            turned = reference in self.facts.reversed and attempt["state"] in ("DECLINED", "FAILED")
            for deed in [] if turned else self.facts.deeds_of(attempt)[:1]:
                self.check(attempt["state"] == "SUCCEEDED",
                           f"attempt {reference} is {attempt['state']} and the gateway did {deed['operation']}")
                self.check(int(attempt["amount"]) == deed["amount"] and attempt["currency"] == deed["currency"]
                           and attempt["operation"] == deed["operation"] and attempt["gateway_key"] == deed["key"],
                           f"attempt {reference} is not what the gateway was asked")
                self.check(attempt["gateway_transaction"] == deed["transaction"],
                           f"attempt {reference} names transaction {attempt['gateway_transaction']}, "
                           f"the gateway {deed['transaction']}")
        for attempt_id, attempt in attempts.items():
            self.check(attempt["state"] != "SUCCEEDED" or bool(self.facts.deeds_of(attempt)),
                       f"attempt {attempt_id} succeeded and the gateway knows nothing of it")
            if attempt_id in self.facts.not_looked_at and attempt_id in self.facts.reversed:
                self.counts["refunds not looked at yet"] += 1
            elif attempt_id in self.facts.reversed:
                self.counts["refunds that failed later"] += 1
                self.check(self.facts.refunds.get(attempt["refund_id"], {}).get("state") == "FAILED",
                           f"refund {attempt['refund_id']} failed at the gateway and here it did not")

    def sums(self):
        ours, ledger, theirs = Counter(), Counter(), Counter()
        for row in self.facts.tables["payment"]:
            ours[row["currency"]] += int(row["amount_captured"]) - int(row["amount_refunded"])
        for row in self.facts.tables["ledger_entry"]:
            if row["account"].startswith("gateway_clearing:") and row["kind"] in OF_ATTEMPTS:
                ledger[row["currency"]] += int(row["amount"])
        unseen = Counter()
        for deed in self.facts.journal.deeds:
            theirs[deed["currency"]] += signed(deed)
            if is_unseen(self.facts, deed):
                unseen[deed["currency"]] += signed(deed)
        booked = self.facts.journal.booked
        for currency in sorted(set(ours) | set(ledger) | set(theirs)):
            self.counts["currencies"] += 1
            self.check(ours[currency] == ledger[currency] == theirs[currency] - unseen[currency],
                       f"{currency}: payments say {ours[currency]}, the ledger {ledger[currency]}, "
                       f"the gateway {theirs[currency]}")
            if {deed["gateway"] for deed in self.facts.journal.deeds if deed["currency"] == currency} == {"stripe"}:
                self.check(booked.get(currency, 0) == theirs[currency],
                           f"{currency}: the gateway moved {theirs[currency]} and booked {booked.get(currency, 0)}")

    def payments(self):
        taken, given_back = Counter(), Counter()
        held, let_go = set(), set()
        for attempt in self.facts.tables["attempt"]:
            if attempt["state"] == "SUCCEEDED" and attempt["operation"] == "AUTHORIZE":
                held.add(attempt["payment_id"])
            if attempt["state"] == "SUCCEEDED" and attempt["operation"] == "VOID":
                let_go.add(attempt["payment_id"])
            if attempt["state"] == "SUCCEEDED" and attempt["operation"] in TAKES:
                taken[attempt["payment_id"]] += int(attempt["amount"])
        for row in self.facts.tables["refund"]:
            if row["state"] == "SUCCEEDED":
                given_back[row["payment_id"]] += int(row["amount"])
        pending = {row["payment_id"] for row in self.facts.tables["attempt"]
                   if row["gateway_key"] in self.facts.journal.unanswerable}
        for row in self.facts.tables["payment"]:
            payment = row["payment_id"]
            self.check(int(row["amount_captured"]) == taken[payment],
                       f"payment {payment} says {row['amount_captured']} captured, its attempts {taken[payment]}")
            self.check(int(row["amount_refunded"]) == given_back[payment],
                       f"payment {payment} says {row['amount_refunded']} refunded, its refunds {given_back[payment]}")
            self.check(row["state"] != "REQUIRES_CAPTURE" or (payment in held and payment not in let_go),
                       f"payment {payment} waits for its capture and nothing is held for it")
            for column in ("amount_capture_pending", "amount_refund_pending"):
                self.check(int(row[column]) == 0 or payment in pending,
                           f"payment {payment} still reserves {row[column]} ({column})")
