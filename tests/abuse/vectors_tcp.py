"""Vectors 1-6: connections that begin something and never end it."""

import resource
import select
import socket
import ssl
import time

import http2_raw as h2
from attack import SOURCE, Failed, vector

# The server gives a handshake, with preface and SETTINGS, five seconds.
HANDSHAKE = 8
PER_SOURCE = 200


def count_closed(sockets):
    """How many the server has closed by now, without waiting."""
    closed = 0
    poll = select.poll()
    by_number = {}
    for one in sockets:
        by_number[one.fileno()] = one
        poll.register(one.fileno(), select.POLLIN | select.POLLHUP)
    for number, _ in poll.poll(0):
        try:
            closed += by_number[number].recv(4096, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            pass
        except OSError:
            closed += 1
    return closed


def wait_closed(attack, sockets, what):
    """All of them within the handshake's time, or the attack has worked."""
    begun = time.monotonic()
    while count_closed(sockets) < len(sockets):
        if time.monotonic() - begun > HANDSHAKE:
            raise Failed(f"{what}: {len(sockets) - count_closed(sockets)} of {len(sockets)} still open after "
                         f"{HANDSHAKE} s")
        time.sleep(0.05)
    attack.note(f"{what}: {len(sockets)} closed after {time.monotonic() - begun:.1f} s")


def client_hello():
    """As OpenSSL would send it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["h2"])
    out = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost").do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


def open_many(attack, count, source):
    sockets = []
    for _ in range(count):
        one = socket.socket()
        attack.sockets.append(one)
        one.bind((source, 0))
        one.setblocking(False)
        one.connect_ex(attack.target.tcp_address())
        sockets.append(one)
        if len(sockets) % 100 == 0:
            time.sleep(0.01)  # the backlog is finite, and a SYN that is dropped comes again a second later
    return sockets


@vector(1, "fd exhaustion", cpu=0.5)
def exhaust_descriptors(attack):
    """The process may open 20 more; 150 come at once and go."""
    pid = attack.target.pid()
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (attack.target.open_descriptors() + 20, limits[1]))
    try:
        open_many(attack, 150, SOURCE)
        time.sleep(0.5)
        attack.note(f"{count_closed(attack.sockets)} of 150 shed")
        for one in attack.sockets:
            one.close()
        time.sleep(0.3)
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)


@vector(2, "10 k half-open TCP", cpu=6.0)
def half_open(attack):
    """From many sources within their share, and from one that wants more than its own."""
    greedy = open_many(attack, 2 * PER_SOURCE, "127.0.1.1")
    time.sleep(0.5)
    shed = count_closed(greedy)
    attack.note(f"one source: {shed} of {len(greedy)} shed at once")
    many = []
    for source in range(attack.dose(60)):
        many += open_many(attack, attack.dose(10000) // attack.dose(60), f"127.0.2.{source + 1}")
    time.sleep(0.3)
    wait_closed(attack, many + greedy, f"{attack.dose(60)} sources")
    if shed < len(greedy) - PER_SOURCE:
        raise Failed(f"one source holds {len(greedy) - shed} connections, {PER_SOURCE} at most")


@vector(3, "partial ClientHello", cpu=1.0)
def partial_hello(attack):
    hello = client_hello()
    dripping = []
    count = attack.dose(150, 20)
    for number in range(count):
        one = attack.tcp()
        kind = number % 4
        if kind == 3:
            dripping.append(one)
        else:
            one.sendall((hello[:5], hello[:len(hello) // 2], hello[:-1])[kind])
    garbage = [attack.tcp() for _ in range(5)]
    for one in garbage:
        one.sendall(b"\x16\x03\x01\xff\xff" + b"\x00" * 2000)
    # A byte now and then is not progress.
    for at in range(20):
        for one in dripping:
            try:
                one.send(hello[at:at + 1])
            except OSError:
                pass
        time.sleep(0.2)
    wait_closed(attack, attack.sockets, "silent, dripping, garbage")


def tls_only(attack, count, first=b""):
    connections = [attack.connect(preface=False) for _ in range(count)]
    for connection in connections:
        if first:
            connection.push(first)
    begun = time.monotonic()
    for connection in connections:
        if not connection.wait_cut(max(HANDSHAKE - (time.monotonic() - begun), 0.01)):
            raise Failed(f"still open after {HANDSHAKE} s")
    return f"{count} closed after {time.monotonic() - begun:.1f} s"


@vector(4, "TLS done, no preface", cpu=1.5)
def no_preface(attack):
    attack.note(tls_only(attack, attack.dose(150, 20)))


@vector(5, "preface, no SETTINGS", cpu=1.5)
def no_settings(attack):
    attack.note("preface: " + tls_only(attack, attack.dose(75, 10), h2.PREFACE))
    attack.note("and half a frame: " + tls_only(attack, attack.dose(75, 10), h2.PREFACE + h2.settings()[:5]))


@vector(6, "HEADERS never ended", cpu=1.5)
def headers_never_ended(attack):
    """Held open, and one that goes on by single bytes."""
    block = h2.request_block(attack.target.path)
    held = [attack.connect() for _ in range(attack.dose(150, 15))]
    for connection in held:
        connection.push(h2.headers(1, block + h2.integer(4000, 7), flags=0))
    drip = attack.connect()
    drip.push(h2.headers(1, block + b"\x00" + h2.text(b"x") + h2.integer(2**20, 7), flags=0))
    until = time.monotonic() + 3
    pieces = 0
    while time.monotonic() < until and drip.cut is None:
        drip.push(h2.frame(h2.CONTINUATION, 0, 1, b"a") * 10)
        pieces += 10
        time.sleep(0.02)
    open_still = sum(1 for connection in held if connection.cut is None)
    attack.note(f"{open_still} of {len(held)} still held after 3 s; {pieces} single bytes, "
                + (f"cut ({drip.cut})" if drip.cut else "not cut"))
