"""Clear text on one side, mutual TLS on the other, for a client that has no certificate.

Bytes pass unchanged; an end passes as an end: a FIN becomes close_notify and FIN, the end of TLS becomes a FIN after
the last byte was handed on, so that the client sees a GOAWAY before the close.
"""

import select
import socket
import ssl
import threading

PIECE = 65536


class Tunnel:
    def __init__(self, address, context, server_name):
        host, _, port = address.rpartition(":")
        self.target = (host.strip("[]"), int(port))
        self.context = context
        self.server_name = server_name
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def close(self):
        # Closing alone would not wake who waits in accept.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join(5)
        self.listener.close()

    def _accept(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(plain,), daemon=True).start()

    def _carry(self, plain):
        with plain:
            try:
                raw = socket.create_connection(self.target, 10)
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                secure = self.context.wrap_socket(raw, server_hostname=self.server_name)
            except OSError:
                return
            with secure:
                try:
                    relay(plain, secure)
                except OSError:
                    pass  # a reset of either side is the end of both
                end(plain)


def relay(plain, secure):
    """Until either side ends.  Records are read whole, so what TLS holds back is asked for before waiting."""
    while True:
        ready = [secure] if secure.pending() else select.select([plain, secure], [], [])[0]
        if secure in ready:
            data = secure.recv(PIECE)
            if not data:
                return
            plain.sendall(data)
        elif plain in ready:
            data = plain.recv(PIECE)
            if not data:
                secure.unwrap()
                return
            try:
                secure.sendall(data)
            except OSError:
                drain(plain, secure)
                return


def drain(plain, secure):
    """The server takes no more; what it said before it left is still owed to the client."""
    while True:
        data = secure.recv(PIECE)
        if not data:
            return
        plain.sendall(data)


def end(plain):
    """FIN, then reads until the client has seen it: closing over unread bytes would be a reset."""
    try:
        plain.shutdown(socket.SHUT_WR)
        plain.settimeout(5)
        while plain.recv(PIECE):
            pass
    except OSError:
        pass


def client_context(directory, name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(f"{directory}/ca.pem")
    context.load_cert_chain(f"{directory}/{name}.pem", f"{directory}/{name}.key")
    context.set_alpn_protocols(["h2"])
    return context
