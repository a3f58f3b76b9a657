"""The picture of a room shows what is known when it is looked at, not when something was last concluded."""

from zoneinfo import ZoneInfo

from gateway.core.events import CalendarRead, Configured, LinkUp, Reading, Tick
from gateway.core.policy import RoomConfig, SensorProfile, SiteConfig
from gateway.core.site import Site
from gateway.core.units import DAY_MS, MINUTE_MS, Instant
from gateway.runtime.picture import door_picture, iso

EIGHT: Instant = 1_790_064_000_000  # 2026-09-22, 08:00 UTC
RADAR = SensorProfile("radar", "presence", hold_ms=MINUTE_MS, heartbeat_ms=MINUTE_MS, loss_detectable=True)
UTC = ZoneInfo("UTC")


def empty_room(minutes: int) -> Site:
    """A room in which nobody was for so many minutes; ticks only where the site asks for them."""
    site = Site()
    site.handle(Configured(SiteConfig((RoomConfig("orion", sensors=(RADAR,)),))), EIGHT)
    site.handle(LinkUp(session_present=False), EIGHT)
    site.handle(CalendarRead("orion", EIGHT - DAY_MS, EIGHT + DAY_MS), EIGHT)
    for minute in range(minutes + 1):
        now = EIGHT + minute * MINUTE_MS
        while (deadline := site.next_deadline(now)) is not None and deadline <= now:
            site.handle(Tick(), max(deadline, site.state.now))
        site.handle(Reading("radar", "presence", 0), now)
    return site


def test_vacancy_is_shown_as_proven_up_to_the_last_heartbeat() -> None:
    """Heartbeats bring no conclusion, and the door still shows what the newest of them proves."""
    now = EIGHT + 45 * MINUTE_MS
    room = empty_room(45).rooms["orion"]
    assert room.state.occupancy.until < now - 30 * MINUTE_MS  # nothing was concluded since
    shown = door_picture(room, now, UTC)["occupancy"]
    assert shown["status"] == "vacant"
    assert shown["since"] == iso(EIGHT + MINUTE_MS, UTC)
    assert shown["proven_until"] == iso(now, UTC)


def test_a_heartbeat_that_has_not_come_proves_nothing() -> None:
    """What is shown ends with the last word of the sensor, however late somebody looks."""
    room = empty_room(45).rooms["orion"]
    shown = door_picture(room, EIGHT + 50 * MINUTE_MS, UTC)["occupancy"]
    assert shown["proven_until"] == iso(room.state.occupancy.until, UTC)
