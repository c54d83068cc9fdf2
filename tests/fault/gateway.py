"""The gateway beside the server: dues-simulator with faults, and the customers who answer their banks.

It lives on while duesd and PostgreSQL are killed: its journal says what was charged.
"""

import http.client
import json
import os
import random
import ssl
import subprocess
import threading
import time

from processes import Broken, die_with_parent, until

# What the gateway does to a request at random.  A 500 that is stored and was not executed is left out: the gateway
# cannot say any more what became of such a request, so it stays unknown for as long as its keys live.
FAULTS = ("late", "timeout_before", "timeout_after", "reset_before", "reset_after", "truncate", "error_500_after",
          "error_503", "too_many_requests")
# How the customer answers the bank, of a hundred; the rest never answers.
AUTHENTICATES, REFUSES = 75, 15
PAUSE_S = 0.1
SETTLE_MS = 500


class Simulator:
    def __init__(self, build, state, log):
        self.program = os.path.join(os.path.abspath(build), "dues-simulator")
        self.journal = os.path.join(state, "simulator.journal")
        self.certificates = os.path.join(state, "certs")
        self.log = log
        self.process = None
        self.port = 0
        with open(os.path.join(state, "stripe.key"), encoding="ascii") as file:
            self.key = file.read().strip()
        self.context = ssl.create_default_context(cafile=os.path.join(self.certificates, "ca.pem"))
        self.local = threading.local()

    def start(self):
        certificate = os.path.join(self.certificates, "server")
        if os.path.exists(self.journal):
            os.unlink(self.journal)  # of the server that made the state
        self.process = subprocess.Popen(
            [self.program, "--listen", "127.0.0.1:0", "--journal", self.journal, "--secret-key", self.key,
             "--certificate", certificate + ".pem", "--key", certificate + ".key", "--settle-ms", str(SETTLE_MS)],
            stdout=subprocess.PIPE, stderr=self.log, text=True, preexec_fn=die_with_parent)
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            raise Broken(f"the simulator did not start: {line}")
        self.port = int(line.split()[-1])

    @property
    def url(self):
        return f"https://localhost:{self.port}"

    def send(self, method, path, body="", kind="application/json"):
        """One exchange on a connection of the thread's own, which may have ended meanwhile; None when there was none."""
        return self.exchange(method, path, body, kind) or self.exchange(method, path, body, kind)

    def exchange(self, method, path, body, kind):
        connection = getattr(self.local, "connection", None)
        if connection is None:
            connection = http.client.HTTPSConnection("localhost", self.port, context=self.context, timeout=30)
            self.local.connection = connection
        try:
            connection.request(method, path, body, {"Authorization": f"Bearer {self.key}", "Content-Type": kind})
            answer = connection.getresponse()
            text = answer.read().decode()
            return answer.status, text
        except (OSError, http.client.HTTPException):
            connection.close()
            self.local.connection = None
            return None

    def control(self, method, path, wish=None):
        answer = self.send(method, "/_simulator/" + path, json.dumps(wish or {}))
        if answer is None or answer[0] != 200:
            raise Broken(f"the simulator does not take orders: {answer}")
        return answer[1]

    def lie(self, percent, seed):
        self.control("POST", "random", {"percent": percent, "seed": seed, "faults": list(FAULTS)})

    def be_honest(self):
        self.control("DELETE", "faults")

    def stop(self):
        if self.process is None:
            return 0
        self.process.terminate()
        self.process.stdout.close()
        status = self.process.wait(60)
        self.process = None
        return status


class Customers(threading.Thread):
    """Reads in the journal which payments wait for their customers, and answers their banks."""

    def __init__(self, simulator, seed):
        super().__init__(daemon=True)
        self.simulator = simulator
        self.chance = random.Random(seed)
        self.stopping = threading.Event()
        self.asked = 0

    def run(self):
        waiting = {}
        with open(self.simulator.journal, encoding="utf-8") as journal:
            while not self.stopping.is_set():
                if not self.read(journal, waiting):
                    time.sleep(PAUSE_S)
                self.answer(waiting)

    def read(self, journal, waiting):
        """A few lines more; False at the end of what is there."""
        for _ in range(1000):
            begin = journal.tell()
            line = journal.readline()
            if not line.endswith("\n"):
                journal.seek(begin)
                return False
            if '"requires_action"' in line and line.startswith('{"object":{'):
                self.learn(json.loads(line)["object"], waiting)
        return True

    def learn(self, intent, waiting):
        if intent.get("object") != "payment_intent" or intent.get("status") != "requires_action":
            return
        if intent["id"] not in waiting:
            self.asked += 1
            waiting[intent["id"]] = (intent["client_secret"], self.chance.randrange(100))

    def answer(self, waiting):
        for intent, (secret, choice) in list(waiting.items()):
            if choice < AUTHENTICATES + REFUSES and self.chance.random() < 0.5:
                continue  # it takes its time
            if choice < AUTHENTICATES + REFUSES:
                result = "succeeded" if choice < AUTHENTICATES else "failed"
                self.simulator.send("POST", f"/_simulator/stripe/challenge/{intent}?client_secret={secret}",
                                    f"result={result}", "application/x-www-form-urlencoded")
            del waiting[intent]

    def stop(self):
        self.stopping.set()
        self.join(30)
