"""What sensors did over months, gathered in one pass over journal and decisions: sums, no single event.

    watch = Watch(site, history)       # an empty History, or one that was kept
    watch.replay(events, decisions)    # of the ledger, after `history.seq` and `history.decision`

A `History` is plain data: kept as JSON and taken up again it goes on where it was, to the same end as
in one go. It holds two periods of up to 45 days, so that what was true long ago does not count for ever,
and holds no names and no bookings that are over.

What counts as known

* People were *known* to be there between two signs of others (other sensors of the room on devices of
  their own, or a person's word) that are at most 15 min apart within one attended booking. A sensor's
  own quiet in that time is a gap: people were there and it did not say so.
* Without others there is a sensor's own word: between two of its signs within one attended booking
  people were probably there, as the core takes it too (`_note_gap` in `gateway.core.steps.attendance`). Gaps
  over an hour are absences.
* A booking in which the gateway was deaf, or the sensor overdue or offline, shows nothing about its eyes.
* An identical repeat is folded and not in the journal: the interval between two messages is known to an
  eighth of the heartbeat.
"""

from typing import Final

import msgspec

from gateway.core.units import DAY_MS, NEVER, Duration, Instant
from gateway.reports.spread import Spread

VERSION: Final = 1
"""Of the form in which a history is kept; another one is gathered anew."""

NOTE: Final = "sensor_history"
"""The ledger's note that the service keeps its history under, as of the last time that it looked."""

PERIOD_MS: Final[Duration] = 45 * DAY_MS
"""A history holds this period and the one before: 45 to 90 days."""

Span = tuple[Instant, Instant]


class QuietSums(msgspec.Struct, omit_defaults=True):
    """How well something notices people that are known to be there."""

    known_ms: Duration = 0
    """Time in which people were known to be there."""
    bookings: int = 0
    missed: int = 0
    """Of these bookings those without one sign."""
    gaps: Spread = msgspec.field(default_factory=Spread)
    """Its quiet while they were there."""
    arrival: Spread = msgspec.field(default_factory=Spread)
    """From the first sign of anybody to its own; of bookings that it did not miss."""

    def take(self, other: "QuietSums") -> None:
        """Add what another one holds."""
        self.known_ms += other.known_ms
        self.bookings += other.bookings
        self.missed += other.missed
        self.gaps.take(other.gaps)
        self.arrival.take(other.arrival)


class SensorSums(msgspec.Struct, omit_defaults=True):
    """What one sensor did in a period."""

    confirmed: QuietSums = msgspec.field(default_factory=QuietSums)
    """By other sensors or people."""
    own: QuietSums = msgspec.field(default_factory=QuietSums)
    """By its own word alone."""
    signs: int = 0
    """In attended bookings that others confirm."""
    edge_signs: int = 0
    """Of these the ones close to somebody's coming or going."""
    spurious: int = 0
    spurious_at: Instant = NEVER
    messages: int = 0
    """In the journal; repeats that were folded are not."""
    heard: Spread = msgspec.field(default_factory=Spread)
    """Between two messages of the device itself."""
    stamped: int = 0
    """Messages that tell when they were made."""
    late: int = 0
    repeated: int = 0
    """Made at the very time of the one before: from a bridge's cache or timer."""
    behind: Spread = msgspec.field(default_factory=Spread)
    """Arrival after the time that the message tells."""
    ahead: Spread = msgspec.field(default_factory=Spread)
    """Arrival before it: the device's clock is fast."""
    link: dict[int, float] = {}
    """The last link quality of each day (days since 1970 UTC), in the maker's unit."""
    battery: dict[int, float] = {}
    """The last percentage of each day, since the newest battery."""
    battery_renewed: bool = False
    flapping: int = 0
    """Spells of changing faster than people move."""
    flapping_at: Instant = NEVER
    stuck_on: int = 0
    """Times that it showed presence for longer than any meeting."""
    stuck_on_at: Instant = NEVER
    outages: int = 0
    outage_ms: Duration = 0
    outage_at: Instant = NEVER
    bridge_outages: int = 0
    bridge_outage_ms: Duration = 0

    def take(self, other: "SensorSums") -> None:
        """Add what a later period holds."""
        for name in ("confirmed", "own", "heard", "behind", "ahead"):
            getattr(self, name).take(getattr(other, name))
        for name in _ADDED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("spurious_at", "flapping_at", "stuck_on_at", "outage_at"):
            setattr(self, name, max(getattr(self, name), getattr(other, name)))
        self.link |= other.link
        self.battery = other.battery if other.battery_renewed else self.battery | other.battery
        self.battery_renewed |= other.battery_renewed


_ADDED: Final = (
    "signs",
    "edge_signs",
    "spurious",
    "messages",
    "stamped",
    "late",
    "repeated",
    "flapping",
    "stuck_on",
    "outages",
    "outage_ms",
    "bridge_outages",
    "bridge_outage_ms",
)


class RoomSums(msgspec.Struct, omit_defaults=True):
    """What the sensors of one room did together in a period."""

    confirmed: QuietSums = msgspec.field(default_factory=QuietSums)
    """Those that prove it empty, together, while people or other sensors knew better."""
    own: QuietSums = msgspec.field(default_factory=QuietSums)
    """The same together, by their own word."""
    attended: int = 0
    by_sensors: int = 0
    """Attended bookings that sensors checked in."""
    check_in: Spread = msgspec.field(default_factory=Spread)
    """From the first sign in an attended booking to its check-in by a sensor."""
    wrong_releases: int = 0
    wrong_at: Instant = NEVER

    def take(self, other: "RoomSums") -> None:
        """Add what a later period holds."""
        self.confirmed.take(other.confirmed)
        self.own.take(other.own)
        self.check_in.take(other.check_in)
        self.attended += other.attended
        self.by_sensors += other.by_sensors
        self.wrong_releases += other.wrong_releases
        self.wrong_at = max(self.wrong_at, other.wrong_at)


class Period(msgspec.Struct, omit_defaults=True):
    """Sums since an instant."""

    since: Instant
    sensors: dict[str, SensorSums] = {}
    rooms: dict[str, RoomSums] = {}


class SensorTrack(msgspec.Struct, omit_defaults=True):
    """Where a sensor stands just now: what is needed to go on."""

    showing_since: Instant = NEVER
    showing: bool = False
    signs: list[Span] = []
    """Of the bookings that are not over yet."""
    last_heard: Instant = NEVER
    last_sign: Instant = NEVER
    made_at: Instant = NEVER
    ill_until: Instant = NEVER
    """When it was last known to be overdue or offline."""
    online: bool = True
    offline_since: Instant = NEVER
    bridge_off_since: Instant = NEVER
    rises: int = 0
    """Since `rises_since`, where the window begins in which they are counted."""
    rises_since: Instant = NEVER
    flapping_until: Instant = NEVER
    silent_streak: int = 0
    """Attended bookings in a row, confirmed by others, without one sign."""
    silent_since: Instant = NEVER


class OpenBooking(msgspec.Struct, omit_defaults=True):
    """A booking that is not over."""

    start: Instant
    checked_in_at: Instant = NEVER
    by_sensor: bool = False


class RoomTrack(msgspec.Struct, omit_defaults=True):
    """Where a room stands just now."""

    bookings: dict[str, OpenBooking] = {}
    people: list[Span] = []
    """When a person said that they are there, or that they leave."""
    lone_hits: dict[str, Instant] = {}
    """By sensor: hits that nobody else has confirmed yet."""


class History(msgspec.Struct, omit_defaults=True):
    """All that is kept. `seq` and `decision`: up to where journal and decisions are in it."""

    version: int = VERSION
    seq: int = 0
    decision: int = 0
    at: Instant = NEVER
    deaf: bool = True
    heard_since: Instant = NEVER
    periods: list[Period] = []
    sensors: dict[str, SensorTrack] = {}
    rooms: dict[str, RoomTrack] = {}

    def sums(self) -> Period:
        """Both periods together."""
        whole = Period(self.periods[0].since if self.periods else self.at)
        for period in self.periods:
            for name, sums in period.sensors.items():
                whole.sensors.setdefault(name, SensorSums()).take(sums)
            for room, own in period.rooms.items():
                whole.rooms.setdefault(room, RoomSums()).take(own)
        return whole


def kept(text: str | bytes) -> History:
    """A history as it was kept; an empty one if there is none, or it has another form."""
    try:
        history = msgspec.json.decode(text, type=History) if text else History()
    except msgspec.MsgspecError:
        return History()
    return history if history.version == VERSION else History()
