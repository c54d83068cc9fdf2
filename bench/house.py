"""A dues to be measured: PostgreSQL, one or more duesd in front of it, and the programs that put load on them."""

import json
import os
import re
import resource
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests", "fault"))
from environment import Broken, Environment, die_with_parent, lasting_port, until  # noqa: E402,F401

# As in production, but for the limits of one source: one client here stands for many.
SETTINGS = {
    "log_level": "info",
    "rate_service": 1000000,
    "rate_operator": 1000000,
    "rate_app": 1000000,
    "rate_device": 1000000,
    "connections_per_source_max": 100000,
    "connections_per_second": 100000,
    "connections_max": 15000,
    "metrics_listen": "off",
    "access_token_seconds": 900,
}
# Everything durable is on, as PostgreSQL comes; this is what its manual asks of a server with memory to spare.
POSTGRESQL = {
    "shared_buffers": "2GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "lz4",
    "max_connections": "200",
}
# In flight while something is made: not so many that a server with a slow disk refuses some.
FEW = 8


class Failed(Exception):
    """A measurement that could not be made."""


def progress(message):
    print(message, file=sys.stderr, flush=True)


def run(arguments, patience, **more):
    """Standard output of a program; its standard error in the exception when it fails."""
    try:
        result = subprocess.run([str(one) for one in arguments], capture_output=True, text=True, timeout=patience,
                                check=False, **more)
    except subprocess.TimeoutExpired as late:
        raise Failed(f"{os.path.basename(arguments[0])} did not end within {patience} s") from late
    if result.returncode != 0 and not result.stdout:
        raise Failed(f"{os.path.basename(arguments[0])} ended with {result.returncode}: {result.stderr.strip()[-500:]}")
    return result.stdout


class Server:
    """Something that answers gRPC with mutual TLS and is measured from outside."""

    def __init__(self, address, process):
        self.address = address
        self.process = process

    @property
    def pid(self):
        if self.process.poll() is not None:
            raise Failed(f"the server ended with {self.process.returncode}")
        return self.process.pid

    def cpu_us(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as file:
            ticks = file.read().rpartition(")")[2].split()
        return (int(ticks[11]) + int(ticks[12])) * 1000000 // os.sysconf("SC_CLK_TCK")

    def rss_kib(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class House:
    """`dues dev` makes it; further servers are the same with other settings."""

    def __init__(self, options, directory, settings=None):
        os.makedirs(directory, exist_ok=True)
        os.chmod(directory, 0o755)
        # 10,000 connections need as many files.
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
        self.options = options
        self.directory = directory
        self.settings = {**SETTINGS, "log_level": options.log_level, **(settings or {})}
        self.environment = Environment(options.build, directory, self.settings)
        self.servers = []
        self.main = None

    def open(self):
        self.environment.make()
        with open(os.path.join(self.environment.state, "postgres", "postgresql.conf"), "a", encoding="utf-8") as file:
            file.writelines(f"{key} = '{value}'\n" for key, value in POSTGRESQL.items())
        self.environment.start_postgres()
        try:
            self.environment.start_duesd()
        except subprocess.TimeoutExpired as late:
            with open(os.path.join(self.directory, "duesd.log"), encoding="utf-8", errors="replace") as log:
                raise Failed(f"duesd does not serve: {log.read().strip().splitlines()[-1]}") from late
        self.main = Server(self.environment.address, self.environment.duesd)
        return self

    def close(self):
        for server in self.servers:
            server.stop()
        if self.environment is not None:
            self.environment.stop()
            self.environment = None

    @property
    def certificates(self):
        return self.environment.certificates

    def query(self, sql, database="dues"):
        result = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.environment.socket,
                                 "-p", "5432", "-U", "postgres", database], input=sql, capture_output=True, text=True,
                                check=False)
        if result.returncode != 0:
            raise Failed(f"SQL: {result.stderr.strip()[-500:]}")
        return result.stdout.strip()

    def settle(self, patience=60):
        """Waits until PostgreSQL has cleaned up after what was written: its workers need the processors too."""
        until = time.monotonic() + patience
        while time.monotonic() < until and self.query(
                "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'", "postgres").strip() != "0":
            time.sleep(0.2)

    def keep(self, server):
        self.servers.append(server)
        return server

    def start_duesd(self, name, settings, database="dues"):
        """Another duesd, of other settings or before another database."""
        with open(self.environment.configuration, encoding="utf-8") as file:
            keys = dict(re.split(r"\s*=\s*", line.strip(), maxsplit=1) for line in file if "=" in line)
        port = lasting_port()
        keys["sandbox_journal"] = os.path.join(self.directory, f"{name}.journal")
        keys["database"] = re.sub(r"dbname='?\w+'?", f"dbname={database}", keys["database"])
        keys["listen"] = f"127.0.0.1:{port}"
        keys.update(settings)
        path = os.path.join(self.directory, f"{name}.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f"{key} = {value}\n" for key, value in keys.items())
        with open(os.path.join(self.directory, f"{name}.log"), "ab") as log:
            process = subprocess.Popen([os.path.join(self.options.build, "duesd"), "serve", "--config", path],
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent)
        server = self.keep(Server(keys["listen"], process))
        run([os.path.join(self.options.build, "dues"), "wait", "--state-dir", self.environment.state, "--target",
             server.address, "--server-name", "localhost"], 60)
        server.pid  # pylint: disable=pointless-statement  # it may have ended
        return server

    def start_echo(self, method):
        """The C core alone."""
        process = subprocess.Popen([os.path.join(self.options.build, "bench", "bench_echo"), "--certs", self.certificates,
                                    "--rpc", method], stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        return self.keep(Server(f"127.0.0.1:{process.stdout.readline().strip()}", process))

    def write(self, name, requests):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="ascii") as file:
            file.writelines(request.hex() + "\n" for request in requests)
        return path

    def client(self, server, method, requests, *more):
        return [os.path.join(self.options.build, "bench", "bench_load"), "--target", server.address, "--certs",
                self.certificates, "--rpc", method, "--requests", requests, *more]

    def ask(self, method, requests, *more, server=None):
        """Sends each request once; the answers in no particular order."""
        replies = os.path.join(self.directory, "replies.hex")
        output = run(self.client(server or self.main, method, self.write("ask.hex", requests), "--count", len(requests),
                                 "--in-flight", FEW, "--replies", replies, *more), 600)
        figures = json.loads(output)
        if figures["errors"]:
            raise Failed(f"{method}: {figures['errors']} refused, the last with status {figures['last_error']}")
        with open(replies, encoding="ascii") as file:
            return [bytes.fromhex(line) for line in file]

    def load(self, server, method, requests, *more, seconds=None, in_flight=64):
        """A closed loop, or with --rate among `more` a fixed rate; with the server's own processor time."""
        seconds = seconds or self.options.seconds
        before, begun = server.cpu_us(), time.monotonic()
        pace = [] if "--rate" in more else ["--in-flight", in_flight]
        figures = json.loads(run(self.client(server, method, requests, "--seconds", seconds, "--warm-up", 1,
                                             "--connections", self.options.connections, *pace, *more), seconds + 90))
        # The warm-up is in the processor time, too: about the same load for one second more.
        share = seconds / max(time.monotonic() - begun, seconds)
        figures["cpu_us"] = (server.cpu_us() - before) * share / max(figures["calls"], 1)
        figures["client_us"] = figures["client_cpu_us"] * seconds / (seconds + 1) / max(figures["calls"], 1)
        if figures["calls"] == 0:
            raise Failed(f"{method}: no call was answered OK; statuses {figures['statuses']}")
        if figures["errors"]:
            progress(f"{method}: {figures['errors']} errors, statuses {figures['statuses']}")
        return figures

    def pgbench(self, script, clients, seconds=None):
        """A script's runs a second, over as many connections as clients."""
        output = run([os.path.join(self.environment.binaries(), "pgbench"), "-n", "-M", "prepared", "-c", clients, "-j",
                      2, "-T", seconds or self.options.seconds, "-D", f"customers={self.options.customers}", "-D", "k=0",
                      "-D", f"base={int(time.time() * 1000)}", "-f", script, "-h", self.environment.socket, "-p", "5432",
                      "-U", "dues_service", "dues"], 600)
        found = re.search(r"tps = ([0-9.]+)", output)
        failed = re.search(r"number of failed transactions: (\d+)", output)
        if found is None or (failed and failed.group(1) != "0"):
            raise Failed(f"pgbench: {output.strip()[-500:]}")
        return {"per_second": float(found.group(1))}
