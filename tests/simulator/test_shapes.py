#!/usr/bin/env python3
"""The shapes of the real one.  Everything that test_gateway.py asks is asked of stripe-mock too, which must take the request
when the simulator took it; every answer, error and event of the simulator is held against the schemas that stripe-mock
carries.  77 where there is no Go to build stripe-mock with."""

import collections
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fault"))
TOOLS = os.environ.get("DUES_TOOLS", "")
MOCK = os.path.join(TOOLS, "stripe-mock")
SPEC = os.path.join(TOOLS, "stripe-spec3.json")
if not os.path.exists(MOCK) or not os.path.exists(SPEC):
    print("SKIPPED stripe-mock: it is not in build/tools (scripts/test builds it where there is Go)")
    sys.exit(77)

import test_gateway  # noqa: E402
from processes import lasting_port  # noqa: E402
from shapes import Spec, without_private  # noqa: E402
from simulator import Simulator, flatten, run, wait_for  # noqa: E402

# What looks at answers that are cut or false on purpose has nothing to say about shapes.
TOUR = test_gateway.TESTS[:test_gateway.TESTS.index(test_gateway.a_500_is_stored_and_a_429_is_not)]
# Objects that the API shows only inside of others, or not at all.
OWN_KINDS = {"idempotency", "task"}
CHECKED_LEAST = 250

complaints = collections.Counter()
counts = collections.Counter()


class Mock:
    """stripe-mock, always with both of its addresses: else it takes a port of its own choice as well."""

    def __init__(self):
        self.port, other = lasting_port(), lasting_port()
        self.process = subprocess.Popen([MOCK, "-http-addr", f"127.0.0.1:{self.port}", "-https-addr", f"127.0.0.1:{other}"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.answers)

    def answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def call(self, method, path, params):
        form = urllib.parse.urlencode(flatten(params or {}))
        url = f"http://127.0.0.1:{self.port}{path}"
        headers = {"Authorization": "Bearer sk_test_123"}
        if method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        elif form:
            url += "?" + form
        request = urllib.request.Request(url, form.encode() if method == "POST" else None, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, ""
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


def check_answer(spec, method, path, answer):
    if answer.status == 200:
        schema = spec.answer_of(method, path)
        if schema is None:
            complaints[f"{method} {path} is no path of the real one"] += 1
            return
        counts["answers"] += 1
        for line in spec.complaints(schema, answer.json, answer.json.get("object", "")):
            complaints[f"{method} answer: {line}"] += 1
    elif answer.text.startswith("{"):
        counts["errors"] += 1
        error = {k: v for k, v in answer.json["error"].items()}
        for line in spec.complaints({"$ref": "#/components/schemas/api_errors"}, error, "error"):
            complaints[line] += 1


def check_request(mock, method, path, params, answer):
    """Taken here, taken there; an unknown parameter is refused by both."""
    status, text = mock.call(method, path, params)
    counts["requests"] += 1
    if answer.status == 200 and status >= 400:
        complaints[f"stripe-mock refuses {method} {path} {params}: {text[:300]}"] += 1
    if answer.status == 400 and answer.json["error"].get("code") == "parameter_unknown" and status < 400:
        complaints[f"stripe-mock takes {method} {path} {params}"] += 1


def watch(spec, mock):
    plain_call = Simulator.call

    def call(self, method, path, params=None, **more):
        answer = plain_call(self, method, path, params, **more)
        check_answer(spec, method, path, answer)
        if "version" not in more:
            check_request(mock, method, path, params, answer)
        return answer

    Simulator.call = call


def check_journal(spec, simulator):
    """Each version of each object, events with what they carry."""
    for line in simulator.journal():
        item = line.get("object")
        if item is None or item["object"] in OWN_KINDS:
            continue
        item = without_private(item)
        counts["objects"] += 1
        for text in spec.complaints(spec.kinds[item["object"]], item, item["object"]):
            complaints[f"journal: {text}"] += 1
        if item["object"] == "event":
            inner = item["data"]["object"]
            for text in spec.complaints(spec.kinds[inner["object"]], inner, f"{item['type']}: {inner['object']}"):
                complaints[text] += 1


if __name__ == "__main__":
    begun = time.monotonic()
    with open(SPEC, encoding="utf-8") as file:
        real = Spec(json.load(file))
    twin = Mock()
    watch(real, twin)
    test_gateway.simulator = Simulator()
    try:
        code = run(TOUR)
        check_journal(real, test_gateway.simulator)
    finally:
        test_gateway.simulator.stop()
        twin.process.terminate()
        twin.process.wait()
    for line, count in complaints.most_common(60):
        print(f"COMPLAINT ({count} times) {line}")
    print(f"{dict(counts)} checked in {time.monotonic() - begun:.1f} s, {len(complaints)} complaints")
    if counts["answers"] < CHECKED_LEAST:
        print(f"fewer than {CHECKED_LEAST} answers were seen")
        code = 1
    sys.exit(1 if complaints else code)
