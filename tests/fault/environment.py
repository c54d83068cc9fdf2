"""A whole dues on this machine whose processes may be killed: PostgreSQL with fsync on, and duesd.

`dues dev` makes the state once (certificates, database, configuration) and is then gone; what runs afterwards are
our own children, killed by process id only.
"""

import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile

from gateway import Simulator
from processes import PATIENCE, Broken, children_of, die_with_parent, is_alive, kill, lasting_port, until

__all__ = ["PATIENCE", "Broken", "Environment", "children_of", "die_with_parent", "is_alive", "kill", "lasting_port", "until"]

HASTENED_MAX = 500


class Environment:
    def __init__(self, build, directory, settings, gateway="sandbox"):
        """`settings` overrides keys of duesd.conf; the gateway is "sandbox" or "stripe-simulator"."""
        self.gateway_beside = gateway
        self.hastened = None
        self.simulator_beside = None  # made and started with the state, and not killed
        self.build = os.path.abspath(build)
        self.directory = directory
        self.state = os.path.join(directory, "state")  # as `dues dev` makes it
        self.settings = settings
        self.certificates = os.path.join(self.state, "certs")
        self.journal = os.path.join(self.state, "gateway.journal")
        self.configuration = os.path.join(directory, "fault.conf")
        self.socket = tempfile.mkdtemp(prefix="dues-fault-")
        self.metrics = os.path.join(self.socket, "metrics")
        self.log = open(os.path.join(directory, "duesd.log"), "ab")  # pylint: disable=consider-using-with
        self.postgres = None
        self.duesd = None
        self.user = None
        if os.geteuid() == 0:
            self.user = "postgres"
            account = pwd.getpwnam(self.user)
            os.chown(self.socket, account.pw_uid, account.pw_gid)

    def make(self):
        """The state as `dues dev` leaves it."""
        ready = os.path.join(self.state, "ready")
        with subprocess.Popen([os.path.join(self.build, "dues"), "dev", "--state-dir", self.state, "--listen",
                               f"127.0.0.1:{lasting_port()}", "--gateway", self.gateway_beside], stdout=self.log, stderr=self.log,
                              preexec_fn=die_with_parent) as dev:
            try:
                until(lambda: os.path.exists(ready) or dev.poll() is not None, "dues dev")
            finally:
                dev.terminate()
        if dev.returncode != 0:
            raise Broken(f"dues dev ended with {dev.returncode}, see {self.log.name}")
        with open(os.path.join(self.state, "duesd.conf"), encoding="utf-8") as file:
            lines = file.read().splitlines()
        keys = {line.split("=")[0].strip(): line for line in lines if "=" in line and not line.startswith("#")}
        if self.gateway_beside != "sandbox":
            self.simulator_beside = Simulator(self.build, self.state, self.log)
            self.simulator_beside.start()
            self.journal = self.simulator_beside.journal
            keys["stripe_url"] = f"stripe_url = {self.simulator_beside.url}"
        keys["metrics_listen"] = f"metrics_listen = unix:{self.metrics}"
        keys.update({key: f"{key} = {value}" for key, value in self.settings.items()})
        text = "\n".join(keys.values()) + "\n"
        text = re.sub(r"host='[^']*'", f"host='{self.socket}'", text)
        with open(self.configuration, "w", encoding="utf-8") as file:
            file.write(text)
        self.address = keys["listen"].split("=")[1].strip()
        self.database = f"host={self.socket} port=5432 dbname=dues user=postgres"

    def binaries(self):
        with open(os.path.join(self.state, "postgres", "PG_VERSION"), encoding="ascii") as file:
            return f"/usr/lib/postgresql/{file.read().strip()}/bin"

    def query(self, sql):
        result = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", self.database],
                                input=sql, capture_output=True, text=True, check=False)
        return result.stdout.strip() if result.returncode == 0 else None

    def hasten(self, age=1):
        """An hour goes by for those who look whether a refund failed after all: each is looked after once, when it is
        `age` seconds old."""
        now = self.query("SELECT now()")
        if now is None:
            return  # it was killed
        after = self.hastened or "-infinity"
        done = self.query("UPDATE dues.obligation SET due_time = now() WHERE kind = 'refund.watch' AND test_clock_id IS NULL"
                          f" AND due_time > '{after}'::timestamptz + interval '1 hour' - interval '{age} s'"
                          f" AND due_time <= '{now}'::timestamptz + interval '1 hour' - interval '{age} s'")
        if done is not None:
            self.hastened = now

    def hasten_looks(self):
        """The gateway is asked once more about every refund that could still fail, and every customer who is waited for."""
        self.query("UPDATE dues.obligation SET due_time = now() WHERE kind IN ('refund.watch', 'payment.action')"
                   " AND test_clock_id IS NULL AND due_time > now()")

    def hasten_resolvers(self):
        """Those that wait after a try without an answer, up to hours, wait no longer; so many at a time that the gateway
        is not flooded."""
        self.query("UPDATE dues.obligation o SET due_time = now() FROM (SELECT customer_id, kind, business_key FROM"
                   " dues.obligation WHERE kind LIKE '%.resolve' AND due_time > now() + interval '5 s'"
                   f" AND lease_until IS NULL ORDER BY due_time LIMIT {HASTENED_MAX}) waiting"
                   " WHERE o.customer_id = waiting.customer_id AND o.kind = waiting.kind"
                   " AND o.business_key = waiting.business_key AND o.lease_until IS NULL")

    def start_postgres(self):
        with open(os.path.join(self.directory, "postgres.log"), "ab") as log:
            self.postgres = subprocess.Popen(
                [os.path.join(self.binaries(), "postgres"), "-D", os.path.join(self.state, "postgres"),
                 "-c", "listen_addresses=", "-c", f"unix_socket_directories={self.socket}", "-c", "port=5432",
                 "-c", "fsync=on", "-c", "synchronous_commit=on", "-c", "full_page_writes=on", "-c", "jit=off"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, user=self.user, cwd="/", start_new_session=True,
                preexec_fn=die_with_parent)
        return until(lambda: self.is_running("postgres") and self.query("SELECT 1") == "1", "PostgreSQL")

    def spawn_duesd(self):
        self.duesd = subprocess.Popen([os.path.join(self.build, "duesd"), "serve", "--config", self.configuration],
                                      stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                      start_new_session=True, preexec_fn=die_with_parent)

    def start_duesd(self):
        self.spawn_duesd()
        self.wait_until_serving()

    def wait_until_serving(self):
        wait = subprocess.run([os.path.join(self.build, "dues"), "wait", "--state-dir", self.state, "--target",
                               self.address, "--server-name", "localhost"], stdout=self.log, stderr=self.log,
                              timeout=PATIENCE, check=False)
        self.is_running("duesd")
        if wait.returncode != 0:
            raise Broken("duesd does not serve")

    def is_running(self, name):
        """Nobody but us may end it: an end of its own is a fault that nobody injected."""
        process = getattr(self, name)
        if process is not None and process.poll() is not None:
            raise Broken(f"{name} ended by itself with {process.returncode}, see {self.directory}")
        return process is not None

    def kill_duesd(self):
        self.is_running("duesd")
        kill(self.duesd.pid, signal.SIGKILL)
        self.duesd.wait()
        self.duesd = None

    def kill_postgres(self):
        """The postmaster first, so that it cannot clean up, then every backend."""
        self.is_running("postgres")
        children = children_of(self.postgres.pid)
        kill(self.postgres.pid, signal.SIGKILL)
        self.postgres.wait()
        for child in children:
            kill(child, signal.SIGKILL)
        until(lambda: not any(is_alive(child) for child in children), "the end of PostgreSQL's processes")
        self.postgres = None

    def stop(self):
        """In good order: duesd must end with 0."""
        status = 0
        if self.duesd is not None:
            self.duesd.terminate()
            status = self.duesd.wait(PATIENCE)
            self.duesd = None
        if self.postgres is not None:
            kill(self.postgres.pid, signal.SIGINT)
            self.postgres.wait(PATIENCE)
            self.postgres = None
        if self.simulator_beside is not None:
            status = self.simulator_beside.stop() or status
        shutil.rmtree(self.socket, ignore_errors=True)
        self.log.close()
        return status
