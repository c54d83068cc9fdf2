"""`dues dev` and grpcurl, as somebody uses them who has read the README and nothing else."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fault"))
from environment import children_of, die_with_parent, until  # noqa: E402

BUILD = os.environ.get("DUES_BUILD", "build/release")
TOOLS = os.environ.get("DUES_TOOLS", "build/tools")

PAYMENT = "dues.payment.v1.PaymentService/"
MEMBERSHIP = "dues.membership.v1.MembershipService/"
AUTH = "dues.auth.v1.AuthService/"
SANDBOX = "dues.sandbox.v1.SandboxService/"


def grpcurl_path():
    built = os.path.join(TOOLS, "grpcurl")
    return built if os.access(built, os.X_OK) else shutil.which("grpcurl")


def missing():
    """What this test needs and cannot have, or None."""
    if grpcurl_path() is None:
        return "there is no grpcurl in build/tools or on the PATH"
    if shutil.which("openssl") is None:
        return "there is no openssl to make a device's key with"
    return None


class Answer:
    """What grpcurl printed: `data` of an OK; else `code` ("NotFound") and `text` as a person sees it."""

    def __init__(self, result):
        self.text = result.stdout + result.stderr
        self.code = "OK"
        self.data = {}
        self.trailers = ""
        if result.returncode == 0:
            body = result.stdout
            if "Response contents:" in body:
                body, self.trailers = body.split("Response contents:", 1)[1].split("Response trailers received:", 1)
            self.data = json.loads(body) if body.strip().startswith("{") else {}
        else:
            for line in self.text.splitlines():
                if line.strip().startswith("Code:"):
                    self.code = line.split(":", 1)[1].strip()
            if self.code == "OK":
                self.code = "not called"


class Server:
    arguments = ()  # of dues dev, beside those of every test

    def __init__(self):
        self.scratch = tempfile.mkdtemp(prefix="dues-e2e-")
        os.chmod(self.scratch, 0o755)
        self.directory = os.path.join(self.scratch, "state")
        self.certificates = os.path.join(self.directory, "certs")
        self.output = open(os.path.join(self.scratch, "output"), "wb+")  # pylint: disable=consider-using-with
        self.dev = None
        self.address = None

    def start(self):
        """`dues dev` until it says that it is ready."""
        ready = os.path.join(self.directory, "ready")
        self.dev = subprocess.Popen([os.path.join(BUILD, "dues"), "dev", "--state-dir", self.directory, "--listen",
                                     "127.0.0.1:0", *self.arguments], stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output,
                                    preexec_fn=die_with_parent)
        until(lambda: os.path.exists(ready) or self.dev.poll() is not None, "dues dev")
        if self.dev.poll() is not None:
            raise AssertionError(f"dues dev ended with {self.dev.returncode}: {self.said()}")
        with open(ready, encoding="ascii") as file:
            self.address = file.read().strip()

    def said(self):
        self.output.flush()
        with open(self.output.name, encoding="utf-8", errors="replace") as file:
            return file.read()[-4000:]

    def configuration(self, **changes):
        """The text of its duesd.conf with some keys changed."""
        with open(os.path.join(self.directory, "duesd.conf"), encoding="utf-8") as file:
            text = file.read()
        for key, value in changes.items():
            text = re.sub(rf"^{key} = .*\n", "", text, flags=re.MULTILINE) + f"{key} = {value}\n"
        return text

    def write(self, name, text):
        """A file beside its state."""
        path = os.path.join(self.scratch, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def socket(self):
        """The directory in which its PostgreSQL has its socket."""
        return re.search(r"^database = host='?([^' ]+)", self.configuration(), re.MULTILINE)[1]

    def psql(self, *more, database="dues"):
        """The command of a superuser."""
        return ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.socket(), "-U", "postgres", "-d", database,
                *more]

    def sql(self, text, database="dues"):
        return subprocess.run(self.psql("-c", text, database=database), check=True, capture_output=True, text=True).stdout.strip()

    def duesd(self):
        """Process id of the server itself."""
        for child in children_of(self.dev.pid):
            with open(f"/proc/{child}/comm", encoding="ascii") as file:
                if file.read().strip() == "duesd":
                    return child
        raise AssertionError("dues dev has no duesd")

    def kill_server(self):
        """kill -9 of duesd; dues dev takes down the rest and says why."""
        os.kill(self.duesd(), signal.SIGKILL)
        return self.dev.wait(60)

    def stop(self):
        status = 0
        if self.dev is not None and self.dev.poll() is None:
            self.dev.terminate()
            status = self.dev.wait(60)
        self.output.close()
        shutil.rmtree(self.scratch, ignore_errors=True)
        return status

    def grpcurl(self, identity, *arguments, before=()):
        certificate = identity if os.path.isabs(identity) else os.path.join(self.certificates, identity)
        return subprocess.run([grpcurl_path(), "-cacert", os.path.join(self.certificates, "ca.pem"), "-cert",
                               certificate + ".pem", "-key", certificate + ".key", "-max-time", "60", *before,
                               self.address, *arguments], capture_output=True, text=True, check=False, timeout=90)

    def call(self, identity, method, data=None, token=None, verbose=False):
        before = ["-d", json.dumps(data or {})]
        if token:
            before += ["-H", f"authorization: Bearer {token}"]
        if verbose:
            before.append("-v")
        return Answer(self.grpcurl(identity, method, before=before))

    def make_device_key(self, name):
        """A key that never leaves the device, and the request for a certificate; the path without suffix."""
        path = os.path.join(self.scratch, name)
        subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path + ".key"],
                       check=True, capture_output=True)
        subprocess.run(["openssl", "req", "-new", "-key", path + ".key", "-subj", "/CN=phone", "-out", path + ".csr"],
                       check=True, capture_output=True)
        with open(path + ".csr", encoding="ascii") as file:
            return path, file.read()


def rfc3339(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
