"""The invariants, each a function from the artefacts to what it counted and what is wrong."""

from collections import Counter, defaultdict

MONEY_MOVED = {"CHARGE", "CAPTURE", "REFUND"}
TAKES = {"CHARGE", "CAPTURE"}
POSTS = {"CHARGE": "charge", "CAPTURE": "capture", "REFUND": "refund"}


class Finding:
    """One invariant's result."""

    def __init__(self, name, title):
        self.name = name
        self.title = title
        self.counts = Counter()
        self.violations = []

    def check(self, holds, text):
        if not holds:
            self.violations.append(text)
        return holds


def last_id(name):
    return name.rsplit("/", 1)[-1]


def by(rows, *columns):
    index = defaultdict(list)
    for row in rows:
        index[tuple(row[column] for column in columns)].append(row)
    return index


def is_approved(line):
    """The gateway moved money with this line of its journal."""
    return line.get("outcome") == "APPROVED" and line.get("operation") in MONEY_MOVED


def is_done(line):
    """The gateway did what it was asked: moved money, held it or let go of it."""
    return line.get("outcome") == "APPROVED" and line.get("operation") != "QUERY"


def acknowledged(artefacts, rpc):
    """(intent, answer) of each request that the server answered definitively with OK, once per request."""
    for lines in artefacts.logs.values():
        intents = {}
        seen = set()
        for line in lines:
            if line["rpc"] != rpc or line.get("other"):
                continue
            if line["e"] == "intent":
                intents[line["id"]] = line
            elif line["status"] == "OK" and line["definitive"] and line["id"] not in seen:
                seen.add(line["id"])
                yield intents.get(line["id"]), line


def no_loss(artefacts):
    finding = Finding("I1", "nothing acknowledged is lost")
    payments = {row["payment_id"]: row for row in artefacts.tables["payment"]}
    refunds = {row["refund_id"]: row for row in artefacts.tables["refund"]}
    attempts = by(artefacts.tables["attempt"], "payment_id")
    approved = by(filter(is_approved, artefacts.journal), "transaction")

    def check_at_gateway(kind, row, attempt_rows):
        done = [attempt for attempt in attempt_rows if attempt["state"] == "SUCCEEDED"]
        if not finding.check(len(done) == 1, f"{kind} has {len(done)} attempts that succeeded"):
            return
        lines = approved.get((done[0]["gateway_transaction"],), [])
        finding.check(len(lines) == 1, f"{kind}: transaction {done[0]['gateway_transaction'] or '?'} is "
                                       f"{len(lines)} times in the journal")
        for line in lines:
            finding.check(line["amount"] == int(row["amount"]) and line["currency"] == row["currency"],
                          f"{kind}: the gateway moved {line['amount']} {line['currency']}")

    for intent, answer in acknowledged(artefacts, "CreatePayment"):
        finding.counts["payments"] += 1
        row = payments.get(last_id(answer["name"]))
        kind = f"payment {last_id(answer['name'])} ({answer['id']})"
        if not finding.check(row is not None, f"{kind} was acknowledged and is not there"):
            continue
        finding.check(row["state"] == answer["state"],
                      f"{kind} was acknowledged {answer['state']} and is {row['state']}")
        if intent is not None:
            finding.check(int(row["amount"]) == intent["amount"] and row["currency"] == intent["currency"],
                          f"{kind} is not over what was asked for")
        if answer["state"] == "SUCCEEDED":
            charges = [a for a in attempts.get((row["payment_id"],), []) if a["operation"] == "CHARGE"]
            check_at_gateway(kind, row, charges)
    for _, answer in acknowledged(artefacts, "CreateRefund"):
        finding.counts["refunds"] += 1
        row = refunds.get(last_id(answer["name"]))
        kind = f"refund {last_id(answer['name'])} ({answer['id']})"
        if not finding.check(row is not None, f"{kind} was acknowledged and is not there"):
            continue
        finding.check(row["state"] == answer["state"],
                      f"{kind} was acknowledged {answer['state']} and is {row['state']}")
        if answer["state"] == "SUCCEEDED":
            check_at_gateway(kind, row, [a for a in attempts.get((row["payment_id"],), [])
                                         if a["refund_id"] == row["refund_id"]])
    for rpc, table, column in (("CreateCustomer", "customer", "customer_id"),
                               ("CreatePaymentMethod", "payment_method", "payment_method_id"),
                               ("CreateMembership", "membership", "membership_id"),
                               ("CreateTestClock", "test_clock", "test_clock_id")):
        there = {row[column] for row in artefacts.tables[table]}
        for _, answer in acknowledged(artefacts, rpc):
            finding.counts[table + "s"] += 1
            finding.check(last_id(answer["name"]) in there,
                          f"{table} {last_id(answer['name'])} ({answer['id']}) was acknowledged and is not there")
    return finding


def no_duplicate(artefacts):
    finding = Finding("I2", "nothing is charged twice")
    attempts = {row["attempt_id"]: row for row in artefacts.tables["attempt"]}
    charges_of_payment, captured_of_payment = Counter(), Counter()
    for column, what in (("key", "idempotency key"), ("reference", "attempt"), ("transaction", "transaction")):
        for (value,), lines in by(filter(is_approved, artefacts.journal), column).items():
            finding.check(len(lines) == 1, f"{what} {value}: the gateway moved money {len(lines)} times")
    for line in filter(is_approved, artefacts.journal):
        finding.counts["gateway transactions"] += 1
        attempt = attempts.get(line["reference"])
        if attempt is not None and attempt["operation"] == "CHARGE":
            charges_of_payment[attempt["payment_id"]] += 1
        if attempt is not None and attempt["operation"] == "CAPTURE":
            captured_of_payment[attempt["payment_id"]] += line["amount"]
    for row in artefacts.tables["payment"]:
        finding.check(captured_of_payment[row["payment_id"]] <= int(row["amount"]),
                      f"payment {row['payment_id']} of {row['amount']} was captured {captured_of_payment[row['payment_id']]}")
    for payment, count in charges_of_payment.items():
        finding.check(count == 1, f"payment {payment} was charged {count} times")

    of_invoice = by((row for row in artefacts.tables["payment"]
                     if row["invoice_id"] and row["state"] == "SUCCEEDED"), "invoice_id")
    for (invoice,), rows in of_invoice.items():
        finding.counts["paid invoices"] += 1
        finding.check(len(rows) == 1, f"invoice {invoice} was paid {len(rows)} times")
    for key, rows in by(artefacts.tables["invoice"], "customer_id", "membership_id", "due_time").items():
        finding.check(len(rows) == 1, f"membership {key[1]} has {len(rows)} invoices for the period from {key[2]}")

    names = defaultdict(set)
    for answer in artefacts.answers():
        if answer["status"] == "OK" and not answer.get("other"):
            names[answer["rpc"], answer["id"]].add(answer["name"])
    for (rpc, request_id), made in names.items():
        finding.counts["requests"] += 1
        finding.check(len(made) == 1, f"{rpc} {request_id} made {len(made)} things: {', '.join(sorted(made))}")
    for (customer, _, method, request_id), rows in by(artefacts.tables["recorded_request"], "customer_id", "caller",
                                                      "method", "request_id").items():
        finding.check(len(rows) == 1, f"{method} {request_id} of {customer} is recorded {len(rows)} times")
    for transaction, rows in by(artefacts.tables["gateway_transaction"], "gateway_transaction").items():
        finding.check(len(rows) == 1, f"transaction {transaction[0]} belongs to {len(rows)} attempts")
    return finding


def conservation(artefacts):
    finding = Finding("I3", "the ledger balances")
    attempts = {row["attempt_id"]: row for row in artefacts.tables["attempt"]}
    invoices = {row["invoice_id"] for row in artefacts.tables["invoice"]}
    totals = Counter()
    groups = defaultdict(list)
    for row in artefacts.tables["ledger_entry"]:
        totals[row["currency"]] += int(row["amount"])
        groups[row["customer_id"], row["group_id"], row["kind"]].append(row)
        finding.counts["entries"] += 1
    for currency, total in totals.items():
        finding.check(total == 0, f"all entries in {currency} sum to {total}")
    for (customer, group, kind), rows in groups.items():
        finding.counts["groups"] += 1
        sums = Counter()
        for row in rows:
            sums[row["currency"]] += int(row["amount"])
        for currency, total in sums.items():
            finding.check(total == 0, f"group {kind} {group} sums to {total} {currency}")
        numbers = sorted(int(row["line_no"]) for row in rows)
        finding.check(numbers == list(range(1, len(rows) + 1)) and len(rows) > 1,
                      f"group {kind} {group} has the lines {numbers}")
        if kind in ("charge", "capture", "refund", "refund_reversal", "suspense"):
            attempt = attempts.get(group)
            if finding.check(attempt is not None, f"group {kind} {group} belongs to no attempt"):
                moved = sum(int(row["amount"]) for row in rows if int(row["amount"]) > 0)
                finding.check(attempt["customer_id"] == customer, f"group {kind} {group} is another customer's")
                finding.check(kind == "suspense" or moved == int(attempt["amount"]),
                              f"group {kind} {group} moves {moved}, its attempt {attempt['amount']}")
        else:
            finding.check(group in invoices, f"group {kind} {group} belongs to no invoice")
    for attempt_id, attempt in attempts.items():
        kind = POSTS.get(attempt["operation"], "any")
        posted = (attempt["customer_id"], attempt_id, kind) in groups
        finding.check(posted == (attempt["state"] == "SUCCEEDED" and attempt["operation"] in POSTS),
                      f"attempt {attempt_id} is {attempt['state']} and has {'a' if posted else 'no'} {kind} group")
    return finding


def agreement(artefacts):
    finding = Finding("I4", "intents, ledger and gateway agree")
    attempts = {row["attempt_id"]: row for row in artefacts.tables["attempt"]}
    states = Counter(row["state"] for row in artefacts.tables["attempt"])
    finding.counts["attempts"] = len(attempts)
    for state in ("SENDING", "UNKNOWN", "RESOLVING", "MANUAL"):
        finding.check(states[state] == 0, f"{states[state]} attempts are {state}")
    for row in artefacts.tables["incident"]:
        finding.check(False, f"incident {row['kind']} of attempt {row['attempt_id']}: {row['detail']}")
    for table, state in (("payment", "PROCESSING"), ("refund", "PENDING")):
        count = sum(row["state"] == state for row in artefacts.tables[table])
        finding.check(count == 0, f"{count} {table}s are {state}")
    for row in artefacts.tables["obligation"]:
        finding.check(not row["kind"].endswith(".resolve"),
                      f"obligation {row['kind']} {row['business_key']} is still owed")
        finding.check(row["overdue"] != "t", f"obligation {row['kind']} {row['business_key']} is overdue after "
                                             f"{row['failure_count']} failures: {row['last_failure']}")

    moved = by(filter(is_done, artefacts.journal), "reference")
    for (reference,), lines in moved.items():
        attempt = attempts.get(reference)
        if not finding.check(attempt is not None, f"the gateway moved money for {reference}, which is no attempt"):
            continue
        # A charge that waited for its customer is let go of under its own reference.
        lines = [line for line in lines if line["operation"] == attempt["operation"] or line["operation"] != "VOID"]
        if not lines:
            continue
        line = lines[0]
        finding.check(attempt["state"] == "SUCCEEDED",
                      f"attempt {reference} is {attempt['state']} and the gateway moved the money")
        finding.check(int(attempt["amount"]) == line["amount"] and attempt["currency"] == line["currency"]
                      and attempt["operation"] == line["operation"] and attempt["gateway_key"] == line["key"],
                      f"attempt {reference} is not what the gateway was asked")
        finding.check(attempt["gateway_transaction"] == line["transaction"],
                      f"attempt {reference} names transaction {attempt['gateway_transaction']}, "
                      f"the gateway {line['transaction']}")
    for attempt_id, attempt in attempts.items():
        finding.check(attempt["state"] != "SUCCEEDED" or (attempt_id,) in moved,
                      f"attempt {attempt_id} succeeded and the gateway knows nothing of it")

    ours, ledger, theirs = Counter(), Counter(), Counter()
    for row in artefacts.tables["payment"]:
        ours[row["currency"]] += int(row["amount_captured"]) - int(row["amount_refunded"])
    for row in artefacts.tables["ledger_entry"]:
        if row["account"].startswith("gateway_clearing:"):
            ledger[row["currency"]] += int(row["amount"])
    for line in filter(is_approved, artefacts.journal):
        theirs[line["currency"]] += line["amount"] if line["operation"] in TAKES else -line["amount"]
    for line in artefacts.journal:
        if line.get("outcome") == "REVERSED":
            theirs[line["currency"]] += line["amount"]
    for currency in sorted(set(ours) | set(ledger) | set(theirs)):
        finding.counts["currencies"] += 1
        finding.check(ours[currency] == ledger[currency] == theirs[currency],
                      f"{currency}: payments say {ours[currency]}, the ledger {ledger[currency]}, "
                      f"the gateway {theirs[currency]}")
    given_back = Counter()
    for row in artefacts.tables["refund"]:
        if row["state"] == "SUCCEEDED":
            given_back[row["payment_id"]] += int(row["amount"])
    for row in artefacts.tables["payment"]:
        finding.check(int(row["amount_refunded"]) == given_back[row["payment_id"]],
                      f"payment {row['payment_id']} says {row['amount_refunded']} refunded, "
                      f"its refunds {given_back[row['payment_id']]}")
        finding.check(int(row.get("amount_capture_pending") or 0) == 0,
                      f"payment {row['payment_id']} still reserves {row.get('amount_capture_pending')} for captures")
        finding.check(int(row["amount_refund_pending"]) == 0,
                      f"payment {row['payment_id']} still reserves {row['amount_refund_pending']} for refunds")
    return finding


def spans(lines):
    """(time of the intent, answer) of each call of one client log: who was before whom."""
    open_intents = defaultdict(list)
    for line in lines:
        key = line["rpc"], line["id"], line["try"], bool(line.get("other"))
        if line["e"] == "intent":
            open_intents[key].append(line["t"])
        else:
            # The earliest intent that can belong to it: never accuse where the order is not known.
            begun = open_intents[key].pop(0) if open_intents[key] else line["t"]
            yield begun, line


def same_answers(artefacts):
    finding = Finding("I5", "one request has one answer")
    recorded = {(row["customer_id"], row["method"].rsplit("/", 1)[-1], row["request_id"]): row["answer"]
                for row in artefacts.tables["recorded_request"]}
    for lines in artefacts.logs.values():
        reads = defaultdict(list)
        requests = {(line["rpc"], line["id"]): [] for line in lines
                    if line["e"] == "intent" and not line.get("other") and not line["rpc"].startswith("Get")}
        for begun, answer in spans(lines):
            finding.counts["calls"] += 1
            finding.check(answer["status"] not in ("INTERNAL", "UNKNOWN", "DATA_LOSS"),
                          f"{answer['rpc']} {answer['id']} was answered {answer['status']}: {answer['message']}")
            if answer.get("other"):
                finding.counts["other content"] += 1
                finding.check(answer["status"] != "OK" and (not answer["definitive"]
                                                            or answer["reason"] == "REQUEST_ID_REUSED"),
                              f"{answer['rpc']} {answer['id']} with other content was answered {answer['status']} "
                              f"{answer['reason']}")
            elif answer["rpc"].startswith("Get"):
                reads[answer["rpc"], answer["name"]].append((begun, answer))
            else:
                requests.setdefault((answer["rpc"], answer["id"]), []).append((begun, answer))
        for (rpc, request_id), answers in requests.items():
            check_request(finding, recorded, rpc, request_id, answers)
        for (_, name), answers in reads.items():
            check_reads(finding, name, answers)
    return finding


def check_request(finding, recorded, rpc, request_id, answers):
    finding.counts["requests"] += 1
    definitive = [(begun, a) for begun, a in answers if a["definitive"] and a["status"] == "OK"]
    replies = {a["reply"] for _, a in definitive}
    finding.check(len(replies) <= 1, f"{rpc} {request_id} has {len(replies)} different answers")
    if not definitive:
        finding.check(any(a["definitive"] or a["state"] == "REQUIRES_ACTION" for _, a in answers),
                      f"{rpc} {request_id} was never answered")
        return
    finding.counts["asked again"] += len(definitive) - 1
    known_since = min(a["t"] for _, a in definitive)
    for begun, answer in answers:
        if begun > known_since:
            finding.check(answer["status"] == "OK" or not answer["definitive"],
                          f"{rpc} {request_id} was refused ({answer['reason']}) after it had been answered")
            finding.check(answer["status"] != "OK" or answer["definitive"],
                          f"{rpc} {request_id} was under way after it had been answered")
    reply = definitive[0][1]["reply"]
    parts = definitive[0][1]["name"].split("/")
    kept = recorded.get((parts[1], rpc, request_id)) if parts[0] == "customers" else None
    if kept:
        finding.check(kept == reply, f"{rpc} {request_id}: another answer is recorded than was given")


def check_reads(finding, name, answers):
    """A later read never shows less: a final state stays, what was refunded only grows."""
    last = None
    for begun, answer in sorted((pair for pair in answers if pair[1]["status"] == "OK"), key=lambda pair: pair[0]):
        finding.counts["reads"] += 1
        if last is not None and begun > last["t"] and answer["rpc"] == "GetPayment":
            finding.check(last["state"] in ("PROCESSING", "REQUIRES_ACTION", "REQUIRES_CAPTURE")
                          or answer["state"] == last["state"],
                          f"{name} was read as {last['state']} and then as {answer['state']}")
            finding.check(answer["refunded"] >= last["refunded"] and answer["captured"] >= last["captured"],
                          f"{name} was read with {last['refunded']} refunded and then with {answer['refunded']}")
        last = answer


def no_gaps(artefacts):
    finding = Finding("I6", "numbers have no gaps")
    for table, column, counter in (("event", "sequence", "event_count"), ("invoice", "number", "invoice_count")):
        numbers = defaultdict(list)
        for row in artefacts.tables[table]:
            numbers[row["customer_id"]].append(int(row[column]))
            finding.counts[table + "s"] += 1
        for customer in artefacts.tables["customer"]:
            there = sorted(numbers.pop(customer["customer_id"], []))
            finding.check(there == list(range(1, int(customer[counter]) + 1)),
                          f"customer {customer['customer_id']} has {len(there)} {table}s up to "
                          f"{there[-1] if there else 0} and counts {customer[counter]}")
        for customer in numbers:
            finding.check(False, f"{table}s of {customer}, who is no customer")
    return finding


INVARIANTS = (no_loss, no_duplicate, conservation, agreement, same_answers, no_gaps)
