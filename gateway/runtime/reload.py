"""A changed configuration is taken over while the gateway runs, as far as its sensors go.

The core and the router change in the same turn of the event loop: no message can come to a core that does
not know its sensor. For the core it is a `Configured` like any other: a room whose sensors changed starts its
vacancy clock anew, because somebody may have come in while nobody listened there.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import structlog

from gateway.core.events import Configured
from gateway.core.policy import RoomConfig, SiteConfig
from gateway.core.units import Instant
from gateway.placing.taken import SensorChanges, cannot_be_taken, in_words, sensor_changes
from gateway.runtime.brain import Brain, Paused
from gateway.sensors import OptionError, Router, build_router
from gateway.settings import Settings, SettingsError, load

log = structlog.get_logger()

Json = dict[str, Any]
Holidays = tuple[tuple[Instant, Instant], ...]


class Reloader:
    """Takes over what has changed in the file. One at a time."""

    def __init__(
        self,
        settings: Settings,
        brain: Brain,
        take_router: Callable[[Settings, Router], None],
        config_of: Callable[[Settings, Holidays], SiteConfig] = Settings.site_config,
    ) -> None:
        """`take_router` puts new settings and a new router to use, without giving way to anything else.

        `config_of`: what the core is to be configured to, by these settings and whatever else is known.
        """
        self.settings = settings
        self._brain = brain
        self._take_router = take_router
        self._config_of = config_of
        self._holidays: Holidays = ()
        self._one_at_a_time = asyncio.Lock()

    def configure(self, holidays: Holidays) -> None:
        """Tell the core what it is configured to be, if that has changed. Raises Paused."""
        self._holidays = holidays
        config = self._config_of(self.settings, holidays)
        if config != self._brain.site.state.config:
            self._brain.tell(Configured(config))

    def configure_again(self) -> None:
        """After the core's memory was replaced by the ledger's, which may not have the newest sensors."""
        self.configure(self._holidays)

    async def reload(self) -> Json:
        """Read the file again; the answer is JSON, with "error" if nothing was taken over."""
        async with self._one_at_a_time:
            try:
                return await self._reload()
            except SettingsError as error:
                return _refused(f"the configuration cannot be used: {'; '.join(error.problems)}")
            except OptionError as error:
                return _refused(str(error))
            except Paused as error:
                return _refused(f"nothing can be recorded just now ({error})")

    async def _reload(self) -> Json:
        old = self.settings
        new = await asyncio.to_thread(load, Path(old.file))
        obstacles = cannot_be_taken(old, new)
        if obstacles:
            return _refused(
                f"this cannot change while the gateway runs: {', '.join(obstacles)}; restart it to take the "
                "whole file over"
            )
        changes = sensor_changes(old, new)
        router = build_router(new.sensor_sources())
        await self._brain.record()  # what was heard so far is concluded with the sensors that heard it
        self._take_over(new, changes, router)
        told = [*in_words(changes), *_listing_in_words(old, new)]
        log.info("configuration taken over", sensors=told)
        try:
            await self._brain.record()
        except Paused as error:
            told.append(f"It counts as soon as something can be recorded again ({error}).")
        return {"said": told or ["Nothing has changed in the sensors."], "changes": _as_json(changes)}

    def _take_over(self, new: Settings, changes: SensorChanges, router: Router) -> None:
        """All in one turn of the event loop, or nothing of it. Raises Paused."""
        config = self._config_of(new, self._holidays)
        if changes.elsewhere:
            # What was heard of another device proves nothing of this one: the core shall forget it.
            self._brain.tell(Configured(_without(config, changes.elsewhere)))
        if config != self._brain.site.state.config:
            self._brain.tell(Configured(config))
        self.settings = new
        self._take_router(new, router)


def _without(config: SiteConfig, sensors: frozenset[str]) -> SiteConfig:
    def bare(room: RoomConfig) -> RoomConfig:
        kept = tuple(one for one in room.sensors if one.id not in sensors)
        return msgspec.structs.replace(room, sensors=kept)

    return msgspec.structs.replace(config, rooms=tuple(bare(room) for room in config.rooms))


def _listing_in_words(old: Settings, new: Settings) -> list[str]:
    """Which sensors without a room are listed no more, or again."""
    before, after = set(old.discovery.ignore), set(new.discovery.ignore)
    words = [("Not listed any more: {}.", after - before), ("Listed again: {}.", before - after)]
    return [sentence.format(", ".join(sorted(topics))) for sentence, topics in words if topics]


def _refused(why: str) -> Json:
    return {"error": f"nothing was taken over: {why}"}


def _as_json(changes: SensorChanges) -> Json:
    return {
        "added": list(changes.added),
        "removed": list(changes.removed),
        "moved": list(changes.moved),
        "changed": list(changes.changed),
    }
