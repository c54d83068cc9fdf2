"""Starts, stops and kills dues-simulator; receives its webhooks; reads its journal.  Nothing but Python's own library."""

import base64
import hashlib
import hmac
import http.client
import http.server
import json
import os
import signal
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.parse

BUILD = os.environ["DUES_BUILD"]
KEY = "sk_test_simulator"
SECRET = "whsec_test_secret"


class Receiver:
    """An endpoint for webhooks: keeps what it gets, in order."""

    def __init__(self, status=200):
        self.got = []  # (time, headers, body)
        self.status = status
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((time.monotonic(), self.headers, body))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def events(self):
        return [json.loads(body) for _, _, body in list(self.got)]

    def genuine(self):
        return [json.loads(body) for _, headers, body in list(self.got) if is_genuine(headers["Stripe-Signature"], body)]

    def wait(self, condition, limit=60):
        return wait_for(lambda: condition(self), limit)


def is_genuine(header, body, secret=SECRET):
    """The rule that every receiver of Stripe's webhooks follows, the age of the time stamp left out."""
    fields = dict(item.split("=", 1) for item in header.split(","))
    wanted = hmac.new(secret.encode(), f"{fields['t']}.".encode() + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(wanted, fields["v1"])


def wait_for(condition, limit=60):
    until = time.monotonic() + limit
    while time.monotonic() < until:
        answer = condition()
        if answer:
            return answer
        time.sleep(0.02)
    raise AssertionError("it did not come to pass in time")


class Answer:
    def __init__(self, status, headers, text):
        self.status = status
        self.headers = headers
        self.text = text

    @property
    def json(self):
        return json.loads(self.text)


def flatten(value, name=""):
    """{"a": {"b": [1]}} as a form: a[b][0]=1."""
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, (list, tuple)):
        pairs = enumerate(value)
    else:
        text = {True: "true", False: "false", None: ""}.get(value, value) if isinstance(value, (bool, type(None))) else value
        return [(name, str(text))]
    return [item for key, below in pairs for item in flatten(below, f"{name}[{key}]" if name else str(key))]


class Simulator:
    def __init__(self, *options, settle_ms=100, webhook_url=None):
        self.kept = tempfile.TemporaryDirectory(prefix="dues-simulator-")
        self.folder = self.kept.name
        self.journal_path = os.path.join(self.folder, "journal")
        self.certificate = os.path.join(self.folder, "certificate.pem")
        key = os.path.join(self.folder, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", key, "-out", self.certificate, "-days", "2", "-subj", "/CN=simulator",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
        self.command = [os.path.join(BUILD, "dues-simulator"), "--certificate", self.certificate, "--key", key,
                        "--journal", self.journal_path, "--secret-key", KEY, "--settle-ms", str(settle_ms),
                        "--die-with-parent", *options]
        if webhook_url:
            self.command += ["--webhook-url", webhook_url, "--webhook-secret", SECRET]
        self.port = 0
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen([*self.command, "--listen", f"127.0.0.1:{self.port}"],
                                        stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            raise AssertionError(f"the simulator did not start: {line!r}, exit {self.process.wait()}")
        self.port = int(line.split()[-1])
        return self

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.stdout.close()
        return self.process.wait(timeout=20)

    def kill(self):
        self.process.kill()
        self.process.stdout.close()
        self.process.wait()

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}"

    def send(self, method, path, body=None, headers=None, timeout=30):
        """Raises what http.client raises when there is no whole answer."""
        context = ssl.create_default_context(cafile=self.certificate)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read().decode())
        finally:
            connection.close()

    def call(self, method, path, params=None, key=None, fault=None, version=None, timeout=30):
        form = urllib.parse.urlencode(flatten(params or {}))
        headers = {"Authorization": "Basic " + base64.b64encode(f"{KEY}:".encode()).decode()}
        if key:
            headers["Idempotency-Key"] = key
        if fault:
            headers["X-Simulator-Fault"] = fault
        if version:
            headers["Stripe-Version"] = version
        if method != "POST":
            return self.send(method, path + ("?" + form if form else ""), None, headers, timeout)
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        return self.send(method, path, form, headers, timeout)

    def post(self, path, params=None, **more):
        return self.call("POST", path, params, **more)

    def get(self, path, params=None, **more):
        return self.call("GET", path, params, **more)

    def pay(self, method="pm_card_visa", amount=1999, currency="eur", **more):
        keys = {k: more.pop(k) for k in ("key", "fault", "timeout") if k in more}
        return self.post("/v1/payment_intents", {"amount": amount, "currency": currency, "confirm": True,
                                                 "payment_method": method, **more}, **keys)

    def control(self, path, wish=None, method="POST"):
        answer = self.send(method, "/_simulator/" + path, json.dumps(wish or {}),
                           {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"})
        assert answer.status == 200, answer.text
        return answer.json

    def challenge(self, intent, result="succeeded"):
        """What the customer does at the bank's page."""
        action = intent["next_action"]
        url = action["redirect_to_url"]["url"] if action["type"] == "redirect_to_url" else action["use_stripe_sdk"]["stripe_js"]
        path = url[len(self.url):]
        assert self.send("GET", path).status == 200
        return self.send("POST", path, f"result={result}", {"Content-Type": "application/x-www-form-urlencoded"})

    def journal(self):
        with open(self.journal_path, encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def calls(self):
        return [line["call"] for line in self.journal() if "call" in line]

    def objects(self, kind):
        """As the journal has them: the last line of each counts."""
        found = {}
        for line in self.journal():
            if line.get("object", {}).get("object") == kind:
                found[line["object"]["id"]] = line["object"]
        return found


def run(tests):
    """Runs each function; prints names and the first line of what broke.  The exit code."""
    failed = 0
    for test in tests:
        begun = time.monotonic()
        try:
            test()
            print(f"ok   {test.__name__} ({time.monotonic() - begun:.1f} s)", flush=True)
        except Exception as problem:  # noqa: BLE001: whatever it is, it is a failure
            failed += 1
            import traceback
            traceback.print_exc()
            print(f"FAIL {test.__name__}: {problem}", flush=True)
    print(f"{len(tests) - failed} passed, {failed} failed")
    return 1 if failed else 0
