"""Commands of the control socket: each becomes a fact, a question, or a step of another part.

An answer is a JSON object; "error" in it says why nothing was done, "said" what was.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from zoneinfo import ZoneInfo

import msgspec
import structlog

from gateway.core.decisions import Decision
from gateway.core.events import BreakerClosed, CheckedIn, Ended, Kept, ModeSet, Reviewed, WereHere
from gateway.core.explain import explain
from gateway.core.site import CoreError
from gateway.runtime.brain import Brain, Paused
from gateway.runtime.control import Json
from gateway.runtime.desk_commands import DESK_COMMANDS, DeskCommands
from gateway.runtime.dispatch import Dispatch
from gateway.runtime.intake import Intake
from gateway.runtime.overhear import Discovery
from gateway.runtime.picture import clock_in, iso
from gateway.runtime.places import Place
from gateway.runtime.watch import watch

log = structlog.get_logger()


class Commands:
    """Follows commands, one at a time or several at once."""

    def __init__(
        self,
        brain: Brain,
        dispatch: Dispatch,
        intake: Intake,
        discovery: Discovery,
        desk: DeskCommands,
        places: Mapping[str, Place],
        zone: ZoneInfo,
        *,
        status: Callable[[], Awaitable[Json]],
        reload: Callable[[], Awaitable[Json]],
        unrehearsed: Callable[[], str],
    ) -> None:
        """`zone`: the site's. `unrehearsed` says why no room should go live yet, or nothing."""
        self._brain = brain
        self._dispatch = dispatch
        self._intake = intake
        self._discovery = discovery
        self._desk = desk
        self._places = places
        self._zone = zone
        self._status = status
        self._reload = reload
        self._unrehearsed = unrehearsed

    async def follow(self, request: Json) -> Json:
        """Follow one command of the control socket; the answer is JSON, with "error" if it failed."""
        name, by = request["command"], str(request.get("by", "command"))
        own_ways: dict[str, Callable[[], Awaitable[Json]]] = {
            "status": self._status,
            "close-breaker": lambda: self._close_breaker(by),
            "resume-writing": lambda: self._resume_writing(by),
            "reload": self._reload,
            "sensors": self._heard_sensors,
            "candidate": lambda: self._candidate(str(request.get("sensor", ""))),
            **dict.fromkeys(DESK_COMMANDS, lambda: self._desk.follow(request)),
        }
        if name in own_ways:
            return await own_ways[name]()
        room = str(request.get("room", ""))
        overridden = name == "live" and request.get("without_rehearsal") is True
        refusal = self._refusal(name, room, overridden=overridden)
        if refusal:
            return {"error": refusal}
        by += ", without rehearsal" if overridden else ""
        booking = str(request.get("booking", ""))
        facts: dict[str, Callable[[], CheckedIn | Kept | Ended | ModeSet | WereHere | Reviewed]] = {
            "check-in": lambda: CheckedIn(room, booking, by),
            "keep": lambda: Kept(room, booking, by),
            "end": lambda: Ended(room, booking, by),
            "live": lambda: ModeSet(room, "live", by),
            "shadow": lambda: ModeSet(room, "shadow", by),
            "were-here": lambda: WereHere(room, booking, by),
            "reviewed": lambda: Reviewed(room, by),
        }
        if name not in facts:
            return {"error": f"there is no command {name!r}; there are: {', '.join([*own_ways, *facts])}"}
        try:
            decisions = await self._brain.record(facts[name]())
        except (Paused, CoreError) as error:
            return {"error": str(error)}
        return self._told(room, decisions)

    async def watch(self, request: Json) -> AsyncIterator[Json]:
        """What the sensors of a room say, from now on."""
        name = str(request.get("room", ""))
        room = self._brain.site.rooms.get(name)
        if room is None:
            yield {"error": f"there is no room {name!r}; the rooms are: {', '.join(sorted(self._places))}"}
            return
        async with contextlib.aclosing(watch(self._intake, room, self._brain.now)) as events:
            async for event in events:
                yield event

    async def _heard_sensors(self) -> Json:
        """What is heard that no room has yet; asking makes it listen for a while."""
        await self._discovery.ask()
        zone = self._zone
        heard = [
            msgspec.structs.asdict(one) | {"last_heard": iso(one.last_heard, zone)}
            for one in self._discovery.listed()
        ]
        return {"discovery": self._discovery.state, "heard": heard}

    async def _candidate(self, name: str) -> Json:
        found = self._discovery.candidate(name)
        if found is None:
            return {"error": f"no sensor {name!r} is heard that has no room yet; `sensors list` names them"}
        one, settings, why_not = found
        if settings is None:
            return {"error": f"{one.topic}: {why_not}"}
        kept = settings.model_dump(include={"id", "family", "topic", "senses", "role", "options"})
        return {"candidate": msgspec.structs.asdict(one), "settings": kept}

    def _refusal(self, command: str, room: str, *, overridden: bool) -> str:
        """Why a command is not even given to the core; empty if it is."""
        if room not in self._places:
            known = ", ".join(sorted(self._places))
            return f"there is no room {room!r}; the rooms are: {known}"
        if command != "live":
            return ""
        why = self._unrehearsed()
        if why and overridden:
            log.warning("a room goes live without rehearsal", room=room, why=why)
        return f"{why} To go live in spite of it: --without-rehearsal." if why and not overridden else ""

    async def _close_breaker(self, by: str) -> Json:
        if self._brain.site.breaker.objection is None:
            return {"said": ["The breaker is closed already."]}
        try:
            decisions = await self._brain.record(BreakerClosed(by))
        except Paused as error:
            return {"error": str(error)}
        clock = clock_in(self._zone)
        return {"said": [explain(d, clock) for d in decisions if not d.room]}

    async def _resume_writing(self, by: str) -> Json:
        why = self._dispatch.halted
        if not why:
            return {"said": ["Writing is not halted."]}
        try:
            await self._dispatch.resume()
        except Paused as error:
            return {"error": str(error)}
        log.warning("writing resumed", by=by, was=why)
        return {"said": [f"Writing is allowed again. It was halted because {why}."]}

    def _told(self, room: str, decisions: Sequence[Decision]) -> Json:
        clock = clock_in(self._places[room].zone)
        sentences = [explain(d, clock) for d in decisions if d.room == room and d.kind != "occupancy"]
        if any(d.kind == "refused" for d in decisions if d.room == room):
            return {"error": " ".join(sentences)}
        return {"room": room, "said": sentences or ["Nothing to change: it is so already."]}
