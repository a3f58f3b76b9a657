"""calendarView/delta, with its documented oddities (Graph's event-delta and delta-query-overview pages).

- Occurrences are told by id, series, start and end only; series masters come along with their first dates.
- `@removed` also tells of events outside the window that were added, changed or deleted.
- A change to one occurrence tells the whole series again.
- Of each window only the newest few states are kept: older tokens are 410 SyncStateNotFound.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, Final
from urllib.parse import quote

import msgspec

from gateway.core.units import Instant
from simulators.exchange.calendars import Calendar
from simulators.exchange.calls import MailboxCall
from simulators.exchange.errors import InvalidRequest, SyncStateGone
from simulators.exchange.events import window
from simulators.exchange.ids import changeable_id, guid
from simulators.exchange.items import CalendarItem
from simulators.exchange.render import Json, render, select
from simulators.exchange.variants import Variants
from simulators.exchange.wire import Answer

KEPT_STATES: Final = 4
"""States of one window that still can be continued from. The message of a published 410 names four."""

DEFAULT_PAGE: Final = 10
_TOKEN: Final = "R0usmc"  # noqa: S105 - how the tokens of published examples begin
_TYPE: Final = "#microsoft.graph.event"
_UNSUPPORTED: Final = frozenset({"$expand", "$filter", "$orderby", "$search", "$top", "$skip"})
_THIN: Final = ("@odata.type", "@odata.etag", "id", "seriesMasterId", "type", "start", "end")

Window = tuple[Instant, Instant]


class _State(msgspec.Struct, frozen=True):
    """What one client knows after a round, and the pages that tell it."""

    key: tuple[str, str, str]
    """The mailbox and the window as it was written: what the state's generations are counted by."""
    window: Window | None
    generation: int
    shown: Mapping[str, str]
    """Fingerprints by id, of what lies in the window."""
    stored: Mapping[str, str]
    """Change keys by id, of everything that is stored."""
    pages: tuple[tuple[Json, ...], ...]


class Delta:
    """The tokens that are out, and what they stand for."""

    def __init__(self, variants: Variants) -> None:
        self._variants = variants
        self._states: dict[str, _State] = {}
        self._generations: dict[tuple[str, str, str], int] = {}
        self._tokens: dict[tuple[str, str, str], list[str]] = {}

    def forget(self) -> None:
        """Every token that is out has expired."""
        self._states.clear()

    def answer(self, call: MailboxCall) -> Answer:
        """One page of a round."""
        options = call.options
        refused = options.given & _UNSUPPORTED
        if "$select" in options.given and self._variants.delta_select == "refused":
            refused |= {"$select"}
        if refused:
            raise InvalidRequest(
                "The following parameters are not supported with change tracking over the 'Events' "
                f"resource: '{', '.join(sorted(refused))}'.",
                "ErrorInvalidUrlQuery",
            )
        if options.skiptoken:
            token, _, number = options.skiptoken.partition("-")
            state = self._known(call, token)
            return self._page(call, token, state, int(number) if number.isdecimal() else 0)
        before = self._known(call, options.deltatoken) if options.deltatoken else None
        return self._page(call, *self._round(call, before), 0)

    def _known(self, call: MailboxCall, token: str) -> _State:
        if not token.startswith(_TOKEN):
            raise InvalidRequest("Badly formed token.", "ErrorInvalidSyncStateData")
        state = self._states.get(token)
        newest = self._generations.get(state.key, 0) if state else 0
        if state is not None and state.key[0] == call.box.id and state.generation > newest - KEPT_STATES:
            return state
        generation = state.generation if state else 0
        kept = "".join(f"[{newest - back}]" for back in range(min(3, newest)))
        location = f"{call.request.origin}{call.request.path}?$deltaToken="
        if state is not None and state.key[1]:
            location += f"&startDateTime={quote(state.key[1])}&endDateTime={quote(state.key[2])}"
        raise SyncStateGone(
            f"The sync state generation is not found; generation={generation};[highest={newest}]{kept}.",
            location,
        )

    # Rounds

    def _round(self, call: MailboxCall, before: _State | None) -> tuple[str, _State]:
        """What has changed since; everything where there is no before."""
        if before is not None:
            key, span = before.key, before.window
        elif call.target.route == "GET events/delta":
            key, span = (call.box.id, "", ""), None
        else:
            span = window(call.options)
            key = (call.box.id, str(call.options.start), str(call.options.end))
        there = {item.id: item for item in _there(call.calendar, span)}
        shown = {event_id: f"{item.change_key}{event_id[-8:]}" for event_id, item in there.items()}
        stored = {item.id: item.change_key for item in call.calendar.items()}
        known = before.shown if before else {}
        rows = [self._row(call, item) for item in there.values() if known.get(item.id) != shown[item.id]]
        if before is not None:
            rows = [*(_removed(call, one) for one in self._gone(before, there, stored)), *rows]
        generation = self._generations.get(key, 0) + 1
        self._generations[key] = generation
        state = _State(key, span, generation, shown, stored, self._pages(call, rows))
        token = f"{_TOKEN}{guid('delta', *key, generation).replace('-', '')}"
        self._states[token] = state
        self._forget_old(key, token)
        return token, state

    def _forget_old(self, key: tuple[str, str, str], newest: str) -> None:
        """Of what cannot be continued from only the generation stays, for the refusal to name."""
        tokens = self._tokens.setdefault(key, [])
        tokens.append(newest)
        for token in tokens[:-KEPT_STATES]:
            if token in self._states:
                self._states[token] = msgspec.structs.replace(
                    self._states[token], shown={}, stored={}, pages=()
                )
        del tokens[:-KEPT_STATES]

    def _gone(
        self, before: _State, there: Mapping[str, CalendarItem], stored: Mapping[str, str]
    ) -> Iterator[str]:
        """What left the window, and what changed outside of it."""
        series = {item.series_id for item in there.values()}
        told = set()
        for event_id in before.shown:
            silent = not self._variants.delta_tells_declined and _series_of(event_id, before) in series
            if event_id not in there and not silent:
                told.add(event_id)
                yield event_id
        for event_id, change_key in {**before.stored, **stored}.items():
            changed = before.stored.get(event_id) != stored.get(event_id, "") or event_id not in stored
            if changed and change_key and event_id not in there and event_id not in told:
                yield event_id

    def _row(self, call: MailboxCall, item: CalendarItem) -> Json:
        preferences = call.preferences
        as_text = preferences.body_type == "text"
        full = select(
            render(item, preferences.zone_name, immutable=preferences.immutable, as_text=as_text), None
        )
        row = {"@odata.type": _TYPE, **full}
        return {name: row[name] for name in _THIN} if item.type == "occurrence" else row

    def _pages(self, call: MailboxCall, rows: list[Json]) -> tuple[tuple[Json, ...], ...]:
        size = call.preferences.page or DEFAULT_PAGE
        pages = [tuple(rows[at : at + size]) for at in range(0, len(rows), size)] or [()]
        if self._variants.delta_repeats:
            pages = [pages[0], *((one[0], *other) for one, other in pairwise(pages))]
        if self._variants.delta_empty_pages:
            pages.insert(0, ())
        return tuple(pages)

    def _page(self, call: MailboxCall, token: str, state: _State, number: int) -> Answer:
        if number >= len(state.pages):
            raise InvalidRequest("Badly formed token.", "ErrorInvalidSyncStateData")
        address = f"{call.request.origin}{call.request.path}"
        page: dict[str, Any] = {"@odata.context": call.context("Collection(event)")}
        if number + 1 < len(state.pages):
            page["@odata.nextLink"] = f"{address}?$skiptoken={token}-{number + 1}"
        else:
            page["@odata.deltaLink"] = f"{address}?$deltatoken={token}"
        page["value"] = state.pages[number]
        return call.answer(page)


def _there(calendar: Calendar, span: Window | None) -> Iterator[CalendarItem]:
    """Masters first, each with its first dates, then what lies in the window."""
    if span is None:
        yield from calendar.items()
        return
    found = calendar.view(*span)
    series = {item.series_id for item in found}
    yield from (item for item in calendar.items() if item.id in series)
    yield from found


def _series_of(event_id: str, state: _State) -> str | None:
    """The series of an occurrence that is gone, by what its id has in common with a stored one."""
    return next(
        (one for one in state.stored if one[:-4] == event_id[: len(one) - 4] and one != event_id), None
    )


def _removed(call: MailboxCall, event_id: str) -> Json:
    shown = event_id if call.preferences.immutable else changeable_id(event_id)
    return {"@odata.type": _TYPE, "id": shown, "@removed": {"reason": "deleted"}}
