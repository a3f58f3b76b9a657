"""Evidence stands alone: its decisions follow from its facts, and it tells no more than it must."""

import gzip
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from scenarios import BEGIN, LENGTH_S, SCRIPTED, SCRIPTS, Act, Player, Record, Script, Slot, play
from timeline import MIDNIGHT, booking
from told_evidence import bundles_of, stored, worded

from gateway.core.booking import Booking
from gateway.core.breaker import BreakerState
from gateway.core.decisions import Decision, Reason, Write
from gateway.core.events import (
    AnyEvent,
    CalendarRead,
    CalendarUnreadable,
    CheckedIn,
    Configured,
    Reading,
    WriteOutcome,
)
from gateway.core.policy import BreakerPolicy, RoomConfig, SensorProfile
from gateway.core.room import RoomState
from gateway.core.site import RULESET
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Instant
from gateway.ledger import Ledger, LedgerError, LedgerReader
from gateway.replay.bundle import (
    MAX_BYTES,
    BreakerMoved,
    Bundle,
    BundleError,
    Made,
    from_bytes,
    key_hash,
    sealed,
    to_bytes,
)
from gateway.replay.gather import NOT_OVER, OPENED_BEFORE, gather
from gateway.replay.narrow import related
from gateway.replay.neutral import MASKED, Names
from gateway.replay.verify import Verdict, verify
from simulators.scenario.gateway import Gateway

HERE = Path(__file__).parent
TIMELINES = sorted((HERE.parent / "scenarios").glob("*/*.timeline"))
GOLDEN = HERE.parent / "data" / "evidence" / "format-1.json"
"""Written when format 1 was new."""

NAMED = (
    "breaker/closed_by_a_person",
    "breaker/evidence_returns",
    "breaker/many_at_once",
    "brief_visit/looked_in",
    "clock/set_back",
    "combined/attended_part",
    "end_early/left_for_good",
    "exchange/lost_answer",
    "hearing/broker_down",
    "never_twice/added_again",
    "no_show/ghost",
    "no_show/moved_while_it_runs",
    "people/checks_in_early",
    "people/keep",
    "presence/checked_in_by_radar",
    "restart/killed_while_writing",
    "restart/power_failure",
    "sensors/falls_silent",
    "settings/another_sensor",
    "shadow/would_be_released",
)
Bundles = Callable[[str], list[Bundle]]


def judged(bundle: Bundle) -> Verdict:
    """What verifying it comes to, with the words of an office in UTC."""
    return verify(bundle, worded)


# -- it follows ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMED)
def test_the_decisions_of_a_scenario_follow_from_their_evidence(bundles: Bundles, name: str) -> None:
    """Released, kept, withheld, checked in, ended early, restarted in between: through the file and back."""
    for bundle in bundles(name):
        for compressed in (False, True):
            assert from_bytes(to_bytes(bundle, compressed=compressed), "x") == bundle
        verdict = judged(bundle)
        assert verdict.follows, verdict.problems


@pytest.mark.thorough
@pytest.mark.parametrize("path", TIMELINES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_decisions_of_every_scenario_follow_from_their_evidence(bundles: Bundles, path: Path) -> None:
    """Whatever the gateway decides about a booking, it can be shown why."""
    for bundle in bundles(f"{path.parent.name}/{path.stem}"):
        assert judged(bundle).follows, judged(bundle).problems


@pytest.mark.thorough
@settings(SCRIPTED, max_examples=12)
@given(SCRIPTS)
def test_the_decisions_of_random_days_follow_from_their_evidence(
    tmp_path_factory: pytest.TempPathFactory, script: Script
) -> None:
    """Outages, restarts, clock steps, moved bookings: every booking's decisions, all of them."""
    path = stored(tmp_path_factory.mktemp("day") / "ledger.db", play(script).given)
    with LedgerReader(path) as reader:
        counted = {key: len(reader.decisions(room="orion", booking=key)) for key in ("b0", "b1", "b2", "b3")}
    found = bundles_of(path)
    assert all(judged(bundle).follows for bundle in found)
    assert sum(len(bundle.decisions) for bundle in found) == sum(counted.values())


# -- other rooms --------------------------------------------------------------------------------------

OTHERS = ("lyra", "vega", "altair")


class Crowd(Player):
    """The same day with three more rooms, in shadow, each with a radar."""

    breaker = BreakerPolicy()

    def _give(self, event: AnyEvent, now: Instant) -> None:
        if isinstance(event, Configured):
            radar = SensorProfile("", "presence", hold_ms=MINUTE_MS, heartbeat_ms=2 * MINUTE_MS)
            more = tuple(
                RoomConfig(room, sensors=(msgspec.structs.replace(radar, id=f"{room}-radar"),))
                for room in OTHERS
            )
            site, rooms = event.site, (*event.site.rooms, *more)
            event = Configured(msgspec.structs.replace(site, rooms=rooms, breaker=self.breaker))
        super()._give(event, now)


def crowded(script: Script, *, people: int = 0, breaker: BreakerPolicy | None = None) -> Record:
    """What happens in that office; `people`: in each of the other rooms, all day."""
    added: list[tuple[Instant, AnyEvent]] = []
    for room in OTHERS:
        own = tuple(
            Booking(f"{room}-{i}", f"id-{room}-{i}", start, start + HOUR_MS)
            for i, start in enumerate(BEGIN + slot.start_min * MINUTE_MS for slot in script.slots)
        )
        added.append((BEGIN, CalendarRead(room, MIDNIGHT, MIDNIGHT + DAY_MS, own)))
        added.append((BEGIN + SECOND_MS, Reading(f"{room}-radar", "presence", people)))
        for at in range(BEGIN + 2 * MINUTE_MS, BEGIN + LENGTH_S * SECOND_MS, 2 * MINUTE_MS):
            added.append((at, Reading(f"{room}-radar", "alive", 1)))
            added.append((at, CalendarRead(room, MIDNIGHT, MIDNIGHT + DAY_MS)))
    crowd = Crowd(script)
    crowd.breaker = breaker or crowd.breaker
    return crowd.play(added)


def of_orion(path: Path, key: str = "b0") -> Bundle:
    """The evidence of one booking in orion."""
    with LedgerReader(path) as reader:
        return gather(reader, "orion", key, "UTC", worded)


def test_a_breaker_that_other_rooms_opened_bears_on_it_without_naming_them(tmp_path: Path) -> None:
    """The release is withheld by the breaker: the evidence says so, and follows, and tells no other room."""
    record = crowded(Script(("radar",), (Slot(30, 60),), ()))
    bundle = of_orion(stored(tmp_path / "ledger.db", record.given))
    assert any("fell silent together" in told for told in bundle.told)
    assert [type(fact) for _, fact in bundle.facts].count(BreakerMoved) == 1
    assert judged(bundle).follows
    assert not any(room in to_bytes(bundle).decode() for room in OTHERS)


def test_a_room_alone_has_no_breaker_of_its_own(tmp_path: Path) -> None:
    """One silent room of four is nothing, and must not look like all of them when it stands alone."""
    script = Script(("radar",), (Slot(30, 60),), ())
    record = crowded(script, people=1, breaker=BreakerPolicy(at_least=1))
    bundle = of_orion(stored(tmp_path / "ledger.db", record.given))
    assert "release" in {made.decision.kind for made in bundle.decisions}
    assert judged(bundle).follows


@pytest.mark.thorough
@settings(SCRIPTED, max_examples=6)
@given(SCRIPTS)
def test_evidence_holds_one_room_of_a_random_office(
    tmp_path_factory: pytest.TempPathFactory, script: Script
) -> None:
    """Whatever the rest of the office does: the room's own facts and the breaker are enough."""
    assume(not any(act.what == "step" for act in script.acts))
    path = stored(tmp_path_factory.mktemp("office") / "ledger.db", crowded(script).given)
    for bundle in bundles_of(path):
        assert judged(bundle).follows, judged(bundle).problems
        others = {*OTHERS, "orion"} - {bundle.room}
        assert not any(f'"{room}"' in to_bytes(bundle).decode() for room in others)


def test_rooms_that_share_their_space_are_in_it(bundles: Bundles) -> None:
    """A combined room's booking rests on what its parts hear, and its parts' on the whole."""
    (whole,) = (one for one in bundles("combined/attended_part") if one.room == "hall")
    assert set(whole.start.rooms) | {room.id for room in _configured(whole)} == {"hall", "lyra", "orion"}
    assert "lyra, orion" in " ".join(whole.notes)


def _configured(bundle: Bundle) -> Iterator[RoomConfig]:
    for _, fact in bundle.facts:
        if isinstance(fact, Configured):
            yield from fact.site.rooms


def test_rooms_that_share_their_space_over_another_one_belong_together() -> None:
    """Orion and Lyra are the hall, Lyra and Vega the wing: Orion needs Vega, and Altair needs nobody."""
    rooms = (
        *(RoomConfig(room) for room in ("orion", "lyra", "vega", "altair")),
        RoomConfig("hall", parts=("orion", "lyra")),
        RoomConfig("wing", parts=("lyra", "vega")),
    )
    shared = {"orion", "lyra", "vega", "hall", "wing"}
    assert all(related(rooms, room) == shared for room in shared)
    assert related(rooms, "altair") == {"altair"}


def test_shown_is_how_the_room_was_configured_in_the_end(bundles: Bundles) -> None:
    """A sensor was added while the booking ran, and the release waited for its word: people find it there."""
    (bundle,) = bundles("settings/another_sensor")
    configured = [room for room in _configured(bundle) if room.id == bundle.room]
    assert configured[0].sensors != configured[-1].sensors
    assert (bundle.sensors, bundle.policy) == (configured[-1].sensors, configured[-1].policy)


# -- how much of it is left ---------------------------------------------------------------------------


def test_a_booking_is_small(bundles: Bundles) -> None:
    """An hour of a room takes tens of kilobytes, and compressed a few."""
    for name in ("no_show/ghost", "end_early/left_for_good", "brief_visit/looked_in"):
        for bundle in bundles(name):
            assert len(to_bytes(bundle)) < 80 * 1024
            assert len(to_bytes(bundle, compressed=True)) < 10 * 1024


def test_a_long_journal_is_run_from_the_snapshot_before_the_booking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came long before need not be read, and the facts begin shortly before the booking opened."""
    slots = (Slot(15, 20), Slot(60, 60))
    path = stored(tmp_path / "ledger.db", play(Script(("radar",), slots, ())).given, every=20)
    begun: list[int] = []
    events = LedgerReader.events

    def counted(reader: LedgerReader, after: int = 0) -> Iterator[tuple[int, Instant, AnyEvent]]:
        begun.append(after)
        return events(reader, after)

    monkeypatch.setattr(LedgerReader, "events", counted)
    bundle = of_orion(path, "b1")
    assert min(begun) == 20
    opened = bundle.decisions[0].decision.at
    assert opened - 20 * MINUTE_MS <= bundle.facts[0][0] < opened
    assert judged(bundle).follows


def pruned(tmp_path: Path, script: Script, every: int) -> Path:
    """A ledger that has forgotten the day up to its last snapshot but two."""
    path = stored(tmp_path / "ledger.db", play(script).given, every)
    ledger = Ledger(path)
    with LedgerReader(path) as reader:
        anchors = reader.snapshots()
    while ledger.prune(anchors[-3].at + 1):
        pass
    ledger.close()
    return path


def test_a_booking_whose_beginning_is_forgotten_still_gives_evidence(tmp_path: Path) -> None:
    """It says so, and the decisions that are left follow."""
    path = pruned(tmp_path, Script(("radar", "pir"), (Slot(30, 90),), (Act(6_300, "visit", 0, 300),)), 60)
    bundle = of_orion(path)
    assert OPENED_BEFORE in bundle.notes
    assert "opened" not in {made.decision.kind for made in bundle.decisions}
    assert judged(bundle).follows


def test_a_booking_that_is_forgotten_says_so(tmp_path: Path) -> None:
    """Neither a booking that nothing was decided about, nor one whose decisions are gone, gives a file."""
    path = pruned(tmp_path, Script(("radar",), (Slot(15, 20), Slot(60, 60)), ()), 30)
    with pytest.raises(LedgerError, match="nothing has been decided about this booking"):
        of_orion(path, "b0")


def test_a_booking_that_runs_gives_what_there_is(bundles: Bundles) -> None:
    """It says that it is not over."""
    (bundle,) = bundles("presence/two_movements")
    assert NOT_OVER in bundle.notes
    assert judged(bundle).follows


# -- names --------------------------------------------------------------------------------------------

CANARY = "canarina"


def test_no_name_and_no_address_is_in_it(tmp_path: Path) -> None:
    """Organizer, subject, mailbox: who booked cannot be told from the evidence."""
    with Gateway(tmp_path) as gateway:
        gateway.room("orion", sensors=["radar", "pir"])
        gateway.book("orion", "09:00-10:00", by=CANARY)
        gateway.at("09:05")
        gateway.say("keep", "orion", by=f"command of {CANARY}")
        gateway.at("09:20")
        gateway.exchange_answers(403)
        gateway.at("10:01")
    for bundle in bundles_of(tmp_path / "ledger.db"):
        text = to_bytes(bundle).decode().lower()
        assert "kept" in text
        assert not any(word in text for word in (CANARY, "contoso", "@", "%40"))
        assert judged(bundle).follows


def test_keys_and_ids_that_may_hold_a_name_are_numbered() -> None:
    """Whoever made the calendar's keys may have put anything into them; order and sameness stay."""
    mail = f"{CANARY}@contoso.com"
    one = booking("09:00", "10:00", f"b-{mail}", series_id=f"s-{mail}", change_key=f"c-{mail}")
    other = booking("10:00", "11:00", f"a-{mail}")
    state = RoomState(
        RoomConfig("orion"), calendar={one.key: one}, calendar_why=f"GET /users/{CANARY}%40contoso.com: 500"
    )
    write = Write(3, "release", "decline", one.event_id, one.start, one.end, one.end, linked=f"ask {mail}")
    facts: tuple[AnyEvent, ...] = (
        CalendarRead("orion", 0, 1, (other,), (one.key,)),
        CheckedIn("orion", one.key, by=f"{CANARY} at the door"),
        CalendarUnreadable("orion", f"no mailbox {mail} there"),
        WriteOutcome("orion", 3, "expired", f"403 for {mail}."),
    )
    decided = Decision(
        "refused", "orion", 1, one.key, reasons=(Reason("no_such_booking", text=other.key),), write=write
    )
    values = (state, facts, decided)
    names = Names(values)
    text = msgspec.json.encode(names.of(values)).decode()
    assert CANARY not in text
    assert "contoso" not in text
    assert MASKED in text
    assert (names.key(other.key), names.key(one.key)) == ("booking-1", "booking-2")
    assert names.of(decided).reasons[0].text == "booking-1"
    said = names.of(facts[1])
    assert isinstance(said, CheckedIn)
    assert names.of(decided).booking == said.booking == "booking-2"


def test_keys_keep_their_order_however_many_there_are() -> None:
    """The core breaks ties by it."""
    keys = [f"{letter}-booking" for letter in "zcyabfedxwv"]
    names = Names([booking("09:00", "10:00", key) for key in keys])
    assert sorted(keys, key=names.key) == sorted(keys)


@pytest.mark.parametrize(
    ("by", "told"), [(CANARY, "a person"), (f"command of {CANARY}", "command"), ("", "")]
)
def test_who_asked_to_close_the_breaker_is_not_told(by: str, told: str) -> None:
    """Only by what means."""
    state = BreakerState(asked_to_close=by)
    assert Names([state]).of(state).asked_to_close == told


def test_whoever_has_the_key_can_tell_that_it_is_this_booking(tmp_path: Path) -> None:
    """A key that may hold an address is not in the file, only its digest."""
    bundle = of_orion(stored(tmp_path / "ledger.db", play(Script(("radar",), (Slot(30, 60),), ())).given))
    assert (bundle.booking.key, bundle.booking.key_sha256) == ("", key_hash("b0"))


# -- alterations --------------------------------------------------------------------------------------


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of every number, text, truth and empty thing in a JSON value."""
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    below = [place for key, one in items for place in leaves(one, (*path, key))]
    yield from below or [path]


def altered(tree: Any, path: tuple[Any, ...]) -> bytes:
    """The file with one place altered."""
    tree = json.loads(json.dumps(tree))
    owner = tree
    for key in path[:-1]:
        owner = owner[key]
    old = owner[path[-1]]
    owner[path[-1]] = (
        not old
        if isinstance(old, bool)
        else old + 1
        if isinstance(old, int)
        else f"{old}x"
        if isinstance(old, str)
        else 1
        if old is None
        else ["x"]
    )
    return json.dumps(tree).encode()


def is_noticed(content: bytes, *, reseal: bool) -> bool:
    """Whether a file is refused, or found not to hold."""
    try:
        bundle = from_bytes(content, "x")
    except BundleError:
        return True
    return not judged(sealed(bundle) if reseal else bundle).follows


@pytest.mark.thorough
def test_whatever_is_altered_is_noticed(bundles: Bundles) -> None:
    """Every place of the file is under its digest."""
    tree = json.loads(to_bytes(bundles("no_show/ghost")[0]))
    places = [place for place in leaves(tree) if place[0] != "facts"]
    places += [place for place in leaves(tree) if place[0] == "facts"][::7]
    assert len(places) > 200
    assert [place for place in places if not is_noticed(altered(tree, place), reseal=False)] == []


UNPROVABLE = {"program", "ruleset", "time_zone", "notes", "sha256"}
"""What nothing in the file speaks for or against."""


@pytest.mark.thorough
def test_what_is_for_people_is_held_to_the_facts_even_with_a_new_digest(bundles: Bundles) -> None:
    """Sentences, policy, sensors, calendar, times of the booking and each decision must follow."""
    tree = json.loads(to_bytes(bundles("no_show/ghost")[0]))
    places = [place for place in leaves(tree) if UNPROVABLE.isdisjoint({place[0], place[-1]})]
    places = [place for place in places if place[0] not in {"start", "facts"}]
    assert {place[0] for place in places} >= {"told", "policy", "sensors", "calendar", "decisions", "booking"}
    assert [place for place in places if not is_noticed(altered(tree, place), reseal=True)] == []


def test_a_decision_that_does_not_follow_is_noticed_with_a_right_digest(bundles: Bundles) -> None:
    """One left out, one added, two swapped; or the fact that it rests on left out."""
    (bundle,) = bundles("presence/checked_in_by_radar")
    made = bundle.decisions
    for other in (made[:-1], made[1:], (*made, made[-1]), (made[1], made[0], *made[2:]), ()):
        told = tuple(worded(one.decision) for one in other)
        forged = sealed(msgspec.structs.replace(bundle, decisions=other, told=told))
        assert not judged(forged).follows
    shown = [i for i, (_, f) in enumerate(bundle.facts) if isinstance(f, Reading) and f.shows_presence]
    facts = tuple(fact for i, fact in enumerate(bundle.facts) if i not in shown)
    verdict = judged(sealed(msgspec.structs.replace(bundle, facts=facts)))
    assert "does not follow from the facts" in verdict.problems[-1]


def test_facts_that_cannot_be_are_no_crash(bundles: Bundles) -> None:
    """Time that runs backwards, a sensor that is not there, an empty start: said, and no evidence."""
    (bundle,) = bundles("no_show/ghost")
    first, second, *rest = bundle.facts
    strange = (first[0], Reading("nobody's", "presence", 1))
    for facts in ((rest[-1], first, second, *rest), (first, strange, second, *rest), tuple(rest), ()):
        assert not judged(sealed(msgspec.structs.replace(bundle, facts=facts))).follows


def test_no_altered_fact_makes_it_fail(bundles: Bundles) -> None:
    """Whatever stands in start and facts, with a right digest: refused, found wrong, or harmless."""
    tree = json.loads(to_bytes(bundles("no_show/ghost")[0]))
    places = [place for place in leaves(tree) if place[0] in {"start", "facts"}][::9]
    noticed = [is_noticed(altered(tree, place), reseal=True) for place in places]
    assert any(noticed)
    assert not all(noticed)


def test_decisions_of_other_rules_are_told_from_wrong_ones(bundles: Bundles) -> None:
    """A newer program says what its rules would make of it, and not that the file is wrong."""
    (bundle,) = bundles("no_show/ghost")
    old = [Made(RULESET - 1, made.decision) for made in bundle.decisions]
    same = judged(sealed(msgspec.structs.replace(bundle, decisions=tuple(old))))
    assert same.follows
    assert same.rules_changed
    late = msgspec.structs.replace(old[-1].decision, at=old[-1].decision.at + 1)
    decisions = (*old[:-1], Made(RULESET - 1, late))
    told = tuple(worded(made.decision) for made in decisions)
    other = judged(sealed(msgspec.structs.replace(bundle, decisions=decisions, told=told)))
    assert not other.follows
    assert other.problems == ()
    assert other.difference is not None
    assert other.difference.number == len(decisions)


def test_evidence_names_the_rules_that_decided_then(tmp_path: Path) -> None:
    """Taken out of a ledger that has seen an update since: what other rules decided is not called today's."""
    path = stored(tmp_path / "ledger.db", play(Script(("radar",), (Slot(30, 60),), ())).given)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE decisions SET ruleset = ruleset - 1 WHERE kind IN ('opened', 'warned')")
    bundle = of_orion(path)
    older = {made.decision.kind for made in bundle.decisions if made.ruleset == RULESET - 1}
    assert older == {"opened", "warned"}
    assert {made.ruleset for made in bundle.decisions} == {RULESET - 1, RULESET}
    assert judged(bundle).rules_changed


# -- the file -----------------------------------------------------------------------------------------


def test_evidence_of_format_1_is_read_for_ever() -> None:
    """A file that an earlier version wrote: it holds, or it says that the rules have changed."""
    verdict = judged(from_bytes(GOLDEN.read_bytes(), "format-1.json"))
    assert verdict.problems == ()
    assert verdict.follows or verdict.rules_changed


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "x: this is no evidence"),
        (b"not JSON", "x: this is no evidence: JSON is malformed"),
        (b"[]", "x: this is no evidence"),
        (b"{}", r"at \$.kind it should say"),
        (b'{"kind": "occupancy-gateway evidence", "format": 2}', r"at \$.format it says 2; .* newer version"),
        (b'{"kind": "occupancy-gateway evidence", "format": 0}', "never such a format"),
        (b'{"kind": "occupancy-gateway evidence", "format": 1}', "broken: Object missing required field"),
        (gzip.compress(b"{}", mtime=0)[:-4], "cut off"),
        (b"\x1f\x8bnothing", "the compressed file is broken"),
        (b" " * (MAX_BYTES + 1), "too large"),
    ],
)
def test_what_is_no_evidence_says_where(content: bytes, problem: str) -> None:
    """The error names the file and the place in it."""
    with pytest.raises(BundleError, match=problem):
        from_bytes(content, "x")


def test_a_broken_fact_is_named_with_its_place(bundles: Bundles) -> None:
    """The path to it, as in the file."""
    tree = json.loads(to_bytes(bundles("no_show/ghost")[0]))
    tree["facts"][7][1] = ["no_such_fact"]
    with pytest.raises(BundleError, match=r"x: this evidence is broken: .*\$\.facts\[7\]\[1\]"):
        from_bytes(json.dumps(tree).encode(), "x")


@pytest.mark.thorough
def test_another_machine_says_the_same(bundles: Bundles, tmp_path: Path) -> None:
    """Whatever its hash seed and its time zone."""
    file = tmp_path / "evidence.json.gz"
    file.write_bytes(to_bytes(bundles("no_show/ghost")[0], compressed=True))
    said = [
        subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "gateway.cli", "verify", str(file), "--json"],
            env=os.environ | {"PYTHONHASHSEED": seed, "TZ": zone, "PYTHONPATH": str(HERE.parent.parent)},
            capture_output=True,
            check=True,
            cwd=tmp_path,
        ).stdout
        for seed, zone in (("1", "Asia/Tokyo"), ("77", "America/Caracas"))
    ]
    assert said[0] == said[1]
    assert json.loads(said[0])["follows"]
