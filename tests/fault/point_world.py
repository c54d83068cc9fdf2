"""The world of one worker of tests/fault/points: PostgreSQL, the simulator, a duesd that crashes on order, a client.

Time passes here without waiting for it: what a lease, an age or a due time would take is moved in the database.
"""

import http.client
import json
import os
import re
import signal
import ssl
import subprocess
import time
import urllib.parse

from environment import PATIENCE, Broken, Environment, die_with_parent, lasting_port, until

SETTINGS = {
    "gateway_timeout_ms": 2000,
    "job_poll_ms": 10,
    "job_lease_ms": 10000,
    "shutdown_grace_ms": 2000,
    "log_level": "error",
    "rate_service": 0,
    "admission_target_ms": 0,
    "ledger_checkpoint_seconds": 3600,
    "hash_threads": 1,
    # What the server does by itself passes points that no operation asked for.
    "dispute_poll_seconds": 0,
    "reconcile_days": 0,
    "reconcile_confirm_max": 0,
}
LAPSE_EVERY = 4
REST_LIMIT = 40
TRIES_MAX = 10
# In a world with news they are given time to settle what nobody heard, before anybody else asks.
NEWS_PATIENCE = 5
NEWS_SECRET = "whsec_" + "points" * 6


class Session:
    """A psql that stays."""

    def __init__(self, database):
        self.process = subprocess.Popen(["psql", "-X", "-q", "-A", "-t", "-F", "|", "-d", database], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        preexec_fn=die_with_parent)
        self.rows("SET search_path = dues")

    def rows(self, sql):
        self.process.stdin.write(sql + ";\n\\echo --end--\n")
        self.process.stdin.flush()
        rows, problem = [], ""
        for line in self.process.stdout:
            line = line.rstrip("\n")
            if line == "--end--" and problem:
                raise Broken(f"psql: {problem} in {sql}")
            if line == "--end--":
                return rows
            if line.startswith("ERROR:"):
                problem = line
            rows.append(line.split("|"))
        raise Broken("psql ended")

    def change(self, sql):
        """The server's own steps lock the same rows in their order; whoever loses begins anew."""
        for _ in range(TRIES_MAX):
            try:
                return self.rows(sql)
            except Broken as broken:
                if "deadlock detected" not in str(broken):
                    raise
        raise Broken("deadlocks without end")

    def one(self, sql):
        return self.rows(sql)[0][0]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Caller:
    """The client: sends once, tells what came."""

    def __init__(self, world, identity="service-billing"):
        self.process = subprocess.Popen([os.path.join(world.build, "tests", "fault", "fault_caller"), "--state-dir",
                                         world.state, "--target", world.address, "--as", identity], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=die_with_parent)
        self.is_stale = False

    def send(self, method, request, deadline_ms=3000):
        line = {"method": method, "request": request, "deadlineMs": deadline_ms, "reopen": self.is_stale}
        self.is_stale = False
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()

    def receive(self):
        return json.loads(self.process.stdout.readline())

    def call(self, method, request, deadline_ms=3000):
        self.send(method, request, deadline_ms)
        return self.receive()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class World(Environment):
    def __init__(self, build, directory, gateway):
        super().__init__(build, directory, SETTINGS)
        self.has_news = gateway == "news"
        self.gateway = "stripe" if self.has_news else gateway
        self.simulator = None
        self.simulator_port = 0
        self.news_port = 0
        self.simulator_key = "sk_test_points"
        self.control = os.path.join(directory, "orders")
        self.log_at = 0
        self.told = []
        self.looked_at = 0
        self.restarts = 0
        self.sql = None
        self.caller = None
        self.operators = []  # two: some things take two
        self.disputes = []  # customers of disputes that nobody has used yet
        self.differs = {}  # settings that are not the usual ones now

    def open(self):
        self.make()
        self.start_postgres()
        if self.gateway == "stripe":
            self.start_simulator()
        self.order([])
        self.start_duesd()
        self.sql = Session(self.database)
        self.caller = Caller(self)
        self.operators = [Caller(self, "operator-demo"), Caller(self, "operator-second")]

    def close(self):
        for part in (self.caller, *self.operators, self.sql):
            if part is not None:
                part.close()
        if self.simulator is not None:
            self.simulator.terminate()
            self.simulator.wait()
        return self.stop()

    def start_simulator(self):
        log = os.path.join(self.directory, "simulator.log")
        certificate = os.path.join(self.certificates, "server.pem")
        self.journal = os.path.join(self.directory, "simulator.journal")
        with open(log, "wb") as out:
            self.simulator = subprocess.Popen(
                [os.path.join(self.build, "dues-simulator"), "--listen", "127.0.0.1:0", "--journal", self.journal,
                 "--secret-key", self.simulator_key, "--certificate", certificate,
                 "--key", certificate.replace(".pem", ".key"), "--settle-ms", "20", "--die-with-parent",
                 *(self.news_arguments() if self.has_news else ())], stdout=out, stderr=out)
        port = []

        def listens():
            with open(log, encoding="utf-8") as file:
                port[:] = re.findall(r"listening on (\d+)\n", file.read())
            return bool(port)
        until(listens, "the simulator")
        self.simulator_port = int(port[0])
        if self.has_news:
            self.listen_for_news()
        with open(self.configuration, "a", encoding="utf-8") as file:
            file.write(f"gateway = stripe\nstripe_url = https://localhost:{port[0]}\n"
                       f"stripe_ca_file = {self.certificates}/ca.pem\n")
        self.store_key("stripe", self.simulator_key)

    def store_key(self, name, key):
        subprocess.run([os.path.join(self.build, "duesd"), "set-key", "--config", self.configuration, "--name", name],
                       input=key + "\n", text=True, check=True, capture_output=True)

    def news_arguments(self):
        self.news_port = lasting_port()
        return ("--webhook-url", f"https://localhost:{self.news_port}/v1/gateways/stripe/news",
                "--webhook-secret", NEWS_SECRET, "--webhook-ca", os.path.join(self.certificates, "ca.pem"))

    def listen_for_news(self):
        self.store_key("stripe-webhook", NEWS_SECRET)
        with open(self.configuration, "a", encoding="utf-8") as file:
            file.write(f"gateway_news_listen = 127.0.0.1:{self.news_port}\n"
                       f"gateway_news_certificate = {self.certificates}/server.pem\n"
                       f"gateway_news_key = {self.certificates}/server.key\n")

    # ---- the simulator ----

    def exchange(self, method, path, body, content_type):
        tls = ssl.create_default_context(cafile=self.certificates + "/ca.pem")
        connection = http.client.HTTPSConnection("localhost", self.simulator_port, context=tls)
        connection.request(method, path, body, {"Authorization": "Bearer " + self.simulator_key, "Content-Type": content_type})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        if answer.status != 200:
            raise Broken(f"the simulator answered {method} {path} with {answer.status}: {text}")
        return text

    def simulate(self, method, path, body=None):
        """What it answers to an order of its own."""
        return self.exchange(method, path, body and json.dumps(body), "application/json")

    def do_at_desk(self, path, form):
        """What somebody does at the gateway without us."""
        return json.loads(self.exchange("POST", path, urllib.parse.urlencode(form), "application/x-www-form-urlencoded"))

    def lie(self, **fault):
        self.simulate("POST", "/_simulator/faults", fault)

    def lies(self):
        """How many ordered faults are still to come."""
        return sum(order["count"] for order in json.loads(self.simulate("GET", "/_simulator/faults"))["orders"])

    def spawn_duesd(self):
        os.environ["DUES_FAIL_POINTS"] = self.control
        super().spawn_duesd()

    # ---- faults ----

    def begin(self, orders):
        """A new case: what was told of the one before is forgotten."""
        self.listen()
        self.told = []
        self.looked_at = 0
        self.order(orders)

    def order(self, orders):
        """Each (point, detail, fault, nth, milliseconds), from now on."""
        text = "".join(f"{name} {'*' if detail in ('', '-') else detail} {fault} {nth} {ms}\n"
                       for name, detail, fault, nth, ms in orders)
        with open(self.control + ".new", "w", encoding="ascii") as file:
            file.write(text)
        self.listen()
        os.rename(self.control + ".new", self.control)

    def listen(self):
        """Takes up what duesd has told since the last time: (what, point, detail, fault)."""
        if not os.path.exists(self.control + ".log"):
            return
        with open(self.control + ".log", encoding="ascii") as file:
            file.seek(self.log_at)
            text = file.read()
        whole = text.rfind("\n") + 1
        self.log_at += whole
        self.told += [tuple(line.split()) for line in text[:whole].splitlines()]

    def has_crashed(self):
        """A crash that was ordered has happened, to the last breath."""
        self.listen()
        if self.duesd.poll() is None and not any(what == "fired" and fault.startswith("crash")
                                                 for what, _, _, fault in self.told[self.looked_at:]):
            return False
        self.looked_at = len(self.told)
        if self.duesd.wait(PATIENCE) != -signal.SIGKILL:
            raise Broken(f"duesd ended by itself with {self.duesd.returncode}, see {self.log.name}")
        return True

    def come_back(self):
        """Whatever was ordered is forgotten."""
        self.order([])
        self.duesd = None
        self.start_duesd()
        for caller in (self.caller, *self.operators):
            caller.is_stale = True
        self.restarts += 1

    def be(self, settings):
        """duesd with these settings besides the usual ones."""
        if settings == self.differs:
            return
        self.order([])
        with open(self.configuration, encoding="utf-8") as file:
            lines = [line for line in file if line.split("=")[0].strip() not in {**self.differs, **settings}]
        usual = {key: SETTINGS[key] for key in self.differs}
        with open(self.configuration, "w", encoding="utf-8") as file:
            file.writelines([*lines, *(f"{key} = {value}\n" for key, value in {**usual, **settings}.items())])
        self.differs = settings
        self.duesd.terminate()
        self.duesd.wait(PATIENCE)
        self.come_back()

    # ---- time ----

    def lapse(self, customer, age="0"):
        """Leases end, and requests were sent so much earlier than they were."""
        self.sql.change(f"""UPDATE attempt SET lease_until = least(lease_until, clock_timestamp() - interval '1 ms'),
                                 first_sent_time = first_sent_time - interval '{age}'
                           WHERE customer_id = '{customer}' AND state IN ('SENDING', 'UNKNOWN', 'RESOLVING')""")
        self.sql.change(f"UPDATE obligation SET lease_until = NULL WHERE customer_id = '{customer}'")
        self.hurry(customer)

    def hurry(self, customer):
        """What is to be found out is due."""
        self.sql.change(f"""UPDATE obligation SET due_time = now() - interval '1 s'
                           WHERE customer_id = '{customer}' AND kind LIKE '%.resolve' AND due_time > now()
                             AND (lease_until IS NULL OR lease_until < clock_timestamp())""")

    def watch(self, customer, age):
        """The server looks again at a refund of this age, until it will do so later or never."""
        of_customer = f"FROM obligation WHERE customer_id = '{customer}' AND kind = 'refund.watch'"
        self.sql.change(f"UPDATE refund SET update_time = update_time - interval '{age}' WHERE customer_id = '{customer}'")
        self.sql.change(f"UPDATE obligation SET due_time = now() - interval '1 s'"
                      f" WHERE customer_id = '{customer}' AND kind = 'refund.watch'")
        begun = time.monotonic()
        while self.sql.one(f"SELECT count(*) {of_customer} AND due_time < now() + interval '10 s'") != "0":
            if self.has_crashed():
                self.come_back()
                self.sql.change(f"UPDATE obligation SET lease_until = NULL WHERE customer_id = '{customer}'")
            if time.monotonic() > begun + REST_LIMIT:
                raise Broken("it does not stop to watch")
            time.sleep(0.01)

    def is_told_all(self, customer):
        return not self.has_news or self.sql.one(
            f"SELECT count(*) FROM news WHERE customer_id = '{customer}' AND state IN ('OWED', 'UNMATCHED')") == "0"

    def is_at_rest(self, customer):
        return self.sql.one(f"""
            SELECT (SELECT count(*) FROM attempt WHERE customer_id = '{customer}'
                       AND state IN ('SENDING', 'UNKNOWN', 'RESOLVING'))
                 + (SELECT count(*) FROM obligation WHERE customer_id = '{customer}' AND kind LIKE '%.resolve')""") == "0" and self.is_told_all(customer)

    def rest(self, customer, age="0"):
        """Until all is known.  Time flies, and duesd comes back when it crashes once more."""
        begun = time.monotonic()
        lapse_at = begun + (NEWS_PATIENCE if self.has_news else 0)
        while not self.is_at_rest(customer):
            now = time.monotonic()
            if self.has_crashed():
                self.come_back()
                lapse_at = now + (NEWS_PATIENCE if self.has_news else 0)
            if now >= lapse_at:
                self.lapse(customer, age)
                age = "0"
                lapse_at = now + LAPSE_EVERY  # longer than a run takes, or none would ever end
            if not self.has_news:
                self.hurry(customer)
            if now > begun + REST_LIMIT:
                raise Broken("it does not come to rest")
            time.sleep(0.01)
        if self.has_crashed():
            self.come_back()
