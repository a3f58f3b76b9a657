"""What Microsoft does not document, as switches: how Exchange might behave where nobody has said how it does.

A gateway has to be right under each of them.

    for name, variant in variants():
        simulator = ExchangeSimulator(rooms=..., now=..., variants=variant)

The defaults are what the simulator did before there were switches, and what seems most likely.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

import msgspec

from gateway.core.units import MINUTE_MS, SECOND_MS, Duration


class Variants(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way in which Exchange may behave."""

    attendant_delay_ms: Duration = 0
    """How long a room takes to answer a request. Meanwhile its copy is tentative and not responded to.
    Plausible: 0, some seconds, a minute (nothing is promised)."""
    reaccepts: Literal["any_update", "time_change", "never"] = "any_update"
    """After the room's decline the organizer changes the meeting: which changes does the room answer anew?"""
    reaccepted_id: Literal["new", "same"] = "new"
    """The id of a meeting, or an occurrence, that comes back after a decline. The iCalUId is the same."""
    series_update_restores: bool = True
    """Whether an update of a whole series brings back the occurrences that the room had declined."""
    update_keeps_categories: bool = True
    """Whether the categories on the room's copy outlive an update by the organizer."""
    room_patch: Literal["local", "sticky", "refused"] = "local"
    """PATCH of start or end of the room's copy, by the application. `local`: the room's copy changes until
    the organizer's next update; `sticky`: until the organizer changes the time; `refused`: 400."""
    room_delete: Literal["silent", "declines"] = "silent"
    """DELETE of the room's copy: whether the organizer hears of it."""
    decline_takes: Literal["occurrence", "series"] = "occurrence"
    """What a decline of one occurrence takes out of the room's calendar. Documented: that occurrence; no
    gateway may go on releasing where it is the whole series."""
    if_match: Literal["writes", "patch_and_delete", "ignored"] = "writes"
    """Which writes `If-Match` guards; actions (decline, cancel) are among `writes`."""
    rbac_covers_subscriptions: bool = True
    """Whether Exchange's own grants, without Entra's, are enough for `/subscriptions`."""
    rbac_covers_schedules: bool = True
    """The same for `getSchedule`."""
    occurrence_uid: Literal["own", "shared"] = "own"
    """iCalUId of an occurrence: documented as its own; a report says that occurrences share the series'."""
    delta_tells_declined: bool = True
    """Whether delta tells an occurrence that is gone as `@removed`; else only its series is told again."""
    delta_select: Literal["refused", "ignored"] = "refused"
    """`$select` on delta: documented as unsupported; clients in the wild send it."""
    delta_empty_pages: bool = False
    """Delta puts an empty page with a nextLink before the others (documented as possible)."""
    delta_repeats: bool = False
    """Delta tells an item on two pages of one round (documented as possible)."""
    telemetry_checks_in: bool = False
    """Whether sensor telemetry (beta) keeps Microsoft's auto-release from releasing."""
    concurrency_scope: Literal["application", "mailbox"] = "application"
    """What the limit of four requests at a time counts."""


PLAUSIBLE: Final[Mapping[str, tuple[Any, ...]]] = {
    "attendant_delay_ms": (5 * SECOND_MS, MINUTE_MS),
    "reaccepts": ("time_change", "never"),
    "reaccepted_id": ("same",),
    "series_update_restores": (False,),
    "update_keeps_categories": (False,),
    "room_patch": ("sticky", "refused"),
    "room_delete": ("declines",),
    "decline_takes": ("series",),
    "if_match": ("patch_and_delete", "ignored"),
    "rbac_covers_subscriptions": (False,),
    "rbac_covers_schedules": (False,),
    "occurrence_uid": ("shared",),
    "delta_tells_declined": (False,),
    "delta_select": ("ignored",),
    "delta_empty_pages": (True,),
    "delta_repeats": (True,),
    "telemetry_checks_in": (True,),
    "concurrency_scope": ("mailbox",),
}
"""Of each switch: the values besides its default."""


def variants() -> Iterator[tuple[str, Variants]]:
    """The default, then each other value of each switch, one at a time, with a name for test ids."""
    yield "default", Variants()
    for field, values in PLAUSIBLE.items():
        for value in values:
            yield f"{field}={value}", Variants(**{field: value})


def variant_of(settings: Mapping[str, str]) -> Variants:
    """From texts, as on a command line: `{"reaccepts": "never"}`. Raises ValueError, with what is allowed."""
    known = Variants()
    for name in settings:
        if name not in PLAUSIBLE:
            raise ValueError(f"there is no switch {name!r}; there are: {', '.join(PLAUSIBLE)}")
    try:
        return msgspec.convert(dict(settings), Variants, strict=False)
    except msgspec.ValidationError as error:
        allowed = [
            f"{name}={value}" for name in settings for value in (getattr(known, name), *PLAUSIBLE[name])
        ]
        raise ValueError(f"{error}; for example: {', '.join(allowed)}") from error
