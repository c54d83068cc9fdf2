"""A good client: calls at a fixed rate, whatever the answers do, and a line for each call on standard output.

    client.py HOST:PORT CERTIFICATES RATE

Standard input first names the calls ("PATH HEX", sent in turn), then says "go" and "pause".  A line is the moment at
which the call was due (monotonic), the seconds from then to its answer, and "ok" or why not.
"""

import collections
import gc
import os
import select
import sys
import time

import http2_raw as h2

GIVE_UP = 10  # seconds until a call without answer counts as failed
RETRY = 0.05
STREAMS_MOST = 100  # what the server allows; who opens more is not good


def outcome(answer):
    if answer.reset is not None:
        return f"reset-{answer.reset}"
    return "ok" if answer.status() == 0 and len(answer.body) > 5 else f"status-{answer.status()}"


class Line:
    """One connection and what is under way on it."""

    def __init__(self, address, identity):
        self.connection = h2.Connection(address, identity)
        self.connection.push(h2.window_update(0, h2.WINDOW_MOST - 65535))
        self.next_stream = 1
        self.waiting = {}  # stream → when it was due

    def is_full(self):
        return len(self.waiting) >= STREAMS_MOST

    def send(self, due, block, payload):
        self.connection.push(h2.request(self.next_stream, block, payload), seconds=1)
        self.waiting[self.next_stream] = due
        self.next_stream += 2

    def is_leaving(self):
        return self.connection.cut is not None or self.connection.goaway_code is not None

    def collect(self, report):
        connection = self.connection
        while connection.cut is None and (connection.read_some() or connection.socket.pending()):
            pass
        for stream in list(self.waiting):
            answer = connection.streams.get(stream)
            if answer is not None and (answer.ended or answer.reset is not None):
                report(self.waiting.pop(stream), outcome(answer))
                del connection.streams[stream]
            elif connection.cut or time.monotonic() - self.waiting[stream] > GIVE_UP:
                report(self.waiting.pop(stream), f"connection-{connection.cut}" if connection.cut else "silence")


class Client:
    """Takes a new connection when the server says goodbye; what is under way on the old one ends there."""

    def __init__(self, address, identity, calls):
        self.address = address
        self.identity = identity
        self.blocks = [(h2.request_block(path), payload) for path, payload in calls]
        self.turn = 0
        self.lines = []
        self.held_back = collections.deque()  # due, and not sent yet
        self.retry_at = 0

    @staticmethod
    def report(due, how):
        print(f"{due:.6f} {time.monotonic() - due:.6f} {how.replace(' ', '-')}", flush=True)

    def connect(self):
        if self.lines and not self.lines[-1].is_leaving():
            return True
        if time.monotonic() < self.retry_at:
            return False
        try:
            self.lines.append(Line(self.address, self.identity))
        except OSError:
            self.retry_at = time.monotonic() + RETRY
            return False
        return True

    def send(self, due):
        self.held_back.append(due)
        self.collect()
        while self.held_back and not (self.lines and self.lines[-1].is_full()):
            due = self.held_back.popleft()
            if not self.connect():
                self.report(due, "no-connection")
                return
            block, payload = self.blocks[self.turn % len(self.blocks)]
            self.turn += 1
            self.lines[-1].send(due, block, payload)
            self.collect()

    def collect(self):
        for line in list(self.lines):
            line.collect(self.report)
            if line.is_leaving() and not line.waiting:
                line.connection.close()
                self.lines.remove(line)


def read_calls():
    calls = []
    for line in sys.stdin:
        if line.strip() == "go":
            return calls
        path, payload = line.split()
        calls.append((path.encode(), bytes.fromhex(payload)))
    return calls


def run(client, rate):
    """Until standard input ends."""
    due, step, going = time.monotonic(), 1 / rate, True
    commands = os.fdopen(os.dup(0), "rb", buffering=0)
    while True:
        now = time.monotonic()
        while going and now >= due:
            client.send(due)
            due += step
            now = time.monotonic()
        sources = [commands] + [line.connection.socket for line in client.lines]
        ready, _, _ = select.select(sources, [], [], max(due - now, 0) if going else 1)
        if commands in ready:
            words = commands.read(4096).split()
            if not words:
                return
            going = words[-1] == b"go"
            due = max(due, time.monotonic())
        client.collect()


def main():
    address, certificates, rate = sys.argv[1:]
    gc.disable()
    calls = read_calls()
    run(Client(address, h2.Identity(certificates, "service-billing"), calls), float(rate))


if __name__ == "__main__":
    main()
