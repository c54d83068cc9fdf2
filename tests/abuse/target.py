"""The server under attack: the shipped duesd with a PostgreSQL of its own, a member in it, and an insider's key.

Beside it a second duesd on the same database, which nobody attacks: what its good client suffers comes from the
machine.
"""

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "fault"))
from environment import Broken, Environment, die_with_parent, lasting_port, until  # noqa: E402

import http2_raw as h2  # noqa: E402

PAYMENT = b"/dues.payment.v1.PaymentService/"
MEMBERSHIP = b"/dues.membership.v1.MembershipService/"
SETTINGS = {
    "metrics_listen": "off",
    "log_level": "error",  # a line for every refused call would measure the disk
    # What never ends is cut after these, and the vectors wait for it.
    "deadline_default_ms": 2000,
    "deadline_max_ms": 4000,
}
INSIDER = "service-stolen"
PAYMENTS = 20


def varint(number):
    return h2.integer(number, 7) if number < 0x7f else bytes([number & 0x7f | 0x80]) + varint(number >> 7)


def part(number, value):
    """One field on the wire: text, message bytes or a number."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def name_in(reply):
    """Field 1 of every answer that we read: a name, shorter than 128 bytes."""
    return reply[2:2 + reply[1]].decode()


class Target:
    def __init__(self, build, directory):
        self.environment = Environment(build, directory, SETTINGS)
        self.deadline_max = SETTINGS["deadline_max_ms"] / 1000
        self.restarts = 0
        self.control = None

    def open(self):
        self.environment.make()
        self.environment.start_postgres()
        self.environment.start_duesd()
        self.address = self.environment.address
        self.certificates = self.environment.certificates
        self._make_insider()
        self.attacker = h2.Identity(self.certificates, INSIDER)
        self.good = h2.Identity(self.certificates, "service-billing")
        self._make_member()
        self._start_control()

    def _start_control(self):
        self.control_address = f"127.0.0.1:{lasting_port()}"
        with open(self.environment.configuration, encoding="utf-8") as file:
            lines = [line for line in file if line.split("=")[0].strip() not in ("listen", "sandbox_journal")]
        configuration = os.path.join(self.environment.directory, "control.conf")
        with open(configuration, "w", encoding="utf-8") as file:
            file.write("".join(lines) + f"listen = {self.control_address}\n"
                       f"sandbox_journal = {self.environment.journal}.beside\n")
        self.control = subprocess.Popen(  # pylint: disable=consider-using-with
            [os.path.join(self.environment.build, "duesd"), "serve", "--config", configuration],
            stdin=subprocess.DEVNULL, stdout=self.environment.log, stderr=self.environment.log,
            preexec_fn=die_with_parent)
        until(lambda: self.control.poll() is not None or self.greet(address=self.control_address) is None,
              "the server that nobody attacks")
        if self.control.poll() is not None:
            raise Broken(f"the server that nobody attacks ended with {self.control.returncode}")

    def _make_insider(self):
        """Signed by the client authority, as `dues dev` signs its own."""
        key, asked, made = (os.path.join(self.certificates, INSIDER + end) for end in (".key", ".csr", ".pem"))
        extensions = os.path.join(self.certificates, INSIDER + ".ext")
        with open(extensions, "w", encoding="ascii") as file:
            file.write("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
                       "extendedKeyUsage=clientAuth\n"
                       f"subjectAltName=URI:spiffe://dues.local/service/{INSIDER}\n")
        authority = os.path.join(self.certificates, "ca")
        for command in (
                ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key],
                ["openssl", "req", "-new", "-key", key, "-subj", f"/CN={INSIDER}", "-out", asked],
                ["openssl", "x509", "-req", "-in", asked, "-CA", authority + ".pem", "-CAkey", authority + ".key",
                 "-CAcreateserial", "-days", "1", "-extfile", extensions, "-out", made]):
            subprocess.run(command, check=True, capture_output=True)

    def _make_member(self):
        connection = h2.Connection(self.address, self.good)
        streams = iter(h2.streams(1000))

        def ask(path, payload):
            status, reply = connection.ask(next(streams), h2.request_block(path), payload)
            if status != 0:
                raise Broken(f"{path.decode()} answered {status}")
            return name_in(reply) if reply else ""

        customer = ask(MEMBERSHIP + b"CreateCustomer", part(3, "abuse-customer"))
        method = ask(PAYMENT + b"CreatePaymentMethod", part(1, customer) + part(2, part(2, "tok_visa"))
                     + part(3, "abuse-method"))
        for number in range(PAYMENTS):
            payment = ask(PAYMENT + b"CreatePayment", part(1, customer) + part(2, part(2, part(1, "USD") + part(2, 999))
                          + part(3, method)) + part(3, f"abuse-payment-{number:04}"))
        connection.close()
        # What the vectors ask; the good client asks both that read.
        self.path = MEMBERSHIP + b"CheckEntitlement"
        self.payload = part(1, customer) + part(2, "video.hd")
        self.list_path = PAYMENT + b"ListPayments"
        self.list_payload = part(1, customer)
        self.good_calls = [(self.path.decode(), self.payload), ((PAYMENT + b"GetPayment").decode(), part(1, payment))]

    def pid(self):
        return self.environment.duesd.pid

    def is_alive(self):
        return self.environment.duesd.poll() is None

    def tcp_address(self):
        host, _, port = self.address.rpartition(":")
        return host, int(port)

    def open_descriptors(self):
        return len(os.listdir(f"/proc/{self.pid()}/fd"))

    def greet(self, patience=5, address=None):
        """A new good connection and a call on it: None, or what went wrong."""
        try:
            connection = h2.Connection(address or self.address, self.good)
        except OSError as error:
            return f"no new connection: {error}"
        status, _ = connection.ask(1, h2.request_block(self.path), self.payload, patience)
        how = None if status == 0 else f"a new connection's call ended with {status} ({connection.cut})"
        connection.close()
        return how

    def restart(self):
        """After a vector that it did not survive, so that the next one meets a server."""
        if self.is_alive():
            self.environment.kill_duesd()
        self.environment.duesd = None
        self.environment.start_duesd()
        self.restarts += 1

    def close(self):
        if self.control is not None:
            self.control.terminate()
            self.control.wait()
        return self.environment.stop()
