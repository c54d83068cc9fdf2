"""Makes a customer a premium member and lets a month go by.

    build/release/dues dev --state-dir /tmp/dues-dev        # in another terminal
    python clients/python/examples/member.py /tmp/dues-dev
"""

import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import dues


def main(state: Path) -> None:
    certs = state / "certs"
    with dues.Client(
        (state / "ready").read_text().strip(),
        ca=certs / "ca.pem",
        certificate=certs / "service-billing.pem",
        key=certs / "service-billing.key",
    ) as client:
        start = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
        clock = client.sandbox.create_test_clock(test_clock={"clock_time": start})
        customer = client.membership.create_customer(
            customer={"display_name": "Ada", "test_clock": clock.name}
        )
        card = client.payment.create_payment_method(
            parent=customer.name,
            payment_method={
                "gateway_token": "tok_visa",
                "mandate": {"type": "TYPE_RECURRING", "text_version": "terms-2026-05"},
            },
        )
        membership = client.membership.create_membership(
            parent=customer.name,
            membership={"plan": "plans/premium-monthly", "payment_method": card.name},
            skip_trial=True,
        )
        print(f"{membership.tier} until {membership.current_period_end_time.ToDatetime()}")

        client.sandbox.advance_test_clock(
            name=clock.name, target_time=start + timedelta(days=31), timeout=60
        )
        for invoice in client.membership.list_invoices(parent=customer.name):
            print(f"invoice {invoice.number}: {invoice.total.minor_units} {invoice.total.currency_code}")
        answer = client.membership.check_entitlement(customer=customer.name, entitlement="video.hd")
        print("video.hd:", "allowed" if answer.allowed else "denied")

        try:
            client.payment.create_payment(parent=customer.name, payment={"payment_method": card.name})
        except dues.DuesError as error:
            print(error)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "/tmp/dues-dev"))
