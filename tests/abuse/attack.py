"""What a vector gets to work with, and the table into which the vectors put themselves.

The attacker is an insider: a certificate of the client authority for a service of his own, with every scope, and
addresses of his own (all of 127/8 is this machine).
"""

import time

import http2_raw as h2

SOURCE = "127.0.0.2"
VECTORS = {}
# Of one push: how long an attack may take that nobody stops.
PATIENCE = 20


class Failed(Exception):
    """The server did what it must not."""


class Vector:
    def __init__(self, number, name, run, cpu, cut):
        self.number = number
        self.name = name
        self.run = run
        self.cpu = cpu  # seconds of the server's that all of it may cost, whatever the dose
        self.cut = cut  # every flood's connection must be cut


def vector(number, name, cpu, cut=False):
    def put(function):
        VECTORS[number] = Vector(number, name, function, cpu, cut)
        return function
    return put


class Attack:
    def __init__(self, target, scale):
        self.target = target
        self.scale = scale
        self.connections = []
        self.sockets = []
        self.notes = []
        self.floods = self.floods_cut = self.sent = 0

    def dose(self, full, least=1):
        return max(int(full * self.scale), least)

    def note(self, text):
        self.notes.append(text)

    def tcp(self, source=SOURCE, timeout=10):
        self.sockets.append(h2.open_tcp(self.target.address, source, timeout))
        return self.sockets[-1]

    def connect(self, source=SOURCE, **how):
        connection = h2.Connection(self.target.address, self.target.attacker, source, **how)
        self.connections.append(connection)
        return connection

    def flood(self, name, data, connection=None, read=True, seconds=PATIENCE):
        """Pushes all of it at one connection and notes how far it came."""
        connection = connection or self.connect()
        before = connection.sent
        begun = time.monotonic()
        through = connection.push(data, seconds, read)
        if through and read:
            # The server may still be at what it has been sent; the end of it is marked by an answer or a cut.
            self.settle(connection)
        sent = connection.sent - before
        self.floods += 1
        self.floods_cut += connection.cut is not None
        self.sent += sent
        # What is sent may still lie in the kernel's buffers: an upper bound of what the server has seen.
        how = f"cut ({connection.cut}) within" if connection.cut else "took" if through else "stalled after"
        self.note(f"{name}: {how} {amount(sent)} of {amount(len(data))} in {time.monotonic() - begun:.1f} s")
        return connection

    def settle(self, connection, seconds=PATIENCE):
        """Until the server has answered a PING that comes after everything else, or cut us."""
        before = connection.frames[h2.PING]
        connection.push(h2.frame(h2.PING, 0, 0, b"finished"), 1)
        connection.wait(lambda: connection.frames[h2.PING] > before, seconds)

    @staticmethod
    def hold(connections, seconds):
        """Keeps them all for that long and reads what comes, without more courtesy."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for connection in connections:
                while connection.cut is None and connection.read_some():
                    pass
            time.sleep(0.02)

    def ask(self, connection, stream, extra=b"", seconds=10, **block):
        return connection.ask(stream, h2.request_block(self.target.path, extra, **block), self.target.payload, seconds)

    def end(self):
        for connection in self.connections:
            connection.close()
        for one in self.sockets:
            one.close()


def amount(size):
    if size >= 10 * 2**20:
        return f"{size / 2**20:.0f} MB"
    return f"{size / 2**20:.1f} MB" if size >= 2**20 else f"{size / 2**10:.0f} KB" if size >= 2**10 else f"{size} B"


def repeat(make, count):
    """One after another, as one piece of bytes."""
    return b"".join(make(number) for number in range(count))
