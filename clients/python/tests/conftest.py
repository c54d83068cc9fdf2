"""A real server: `dues dev` with a state directory and a port of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import dues
import pytest

ROOT = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("DUES_BUILD", ROOT / "build" / "release"))
START_SECONDS = 90


class Server:
    def __init__(self, state: Path):
        self.state = state
        self.certs = state / "certs"
        self.log = open(f"{state}.log", "w+b")
        self.process = subprocess.Popen(
            [BUILD / "dues", "dev", "--state-dir", state, "--listen", "127.0.0.1:0"],
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )

    def wait(self) -> None:
        until = time.monotonic() + START_SECONDS
        while not (self.state / "ready").exists():
            if self.process.poll() is not None or time.monotonic() > until:
                self.log.seek(0)
                pytest.exit(f"dues dev did not start:\n{self.log.read().decode()}", 1)
            time.sleep(0.05)
        self.target = (self.state / "ready").read_text().strip()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(60)
        self.log.close()
        os.unlink(self.log.name)
        return status

    def client(self, name: str, **options) -> dues.Client:
        return dues.Client(
            self.target,
            ca=self.certs / "ca.pem",
            certificate=self.certs / f"{name}.pem",
            key=self.certs / f"{name}.key",
            **options,
        )


@pytest.fixture(scope="session")
def server():
    # Not pytest's tmp_path: its parents are closed to the user that PostgreSQL runs as.
    state = Path(tempfile.mkdtemp(prefix="dues-python-"))
    server = Server(state)
    try:
        server.wait()
        yield server
    finally:
        status = server.stop()
        shutil.rmtree(state)
        assert status == 0


@pytest.fixture
def service(server):
    with server.client("service-billing") as client:
        yield client


@pytest.fixture
def app(server):
    with server.client("app-demo") as client:
        yield client


@pytest.fixture
def customer(service):
    return service.membership.create_customer(customer={"display_name": "Ada"})


@pytest.fixture
def card(service, customer):
    return service.payment.create_payment_method(
        parent=customer.name,
        payment_method={
            "gateway_token": "tok_visa",
            "mandate": {"type": "TYPE_RECURRING", "text_version": "terms-1"},
        },
    )
