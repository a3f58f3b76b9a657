"""What a scenario may ask: of the gateway's decisions, of Exchange, and of what people are told."""

import json
from collections.abc import Awaitable
from typing import Any, Final, Literal

from gateway.core.case import case_of
from gateway.core.decisions import Decision, DecisionKind
from gateway.core.explain import explain
from gateway.core.life import Life
from gateway.core.room import Room
from gateway.core.rules import first_objection
from gateway.core.units import DAY_MS, Instant
from gateway.runtime.picture import clock_in, outlook_of
from simulators.exchange import CalendarItem
from simulators.scenario.config import address
from simulators.scenario.scene import Meeting, Scene

BookingState = Literal["upcoming", "open", "seen", "checked in", "releasing", "released", "over"]

STATES: Final[dict[DecisionKind, BookingState]] = {
    "opened": "open",
    "seen": "seen",
    "checked_in": "checked in",
    "check_in_dropped": "upcoming",
    "release": "releasing",
    "released": "released",
    "not_released": "open",
    "restored": "checked in",
    "ended": "over",
    "concluded": "over",
}
"""What a booking is after a decision; decisions that are not here leave it as it is."""


class Questions(Scene):
    """Answers about now. `when` names a booking by its time: "09:00", "09:00-10:00", "all day"."""

    # -- one booking --------------------------------------------------------------------------------

    def decisions(self, room: str = "", when: str = "", kind: str = "") -> list[Decision]:
        """Decisions so far, oldest first; of one room, one booking, one kind."""
        key = self.meeting(room, when).key if when else ""
        return [
            d
            for d in self.world.decisions
            if room in ("", d.room) and key in ("", d.booking) and kind in ("", d.kind)
        ]

    def about(self, meeting: Meeting) -> list[Decision]:
        """Every decision about this booking."""
        return [d for d in self.world.decisions if d.booking == meeting.key and d.room == meeting.room]

    def state(self, room: str, when: str) -> BookingState:
        """Where the booking stands, by the decisions about it."""
        return self.state_of(self.meeting(room, when))

    def state_of(self, meeting: Meeting) -> BookingState:
        """As `state`. That a booking was moved away again is no decision of its own: its life knows."""
        life = self.life_of(meeting)
        if life is not None and life.state == "upcoming":
            return "upcoming"
        state: BookingState = "upcoming"
        for decision in self.about(meeting):
            if decision.kind == "checked_in" and state == "released":
                continue
            state = STATES.get(decision.kind, state)
        return state

    def outcome_of(self, meeting: Meeting) -> str:
        """What the booking came to, or empty while it lasts."""
        concluded = [d.tally for d in self.about(meeting) if d.kind == "concluded" and d.tally is not None]
        return concluded[-1].outcome if concluded and self.state_of(meeting) == "over" else ""

    def released(self, room: str, when: str) -> bool:
        """The booking was given back, Exchange has confirmed it, and it did not come back."""
        meeting = self.meeting(room, when)
        return self.state_of(meeting) == "released" or self.outcome_of(meeting) in (
            "no_show_released",
            "brief_visit_released",
        )

    def would_be_released(self, room: str, when: str) -> bool:
        """In shadow: a live room would have been given back."""
        return bool(self.decisions(room, when, "would_release"))

    def checked_in(self, room: str, when: str) -> bool:
        """The booking is checked in, or was until it ended."""
        return (
            self.state(room, when) == "checked in" or self.outcome_of(self.meeting(room, when)) == "attended"
        )

    def seen(self, room: str, when: str) -> bool:
        """Somebody was seen in it, at least briefly."""
        return self.state(room, when) in ("seen", "checked in") or self.outcome_of(
            self.meeting(room, when)
        ) in (
            "attended",
            "brief_visit",
            "brief_visit_released",
        )

    def warned(self, room: str, when: str) -> bool:
        """A warning stands."""
        warnings = [d.kind for d in self.decisions(room, when) if d.kind in ("warned", "warning_cancelled")]
        return warnings[-1:] == ["warned"] and self.state(room, when) in ("open", "seen")

    def withheld(self, room: str, when: str) -> str:
        """The code of the reason why a release that is due is withheld; empty if none is."""
        return self.withheld_of(self.meeting(room, when))

    def withheld_of(self, meeting: Meeting) -> str:
        """As `withheld`."""
        told = (
            "withheld",
            "release",
            "would_release",
            "checked_in",
            "opened",
            "ended",
            "concluded",
            "restored",
        )
        newest = [d for d in self.about(meeting) if d.kind in told][-1:]
        return newest[0].reasons[0].code if newest and newest[0].kind == "withheld" else ""

    def left_alone(self, room: str, when: str) -> str:
        """The code of the rule by which no release can ever happen; empty if there is none."""
        life = self.life_of(self.meeting(room, when))
        if life is None:
            return ""
        objection = first_objection(case_of(self._room(room), life, self._gateway_now()), "never")
        return "" if objection is None else objection[1].code

    def explain(self, room: str, when: str) -> str:
        """The booking's story in words, line by line, and what is about to happen with it."""
        return "\n".join(self.story_of(self.meeting(room, when)))

    def story_of(self, meeting: Meeting) -> list[str]:
        """As `explain`."""
        clock = clock_in(self.wall.zone, "%H:%M:%S")
        lines = [f"{clock(d.at)}  {explain(d, clock)}" for d in self.about(meeting)]
        life = self.life_of(meeting)
        if life is not None:
            room, now = self._room(meeting.room), self._gateway_now()
            lines.append(f"{clock(now)}  Now: {outlook_of(room, life, now, self.wall.zone, '%H:%M:%S')[0]}.")
        return lines or ["nothing has been decided about it"]

    def told(self) -> list[str]:
        """Every decision so far, in words."""
        clock = clock_in(self.wall.zone, "%H:%M:%S")
        return [f"{clock(d.at)}  {d.room}: {explain(d, clock)}" for d in self.world.decisions]

    def life_of(self, meeting: Meeting) -> Life | None:
        """What the running gateway remembers of a booking that is not over."""
        if self.world.service is None:
            return None
        return self._room(meeting.room).state.lives.get(meeting.key)

    # -- one room -----------------------------------------------------------------------------------

    def occupancy(self, room: str) -> str:
        """occupied, vacant or unknown."""
        return self._room(room).state.occupancy.status

    def why(self, room: str) -> list[str]:
        """The codes of the reasons for the room's occupancy."""
        return [reason.code for reason in self._room(room).state.occupancy.why]

    def mode(self, room: str) -> str:
        """Live or shadow."""
        return self._room(room).state.mode

    def people(self, room: str) -> int:
        """How many people really are in the room."""
        return self.inside[self._known_room(room)].count

    def sensor_trouble(self, sensor: str) -> str:
        """What a sensor suffers from, in words; empty if it is healthy."""
        self._device(sensor)
        for room in self.status()["rooms"]:
            for picture in room["sensors"]:
                if picture["sensor"] == sensor:
                    return str(picture["trouble"])
        return ""

    def _room(self, room: str) -> Room:
        self._known_room(room)
        service = self.world.service
        if service is None:
            raise AssertionError("the gateway does not run just now: only its decisions can be asked for")
        return service.brain.site.rooms[room]

    def _gateway_now(self) -> Instant:
        return self.world.clock.now()

    # -- Exchange and people ------------------------------------------------------------------------

    def shown(self, room: str, when: str) -> CalendarItem | None:
        """The booking in the room's own calendar, or None where it is gone or cancelled."""
        meeting = self.meeting(room, when)
        margin = 2 * DAY_MS
        items = self.world.exchange.calendar(address(room), meeting.start - margin, meeting.end + margin)
        uid = meeting.key.partition("@")[0]
        return next((item for item in items if item.ical_uid == uid and not item.cancelled), None)

    def own_bookings(self, room: str, category: str) -> list[CalendarItem]:
        """The present day's bookings in the room's calendar with this category, by their start."""
        start, end = self.span("all day")
        items = self.world.exchange.calendar(address(room), start, end)
        own = (item for item in items if category in item.categories and not item.cancelled)
        return sorted(own, key=lambda item: item.start_ms)

    def response(self, meeting: Meeting) -> str:
        """The room's answer as the organizer's own meeting shows it; "none" where it is not invited."""
        if meeting.event is None:
            return "none"
        item = self.world.exchange.event(meeting.event, occurrence=meeting.original)
        invited = item.invites(address(meeting.room))
        return "none" if invited is None else invited.response

    def mail_to(self, who: str, kind: str = "") -> list[str]:
        """What somebody was told by mail: the comments of all messages (of a kind: declined, cancelled)."""
        messages = self.world.exchange.messages_to(address(who))
        return [message.comment for message in messages if kind in ("", message.kind)]

    def status(self) -> dict[str, Any]:
        """What the command `status` shows."""
        found: dict[str, Any] = {}

        async def ask() -> None:
            if self.world.service is None:
                raise AssertionError("the gateway does not run just now")
            found.update(await self.world.service.status())

        work: Awaitable[None] = ask()
        self._run(lambda: work)
        return found

    def status_text(self) -> str:
        """How the gateway itself is, as text to look for words in."""
        status = self.status()
        return json.dumps(status["gateway"] | {"wrong_releases": status["wrong_releases"]})
