"""One call: request id, deadline, and sending again where that is safe."""

from __future__ import annotations

import random
import time
import uuid
from dataclasses import dataclass
from typing import Any, Callable, Generic, Iterator, TypeVar

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from dues.errors import DuesError

ATTEMPTS_MAX = 4
PAUSE_FIRST = 0.05
PAUSE_MAX = 2.0
READS = ("Get", "List", "Check")
COME_BACK = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)

Item = TypeVar("Item")


@dataclass
class CallInfo:
    """Pass one to a call to learn more than its answer."""

    replayed: bool = False
    """The request_id was known: the answer is the first one again."""
    attempts: int = 0
    request_id: str = ""


class Pager(Generic[Item]):
    """The items of a list, page by page as they are needed."""

    def __init__(self, fetch: Callable[[str], Any], items: str):
        self._fetch = fetch
        self._items = items

    def pages(self) -> Iterator[Any]:
        """The answers themselves, one a page."""
        page_token = None
        while page_token != "":
            page = self._fetch(page_token or "")
            page_token = page.next_page_token
            yield page

    def __iter__(self) -> Iterator[Item]:
        for page in self.pages():
            yield from getattr(page, self._items)


class Watch(Generic[Item]):
    """What a server stream tells, one item after the other, for as long as you ask.

    Whatever ends the stream and may pass (the server stops, the connection is lost, we read too
    slowly), it is opened again after the last cursor: nothing is lost and nothing comes twice.
    Anything else is raised as DuesError. Keep `cursor` with what you have done about the items to
    go on after a crash of your own.
    """

    cursor: str
    """Behind the last item that was given out."""

    def __init__(self, client, stub, message, items: str, token: str | None):
        self._client = client
        self._stub = stub
        self._message = message
        self._items = items
        self._token = token
        self._call: Any = None
        self._closed = False
        self.cursor = message.cursor

    def messages(self) -> Iterator[Any]:
        """The stream's messages themselves; one without items says where the stream stands."""
        failures = 0
        while not self._closed:
            try:
                for message in self._open():
                    failures = 0
                    self.cursor = message.cursor
                    yield message
                return
            except grpc.RpcError as failure:
                if self._closed:
                    return
                failures += 1
                error = DuesError.from_rpc(failure)
                if error.code not in COME_BACK:
                    raise error from None
                time.sleep(pause_seconds(failures, error))

    def __iter__(self) -> Iterator[Item]:
        for message in self.messages():
            for item in getattr(message, self._items):
                self.cursor = item.cursor
                yield item
            self.cursor = message.cursor

    def close(self) -> None:
        """Ends the stream, from any thread: who iterates gets no more."""
        self._closed = True
        if self._call is not None:
            self._call.cancel()

    def __enter__(self) -> "Watch[Item]":
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def _open(self):
        token = self._client.token if self._token is None else self._token
        self._message.cursor = self.cursor
        self._call = self._stub(
            self._message,
            metadata=[("authorization", f"Bearer {token}")] if token else [],
            wait_for_ready=True,
        )
        if self._closed:
            self._call.cancel()
        return self._call


def pause_seconds(failures: int, error: DuesError) -> float:
    """Full jitter, never less than the server wishes."""
    wished = error.retry_after.total_seconds() if error.retry_after else 0.0
    return wished + random.uniform(0, min(PAUSE_FIRST * 2 ** min(failures - 1, 10), PAUSE_MAX))


class Service:
    """What the generated services have in common."""

    def __init__(self, client):
        self._client = client
        self._stubs: dict[str, Callable] = {}

    def _call(self, path, request_type, reply_type, request, fields, timeout, token, info=None):
        message = make_request(request_type, request, fields)
        call = Call(self._client, self._stub(path, reply_type), path, message, timeout, token)
        reply = call.run()
        if info is not None:
            info.replayed = call.replayed
            info.attempts = call.attempts
            info.request_id = call.request_id
        return reply

    def _list(self, path, request_type, reply_type, items, request, fields, timeout, token):
        first = make_request(request_type, request, fields)

        def fetch(page_token: str):
            message = request_type()
            message.CopyFrom(first)
            if page_token:
                message.page_token = page_token
            return self._call(path, request_type, reply_type, message, {}, timeout, token)

        return Pager(fetch, items)

    def _watch(self, path, request_type, reply_type, items, request, fields, token):
        if path not in self._stubs:
            self._stubs[path] = self._client.channel.unary_stream(
                path,
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=reply_type.FromString,
            )
        message = make_request(request_type, request, fields)
        return Watch(self._client, self._stubs[path], message, items, token)

    def _stub(self, path, reply_type):
        if path not in self._stubs:
            self._stubs[path] = self._client.channel.unary_unary(
                path,
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=reply_type.FromString,
            )
        return self._stubs[path]


def make_request(request_type, request, fields) -> Message:
    if request is not None and fields:
        raise TypeError("give either a request message or its fields")
    message = request_type()
    if request is not None:
        message.CopyFrom(request)
        return message
    try:
        return request_type(**fields)
    except (TypeError, ValueError) as error:
        # protobuf does not say which field it means.
        explained = explain(request_type, fields, "")
        if explained is None:
            raise
        raise explained from error


def explain(message_type, fields, prefix) -> Exception | None:
    """The exception for the first of the fields that cannot be set, with its name."""
    for name, value in fields.items():
        try:
            message_type(**{name: value})
        except (TypeError, ValueError) as error:
            path = prefix + name
            field = message_type.DESCRIPTOR.fields_by_name.get(name)
            if field is None:
                return type(error)(f"there is no field {path}")
            if field.message_type is not None and isinstance(value, dict):
                nested = message_factory.GetMessageClass(field.message_type)
                return explain(nested, value, f"{path}.")
            if isinstance(error, TypeError) and not field.is_repeated:
                return TypeError(f"{path} must be {kind(field)}, not {type(value).__name__}")
            return (TypeError if isinstance(error, TypeError) else ValueError)(f"{path}: {error}")
    return None


def kind(field) -> str:
    if field.message_type is not None:
        return f"a dict or {field.message_type.name}"
    if field.type == FieldDescriptor.TYPE_STRING:
        return "str"
    if field.type == FieldDescriptor.TYPE_BYTES:
        return "bytes"
    if field.type == FieldDescriptor.TYPE_BOOL:
        return "bool"
    if field.enum_type is not None:
        return f"a value of {field.enum_type.name}"
    return "int"


class Call:
    """One call, with all its attempts inside one deadline."""

    def __init__(self, client, stub, path, message, timeout, token):
        self.stub = stub
        self.message = message
        self.deadline = time.monotonic() + (client.timeout if timeout is None else timeout)
        self.attempts = 0
        self.replayed = False
        self.request_id = ""
        token = client.token if token is None else token
        self.metadata = [("authorization", f"Bearer {token}")] if token else []
        # The id is chosen once, before the first attempt, and kept over all of them.
        if "request_id" in message.DESCRIPTOR.fields_by_name:
            self.message.request_id = self.message.request_id or uuid.uuid4().hex
            self.request_id = self.message.request_id
        method = path.rsplit("/", 1)[1]
        self.is_repeatable = bool(self.request_id) or method.startswith(READS)

    def run(self):
        while True:
            try:
                return self.send()
            except DuesError as error:
                error.request_id = self.request_id
                error.attempts = self.attempts
                if not self.may_repeat(error) or not self.pause(error):
                    raise

    def send(self):
        self.attempts += 1
        left = max(self.deadline - time.monotonic(), 0)
        try:
            reply, call = self.stub.with_call(self.message, timeout=left, metadata=self.metadata)
        except grpc.RpcError as failure:
            raise DuesError.from_rpc(failure) from None
        self.replayed = ("idempotent-replayed", "true") in (call.trailing_metadata() or ())
        return reply

    def may_repeat(self, error: DuesError) -> bool:
        if not self.is_repeatable or self.attempts >= ATTEMPTS_MAX:
            return False
        if error.code == grpc.StatusCode.UNAVAILABLE:
            return True
        return error.code == grpc.StatusCode.ABORTED and error.retry_after is not None

    def pause(self, error: DuesError) -> bool:
        """Full jitter, never less than the server wishes; False when the deadline comes first."""
        seconds = pause_seconds(self.attempts, error)
        if time.monotonic() + seconds >= self.deadline:
            return False
        time.sleep(seconds)
        return True
