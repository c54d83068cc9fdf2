"""The same call from a user's device with an access token, beside a service's certificate alone."""

from messages import FRESH, part, text
from people import MANDATE, MEMBERSHIP, PAYMENT, User
from report import at_least, missing
from rounds import interleave, median, ratio

NAMES = ("token",)
USER, SERVICE = "CheckEntitlement with a user's token", "CheckEntitlement of the same users by a service"


def measure(context, _):
    house = context.house()
    users = [User(house, f"device-{n}") for n in range(context.options.connections)]
    for user in users:
        method = text(house.ask(PAYMENT + "CreatePaymentMethod",
                                [part(1, user.customer) + part(2, part(2, "tok_visa") + MANDATE)])[0], 1)
        house.ask(MEMBERSHIP + "CreateMembership", [part(1, user.customer) + part(2, part(2, "plans/premium-monthly")
                                                    + part(5, method)) + part(3, 1) + part(4, FRESH)])
    mine = house.write("mine.hex", [part(1, "customers/me") + part(2, "video.hd")])
    theirs = house.write("theirs.hex", [part(1, user.customer) + part(2, "video.hd") for user in users])
    identities = [argument for user in users for argument in ("--certificate", user.name, "--token", user.token)]
    measured, failures = interleave({
        USER: lambda: house.load(house.main, MEMBERSHIP + "CheckEntitlement", mine, *identities),
        SERVICE: lambda: house.load(house.main, MEMBERSHIP + "CheckEntitlement", theirs),
    }, context.options.rounds)
    figure = "CheckEntitlement with a user's token / without"
    if failures:
        return {"token": {"rows": [missing(figure, "≥ 0.9", "; ".join(failures.values()))], "failed": str(failures)}}
    shown = (f"{len(users)} users, a device each; "
             f"{median(measured[USER], 'per_second'):.0f} to {median(measured[SERVICE], 'per_second'):.0f} a second")
    return {"token": {"rows": [at_least(figure, ratio(measured[USER], measured[SERVICE]), 0.9, shown)],
                      "series": measured}}
