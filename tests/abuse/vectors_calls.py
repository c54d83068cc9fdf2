"""Vectors 22-25: calls that are well-formed HTTP/2 and wrong gRPC."""

import gzip
import time

import http2_raw as h2
from attack import Failed, vector


def body(stream, payload):
    """In frames as large as the server takes."""
    return b"".join(h2.frame(h2.DATA, h2.END_STREAM if at + 16384 >= len(payload) else 0, stream,
                             payload[at:at + 16384]) for at in range(0, len(payload), 16384))


def tell(outcomes):
    return ", ".join(f"{how}: {count}" for how, count in sorted(outcomes.items()))


def run_calls(attack, name, requests):
    """One after another on one connection (another when it is cut); counts how they ended.  None may work."""
    outcomes = {}
    connection, stream = attack.connect(), 1
    for block, payload in requests:
        if connection.cut is not None or connection.goaway_code is not None:
            connection.close()
            connection, stream = attack.connect(), 1
        connection.push(h2.headers(stream, block) + payload(stream))
        answer = connection.streams[stream]
        connection.wait(lambda a=answer: a.ended or a.reset is not None, 5)
        how = (f"status {answer.status()}" if answer.status() is not None
               else f"HTTP {answer.fields[b':status']!r}" if b":status" in answer.fields and answer.ended
               else f"reset {answer.reset}" if answer.reset is not None else connection.cut or "silence")
        outcomes[how] = outcomes.get(how, 0) + 1
        stream += 2
    attack.note(f"{name}: {tell(outcomes)}")
    return outcomes


@vector(22, "gzip bomb", cpu=1.0)
def gzip_bomb(attack):
    """Sixty kilobytes that would be sixty megabytes."""
    packed = gzip.compress(b"\0" * (58 * 2**20))
    assert len(packed) < 60000
    for encoding in (b"gzip", b"deflate", b"identity"):
        block = h2.request_block(attack.target.path, h2.literal(b"grpc-encoding", encoding)
                                 + h2.literal(b"grpc-accept-encoding", b"gzip"))
        outcomes = run_calls(attack, encoding.decode(), [
            (block, lambda stream: body(stream, h2.message(packed, compressed=True)))] * attack.dose(200))
        if "status 0" in outcomes:
            raise Failed(f"{encoding.decode()}: taken")


def wait_ended(attack, connections, calls, what):
    """Within what the longest call may take; refused or cut, but not waiting."""
    limit = attack.target.deadline_max + 3
    begun = time.monotonic()

    def ended(connection):
        return sum(one.ended or one.reset is not None for one in connection.streams.values())

    for connection in connections:
        connection.wait(lambda one=connection: ended(one) == calls, max(begun + limit - time.monotonic(), 0.1))
    waiting = sum(calls - ended(connection) for connection in connections if connection.cut is None)
    attack.note(f"{what}: {calls * len(connections) - waiting} of {calls * len(connections)} calls ended within "
                f"{time.monotonic() - begun:.1f} s")
    if waiting:
        raise Failed(f"{what}: {waiting} calls wait longer than a call may take")


@vector(23, "4 GB length prefix", cpu=1.0)
def huge_length(attack):
    """And nearly nothing of what was announced."""
    block = h2.request_block(attack.target.path)
    connections = []
    for length in (2**32 - 1, 2**31, 65537):
        for _ in range(attack.dose(10)):
            connections.append(attack.connect())
            connections[-1].push(b"".join(h2.headers(stream, block) + h2.frame(
                h2.DATA, 0, stream, b"\0" + length.to_bytes(4, "big") + b"x" * 600) for stream in h2.streams(100)))
    wait_ended(attack, connections, 100, "4 GB, 2 GB, 64 KB and one")
    if any(one.status() == 0 for connection in connections for one in connection.streams.values()):
        raise Failed("a call with half a message was answered")


@vector(24, "wrong content-type", cpu=1.0)
def wrong_content_type(attack):
    types = (b"text/html", b"", b"application/json", b"application/grpc;x=\x00", b"application/grpcx",
             b"APPLICATION/GRPC", b"a" * 4000, b"application/grpc+" + b"x" * 3000)
    payload = h2.message(attack.target.payload)
    blocks = [h2.request_block(attack.target.path, content_type=one) for one in types]
    blocks += [h2.request_block(attack.target.path, content_type=b"application/grpc",
                                extra=h2.literal(b"content-type", b"text/html"))]
    run_calls(attack, "types", [(block, lambda stream: body(stream, payload)) for block in blocks] * attack.dose(50))


@vector(25, "grpc-timeout garbage, huge", cpu=1.5)
def grpc_timeout(attack):
    values = (b"", b"S", b"1", b"-1S", b"1.5S", b"1s", b"99999999H", b"100000000H", b"9" * 4000 + b"n", b"0n", b"0S",
              b"18446744073709551616S", b"1S1S", b"\xff", b"NaNS", b"0x10S", b" 1S", b"1S ", b"99999999n")
    payload = h2.message(attack.target.payload)
    begun = time.monotonic()
    run_calls(attack, "whole calls", [
        (h2.request_block(attack.target.path, h2.literal(b"grpc-timeout", value)), lambda stream: body(stream, payload))
        for value in values] * attack.dose(50))
    attack.note(f"in {time.monotonic() - begun:.1f} s")
    # The longest wish, and the message never comes.
    connection = attack.connect()
    block = h2.request_block(attack.target.path, h2.literal(b"grpc-timeout", b"99999999H"))
    connection.push(b"".join(h2.headers(stream, block) for stream in h2.streams(100)))
    wait_ended(attack, [connection], 100, "the longest, and no message")
