"""What a sensor has told so far, whether it can be believed, and for how long.

Theory of operation

* `SensorState` is all that is remembered of one sensor; `hear` folds one reading into it.
* Health is kept as one instant, `well_until`, renewed by every message: the sensor is healthy up to
  and including it if it says nothing more, and ill if it is `NEVER`. `ailment` says why, from the
  same conditions.
* Getting well again, a gap in hearing, a change of sensors and a clock step leave `as_if_sign`:
  somebody may have entered unnoticed, so the vacancy clock counts it like a sign of presence.
  It moves that clock only; it never shows presence.
"""

from typing import Final

import msgspec

from gateway.core.events import Reading
from gateway.core.policy import SensorProfile
from gateway.core.units import FOREVER, HOUR_MS, MINUTE_MS, NEVER, Duration, Instant

STUCK_ON_AFTER_MS: Final[Duration] = 6 * HOUR_MS
"""Longer without a single pause than any plausible meeting. PIRs stuck for 17 to 220 h are on record."""

SILENT_ATTENDED_LIMIT: Final = 3
"""After this many attended bookings without one sign of its own, a sensor counts as stuck off."""

FLAPPING_WINDOW_MS: Final[Duration] = 10 * MINUTE_MS
FLAPPING_RISES: Final = 60
"""More changes from off to on within the window than people cause: every 10 s without a rest."""

DEAD_BATTERY_PERCENT: Final = 2
"""At or below this a battery sensor may fall silent at any moment."""

PRESENCE_KINDS: Final = frozenset({"presence", "motion", "count", "entries"})


class SensorState(msgspec.Struct, omit_defaults=True, gc=False):
    """Everything remembered of one sensor. Instants are `NEVER` until they have happened."""

    showing: bool = False
    shown_since: Instant = NEVER
    value: int = 0
    """The last value of presence, motion or count."""
    last_sign: Instant = NEVER
    """Last hit or clearing. While it shows presence its last sign is the present."""
    as_if_sign: Instant = NEVER
    last_proof: Instant = NEVER
    """When the device itself last spoke: up to here its silence is worth something."""
    proof_before: Instant = NEVER
    """The proof before the last one."""
    made_at: Instant = NEVER
    knows_state: bool = False
    """It has told its state itself since hearing last began anew."""
    told_at: Instant = NEVER
    """When it last told its state itself."""
    online: bool = True
    battery: int = 100
    fault: bool = False
    tampered: bool = False
    silent_attended: int = 0
    rises: int = 0
    rises_since: Instant = NEVER
    flapping_until: Instant = NEVER
    well_until: Instant = NEVER

    def sign_at(self, now: Instant) -> Instant:
        """The latest sign of presence, the present while it shows some."""
        return now if self.showing else self.last_sign


def ailment(profile: SensorProfile, state: SensorState, bridge_online: bool, now: Instant) -> str:
    """Why the sensor cannot be believed at `now`; empty if it is healthy.

    The codes are worded in `gateway.core.explain`.
    """
    standing = _standing_ailment(profile, state, bridge_online)
    if standing:
        return standing
    if now > overdue_after(profile, state):
        return "overdue" if state.last_proof != NEVER else "never_heard"
    if now > _stuck_after(state):
        return "stuck_on"
    return ""


def _standing_ailment(profile: SensorProfile, state: SensorState, bridge_online: bool) -> str:
    """What is wrong whatever the time is: the first of these that holds."""
    troubles = (
        ("out_of_service", not profile.in_service),
        ("bridge_offline", not bridge_online),
        ("offline", not state.online),
        ("battery_dead", state.battery <= DEAD_BATTERY_PERCENT),
        ("fault", state.fault),
        ("tampered", state.tampered),
        ("flapping", state.flapping_until != NEVER),
        ("stuck_off", state.silent_attended >= SILENT_ATTENDED_LIMIT),
    )
    return next((code for code, holds in troubles if holds), "")


def _stuck_after(state: SensorState) -> Instant:
    return state.shown_since + STUCK_ON_AFTER_MS if state.showing else FOREVER


def refresh_health(profile: SensorProfile, state: SensorState, bridge_online: bool) -> None:
    """Work out `well_until` anew after anything that bears on health has changed."""
    sound = (
        profile.in_service
        and bridge_online
        and state.online
        and state.battery > DEAD_BATTERY_PERCENT
        and not (state.fault or state.tampered)
        and state.flapping_until == NEVER
        and state.silent_attended < SILENT_ATTENDED_LIMIT
    )
    state.well_until = well_while_sound(profile, state) if sound else NEVER


def well_while_sound(profile: SensorProfile, state: SensorState) -> Instant:
    """Until when a sensor is well that nothing ails but what time brings."""
    overdue = overdue_after(profile, state)
    return min(overdue, _stuck_after(state)) if state.showing else overdue


def overdue_after(profile: SensorProfile, state: SensorState) -> Instant:
    """The instant after which its heartbeat is overdue by more than a quarter; `FOREVER` without one."""
    if profile.heartbeat_ms is None:
        return FOREVER
    if state.last_proof == NEVER:
        return NEVER
    return state.last_proof + profile.heartbeat_ms + profile.heartbeat_ms // 4


def recover(
    profile: SensorProfile,
    state: SensorState,
    bridge_online: bool,
    now: Instant,
    was_well: bool,
    unheard_from: Instant,
) -> bool:
    """Refresh health; a return to it counts as a sign of presence. True if the sensor returned.

    `unheard_from`: its messages may have been lost since then (`FOREVER`: none). A presence sensor or
    counter must then tell its state anew: the message that somebody came may be among the lost, and
    its heartbeats would vouch for a state that nobody has heard.
    """
    refresh_health(profile, state, bridge_online)
    returned = not was_well and now <= state.well_until
    if returned:
        state.as_if_sign = now
        if profile.senses != "motion" and profile.says_clear and state.told_at < unheard_from < FOREVER:
            state.knows_state = False
    return returned


def mark_gap(profile: SensorProfile, state: SensorState, now: Instant) -> None:
    """Something may have happened unheard: start the vacancy clock anew, ask for the state anew."""
    state.as_if_sign = now
    state.knows_state = not profile.says_clear


def proof_instant(state: SensorState, reading: Reading, now: Instant, heard_until: Instant) -> Instant:
    """The instant at which the message proves that the device was alive, or `NEVER`.

    `heard_until`: the message may be as old as this (a broker's queue); the present otherwise. A
    message that tells its own time needs no such guess, but one with the same time as the message
    before it was made by a bridge's timer or cache and proves nothing.
    """
    if not reading.device_made or (reading.made_at is not None and reading.made_at == state.made_at):
        return NEVER
    return min(now, heard_until if reading.made_at is None else reading.made_at)


def hear(
    profile: SensorProfile,
    state: SensorState,
    reading: Reading,
    now: Instant,
    *,
    proof: Instant,
    current: bool,
) -> None:
    """Fold one reading into the state; health is refreshed by the caller (`recover`).

    `proof` as `proof_instant`, `current` as `tells_state` say.
    """
    if proof > state.last_proof:
        state.proof_before, state.last_proof = state.last_proof, proof
    if reading.kind in PRESENCE_KINDS:
        _hear_presence(profile, state, reading, now, current=current)
    elif reading.kind == "battery":
        state.battery = reading.value
    elif reading.kind == "fault":
        state.fault = reading.value > 0
    elif reading.kind == "tamper":
        state.tampered = reading.value > 0
    made_at = reading.made_at
    if made_at is not None and made_at <= now and (made_at > state.made_at or reading.shows_presence):
        state.made_at = made_at  # presence sets it back too: the device's clock may have been
    if state.flapping_until != NEVER and now >= state.flapping_until:
        state.flapping_until = NEVER
        state.rises = 0


def tells_state(profile: SensorProfile, state: SensorState, reading: Reading) -> bool:
    """Whether the reading says how things are now in what the sensor senses.

    Another kind of reading does not ("nobody moved" takes nobody out of their chair), nor a clear
    that was made before what is already known. Presence always does.
    """
    if reading.kind != profile.senses:
        return False
    return reading.value > 0 or reading.made_at is None or reading.made_at >= state.made_at


def _hear_presence(
    profile: SensorProfile, state: SensorState, reading: Reading, now: Instant, *, current: bool
) -> None:
    if current:
        state.value = reading.value
    if reading.value > 0:
        if not state.showing:
            state.silent_attended = 0
            state.last_sign = now
            _count_rise(state, now)
            if current and profile.says_clear:
                state.showing = True
                state.shown_since = now
    elif current and state.showing:
        state.showing = False
        state.last_sign = now


def _count_rise(state: SensorState, now: Instant) -> None:
    if now - state.rises_since > FLAPPING_WINDOW_MS:
        state.rises_since = now
        state.rises = 0
    state.rises += 1
    if state.rises > FLAPPING_RISES:
        state.flapping_until = now + FLAPPING_WINDOW_MS
