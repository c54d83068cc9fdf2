#!/usr/bin/env python3
"""`duesd serve` when it cannot start: it says why and exits as it should, whoever got in meanwhile."""

import os
import socket
import subprocess
import threading
import time
import unittest

from server import BUILD, Server
from processes import lasting_port

DUESD = os.path.join(BUILD, "duesd")
DUES = os.path.join(BUILD, "dues")
EXIT_UNAVAILABLE = 69
# Whether our client or the server's own is first is a race.
TRIES = 20


def pump(source, target):
    """Bytes from one to the other until either ends."""
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass


class EarlyClient:
    """Connects to a port as soon as somebody listens there, and puts `dues call` behind that connection."""

    def __init__(self, port, server, method):
        self.port = port
        self.door = socket.create_server(("127.0.0.1", 0))
        self.call = subprocess.Popen([DUES, "call", "--state-dir", server.directory, "--target",
                                      f"127.0.0.1:{self.door.getsockname()[1]}", "--server-name", "localhost",
                                      "--deadline-ms", "60000", method], stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)
        self.sockets = [self.door]
        self.stopped = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        client, _ = self.door.accept()
        self.sockets.append(client)
        while not self.stopped:
            try:
                early = socket.create_connection(("127.0.0.1", self.port))
                break
            except OSError:
                time.sleep(0.0002)
        else:
            return
        self.sockets.append(early)
        threading.Thread(target=pump, args=(client, early), daemon=True).start()
        pump(early, client)

    def stop(self):
        self.stopped = True
        self.call.kill()
        self.call.wait()
        for one in self.sockets:
            one.close()


class Start(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.stop)
        cls.server.start()

    def configure(self, **changes):
        """The configuration of `dues dev` for one more server beside its own."""
        changes = {"metrics_listen": "off", "write_lanes": 1, "read_lanes": 1,
                   "sandbox_journal": os.path.join(self.server.scratch, "start.journal"), **changes}
        return self.server.write("start.conf", self.server.configuration(**changes))

    def given_a_table_that_nobody_can_read(self, table):
        """Who asks for it waits without end."""
        self.server.sql("ALTER ROLE dues_service SET lock_timeout = 0; ALTER ROLE dues_service SET statement_timeout = 0")
        self.addCleanup(self.server.sql, "ALTER ROLE dues_service SET lock_timeout = '2s';"
                        " ALTER ROLE dues_service SET statement_timeout = '5s'")
        holder = subprocess.Popen(self.server.psql(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(lambda: (holder.communicate("ROLLBACK;\n"), holder.wait()))
        holder.stdin.write(f"BEGIN; LOCK TABLE dues.{table} IN ACCESS EXCLUSIVE MODE;\n\\echo held\n")
        holder.stdin.flush()
        self.assertEqual(holder.stdout.readline(), "held\n")

    def start(self, path, port):
        """Exit status and what was said; None: it serves, since its own client was first."""
        client = EarlyClient(port, self.server, "Membership/ListPlans")
        self.addCleanup(client.stop)
        serve = subprocess.Popen([DUESD, "serve", "--config", path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True)
        said = ""
        for line in serve.stdout:
            said += line
            if '"event":"serving"' in line:
                client.stop()
                serve.kill()
                serve.communicate()
                return None
        serve.stdout.close()
        return serve.wait(60), said

    def test_says_why_although_the_call_of_an_early_client_does_not_end(self):
        port = lasting_port()
        # The early client is all that may come from this machine, so the server's own is not let in.
        path = self.configure(listen=f"127.0.0.1:{port}", connections_per_source_max=1, shutdown_grace_ms=0)
        self.given_a_table_that_nobody_can_read("plan")

        outcomes = (self.start(path, port) for _ in range(TRIES))
        status, said = next(outcome for outcome in outcomes if outcome is not None)

        self.assertIn('"event":"stopped.unfinished"', said)
        self.assertRegex(said, r"\nduesd: self-test of the edge: others have taken all the connections[^\n]+\n$")
        self.assertEqual(status, EXIT_UNAVAILABLE)

    def test_says_why_when_the_port_is_taken(self):
        path = self.configure(listen=self.server.address)

        result = subprocess.run([DUESD, "serve", "--config", path], capture_output=True, text=True, check=False,
                                timeout=60)

        self.assertEqual(result.returncode, EXIT_UNAVAILABLE)
        self.assertRegex(result.stderr, r"\nduesd: could not listen on 127\.0\.0\.1:\d+: the port is taken\n$")


if __name__ == "__main__":
    unittest.main(verbosity=2)
