"""One request has one answer, and numbers have no gaps: the invariants of the API and of its events."""

from collections import defaultdict

from facts import PAYMENT_MOVES, READS, REFUND_MOVES, Invariant, last_id, may_become


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


class SameAnswers(Invariant):
    name = "I5"
    title = "one request has one answer"

    def client(self, lines):
        reads = defaultdict(list)
        requests = {(line["rpc"], line["id"]): [] for line in lines
                    if line["e"] == "intent" and not line.get("other") and line["rpc"] not in READS}
        parents = {(line["rpc"], line["id"]): line.get("parent", "") for line in lines
                   if line["e"] == "intent" and not line.get("other")}
        for begun, answer in spans(lines):
            self.counts["calls"] += 1
            self.check(answer["status"] not in ("INTERNAL", "UNKNOWN", "DATA_LOSS"),
                       f"{answer['rpc']} {answer['id']} was answered {answer['status']}: {answer['message']}")
            if answer.get("other"):
                self.other_content(answer)
            elif answer["rpc"] in READS:
                reads[answer["rpc"] == "GetRefund", answer["name"]].append((begun, answer))
            else:
                requests.setdefault((answer["rpc"], answer["id"]), []).append((begun, answer))
        for (rpc, request_id), answers in requests.items():
            self.request(rpc, request_id, answers, parents.get((rpc, request_id), ""))
        for (_, name), answers in reads.items():
            self.reads(name, answers)

    def other_content(self, answer):
        self.counts["other content"] += 1
        self.check(answer["status"] != "OK" and (not answer["definitive"] or answer["reason"] == "REQUEST_ID_REUSED"),
                   f"{answer['rpc']} {answer['id']} with other content was answered {answer['status']} {answer['reason']}")

    def request(self, rpc, request_id, answers, parent):
        self.counts["requests"] += 1
        definitive = [(begun, answer) for begun, answer in answers if answer["definitive"] and answer["status"] == "OK"]
        if not definitive:
            self.check(any(answer["definitive"] or answer["state"] == "REQUIRES_ACTION" for _, answer in answers),
                       f"{rpc} {request_id} was never answered")
            self.refused(rpc, request_id, answers, parent)
            return
        replies = {answer["reply"] for _, answer in definitive}
        self.check(len(replies) == 1, f"{rpc} {request_id} has {len(replies)} different answers")
        self.counts["asked again"] += len(definitive) - 1
        known_since = min(answer["t"] for _, answer in definitive)
        for begun, answer in answers:
            if begun > known_since:
                self.check(answer["status"] == "OK" or not answer["definitive"],
                           f"{rpc} {request_id} was refused ({answer['reason']}) after it had been answered")
                self.check(answer["status"] != "OK" or answer["definitive"],
                           f"{rpc} {request_id} was under way after it had been answered")
        kept = self.kept(rpc, request_id, definitive[0][1]["name"])
        self.check(not kept or kept["answer"] == "" or kept["answer"] in replies,
                   f"{rpc} {request_id}: another answer is recorded than was given")

    def kept(self, rpc, request_id, name):
        parts = name.split("/")
        return self.facts.recorded.get((parts[1], rpc, request_id)) if parts[0] == "customers" and len(parts) > 1 else None

    def refused(self, rpc, request_id, answers, parent):
        """Whoever was refused for good may not find it done."""
        kept = self.kept(rpc, request_id, parent)
        if any(answer["definitive"] for _, answer in answers):
            self.counts["refused"] += 1
            self.check(not kept or kept["answer"] == "", f"{rpc} {request_id} was refused, and it is recorded as done")

    def reads(self, name, answers):
        """A later read never shows less: a final state stays, what was captured only grows."""
        last = None
        is_refund = "/refunds/" in name
        goes_back = not is_refund and self.has_reversal(last_id(name))
        for begun, answer in sorted((pair for pair in answers if pair[1]["status"] == "OK"), key=lambda pair: pair[0]):
            self.counts["reads"] += 1
            if last is not None and begun > last["t"] and answer["rpc"] != "GetMembership":
                self.check(may_become(REFUND_MOVES if is_refund else PAYMENT_MOVES, last["state"], answer["state"]),
                           f"{name} was read as {last['state']} and then as {answer['state']}")
                self.check(answer["captured"] >= last["captured"]
                           and (answer["refunded"] >= last["refunded"] or goes_back),
                           f"{name} was read with {last['captured']} captured and {last['refunded']} refunded, and then "
                           f"with {answer['captured']} and {answer['refunded']}")
            last = answer

    def has_reversal(self, payment):
        return any(attempt["attempt_id"] in self.facts.reversed
                   for attempt in self.facts.attempts_of_payment.get((payment,), ()))


class NoGaps(Invariant):
    name = "I6"
    title = "numbers have no gaps"

    def finish(self):
        for table, column, counter in (("event", "sequence", "event_count"), ("invoice", "number", "invoice_count")):
            numbers = defaultdict(list)
            for row in self.facts.tables[table]:
                numbers[row["customer_id"]].append(int(row[column]))
                self.counts[table + "s"] += 1
            for customer in self.facts.tables["customer"]:
                there = sorted(numbers.pop(customer["customer_id"], []))
                self.check(there == list(range(1, int(customer[counter]) + 1)),
                           f"customer {customer['customer_id']} has {len(there)} {table}s up to "
                           f"{there[-1] if there else 0} and counts {customer[counter]}")
            for customer in numbers:
                self.check(False, f"{table}s of {customer}, who is no customer")
