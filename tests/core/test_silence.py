"""Which sensor falls silent first, of all rooms together."""

from unittest.mock import patch

import msgspec
from timeline import RADAR, Timeline, at

from gateway.core.conclude import conclude
from gateway.core.events import Configured, LinkUp, Reading, Tick
from gateway.core.policy import BreakerPolicy, RoomConfig, SiteConfig
from gateway.core.silence import Silence
from gateway.core.site import Site
from gateway.core.units import HOUR_MS, MINUTE_MS, SECOND_MS, Instant

ROOMS = 30
QUARTER_MS = MINUTE_MS // 4


def office() -> Site:
    """Rooms with a radar each, heard for the first time within the first minute."""
    site = Site()
    radars = [msgspec.structs.replace(RADAR, id=f"radar-{number}") for number in range(ROOMS)]
    rooms = tuple(RoomConfig(f"room-{number}", sensors=(radar,)) for number, radar in enumerate(radars))
    site.handle(Configured(SiteConfig(rooms)), at("08:00"))
    site.handle(LinkUp(session_present=False), at("08:00"))
    site.handle(Tick(), at("08:00"))
    return site


def beat(site: Site, until: Instant, silent: tuple[str, ...] = ()) -> list[tuple[Instant, str]]:
    """Each radar each minute, at its own second; ticks when the site asks for them: changes, and where."""
    changes = []
    now = site.state.now
    while (now := now + MINUTE_MS // ROOMS) <= until:
        while (due := site.next_deadline(now - 1)) is not None and due < now:
            changes += [(one.at, one.room) for one in site.handle(Tick(), due)]
        name = f"radar-{now // (MINUTE_MS // ROOMS) % ROOMS}"
        if name not in silent:
            site.handle(Reading(name, "presence", 0), now)
    return changes


def test_sensors_that_speak_in_time_are_looked_through_four_times_a_minute() -> None:
    """Not once for each of them: with a heartbeat of a minute, each quarter of one after the last look."""
    site = office()
    beat(site, at("08:05"))
    looked: list[Instant] = []
    look = Silence._look

    def counted(self: Silence, by: Instant) -> None:
        looked.append(by)
        look(self, by)

    with patch.object(Silence, "_look", counted):
        assert beat(site, at("09:05")) == []
    assert 200 < len(looked) <= HOUR_MS // QUARTER_MS


def test_each_of_several_that_fall_silent_is_told_at_its_own_moment() -> None:
    """To the millisecond, though nobody follows them one by one; and once."""
    site = office()
    beat(site, at("08:10"))
    last = {n: site.rooms[f"room-{n}"].sensors[f"radar-{n}"].state.last_proof for n in (3, 4, 20)}
    changes = beat(site, at("08:20"), silent=("radar-3", "radar-4", "radar-20"))
    told = [(room, now) for now, room in changes]
    expected = [(f"room-{n}", spoke + MINUTE_MS + QUARTER_MS + 1) for n, spoke in last.items()]
    assert sorted(told) == sorted(expected)


def test_two_that_fall_silent_in_one_instant_are_both_told_in_it() -> None:
    """One tick concludes for both rooms."""
    site = office()
    beat(site, at("08:10"))
    now = site.state.now + SECOND_MS
    for name in ("radar-1", "radar-2"):
        site.handle(Reading(name, "presence", 0), now)
    changes = beat(site, at("08:20"), silent=("radar-1", "radar-2"))
    assert changes == [(now + MINUTE_MS + QUARTER_MS + 1, room) for room in ("room-1", "room-2")]


def test_a_room_that_knows_is_not_looked_at_again() -> None:
    """When another sensor of the site falls silent, its own room alone concludes."""
    site = office()
    beat(site, at("08:10"))
    assert len(beat(site, at("08:20"), silent=("radar-3",))) == 1
    with patch("gateway.core.site.conclude", wraps=conclude) as concluded:
        assert len(beat(site, at("08:30"), silent=("radar-3", "radar-9"))) == 1
    assert [call.args[0].name for call in concluded.call_args_list] == ["room-9"]


def test_a_late_proof_that_makes_nobody_well_is_noticed_as_a_restored_site_would() -> None:
    """Its device spoke when it was ill already: the site asks for the tick that its memory asks for."""
    timeline = Timeline(RADAR)
    timeline.until("08:10")
    timeline.silence("radar")
    timeline.until("08:12")
    timeline.tell(Reading("radar", "presence", 0, made_at=at("08:10:30")))
    for _ in range(3):
        by = timeline.now + HOUR_MS
        assert timeline.site.next_deadline(by) == Site.restore(timeline.site.snapshot()).next_deadline(by)
        timeline.advance(timeline.now + MINUTE_MS)


def test_a_site_without_sensors_waits_for_nothing() -> None:
    """Nobody can fall silent."""
    site = Site()
    site.handle(Configured(SiteConfig((RoomConfig("orion"),), breaker=BreakerPolicy(on=False))), at("08:00"))
    site.handle(Tick(), at("08:00"))
    assert site.next_deadline() is None
