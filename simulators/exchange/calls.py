"""What every route works with: the request and all that was found out about it."""

from collections.abc import Callable

import msgspec

from simulators.exchange.calendars import Calendar
from simulators.exchange.errors import NotFound
from simulators.exchange.identity import Caller
from simulators.exchange.mailbox import Mailbox
from simulators.exchange.mailboxes import Mailboxes
from simulators.exchange.odata import Options
from simulators.exchange.preferences import Preferences
from simulators.exchange.routes import Target
from simulators.exchange.wire import Answer, Request, json_answer


class Call(msgspec.Struct, frozen=True):
    """One request to Graph, by somebody who may make it."""

    request: Request
    target: Target
    caller: Caller
    preferences: Preferences
    options: Options
    fresh: bool = True
    """False: a read of the past."""

    @property
    def service(self) -> str:
        """`https://host/v1.0`."""
        return f"{self.request.origin}/{self.request.path.strip('/').partition('/')[0]}"

    def context(self, what: str) -> str:
        """A value of `@odata.context`."""
        return f"{self.service}/$metadata#{what}"

    def answer(self, body: object, status: int = 200) -> Answer:
        """An answer that tells which preferences were applied."""
        applied = self.preferences.applied
        return json_answer(status, body, {"preference-applied": applied} if applied else None)


class MailboxCall(Call, frozen=True, kw_only=True):
    """A request about one mailbox; `calendar` is its calendar as it is read."""

    box: Mailbox
    calendar: Calendar


Route = Callable[[Call], Answer]
MailboxRoute = Callable[[MailboxCall], Answer]


def name_of(mailboxes: Mailboxes) -> Callable[[str], str]:
    """Gives the display name of an address, or the address for outsiders."""

    def name(address: str) -> str:
        try:
            return mailboxes.mailbox(address).person.name
        except NotFound:
            return address

    return name
