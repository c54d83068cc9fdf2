"""The connection."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Union

import grpc

from dues.services import AuthService, MembershipService, PaymentService, SandboxService

Pem = Union[str, bytes, "os.PathLike[str]"]

TIMEOUT_DEFAULT = 10.0


def read_pem(pem: Pem) -> bytes:
    """PEM text as it is, anything else as the path of a file."""
    if isinstance(pem, bytes):
        return pem
    if isinstance(pem, str) and "-----BEGIN " in pem:
        return pem.encode()
    return Path(pem).read_bytes()


class Client:
    """A server, over one connection with mutual TLS. Safe to use from several threads.

    `ca`, `certificate` and `key` are paths of PEM files or PEM texts. `token` is the access token
    of the logged-in user; it goes along with every call until it is changed. `timeout` is the
    deadline in seconds of calls that do not say.
    """

    auth: AuthService
    membership: MembershipService
    payment: PaymentService
    sandbox: SandboxService

    def __init__(
        self,
        target: str,
        *,
        ca: Pem,
        certificate: Pem,
        key: Pem,
        token: str | None = None,
        timeout: float = TIMEOUT_DEFAULT,
        server_name: str | None = None,
    ):
        self.token = token
        self.timeout = timeout
        credentials = grpc.ssl_channel_credentials(
            root_certificates=read_pem(ca),
            private_key=read_pem(key),
            certificate_chain=read_pem(certificate),
        )
        options: list[tuple[str, str | int]] = [
            # Calls decide themselves what may be sent again.
            ("grpc.enable_retries", 0),
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 5000),
        ]
        if server_name:
            options.append(("grpc.ssl_target_name_override", server_name))
        self.channel = grpc.secure_channel(target, credentials, options)
        self.auth = AuthService(self)
        self.membership = MembershipService(self)
        self.payment = PaymentService(self)
        self.sandbox = SandboxService(self)

    def close(self) -> None:
        self.channel.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *exception) -> None:
        self.close()
