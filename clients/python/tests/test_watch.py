"""Streams against a real server, over connections that are cut."""

from __future__ import annotations

import socket
import threading

import dues
import grpc
import pytest


class Proxy:
    """Passes bytes on to the server, until it is told to cut."""

    def __init__(self, target: str):
        host, port = target.rsplit(":", 1)
        self.to = (host, int(port))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.target = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.sockets: list[socket.socket] = []
        self.taken = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                inner, _ = self.listener.accept()
            except OSError:
                return
            outer = socket.create_connection(self.to)
            self.sockets += [inner, outer]
            self.taken += 1
            for source, sink in ((inner, outer), (outer, inner)):
                threading.Thread(target=self.copy, args=(source, sink), daemon=True).start()

    @staticmethod
    def copy(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass

    def cut(self) -> None:
        for each in self.sockets:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self) -> None:
        self.listener.close()
        self.cut()


@pytest.fixture
def proxy(server):
    proxy = Proxy(server.target)
    yield proxy
    proxy.close()


@pytest.fixture
def far_service(server, proxy):
    with dues.Client(
        proxy.target,
        ca=server.certs / "ca.pem",
        certificate=server.certs / "service-billing.pem",
        key=server.certs / "service-billing.key",
    ) as client:
        yield client


def pay(service, customer, card):
    return service.payment.create_payment(
        parent=customer.name,
        payment={"amount": {"currency_code": "USD", "minor_units": 999}, "payment_method": card.name},
    )


def test_tells_what_happened_and_what_happens(service, customer, card):
    first = pay(service, customer, card)
    with service.payment.watch_events(parent=customer.name) as watch:
        events = iter(watch)
        assert next(events).type == "customer.created"
        assert next(events).subject == first.name
        second = pay(service, customer, card)
        event = next(events)
    assert event.subject == second.name
    assert event.data["amount"] == "999"
    assert watch.cursor == event.cursor


def test_goes_on_after_its_cursor_when_the_connection_is_cut(far_service, proxy, service, customer, card):
    numbers = []
    with far_service.payment.watch_events(parent=customer.name) as watch:
        events = iter(watch)
        numbers.append(next(events).sequence)
        for _ in range(3):
            proxy.cut()
            pay(service, customer, card)
            numbers.append(next(events).sequence)
    assert numbers == [1, 2, 3, 4]
    assert proxy.taken > 1


def test_goes_on_after_a_kept_cursor(service, customer, card):
    for _ in range(3):
        pay(service, customer, card)
    with service.payment.watch_payments(parent=customer.name) as watch:
        changes = iter(watch)
        next(changes)
        kept = watch.cursor
    with service.payment.watch_payments(parent=customer.name, cursor=kept) as watch:
        changes = iter(watch)
        rest = [next(changes), next(changes)]
    listed = [payment.name for payment in service.payment.list_payments(parent=customer.name)]
    assert [change.payment for change in rest] == listed[1::-1]


def test_raises_what_does_not_pass(service, customer):
    other = service.membership.create_customer(customer={"display_name": "Eve"})
    cursor = next(iter(service.payment.list_events(parent=other.name))).cursor
    with pytest.raises(dues.DuesError) as refused:
        next(iter(service.payment.watch_events(parent=customer.name, cursor=cursor)))
    assert refused.value.code == grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.reason == "CURSOR_INVALID"


def test_is_closed_from_another_thread(service, customer):
    watch = service.payment.watch_events(parent=customer.name)
    threading.Timer(0.5, watch.close).start()
    assert [event.type for event in watch] == ["customer.created"]
