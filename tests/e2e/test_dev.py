#!/usr/bin/env python3
"""`dues dev` and `dues call` as a person meets them: the start, the second start, what is left after a crash, and the
one clear line for everything that keeps it from starting."""

import json
import os
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
import unittest

BUILD = os.environ.get("DUES_BUILD", "build/release")
DUES = os.path.join(BUILD, "dues")
DUESD = os.path.join(BUILD, "duesd")
START_SECONDS = 90


def text_of(*path):
    with open(os.path.join(*path), encoding="ascii") as file:
        return file.read()


def descendants(pid):
    found = []
    for child in text_of(f"/proc/{pid}/task/{pid}/children").split():
        found += [int(child)] + descendants(child)
    return found


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(holds, what, seconds=START_SECONDS):
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(f"{what} took more than {seconds} s")
        time.sleep(0.05)


class Dev:
    """One run of `dues dev`."""

    def __init__(self, state, listen="127.0.0.1:0", prefix=(), gateway="sandbox"):
        self.state = state
        self.output = tempfile.TemporaryFile()
        self.process = subprocess.Popen([*prefix, DUES, "dev", "--state-dir", state, "--listen", listen,
                                         "--gateway", gateway],
                                        stdin=subprocess.DEVNULL, stdout=self.output, stderr=subprocess.STDOUT)

    def said(self):
        self.output.seek(0)
        return self.output.read().decode()

    def wait_ready(self):
        # Not by the file alone: that of a crashed run lies there until this one has begun.
        until(lambda: "dues is ready at" in self.said() or self.process.poll() is not None, "the start")
        if self.process.poll() is not None:
            raise AssertionError(f"dues dev ended with {self.process.returncode}: {self.said()}")
        return self

    def end(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(60)
        self.output.close()
        return status


class DevTest(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.mkdtemp(prefix="dues-dev-")  # 0700, as mktemp makes them
        os.chmod(self.scratch, 0o711)
        self.state = os.path.join(self.scratch, "state")
        self.runs = []

    def tearDown(self):
        for run in self.runs:
            if run.process.poll() is None:
                run.end()
        shutil.rmtree(self.scratch)

    def start(self, **options):
        run = Dev(self.state, **options)
        self.runs.append(run)
        return run.wait_ready()

    def refused(self, arguments, prefix=()):
        """Runs `dues dev` where it cannot start: the one line it says."""
        result = subprocess.run([*prefix, DUES, "dev", *arguments], capture_output=True, text=True, timeout=60,
                                check=False)
        self.assertNotEqual(result.returncode, 0)
        lines = [line for line in result.stderr.splitlines() if "making a database" not in line]
        self.assertEqual(len(lines), 1, result.stderr)
        self.assertTrue(lines[0].startswith("dues: "), lines[0])
        return lines[0]

    def misused(self, *arguments, **options):
        """Runs `dues` with a command line that it refuses: the line that says why."""
        result = subprocess.run([DUES, *arguments], capture_output=True, text=True, timeout=60, check=False, **options)
        self.assertEqual(result.returncode, 2, result.stderr)
        lines = result.stderr.splitlines()
        self.assertEqual(lines[1:], ["dues: `dues --help` shows how"])
        return lines[0]

    def call(self, method, request="{}", *options):
        return subprocess.run([DUES, "call", "--state-dir", self.state, *options, method, request],
                              capture_output=True, text=True, timeout=60, check=False)

    def create(self):
        answer = self.call("Membership/CreateCustomer", '{"customer": {"displayName": "Ada"}}')
        self.assertEqual(answer.returncode, 0, answer.stderr)
        return json.loads(answer.stdout)["name"]

    def exists(self, customer):
        return self.call("Membership/GetCustomer", json.dumps({"name": customer})).returncode == 0

    def test_keeps_its_state_over_a_stop_and_leaves_nothing_running(self):
        run = self.start()
        customer = self.create()
        children = descendants(run.process.pid)
        keys = os.path.join(self.state, "certs", "service-billing.key")
        self.assertEqual(stat.S_IMODE(os.stat(keys).st_mode), 0o600)
        certificate = text_of(keys.replace(".key", ".pem"))

        self.assertEqual(run.end(signal.SIGINT), 0)
        self.assertFalse(os.path.exists(os.path.join(self.state, "ready")))
        self.assertEqual([child for child in children if is_alive(child)], [])

        run = self.start()
        self.assertTrue(self.exists(customer))
        self.assertEqual(text_of(keys.replace(".key", ".pem")), certificate)
        self.assertEqual(run.end(signal.SIGTERM), 0)

    def test_is_over_when_it_is_killed_and_starts_again(self):
        run = self.start()
        customer = self.create()
        children = descendants(run.process.pid)

        self.assertEqual(run.end(signal.SIGKILL), -signal.SIGKILL)
        self.start()

        self.assertEqual([child for child in children if is_alive(child)], [])
        self.assertTrue(self.exists(customer))

    def test_starts_again_after_everything_was_killed(self):
        run = self.start()
        customer = self.create()
        for child in [run.process.pid, *descendants(run.process.pid)]:
            os.kill(child, signal.SIGKILL)
        run.end()

        self.start()

        self.assertTrue(self.exists(customer))

    def test_ends_when_its_server_does(self):
        run = self.start()
        os.kill(self.duesd_of(run), signal.SIGKILL)
        self.assertEqual(run.process.wait(60), 1)
        self.assertIn("dues: duesd ended with signal 9", run.said())
        self.assertFalse(os.path.exists(os.path.join(self.state, "ready")))

    def duesd_of(self, run):
        return [child for child in descendants(run.process.pid)
                if os.readlink(f"/proc/{child}/exe").endswith("/duesd")][0]

    def test_says_what_it_waits_for_and_kills_it_at_the_second_signal(self):
        run = self.start()
        customer = self.create()
        children = descendants(run.process.pid)
        os.kill(self.duesd_of(run), signal.SIGSTOP)  # would never end of itself

        run.process.send_signal(signal.SIGINT)
        until(lambda: "dues: stopping: waiting for duesd to finish its calls" in run.said(), "the line")
        time.sleep(1)
        self.assertIsNone(run.process.poll())
        run.process.send_signal(signal.SIGINT)

        self.assertEqual(run.process.wait(60), 1)
        self.assertIn("dues: duesd was killed before it had finished\n", run.said())
        self.assertTrue(run.said().endswith("dues: stopped\n"), run.said())
        self.assertEqual([child for child in children if is_alive(child)], [])
        self.start()
        self.assertTrue(self.exists(customer))

    def test_takes_two_signals_at_once_for_one(self):
        run = self.start()
        run.process.send_signal(signal.SIGINT)
        time.sleep(0.05)
        self.assertEqual(run.process.poll() or run.end(signal.SIGTERM), 0)

    def test_stops_when_its_terminal_is_closed(self):
        run = self.start()
        children = descendants(run.process.pid)
        self.assertEqual(run.end(signal.SIGHUP), 0)
        self.assertEqual([child for child in children if is_alive(child)], [])

    def test_outlives_its_terminal_under_nohup(self):
        run = self.start(prefix=("nohup",))
        run.process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        self.create()
        self.assertEqual(run.end(), 0)

    def test_prints_lines_that_name_files_that_are_there(self):
        self.state = os.path.join(self.scratch, "Ada's \"new\" state, $HOME")
        run = self.start()
        address = text_of(self.state, "ready").strip()
        lines = [line for line in run.said().splitlines() if line.startswith("grpcurl ")]
        self.assertEqual(len(lines), 3)
        for line in lines:
            words = shlex.split(line)
            for option in ("-cacert", "-cert", "-key"):
                self.assertTrue(os.path.isfile(words[words.index(option) + 1]), line)
            self.assertIn(address, words)

    def test_prints_how_to_read_its_metrics(self):
        self.state = os.path.join(self.scratch, "Ada's \"new\" state, $HOME")
        run = self.start()
        lines = [line for line in run.said().splitlines() if line.startswith("curl ")]
        self.assertEqual(len(lines), 1)
        result = subprocess.run(shlex.split(lines[0]), capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("\ndues_build_info{version=", result.stdout)

    def test_finds_room_for_its_socket_in_a_deep_directory(self):
        self.state = os.path.join(self.scratch, *["a-rather-long-name-of-a-directory"] * 4)
        run = self.start()
        short = text_of(self.state, "socket-directory")
        self.assertTrue(os.path.isdir(short))
        self.create()
        self.assertEqual(run.end(), 0)
        self.assertFalse(os.path.exists(short))

    def test_refuses_a_busy_port(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            address = f"127.0.0.1:{other.getsockname()[1]}"
            self.assertIn(f"{address} is in use", self.refused(["--state-dir", self.state, "--listen", address]))

    def test_refuses_an_address_that_is_none(self):
        for address in ("8443", "127.0.0.1", "127.0.0.1:", "localhost:x", "127.0.0.1:99999", "::1:0", "[127.0.0.1]:0"):
            self.assertIn("--listen needs ADDRESS:PORT",
                          self.misused("dev", "--state-dir", self.state, "--listen", address))
        self.assertFalse(os.path.exists(self.state))

    def test_refuses_an_address_that_others_can_reach(self):
        for address in ("0.0.0.0:0", "[::]:0", "192.0.2.1:0"):
            self.assertIn("loopback address only",
                          self.misused("dev", "--state-dir", self.state, "--listen", address))
        self.assertFalse(os.path.exists(self.state))

    def test_tells_a_wrong_command_line_by_its_exit_status(self):
        for line, reason in ((("dev", "--state-dir", ""), "--state-dir needs the name"),
                             (("call", "--state-dir", "", "Membership/ListPlans"), "--state-dir needs the name"),
                             (("call", "--deadline-ms", "x", "Membership/ListPlans"), "--deadline-ms needs a whole number"),
                             (("demo", "--deadline-ms", "0"), "--deadline-ms needs a whole number"),
                             (("wait", "--cert", "a.pem"), "--cert and --key belong together")):
            self.assertIn(reason, self.misused(*line))

    def test_says_when_there_is_no_home(self):
        homeless = ["env", "-u", "HOME", "-u", "XDG_STATE_HOME"]
        if os.geteuid() == 0:
            homeless = ["setpriv", "--reuid", "65534", "--clear-groups", *homeless]
        if subprocess.run([*homeless, "test", "-x", DUES], check=False).returncode != 0:
            self.skipTest("cannot run as another user here")
        self.assertIn("HOME is not set", self.refused([], homeless))

    def test_refuses_a_state_directory_in_use(self):
        run = self.start()
        self.assertIn(f"is in use by process {run.process.pid}",
                      self.refused(["--state-dir", self.state, "--listen", "127.0.0.1:0"]))
        self.create()

    def test_refuses_the_state_of_another_version(self):
        os.mkdir(self.state)
        with open(os.path.join(self.state, "version"), "w", encoding="ascii") as file:
            file.write("dues-dev 999\n")
        self.assertIn("was made by another version", self.refused(["--state-dir", self.state]))
        self.assertEqual(os.listdir(self.state), ["version"])

    def test_refuses_a_directory_of_somebody_else(self):
        os.mkdir(self.state)
        with open(os.path.join(self.state, "letter.txt"), "w", encoding="ascii") as file:
            file.write("mine\n")
        self.assertIn("not a state directory", self.refused(["--state-dir", self.state]))
        self.assertEqual(os.listdir(self.state), ["letter.txt"])

    def test_says_that_the_simulator_is_missing_before_it_makes_anything(self):
        for program in (DUES, DUESD):
            shutil.copy(program, self.scratch)
        result = subprocess.run([os.path.join(self.scratch, "dues"), "dev", "--state-dir", self.state, "--listen",
                                 "127.0.0.1:0", "--gateway", "stripe-simulator"], capture_output=True, text=True,
                                timeout=60, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("the simulator is missing", result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1)
        self.assertFalse(os.path.exists(self.state))

    def test_the_simulator_names_the_address_that_it_cannot_have(self):
        for listen, status in (("foo", 64), ("127.0.0.1:foo", 69)):
            result = subprocess.run([os.path.join(BUILD, "dues-simulator"), "--listen", listen, "--journal",
                                     os.path.join(self.scratch, "journal"), "--secret-key", "sk_test_0123456789abcdef"],
                                    capture_output=True, text=True, timeout=60, check=False)

            self.assertEqual(result.returncode, status, result.stderr)
            self.assertIn(listen, result.stderr)

    def test_tells_the_simulator_its_secrets_by_files(self):
        run = self.start(gateway="stripe-simulator")
        secrets = [text_of(self.state, name).strip() for name in ("stripe.key", "stripe.webhook-secret")]
        for child in [run.process.pid, *descendants(run.process.pid)]:
            with open(f"/proc/{child}/cmdline", encoding="utf-8") as file:
                words = file.read()
            for secret in secrets:
                self.assertNotIn(secret, words)
        simulator = [line for line in run.said().splitlines() if "_simulator/health" in line]
        health = subprocess.run(shlex.split(simulator[0]), capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(health.returncode, 0, health.stderr)

    def test_prints_how_the_simulator_is_made_to_lie(self):
        run = self.start(gateway="stripe-simulator")
        order = [line for line in run.said().splitlines() if "_simulator/faults" in line]
        ordered = subprocess.run(["sh", "-c", order[0]], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(ordered.returncode, 0, ordered.stderr)
        self.assertNotIn("error", ordered.stdout)
        customer = json.loads(self.call("Membership/CreateCustomer", '{"customer": {"displayName": "Ada"}}').stdout)["name"]
        card = self.call("Payment/CreatePaymentMethod", json.dumps({"parent": customer,
                                                                    "paymentMethod": {"gatewayToken": "pm_card_visa"}}))
        paid = self.call("Payment/CreatePayment", json.dumps({
            "parent": customer, "requestId": "lied-to", "payment": {"amount": {"currencyCode": "USD", "minorUnits": "999"},
                                                                   "paymentMethod": json.loads(card.stdout)["name"]}}))
        self.assertEqual(paid.returncode, 0, paid.stderr)
        self.assertIn('"fault":"reset_after', text_of(self.state, "simulator.journal"))

    def test_says_where_it_stands_why_the_key_was_not_stored(self):
        self.start(gateway="stripe-simulator").end()
        with open(os.path.join(self.state, "master.key"), "w", encoding="utf-8") as file:
            file.write("5e" * 32 + "\n")
        result = subprocess.run([DUES, "dev", "--state-dir", self.state, "--listen", "127.0.0.1:0", "--gateway", "stripe-simulator"],
                                capture_output=True, text=True, timeout=60, check=False)
        log = os.path.join(self.state, "simulator.log")
        self.assertEqual(result.returncode, 1)
        self.assertIn(f"dues: duesd set-key failed with status 1 (see {log})", result.stderr)
        self.assertIn("duesd: ", text_of(self.state, "simulator.log"))

    def test_the_story_says_at_once_that_it_needs_the_sandbox(self):
        self.start(gateway="stripe-simulator")
        result = subprocess.run([DUES, "demo", "--state-dir", self.state], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn("the story needs the sandbox gateway", result.stderr)

    def test_has_two_operators(self):
        self.start()
        for operator in ("operator-demo", "operator-second"):
            answer = self.call("Payment/ListReconciliations", "{}", "--as", operator)
            self.assertEqual(answer.returncode, 0, answer.stderr)

    def test_says_when_postgresql_is_missing(self):
        hidden = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /usr/lib/postgresql && exec "$@"', "sh"]
        if subprocess.run([*hidden, "true"], capture_output=True, check=False).returncode != 0:
            self.skipTest("cannot hide the installed PostgreSQL here")
        self.assertIn("PostgreSQL is missing",
                      self.refused(["--state-dir", self.state, "--listen", "127.0.0.1:0"], hidden))

    def test_says_when_its_user_cannot_reach_the_directory(self):
        if os.geteuid() != 0:
            self.skipTest("only root hands PostgreSQL to another user")
        os.chmod(self.scratch, 0o700)
        self.assertIn("cannot enter", self.refused(["--state-dir", self.state, "--listen", "127.0.0.1:0"]))

    def test_calls_tell_success_refusal_and_misuse_by_exit_status(self):
        self.start()
        plans = self.call("dues.membership.v1.MembershipService/ListPlans", "{}", "--as", "app-demo")
        self.assertIn("plans/premium-monthly", [plan["name"] for plan in json.loads(plans.stdout)["plans"]])

        refused = self.call("Payment/CreatePayment", '{"payment": {"amount": {"minorUnits": "-1"}}, "requestId": "r-1"}')
        self.assertEqual(refused.returncode, 64 + 3)
        self.assertIn("INVALID_ARGUMENT INVALID_FIELD", refused.stderr)
        self.assertIn("  payment.amount.minor_units: ", refused.stderr)

        misuses = (("Payment/Pay", "{}"), ("Payment/GetPayment", "{"), ("Payment/GetPayment", '{"nom": "x"}'))
        for method, request in misuses:
            self.assertEqual(self.call(method, request).returncode, 2)

    def test_tells_its_story_twice_on_the_same_server(self):
        self.start()
        for _ in range(2):
            story = subprocess.run([DUES, "demo", "--state-dir", self.state], capture_output=True, text=True,
                                   timeout=120, check=False)
            self.assertEqual(story.returncode, 0, story.stderr)
            self.assertIn("The gateway holds 29.98 USD", story.stdout)
            self.assertNotIn("correct horse", story.stdout)

    def test_every_command_explains_itself(self):
        for program, commands in ((DUES, ("dev", "call", "demo", "wait")), (DUESD, ("serve", "migrate", "check-config"))):
            for command in commands:
                page = subprocess.run([program, command, "--help"], capture_output=True, text=True, timeout=60,
                                      check=False)
                self.assertEqual((page.returncode, page.stderr), (0, ""), command)
                self.assertIn(f"{os.path.basename(program)} {command} ", page.stdout)

    def test_waits_for_a_server_that_starts_later(self):
        waiting = subprocess.Popen([DUES, "wait", "--state-dir", self.state, "--timeout", str(START_SECONDS)],
                                   stderr=subprocess.PIPE, text=True)
        try:
            time.sleep(0.5)
            self.assertIsNone(waiting.poll())
            self.start()
            self.assertEqual(waiting.wait(30), 0)
        finally:
            waiting.kill()
            self.assertEqual(waiting.communicate()[1], "")

    def test_does_not_wait_for_ever(self):
        waiting = subprocess.run([DUES, "wait", "--state-dir", self.state, "--timeout", "0"], capture_output=True,
                                 text=True, timeout=30, check=False)
        self.assertEqual(waiting.returncode, 1)
        self.assertIn("no server is running in", waiting.stderr)

    def test_a_call_without_a_server_says_so(self):
        answer = self.call("Membership/ListPlans")
        self.assertEqual(answer.returncode, 1)
        self.assertIn("no server is running in", answer.stderr)


if __name__ == "__main__":
    unittest.main()
