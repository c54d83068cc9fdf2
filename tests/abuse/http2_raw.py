"""HTTP/2 over TLS by hand: frames of any shape, HPACK literals, and a connection that sends what it is told.

Nothing here keeps the rules of the protocol; that is what it is for.  Big floods are built once as bytes and pushed
by OpenSSL's speed, so Python's own does not matter.
"""

import collections
import select
import socket
import ssl
import struct
import time

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
NAMES = ("DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS", "PUSH_PROMISE", "PING", "GOAWAY", "WINDOW_UPDATE",
         "CONTINUATION")
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITIZED = 0x1, 0x1, 0x4, 0x8, 0x20
HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE = 1, 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
WINDOW_MOST = 2**31 - 1
RECORD = 16384
# Names of the static table that a server's trailers use; the rest is of no interest.
STATIC_NAMES = {8: b":status", 31: b"content-type"}


def frame(kind, flags, stream, payload=b"", length=None):
    """`length` may lie."""
    length = len(payload) if length is None else length
    return struct.pack(">BHBBI", length >> 16, length & 0xFFFF, kind, flags, stream) + payload


def settings(*pairs):
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", key, value) for key, value in pairs))


def window_update(stream, amount):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", amount))


def rst_stream(stream, code=8):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def goaway(last, code=0, text=b""):
    return frame(GOAWAY, 0, 0, struct.pack(">II", last, code) + text)


def priority(stream, parent, weight=15):
    return frame(PRIORITY, 0, stream, struct.pack(">IB", parent, weight))


def integer(value, bits, first=0):
    """HPACK's integer with a prefix of `bits`, its high bits from `first`."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    out = bytearray([first | most])
    value -= most
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def text(value):
    return integer(len(value), 7) + value


def literal(name, value, remember=False):
    """A header with both parts spelled out; `remember` puts it into the peer's dynamic table."""
    return (b"\x40" if remember else b"\x00") + text(name) + text(value)


def indexed(index):
    return integer(index, 7, 0x80)


def request_block(path, extra=b"", authority=b"localhost", content_type=b"application/grpc", remember=False):
    """A gRPC request; with `remember`, REPEAT is the same again in six bytes on the same connection."""
    way = 0x40 if remember else 0x00
    bits = 6 if remember else 4
    return (b"\x83\x87" + integer(4, bits, way) + text(path) + integer(1, bits, way) + text(authority)
            + integer(31, bits, way) + text(content_type) + literal(b"te", b"trailers", remember) + extra)


REPEAT = b"\x83\x87" + indexed(65) + indexed(64) + indexed(63) + indexed(62)


def headers(stream, block, flags=END_HEADERS):
    return frame(HEADERS, flags, stream, block)


def message(payload, compressed=False):
    return struct.pack(">BI", compressed, len(payload)) + payload


def request(stream, block, payload):
    """A whole unary request."""
    return headers(stream, block) + frame(DATA, END_STREAM, stream, message(payload))


def streams(count, first=1):
    return range(first, first + 2 * count, 2)


def read_integer(block, at, bits):
    most = (1 << bits) - 1
    value = block[at] & most
    at += 1
    if value == most:
        shift = 0
        while True:
            byte = block[at]
            at += 1
            value += (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
    return value, at


def read_text(block, at):
    huffman = block[at] & 0x80
    length, at = read_integer(block, at, 7)
    return (None if huffman else bytes(block[at:at + length])), at + length


def read_block(block):
    """Header fields of a peer that was told to keep no table; None for what is Huffman-coded or not known."""
    fields, at = {}, 0
    while at < len(block):
        byte = block[at]
        if byte & 0x80:
            index, at = read_integer(block, at, 7)
            fields[STATIC_NAMES.get(index, index)] = b"200" if index == 8 else None
            continue
        if byte & 0xE0 == 0x20:
            _, at = read_integer(block, at, 5)
            continue
        index, at = read_integer(block, at, 6 if byte & 0x40 else 4)
        name = STATIC_NAMES.get(index, index)
        if index == 0:
            name, at = read_text(block, at)
        fields[name], at = read_text(block, at)
    return fields


class Stream:
    """What came back on one stream."""

    def __init__(self):
        self.body = bytearray()
        self.fields = {}
        self.reset = None
        self.ended = False

    def status(self):
        """grpc-status as a number; None when there was none."""
        value = self.fields.get(b"grpc-status")
        return int(value) if value else None


class Identity:
    """A client certificate and whom it trusts."""

    def __init__(self, directory, name):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.load_verify_locations(f"{directory}/ca.pem")
        self.context.load_cert_chain(f"{directory}/{name}.pem", f"{directory}/{name}.key")
        self.context.set_alpn_protocols(["h2"])


def open_tcp(address, source=None, timeout=10):
    host, _, port = address.rpartition(":")
    raw = socket.create_connection((host.strip("[]"), int(port)), timeout, (source, 0) if source else None)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return raw


class Connection:
    """TLS to the server.  `cut` says how it ended as soon as that is known."""

    def __init__(self, address, identity, source=None, preface=True, own_settings=((HEADER_TABLE_SIZE, 0),)):
        raw = open_tcp(address, source)
        # What was sent but not read is not counted as an attack that got through.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        try:
            self.socket = identity.context.wrap_socket(raw, server_hostname="localhost")
        except (OSError, ValueError):
            raw.close()
            raise
        self.socket.setblocking(False)
        self.sent = 0
        self.cut = None
        self.acknowledge = True  # SETTINGS and PING are answered
        self.frames = collections.Counter()
        self.streams = collections.defaultdict(Stream)
        self.windows = collections.defaultdict(int)  # what the server granted beyond the first 65,535
        self.goaway_code = None
        self.goaway_text = b""
        self.buffer = bytearray()
        if preface:
            self.push(PREFACE + settings(*own_settings))

    def close(self):
        try:
            self.socket.close()
        except OSError:
            pass

    def abort(self):
        """Without the courtesy of a FIN."""
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
        self.close()

    def _lost(self, how):
        if self.goaway_code is not None:
            how += f" after GOAWAY {self.goaway_code}"
        self.cut = self.cut or how

    def read_some(self):
        """Takes what is there without waiting; False when nothing was."""
        try:
            data = self.socket.recv(65536)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except (OSError, ValueError) as error:
            self._lost("reset" if isinstance(error, ConnectionError) else "closed")
            return False
        if not data:
            self._lost("closed")
            return False
        self.buffer += data
        self._take_frames()
        return True

    def _take_frames(self):
        buffer, at, answer = self.buffer, 0, b""
        while len(buffer) - at >= 9:
            length = buffer[at] << 16 | buffer[at + 1] << 8 | buffer[at + 2]
            if len(buffer) - at < 9 + length:
                break
            kind, flags = buffer[at + 3], buffer[at + 4]
            stream = struct.unpack_from(">I", buffer, at + 5)[0] & WINDOW_MOST
            answer += self._take(kind, flags, stream, bytes(buffer[at + 9:at + 9 + length]))
            at += 9 + length
        del buffer[:at]
        if answer and self.acknowledge and self.cut is None:
            self._send_now(answer)

    def _take(self, kind, flags, stream, payload):
        """Notes one frame of the server; returns what is to be answered."""
        self.frames[kind] += 1
        if kind == SETTINGS and not flags & ACK:
            return frame(SETTINGS, ACK, 0)
        if kind == PING and not flags & ACK:
            return frame(PING, ACK, 0, payload)
        if kind == GOAWAY:
            self.goaway_code = struct.unpack_from(">I", payload, 4)[0]
            self.goaway_text = payload[8:]
        elif kind == WINDOW_UPDATE:
            self.windows[stream] += struct.unpack(">I", payload)[0]
        elif kind == RST_STREAM:
            self.streams[stream].reset = struct.unpack(">I", payload)[0]
        elif kind == DATA:
            self.streams[stream].body += payload
        elif kind == HEADERS and flags & END_HEADERS:
            self.streams[stream].fields.update(read_block(payload))
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            self.streams[stream].ended = True
        return b""

    def _send_now(self, data):
        """A few bytes; waits for room, as the records of TLS must stay whole."""
        until = time.monotonic() + 5
        while self.cut is None and time.monotonic() < until:
            try:
                return self.socket.send(data)
            except ssl.SSLWantWriteError:
                select.select([], [self.socket], [], 0.1)
            except ssl.SSLWantReadError:
                select.select([self.socket], [], [], 0.1)
            except (OSError, ValueError) as error:
                self._lost("reset" if isinstance(error, ConnectionError) else "closed")
        return 0

    def push(self, data, seconds=30, read=True):
        """Sends all of it, reading meanwhile, until it is through, the server cuts us, or the time is over."""
        view, at = memoryview(data), 0
        until = time.monotonic() + seconds
        while at < len(view) and self.cut is None:
            chunk = view[at:at + RECORD]
            try:
                at += self.socket.send(chunk)
                self.sent += len(chunk)
                if read:
                    self.read_some()
                continue
            except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
                pass
            except (OSError, ValueError) as error:
                # The reason may lie in what we have not read.
                while self.read_some():
                    pass
                self._lost("reset" if isinstance(error, ConnectionError) else "closed")
                break
            if time.monotonic() > until:
                break
            select.select([self.socket] if read else [], [self.socket], [], 0.2)
            # While a record is half sent only the same one may follow: answers wait.
            if read:
                acknowledge, self.acknowledge = self.acknowledge, False
                self.read_some()
                self.acknowledge = acknowledge
        return at == len(view) and self.cut is None

    def wait(self, condition, seconds):
        """Reads until the condition holds, the connection is cut, or the time is over."""
        until = time.monotonic() + seconds
        while self.cut is None and not condition():
            if self.read_some() or self.socket.pending():
                continue
            left = until - time.monotonic()
            if left <= 0:
                break
            select.select([self.socket], [], [], min(left, 0.5))
        return condition()

    def wait_cut(self, seconds):
        self.wait(lambda: False, seconds)
        return self.cut is not None

    def ask(self, stream, block, payload, seconds=10):
        """One unary call: (grpc-status, message without its prefix)."""
        self.push(request(stream, block, payload))
        self.wait(lambda: self.streams[stream].ended or self.streams[stream].reset is not None, seconds)
        answer = self.streams[stream]
        return answer.status(), bytes(answer.body[5:])
