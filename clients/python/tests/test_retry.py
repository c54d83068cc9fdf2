"""When a request is sent again, and with which id. No server: the stub answers as told."""

from __future__ import annotations

from datetime import timedelta

import dues
import dues.call
import grpc
import pytest
from dues.auth.v1 import auth_service_pb2
from dues.payment.v1 import payment_service_pb2
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2


class Failure(grpc.RpcError):
    def __init__(self, code, *details):
        self._code = code
        status = status_pb2.Status()
        for detail in details:
            packed = any_pb2.Any()
            packed.Pack(detail)
            status.details.append(packed)
        self._trailers = (("grpc-status-details-bin", status.SerializeToString()),)

    def code(self):
        return self._code

    def details(self):
        return "told to"

    def trailing_metadata(self):
        return self._trailers


class Answered:
    def trailing_metadata(self):
        return ()


class Stub:
    def __init__(self, *failures):
        self.failures = list(failures)
        self.requests = []

    def with_call(self, message, timeout, metadata):
        self.requests.append(message.SerializeToString())
        if self.failures:
            raise self.failures.pop(0)
        return "answer", Answered()


class Settings:
    token = None
    timeout = 5.0


UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
ABORTED = grpc.StatusCode.ABORTED


def run(stub, method, message, timeout=5.0):
    return dues.call.Call(Settings, stub, f"/x/{method}", message, timeout, None).run()


def pay():
    return payment_service_pb2.CreatePaymentRequest(parent="customers/me")


def test_the_request_id_is_kept_over_attempts():
    stub = Stub(Failure(UNAVAILABLE), Failure(UNAVAILABLE))
    assert run(stub, "CreatePayment", pay()) == "answer"
    assert len(stub.requests) == 3
    assert len(set(stub.requests)) == 1
    assert len(payment_service_pb2.CreatePaymentRequest.FromString(stub.requests[0]).request_id) == 32


def test_gives_up_after_four_attempts():
    stub = Stub(*[Failure(UNAVAILABLE)] * 9)
    with pytest.raises(dues.DuesError) as caught:
        run(stub, "GetPayment", payment_service_pb2.GetPaymentRequest())
    assert caught.value.attempts == len(stub.requests) == 4


def test_what_is_neither_a_read_nor_has_an_id_is_sent_once():
    stub = Stub(Failure(UNAVAILABLE))
    with pytest.raises(dues.DuesError):
        run(stub, "EraseSomething", auth_service_pb2.GetKeySetRequest())
    assert len(stub.requests) == 1


@pytest.mark.parametrize(
    "code",
    [code for code in grpc.StatusCode if code not in (UNAVAILABLE, grpc.StatusCode.OK)],
)
def test_no_other_status_is_sent_again(code):
    stub = Stub(Failure(code))
    with pytest.raises(dues.DuesError):
        run(stub, "CreatePayment", pay())
    assert len(stub.requests) == 1


def test_a_request_in_progress_is_asked_for_again():
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromTimedelta(timedelta(milliseconds=20))
    info = error_details_pb2.ErrorInfo(reason="REQUEST_IN_PROGRESS", domain="dues")
    stub = Stub(Failure(ABORTED, info, retry))
    assert run(stub, "CreatePayment", pay()) == "answer"


def test_does_not_wait_past_the_deadline():
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromTimedelta(timedelta(seconds=30))
    stub = Stub(Failure(UNAVAILABLE, retry))
    with pytest.raises(dues.DuesError) as caught:
        run(stub, "CreatePayment", pay(), timeout=0.5)
    assert caught.value.retry_after == timedelta(seconds=30)
    assert len(stub.requests) == 1


def test_details_that_do_not_parse_leave_the_code():
    failure = Failure(grpc.StatusCode.INTERNAL)
    failure._trailers = (("grpc-status-details-bin", b"\xff\xff"),)
    with pytest.raises(dues.DuesError) as caught:
        run(Stub(failure), "CreatePayment", pay())
    assert caught.value.code == grpc.StatusCode.INTERNAL
    assert caught.value.reason == ""
