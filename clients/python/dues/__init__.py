"""Client of dues, a billing server.

    import dues

    with dues.Client("127.0.0.1:8443", ca="ca.pem", certificate="app.pem", key="app.key") as client:
        for plan in client.membership.list_plans():
            print(plan.name, plan.price.minor_units, plan.price.currency_code)

Requests are keyword arguments (fields of the request message, messages as dicts or as messages) or
the request message itself. Errors are `DuesError` with the server's reason and fields.
"""

from dues.call import CallInfo, Pager, Watch
from dues.client import Client
from dues.errors import DuesError, FieldError

__all__ = ["CallInfo", "Client", "DuesError", "FieldError", "Pager", "Watch"]
