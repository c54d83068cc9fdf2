"""What the server says about a call that failed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

DETAILS_KEY = "grpc-status-details-bin"


@dataclass(frozen=True)
class FieldError:
    """A field of the request that was wrong."""

    field: str
    """Where: "payment.amount.minor_units"."""

    description: str
    """What is wrong and what would be right."""


class DuesError(Exception):
    """A call that failed. Switch on `reason`; treat one you do not know by its `code`."""

    code: grpc.StatusCode
    reason: str
    """A value of dues.type.v1.Reason without its prefix, "" when the server did not say."""
    domain: str
    message: str
    """For developers, not for customers."""
    metadata: dict[str, str]
    """The dynamic values of the message."""
    fields: list[FieldError]
    retry_after: timedelta | None
    """When the server wants the request again, if it said so."""
    request_trace: str
    """The server's id of the call, for its log."""
    request_id: str
    """The request's own id: send the same request with it to learn or finish the outcome."""
    attempts: int

    def __init__(self, code: grpc.StatusCode, message: str):
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = ""
        self.domain = ""
        self.metadata = {}
        self.fields = []
        self.retry_after = None
        self.request_trace = ""
        self.request_id = ""
        self.attempts = 1

    def __str__(self) -> str:
        text = f"{self.code.name} {self.reason}: {self.message}".replace("  ", " ")
        for field in self.fields:
            text += f"\n  {field.field}: {field.description}"
        return text

    @classmethod
    def from_rpc(cls, failure: grpc.RpcError) -> "DuesError":
        error = cls(failure.code(), failure.details() or "")
        for key, value in failure.trailing_metadata() or ():
            if key == DETAILS_KEY:
                error._read_details(value)
        return error

    def _read_details(self, value: bytes) -> None:
        try:
            details = status_pb2.Status.FromString(value).details
        except DecodeError:
            return
        for detail in details:
            self._read_detail(detail)

    def _read_detail(self, detail) -> None:
        info = error_details_pb2.ErrorInfo()
        bad = error_details_pb2.BadRequest()
        retry = error_details_pb2.RetryInfo()
        request = error_details_pb2.RequestInfo()
        if detail.Unpack(info):
            self.reason = info.reason
            self.domain = info.domain
            self.metadata = dict(info.metadata)
        elif detail.Unpack(bad):
            self.fields = [FieldError(v.field, v.description) for v in bad.field_violations]
        elif detail.Unpack(retry):
            self.retry_after = retry.retry_delay.ToTimedelta()
        elif detail.Unpack(request):
            self.request_trace = request.request_id
