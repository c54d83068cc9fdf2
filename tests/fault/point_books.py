"""Incidents and reconciliation under faults: what is found, told to people, asked for by two of them, and carried out."""

import json
import time
import uuid
from datetime import datetime, timedelta, timezone

from invariants_books import HOUSE
from point_cases import Story
from point_disputes import DISPUTED
from point_errands import PLAIN, Errand
from point_operations import CURRENCY, DONE, request_of

NOBODY = "00000000-0000-0000-0000-000000000000"
AMOUNT = 1234
DIFFERS_BY = 34
UNREADABLE = Story("list unreadable", (("reconcile.list", "*", "error", 1, 0),), "0", False, DONE)
LOST = ("attempt.send", "*", "error", 1, 0)
SETTLES = 0.3  # seconds until the gateway has the dispute of a charge: 20 ms, and what a busy machine adds


class Books(Errand):
    def charge(self, customer, method):
        return self.insist(*request_of("charge", customer, method, None, ""))

    def unresolved(self, age):
        """A payment whose answer nobody heard, so long ago."""
        self.world.order([LOST])
        rpc, request = request_of("charge", self.customer, self.method, None, str(uuid.uuid4()))
        payment = self.world.caller.call(rpc, request, 10000)["reply"]["name"]
        self.world.order([])
        self.world.sql.change(f"""UPDATE attempt SET first_sent_time = first_sent_time - interval '{age}', lease_until = NULL
                                   WHERE customer_id = '{self.customer_id}' AND payment_id = '{payment.rsplit("/", 1)[-1]}'""")
        return payment

    def incidents(self):
        return self.world.sql.rows(f"""SELECT kind, state FROM incident WHERE customer_id = '{self.customer_id}' ORDER BY 1""")


class Reconciled(Books):
    """A run that finds each sort of thing: a payment to look at now, one of another amount, a dispute, fees."""

    operation = "reconcile"
    stories = (PLAIN, UNREADABLE)
    kinds = ("reconcile.run",)
    points = ("reconcile.",)
    details = ("reconcile.", "reconciliation_", "RunReconciliation")

    @property
    def owners(self):
        return f"'{HOUSE}'"

    def given(self):
        """What is ours is due, and the resolver has not looked yet; nor has anybody looked for disputes, which the sandbox
        opens only then."""
        payment = self.charge(self.customer, self.method)
        self.world.sql.change(f"""UPDATE attempt SET amount = amount - {DIFFERS_BY},
                                         first_sent_time = first_sent_time - interval '30 min'
                                   WHERE customer_id = '{self.customer_id}'""")
        self.differing = payment.rsplit("/", 1)[-1]
        self.disputed = self.given_card(DISPUTED[self.world.gateway])
        self.charge(*self.disputed)
        self.unresolved("0")
        self.world.sql.change(f"""UPDATE obligation SET due_time = now() + interval '1 hour', lease_until = NULL
                                   WHERE customer_id = '{self.customer_id}' AND kind = 'payment.resolve'""")
        time.sleep(SETTLES)
        time.sleep(1 - time.time() % 1)  # gateways tell time in seconds

    def begin(self):
        now = datetime.now(timezone.utc)
        self.asked = "Payment/RunReconciliation", {
            "gateway": self.world.gateway, "fromTime": (now - timedelta(hours=1)).isoformat().replace("+00:00", "Z"),
            "untilTime": now.isoformat().replace("+00:00", "Z"), "requestId": str(uuid.uuid4())}
        self.ask(*self.asked, self.world.operators[0])

    def between(self):
        """Nothing goes on before it is recorded."""

    def left(self):
        """What was hurried is of the run as well: it must have been done."""
        return f"""(SELECT count(*) FROM obligation WHERE customer_id = '{HOUSE}' AND kind = 'reconcile.run')
                 + (SELECT count(*) FROM attempt WHERE customer_id = '{self.customer_id}' AND state <> 'SUCCEEDED')"""

    def finish(self):
        self.answers.append(self.world.operators[0].call(*self.asked))

    def examine(self):
        known = self.check_answers()
        self.check(bool(known) and known[-1]["replayed"], "the last answer is not the recorded one")
        run = known[-1]["reply"]["name"].rsplit("/", 1)[-1]
        rows = self.world.sql.rows(f"""SELECT r.state, r.incident_count, r.entry_count = (SELECT count(*) FROM
                    reconciliation_line l WHERE l.reconciliation_id = r.reconciliation_id AND l.side = 'T'),
                    r.own_count = (SELECT count(*) FROM reconciliation_line l
                                    WHERE l.reconciliation_id = r.reconciliation_id AND l.side = 'O'), r.problem
                    FROM reconciliation r WHERE reconciliation_id = '{run}'""")
        self.check(rows == [["SUCCEEDED", "1", "t", "t", ""]], f"the run is {rows}")
        self.check(self.incidents() == [["AMOUNT_MISMATCH", "OPEN"]], f"incidents: {self.incidents()}")
        suspended = self.world.sql.rows(f"""SELECT account, amount FROM ledger_entry WHERE customer_id = '{self.customer_id}'
                                              AND kind = 'suspense' ORDER BY amount""")
        self.check([row[1] for row in suspended] == [str(-DIFFERS_BY), str(DIFFERS_BY)], f"in suspense is {suspended}")
        if self.world.gateway == "stripe":
            self.check_dispute()
        self.check_fees(run)
        # The next run shall find nothing of this one.
        self.world.sql.change(f"""UPDATE attempt SET amount = amount + {DIFFERS_BY} WHERE customer_id = '{self.customer_id}'
                                     AND payment_id = '{self.differing}'""")

    def check_dispute(self):
        customer = self.disputed[0].rsplit("/", 1)[-1]
        rows = self.world.sql.rows(f"SELECT state, amount_withdrawn FROM dispute WHERE customer_id = '{customer}'")
        self.check(rows == [["NEEDS_RESPONSE", str(AMOUNT)]], f"the disputes are {rows}")
        lines = self.world.sql.one(f"""SELECT count(*) FROM ledger_entry WHERE customer_id = '{customer}'
                                         AND kind IN ('dispute', 'dispute_fee')""")
        self.check(lines == "4", f"the dispute has {lines} lines")

    def check_fees(self, run):
        """Each line's, once; both sides of what the gateway booked agree."""
        rows = self.world.sql.rows(f"""SELECT group_id, count(*), sum(amount) FROM ledger_entry WHERE kind = 'fee'
                                        GROUP BY 1 HAVING count(*) <> 2 OR sum(amount) <> 0""")
        self.check(not rows, f"fees are posted as {rows}")
        posted, listed = self.world.sql.rows(f"""
            SELECT (SELECT coalesce(sum(amount), 0) FROM ledger_entry WHERE customer_id = '{self.customer_id}'
                       AND kind = 'fee' AND account = 'fees'),
                   (SELECT coalesce(sum(t.fee), 0) FROM reconciliation_line t JOIN reconciliation_line o
                        ON o.reconciliation_id = t.reconciliation_id AND o.side = 'O' AND o.transaction = t.transaction
                     WHERE t.reconciliation_id = '{run}' AND t.side = 'T' AND o.customer_id = '{self.customer_id}')""")[0]
        self.check(posted == listed, f"fees of {posted} are posted, and {listed} are listed")


class Confirmed(Books):
    """What succeeded a while ago is looked at by itself."""

    operation = "confirm"
    settings = {"reconcile_confirm_max": 100}
    kinds = ("reconcile.confirm",)
    points = ("reconcile.mark",)
    details = ("reconcile.mark", "reconciliation_confirmed")

    @property
    def owners(self):
        return f"'{HOUSE}'"

    def given(self):
        self.charge(self.customer, self.method)
        self.world.sql.change(f"""UPDATE attempt SET first_sent_time = first_sent_time - interval '4 min'
                                   WHERE customer_id = '{self.customer_id}'""")
        self.world.sql.change(f"""INSERT INTO reconciliation_watch AS w (gateway, confirm_time, attempt_id, update_time)
            VALUES ('{self.world.gateway}', now() - interval '5 min', '{NOBODY}', now())
            ON CONFLICT ON CONSTRAINT reconciliation_watch_pkey DO UPDATE SET confirm_time = excluded.confirm_time""")

    def begin(self):
        self.hurry()

    def left(self):
        return f"""(SELECT count(*) FROM obligation WHERE customer_id = '{HOUSE}' AND kind = 'reconcile.confirm'
                       AND business_key = '{self.world.gateway}'
                       AND (due_time < now() + interval '10 s' OR lease_until > clock_timestamp()))
                 + (SELECT 1 - count(*) FROM reconciliation_watch WHERE gateway = '{self.world.gateway}'
                       AND confirm_time > now() - interval '3 min')"""

    def examine(self):
        rows = self.world.sql.rows(f"SELECT state, epoch FROM attempt WHERE customer_id = '{self.customer_id}'")
        self.check(rows == [["SUCCEEDED", "1"]], f"the attempts are {rows}")
        self.check(self.incidents() == [], f"incidents: {self.incidents()}")


class Wish(Books):
    """The second of two operators asks, and it is carried out."""

    kinds = ("incident.resolve", "payment.resolve")
    points = ("incident.",)
    details = ("incident", "ResolveIncident")
    resolution = ""
    account = ""

    @property
    def incident(self):
        return self.world.sql.one(f"SELECT incident_id FROM incident WHERE customer_id = '{self.customer_id}'")

    def wish(self):
        version = self.world.sql.one(f"SELECT version FROM incident WHERE customer_id = '{self.customer_id}'")
        return "Payment/ResolveIncident", {
            "name": f"{self.customer}/incidents/{self.incident}", "etag": version, "reason": "looked at it",
            "resolution": f"RESOLUTION_{self.resolution}", **({"account": self.account} if self.account else {})}

    def given(self):
        self.given_incident()
        self.insist(*self.wish(), self.world.operators[0])

    def given_incident(self):
        raise NotImplementedError

    def begin(self):
        rpc, request = self.wish()
        self.asked = rpc, {**request, "requestId": str(uuid.uuid4())}
        self.ask(*self.asked, self.world.operators[1])

    def left(self):
        return f"""(SELECT count(*) FROM obligation WHERE customer_id = '{self.customer_id}'
                       AND kind IN ({", ".join(f"'{kind}'" for kind in self.kinds)}))"""

    def finish(self):
        self.answers.append(self.world.operators[1].call(*self.asked))

    def examine(self):
        known = self.check_answers()
        self.check(bool(known) and known[-1]["replayed"], "the last answer is not the recorded one")
        wishes = self.world.sql.one(f"SELECT count(*) FROM incident_approval WHERE customer_id = '{self.customer_id}'")
        self.check(wishes == "2", f"{wishes} wishes are recorded")
        self.check([state for _, state in self.incidents()] == ["RESOLVED"], f"incidents: {self.incidents()}")
        told = self.events("incident")
        self.check(told == ["approved", "approved", "opened", "resolved"], f"the events are {told}")


class Posted(Wish):
    operation = "resolve"
    resolution = "POST_FROM_SUSPENSE"
    account = "revenue"

    def given_incident(self):
        """As a reconciliation leaves it."""
        self.world.sql.change(f"""SELECT incident_open('{self.customer_id}', NULL, 'GATEWAY_ONLY', 'ch_9', 'planted', now(), NULL,
                                         NULL, '{self.world.gateway}', 'ch_9', '{CURRENCY}', {AMOUNT})""")
        self.world.sql.change(f"""SELECT ledger_post('{self.customer_id}', '{self.incident}', 'suspense',
            ARRAY[ROW('gateway_clearing:{self.world.gateway}', '{CURRENCY}', {AMOUNT})::ledger_line,
                  ROW('suspense', '{CURRENCY}', -{AMOUNT})::ledger_line], now())""")

    def examine(self):
        super().examine()
        lines, sums = self.kinds_posted(self.incident)
        self.check(lines == {"suspense": 2, "suspense_release": 2}, f"the ledger has {lines}")
        self.check((sums["suspense"], sums["revenue"]) == (0, -AMOUNT), f"the ledger has {sums}")


class Marked(Wish):
    """A payment that the server has given up to find out: people say, and the gateway agrees, that it was done."""

    operation = "mark"
    resolution = "MARK_SUCCEEDED"
    details = ("incident", "ResolveIncident", "payment_finish")

    def given_incident(self):
        self.payment = self.unresolved("4 days")
        begun = time.monotonic()
        while not self.incidents() and time.monotonic() < begun + 60:
            self.hurry()
            time.sleep(0.01)

    def examine(self):
        super().examine()
        rows = self.world.sql.rows(f"""SELECT p.state, a.state, a.attempt_id FROM payment p JOIN attempt a
            ON a.customer_id = p.customer_id AND a.payment_id = p.payment_id WHERE p.customer_id = '{self.customer_id}'""")
        self.check([row[:2] for row in rows] == [["SUCCEEDED", "SUCCEEDED"]], f"the payments are {rows}")
        lines, _ = self.kinds_posted(rows[0][2])
        self.check(lines == {"charge": 2}, f"the ledger has {lines}")


class GivenBack(Books):
    """Somebody gives money back at the gateway, without us; its news tell of it."""

    operation = "refund of others"
    gateways = ("news",)
    points = ("incident.", "news.")
    details = ("incident_open", "news_")

    def given(self):
        self.charge(self.customer, self.method)
        self.intent = self.world.sql.one(f"SELECT gateway_transaction FROM attempt WHERE customer_id = '{self.customer_id}'")

    def begin(self):
        self.world.do_at_desk("/v1/refunds", {"payment_intent": self.intent, "amount": 100})

    def left(self):
        return (f"(SELECT 1 - count(*) FROM incident WHERE customer_id = '{self.customer_id}')"
                " + (SELECT count(*) FROM news WHERE state IN ('OWED', 'UNMATCHED'))")

    def examine(self):
        self.check(self.incidents() == [["REFUNDED_AT_GATEWAY_ONLY", "OPEN"]], f"incidents: {self.incidents()}")
        self.check(self.events("incident") == ["opened"], f"the events are {self.events('incident')}")


class CameBack(Books):
    """One of those that people had recorded as a refund has failed; news tell of it."""

    operation = "refund of others failed"
    gateways = ("news",)
    points = ("refund.came_back", "news.")
    details = ("refund.came_back", "refund_came_back", "news_")

    def given(self):
        self.customer, self.method = self.given_card("pm_card_refundFail")
        payment = self.charge(self.customer, self.method).rsplit("/", 1)[-1]
        intent = self.world.sql.one(f"SELECT gateway_transaction FROM attempt WHERE customer_id = '{self.customer_id}'")
        for method in ("", "TASK"):
            self.world.lie(fault="webhook_lost", method=method, count=1000)
        self.refund = self.world.do_at_desk("/v1/refunds", {"payment_intent": intent, "amount": 100})["id"]
        while json.loads(self.world.simulate("GET", f"/v1/refunds/{self.refund}"))["status"] != "failed":
            time.sleep(0.05)
        self.world.simulate("DELETE", "/_simulator/faults")
        self.world.sql.change(f"""SELECT reconciliation_differs('{self.customer_id}', gen_random_uuid(), 'REFUNDED_AT_GATEWAY_ONLY',
            'stripe {self.refund}', 'listed', NULL, '{payment}', 'stripe', '{self.refund}', '{CURRENCY}', 100, -100, false, now())""")
        self.world.sql.change(f"""UPDATE incident SET state = 'APPROVED', version = version + 1, resolution = 'POST_FROM_SUSPENSE',
            account = 'refunds' WHERE customer_id = '{self.customer_id}'""")
        self.world.sql.change(f"""SELECT obligation_add(customer_id, 'incident.resolve', incident_id::text, incident_id, now(), false,
            now()) FROM incident WHERE customer_id = '{self.customer_id}'""")
        while self.refunds() != [["SUCCEEDED"]]:
            time.sleep(0.05)

    def refunds(self):
        return self.world.sql.rows(f"SELECT state FROM refund WHERE customer_id = '{self.customer_id}'")

    def begin(self):
        self.world.do_at_desk(f"/v1/refunds/{self.refund}", {"metadata[note]": "it failed"})

    def left(self):
        return (f"(SELECT count(*) FROM refund WHERE customer_id = '{self.customer_id}' AND state = 'SUCCEEDED')"
                " + (SELECT count(*) FROM news WHERE state IN ('OWED', 'UNMATCHED'))")

    def examine(self):
        self.check(self.refunds() == [["FAILED"]], f"the refunds are {self.refunds()}")
        self.check(self.events("refund") == ["failed", "succeeded"], f"the events are {self.events('refund')}")
        lines, sums = self.kinds_posted(self.world.sql.one(f"SELECT incident_id FROM incident WHERE customer_id = '{self.customer_id}'"))
        self.check(lines == {"suspense": 2, "suspense_release": 2, "refund_reversal": 2}, f"the ledger has {lines}")
        self.check(set(sums.values()) == {0}, f"the ledger has {sums}")


BOOKS_ERRANDS = (Reconciled, Confirmed, Posted, Marked, GivenBack, CameBack)
