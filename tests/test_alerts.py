"""Alerts: told once, together, not too soon and not too often; and every end is told once."""

from collections import defaultdict
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.alerts import (
    EACH,
    GAP_MS,
    GATHER_MS,
    KINDS,
    REPEAT_MS,
    Alerts,
    Kind,
    Message,
    Timing,
    Trouble,
    standing_json,
    told_before,
)
from gateway.core.units import HOUR_MS, MINUTE_MS, SECOND_MS, Instant

START: Instant = 1_790_000_000_000
STEP = 10 * SECOND_MS


def unreadable(room: str, why: str = "Exchange is not available") -> Trouble:
    """A calendar that cannot be read."""
    sentence = f"The calendar of {room} cannot be read: {why}."
    return Trouble("calendar_unreadable", room, sentence, why=why, room=room)


def run(alerts: Alerts, story: list[tuple[float, list[Trouble]]], minutes: int) -> list[Message]:
    """State what the story says from each minute on, every ten seconds; gives all that was told."""
    told: list[Message] = []
    for now in range(START, START + minutes * MINUTE_MS, STEP):
        minute = (now - START) / MINUTE_MS
        current = [troubles for since, troubles in story if since <= minute][-1]
        alerts.set("calendars", current, now)
        told += alerts.due(now)
    return told


def minutes_of(messages: list[Message]) -> list[tuple[str, int]]:
    """Of each message its kind and its minute."""
    return [(message.what, (message.at - START) // MINUTE_MS) for message in messages]


def test_a_short_trouble_is_not_told_at_all() -> None:
    """Exchange is away for four minutes now and then; nobody needs to know."""
    assert run(Alerts(), [(0, [unreadable("orion")]), (4, [])], 60) == []


def test_a_lasting_trouble_is_told_once_after_minutes_and_its_end_once() -> None:
    """After its delay and the minute in which others may join; not again while it lasts."""
    told = run(Alerts(), [(0, [unreadable("orion")]), (90, [])], 200)
    assert minutes_of(told) == [("trouble", 6), ("recovered", 91)]
    assert told[0].sentence == "The calendar of orion cannot be read: Exchange is not available."
    assert told[1].sentence == f"Over: {told[0].sentence}"
    assert [message.since for message in told] == [START, START]


def test_forty_rooms_are_one_message() -> None:
    """They fail one after the other within a minute, and come back so: one message each way."""
    rooms = [unreadable(f"room-{number:02}") for number in range(40)]
    growing = [(number / 40, rooms[: number + 1]) for number in range(40)]
    shrinking = [(30 + number / 40, rooms[number + 1 :]) for number in range(40)]
    told = run(Alerts(), [(-1, []), *growing, *shrinking], 60)
    assert [(message.what, len(message.subjects)) for message in told] == [("trouble", 40), ("recovered", 40)]
    assert told[0].sentence == (
        "The calendars of 40 rooms cannot be read, among them room-00, room-01, room-02 (Exchange is not "
        "available). `status` says for each room what Exchange answers and what to mend."
    )


def test_few_rooms_are_all_named_and_different_causes_are_not() -> None:
    """With two rooms the message names both; a cause is told only where it is that of all."""
    told = run(Alerts(), [(0, [unreadable("orion", "a"), unreadable("lyra", "b")])], 10)
    (message,) = told
    assert message.sentence.startswith("The calendars of 2 rooms cannot be read: lyra, orion. ")


def test_a_flapping_trouble_is_told_once_an_hour_at_most() -> None:
    """Ten minutes bad, five minutes good, for four hours."""
    story: list[tuple[float, list[Trouble]]] = []
    for number in range(16):
        story += [(15 * number, [unreadable("orion")]), (15 * number + 10, [])]
    told = [message for message in run(Alerts(), story, 240) if message.what == "trouble"]
    assert len(told) == 4
    assert all(b.at - a.at >= REPEAT_MS for a, b in pairwise(told))


def test_what_stops_everything_is_told_at_once() -> None:
    """Writing that is halted waits for nothing and nobody."""
    alerts = Alerts()
    alerts.set("gateway", [Trouble("writing_halted", "site", "Nothing is written.")], START)
    assert [message.kind for message in alerts.due(START)] == ["writing_halted"]
    assert alerts.due(START + STEP) == []


def test_sources_do_not_clear_each_others_troubles() -> None:
    """What one source does not state any more is over; what another one stated is not."""
    alerts = Alerts(Timing(after_ms=dict.fromkeys(KINDS, 0), gather_ms=0))
    alerts.set("a", [unreadable("orion")], START)
    alerts.set("b", [unreadable("lyra")], START)
    alerts.due(START)
    alerts.set("b", [], START + HOUR_MS)
    (over,) = alerts.due(START + HOUR_MS)
    assert (over.what, over.subjects) == ("recovered", ("lyra",))
    (group,) = alerts.standing()
    assert [alert.trouble.subject for alert in group.each] == ["orion"]


def test_delays_are_those_of_the_settings() -> None:
    """A site may be more patient with one kind."""
    alerts = Alerts(Timing(after_ms={"calendar_unreadable": 20 * MINUTE_MS}))
    assert minutes_of(run(alerts, [(0, [unreadable("orion")])], 60)) == [("trouble", 21)]


def test_a_restart_tells_nothing_twice_and_forgets_no_recovery() -> None:
    """What people know is remembered; what ended meanwhile is told when its source has spoken."""
    before = Alerts()
    run(before, [(0, [unreadable("orion"), unreadable("lyra")])], 20)
    after = Alerts(memory=before.remember())
    later = START + 30 * MINUTE_MS
    assert after.due(later) == []
    assert after.standing() == before.standing() == told_before(before.remember())
    told: list[Message] = []
    for now in range(later, later + HOUR_MS, STEP):
        after.set("calendars", [unreadable("orion")], now)
        told += after.due(now)
    assert [(message.what, message.subjects) for message in told] == [("recovered", ("lyra",))]


@pytest.mark.parametrize("memory", ["nonsense", "[]", '{"alerts": 3}', '{"alerts":[{"source":"x"}]}'])
def test_a_memory_that_cannot_be_read_is_none(memory: str) -> None:
    """An older or newer version wrote it; alerts begin anew."""
    alerts = Alerts(memory=memory)
    assert alerts.standing() == ()
    assert minutes_of(run(alerts, [(0, [unreadable("orion")])], 10)) == [("trouble", 6)]


def test_a_clock_that_is_set_back_silences_nothing() -> None:
    """The machine began in the far future, NTP corrected it; delays go on from there."""
    alerts = Alerts()
    future = START + 10_000 * HOUR_MS
    for now in range(future, future + 20 * MINUTE_MS, STEP):
        alerts.set("calendars", [unreadable("orion")], now)
        alerts.due(now)
    told = run(alerts, [(0, [unreadable("orion"), unreadable("lyra")]), (30, [])], 60)
    assert [(message.what, message.subjects) for message in told] == [
        ("trouble", ("lyra",)),
        ("recovered", ("lyra", "orion")),
    ]


def test_what_stands_is_plain_data_and_bounded() -> None:
    """A thousand rooms do not make a message of a megabyte; the number of all is told."""
    alerts = Alerts(Timing(after_ms=dict.fromkeys(KINDS, 0), gather_ms=0))
    alerts.set("calendars", [unreadable(f"room-{number:04}") for number in range(1_000)], START)
    alerts.due(START)
    (group,) = standing_json(alerts.standing(), str)
    assert (group["kind"], group["severity"], group["count"]) == ("calendar_unreadable", "problem", 1_000)
    assert len(group["each"]) == EACH
    assert group["each"][0] == {
        "subject": "room-0000",
        "room": "room-0000",
        "sentence": "The calendar of room-0000 cannot be read: Exchange is not available.",
        "since": str(START),
    }
    assert len(msgspec.json.encode(group)) < 10_000


def test_troubles_that_say_the_same_are_one_to_people() -> None:
    """A gateway that starts six days before a credential's end has passed three thresholds; told once."""
    sentence = "the secret for Exchange ends in 6 days (2027-01-31): create a new one"
    passed = [Trouble("credential_ends", f"end {days} days", sentence) for days in (30, 14, 7)]
    alerts = Alerts()
    alerts.set("credential", passed[:2], START)
    alerts.set("credential", passed, START + STEP)
    (message,) = [one for minute in range(3) for one in alerts.due(START + STEP + minute * MINUTE_MS)]
    assert (message.sentence, message.subjects) == (sentence, ("end 30 days",))
    (group,) = alerts.standing()
    assert (group.sentence, group.count, group.since) == (sentence, 1, START)
    assert [one.trouble.subject for one in group.each] == ["end 30 days"]


# -- whatever happens ---------------------------------------------------------------------------------

SOME: tuple[Kind, ...] = ("calendar_unreadable", "series_lost_dates", "breaker_open")
KEYS = [(kind, subject) for kind in SOME for subject in ("a", "b", "c")]
STEPS = st.lists(
    st.tuples(st.integers(1, 40 * MINUTE_MS // SECOND_MS), st.frozensets(st.sampled_from(KEYS))),
    min_size=1,
    max_size=60,
)


@settings(max_examples=150)
@given(steps=STEPS, restarts=st.frozensets(st.integers(0, 60)))
def test_every_told_alert_recovers_exactly_once_and_nothing_nags(
    steps: list[tuple[int, frozenset[tuple[Kind, str]]]], restarts: frozenset[int]
) -> None:
    """Troubles come and go at random, the gateway restarts: told and recovered alternate for each subject.

    A kind has at most one message each way in ten minutes; a subject is told at most once an hour, and never
    before its delay. In the end everything recovers.
    """
    alerts, now = Alerts(), START
    told: list[Message] = []
    since: dict[tuple[Kind, str], Instant] = {}
    quiet = [(int((REPEAT_MS + GAP_MS) // SECOND_MS), frozenset[tuple[Kind, str]]())] * 2
    for number, (seconds, present) in enumerate([*steps, *quiet]):
        now += seconds * SECOND_MS
        if number in restarts:
            # Before anybody knows what is wrong now: that is what restarts are like.
            alerts = Alerts(memory=alerts.remember())
            since = {key: at for key, at in since.items() if key in _standing(alerts)}
        since = {key: since.get(key, now) for key in present}
        alerts.set("all", [Trouble(kind, subject, f"{kind} {subject}.") for kind, subject in present], now)
        for message in alerts.due(now):
            told.append(message)
            if message.what == "trouble":
                for subject in message.subjects:
                    began = since[message.kind, subject]
                    assert now - began >= KINDS[message.kind].after_ms
    assert _standing(alerts) == set()
    by_subject: dict[tuple[Kind, str], list[Message]] = defaultdict(list)
    by_way: dict[tuple[Kind, str], list[Message]] = defaultdict(list)
    for message in told:
        assert message.subjects
        by_way[message.kind, message.what].append(message)
        for subject in message.subjects:
            by_subject[message.kind, subject].append(message)
    for messages in by_way.values():
        assert all(b.at - a.at >= GAP_MS for a, b in pairwise(messages))
    for messages in by_subject.values():
        assert [message.what for message in messages] == ["trouble", "recovered"] * (len(messages) // 2)
        begun = [message.at for message in messages if message.what == "trouble"]
        assert all(b - a >= REPEAT_MS for a, b in pairwise(begun))


def _standing(alerts: Alerts) -> set[tuple[Kind, str]]:
    return {(group.kind, alert.trouble.subject) for group in alerts.standing() for alert in group.each}


def test_every_kind_says_what_to_do() -> None:
    """The table is complete: words for several subjects, and how to mend it."""
    for kind, rule in KINDS.items():
        assert rule.mend.endswith("."), kind
        assert not rule.many or "{count}" in rule.many, kind
        assert 0 <= rule.after_ms <= 2 * HOUR_MS, kind
    assert GATHER_MS < GAP_MS < REPEAT_MS
