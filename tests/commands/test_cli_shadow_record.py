"""`shadow-record`: how the releases of shadow would have gone, room by room and one by one."""

import json
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import Any

import msgspec
import pytest
from scripted_day import CAME_LATE, SHADOWED
from timeline import RADAR, Timeline, at, booking
from typer.testing import Result

from gateway.commands import shadow_record as command
from gateway.core.decisions import Reason
from gateway.core.events import CheckedIn, Configured, ModeSet, Tick
from gateway.core.policy import Policy
from gateway.core.units import DAY_MS, MINUTE_MS
from gateway.ledger import Batch, Ledger
from gateway.reports.shadow_record import AFTERWARDS, Bar, RoomRecord, ShadowRelease, Verdict
from gateway.shown.paint import Times
from gateway.shown.shadow_record import (
    COUNTED,
    Standing,
    against_the_bar,
    counted_words,
    release_words,
    verdict_words,
)

Call = Callable[..., Result]


@pytest.fixture(autouse=True)
def _present(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripted day's evening."""
    monkeypatch.setattr(command, "present", lambda: at("16:05"))


def told(result: Result) -> str:
    """What a command that succeeded printed, without line breaks and padding, dashes as "-"."""
    assert result.exit_code == 0, result.stderr
    return " ".join(result.stdout.split()).replace("\N{EN DASH}", "-")


def data(result: Result) -> Any:
    """What a command that succeeded printed as JSON: the rooms by name."""
    assert result.exit_code == 0, result.stderr
    return {room["room"]: room for room in json.loads(result.stdout)["rooms"]}


# -- of the scripted day ------------------------------------------------------------------------------


@pytest.mark.usefixtures("day")
def test_all_rooms_stand_in_a_table_with_what_to_look_at(call: Call) -> None:
    """Judged, wrong, the interval, hours, when it goes live; a room without sensors says what it lacks."""
    words = told(call("shadow-record"))
    assert "Orion shadow 2 1 1.3 - 98.7 % 0.8 by hand: no live_after set" in words
    assert (
        "Lyra live 0 - - - live, in vain. It has no sensor, so nothing can be released; add a radar" in words
    )
    assert (
        "Wrong is what the gateway itself counts as wrong: within 15 min a healthy sensor showed somebody"
        in words
    )
    look = words.partition("Look at these ")[2]
    assert look.startswith("Orion Mon 21 Sep 16:10")
    assert look.endswith("somebody came 10 min later (radar): it would have been wrong")


@pytest.mark.usefixtures("day")
def test_one_room_tells_each_release_the_newest_last(call: Call) -> None:
    """What the room looked like after each, on the site's clock, with the booking's key."""
    words = told(call("shadow-record", "--room", "orion"))
    assert "Orion shadow 2 releases judged in shadow, 1 of them would have been wrong: 50 %" in words
    assert "(95 % confidence: 1.3 % to 98.7 %). It goes live by hand: no live_after set." in words
    assert "1 somebody came or wanted it within 15 min: it would have been wrong" in words
    assert "1 the room stayed empty to the booking's end" in words
    assert "0.8 hours would have been given back that nobody used" in words
    empty, came = words.index(SHADOWED[-10:]), words.index(CAME_LATE[-10:])
    assert empty < came
    assert "Mon 21 Sep 14:10" in words
    assert "empty to the end, 50 min later" in words


@pytest.mark.usefixtures("day")
def test_a_room_without_history_is_told_in_plain_sentences(call: Call) -> None:
    """No table of nothing."""
    words = told(call("shadow-record", "--room", "lyra"))
    assert words == (
        "Lyra live No release in shadow has been judged. "
        "Live, in vain. It has no sensor, so nothing can be released; add a radar."
    )


@pytest.mark.usefixtures("day")
def test_as_json_it_has_every_figure_and_every_release(call: Call) -> None:
    """A program reads what people read."""
    rooms = data(call("shadow-record", "--json"))
    assert list(rooms) == ["orion", "lyra"]
    orion = rooms["orion"]
    assert (orion["judged"], orion["wrong"], orion["wrong_share"]) == (2, 1, 0.5)
    assert orion["wrong_share_95"] == pytest.approx([0.0126, 0.9874], abs=1e-4)
    assert orion["bar"] == {
        "live_after": 0,
        "live_if_wrong_at_most": 0,
        "judged": 2,
        "wrong": 1,
        "missing": 0,
        "proves_at_most": None,
    }
    assert (orion["verdict"], orion["would_return_hours"], rooms["lyra"]["verdict"]) == (
        "no_bar",
        round(50 / 60, 4),
        "live",
    )
    assert set(orion["afterwards"]) == set(AFTERWARDS) == set(COUNTED)
    first, second = orion["releases"]
    assert (first["booking"], first["at"]) == (SHADOWED, "2026-09-21T14:10:00+02:00")
    assert (second["afterwards"], second["came_at"], second["sensor"]) == (
        "came_soon",
        "2026-09-21T16:20:00+02:00",
        "radar",
    )


@pytest.mark.usefixtures("day")
def test_a_period_leaves_out_the_rest_and_says_what_was_counted_in_all(call: Call) -> None:
    """By when a release was decided."""
    words = told(call("shadow-record", "--room", "orion", "--since", "16:00"))
    assert "1 release judged in shadow, 1 of them would have been wrong: 100 %" in words
    assert "In all the gateway has counted 2 judged, 1 of them wrong." in words
    assert "No release in shadow has been judged." in told(
        call("shadow-record", "--room", "orion", "--until", "12:00")
    )


@pytest.mark.usefixtures("day")
def test_what_cannot_be_meant_is_told(call: Call) -> None:
    """A room that there is not; a period that ends before it begins."""
    result = call("shadow-record", "--room", "nowhere")
    assert (result.exit_code, "there is no room 'nowhere'" in result.stderr) == (1, True)
    result = call("shadow-record", "--since", "today", "--until", "yesterday")
    assert (result.exit_code, "the period ends before it begins" in result.stderr) == (2, True)


@pytest.mark.usefixtures("day")
def test_status_points_to_it(call: Call) -> None:
    """Where a room's record is, there is the way to each of its releases."""
    assert "`shadow-record --room orion` tells how each of them went" in told(
        call("status", "--room", "orion")
    )


# -- other ledgers ------------------------------------------------------------------------------------


def keep(line: Timeline, folder: Path, *, forget_before: int = 0) -> None:
    """The timeline as a ledger, without the decisions before an instant."""
    batch = Batch(events=[(instant, event) for event, instant in line.log])
    batch.decisions = [
        (0, msgspec.structs.replace(d, write=None)) for d in line.decisions if d.at >= forget_before
    ]
    ledger = Ledger(folder / "ledger.db")
    ledger.commit(batch)
    ledger.close()


def in_shadow(live_after: int = 0, wrong_at_most: int = 0) -> Timeline:
    """Room orion in shadow with a radar, and four bookings of 45 minutes from nine on."""
    policy = Policy(live_after=live_after, live_if_wrong_at_most=wrong_at_most)
    line = Timeline(RADAR, mode="shadow", policy=policy)
    line.book(*(booking(f"{h:02d}:00", f"{h:02d}:45", f"b{h}") for h in range(9, 13)))
    return line


def test_what_is_missing_is_counted_and_compared_with_the_bar(folder: Path, call: Call) -> None:
    """Two more; what a room that just passes may still be; the doubt of one that a person wanted later."""
    line = in_shadow(live_after=4, wrong_at_most=1)
    line.until("09:26").tell(CheckedIn("orion", "b9", "panel"))
    keep(line.until("10:46"), folder)
    words = told(call("shadow-record", "--room", "orion"))
    assert "It goes live after 2 more judged releases if at most 1 of them is wrong." in words
    assert "If all 1 that should be looked at were wrong: 50 %" in words
    assert (
        "The bar: 4 judged, at most 1 of them wrong. A room that just passes it may still be wrong in up"
        in words
    )
    assert "too short to tell whether more than the bar's 25 % are wrong" in words
    assert "a person checked in 16 min later, and no sensor showed anybody" in words


def test_a_room_that_went_live_by_its_record_says_so(folder: Path, call: Call) -> None:
    """First that its next booking is the first, then what came of it."""
    line = in_shadow(live_after=1)
    keep(line.until("09:46"), folder)
    assert "by its own record: from its next booking on" in told(call("shadow-record"))
    (folder / "ledger.db").unlink()
    keep(line.until("11:00"), folder)
    words = told(call("shadow-record", "--room", "orion"))
    assert (
        "Live since Mon 21 Sep 11:45, by its own record: 1 given back, none of them reported as wrong."
        in words
    )


def test_a_room_that_somebody_set_to_shadow_waits_for_a_word(folder: Path, call: Call) -> None:
    """However good its record is: it does not go live by itself, and nothing is told to be missing."""
    line = in_shadow(live_after=1).until("09:46")
    line.tell(ModeSet("orion", "shadow"))
    keep(line.until("11:00"), folder)
    assert data(call("shadow-record", "--json"))["orion"]["verdict"] == "held"


def test_what_the_ledger_has_forgotten_still_counts_for_the_bar(folder: Path, call: Call) -> None:
    """The list is shorter than the counters, and says why."""
    line = in_shadow(live_after=9).until("11:00")
    keep(line, folder, forget_before=at("10:00"))
    words = told(call("shadow-record", "--room", "orion"))
    assert "1 release judged in shadow" in words
    assert "It goes live after 7 more judged releases if none of them is wrong." in words
    assert "In all the gateway has counted 2 judged, 0 of them wrong, and the bar goes by that." in words
    assert "The ledger tells of 1: it forgets what is older than 400 days." in words
    words = told(call("shadow-record"))
    assert "In 1 of the rooms the gateway has counted what the ledger forgets after 400 days." in words


def test_a_new_ledger_and_a_room_that_the_gateway_has_not_met(folder: Path, call: Call) -> None:
    """Nothing has been recorded: the configuration is told of."""
    Ledger(folder / "ledger.db").close()
    words = told(call("shadow-record"))
    assert "Orion live 0 - - - live: nothing given back yet" in words
    (folder / "ledger.db").unlink()
    result = call("shadow-record")
    assert (result.exit_code, "there is no ledger yet" in result.stderr) == (1, True)


def test_a_former_room_is_told_of_by_name(folder: Path, call: Call) -> None:
    """The ledger remembers it; it goes nowhere any more."""
    line = in_shadow().until("10:00")
    config = line.site.state.config
    line.tell(Configured(msgspec.structs.replace(config, rooms=())), Tick())
    keep(line, folder)
    file = folder / "gateway.toml"
    file.write_text(file.read_text().replace('id = "orion"', 'id = "vega"'))
    words = told(call("shadow-record", "--room", "orion"))
    assert words.startswith("orion former 1 release judged in shadow")
    assert "It is not in the configuration any more." in words


def test_what_was_doubtful_in_a_live_room_is_shown_for_that_room_only(folder: Path, call: Call) -> None:
    """In the table of all rooms only those wait for a word that are not live."""
    line = in_shadow(live_after=1)
    line.until("09:26").tell(CheckedIn("orion", "b9", "panel"))
    keep(line.until("09:46"), folder)
    assert "Look at these" not in told(call("shadow-record"))
    assert "a person checked in 16 min later" in told(call("shadow-record", "--room", "orion"))


# -- sentences ----------------------------------------------------------------------------------------


def standing(bar: Bar, said: Verdict, judged: int = 0, wrong: int = 0, why: str = "") -> Standing:
    """A room with so many releases, the first of them wrong."""
    releases = tuple(
        ShadowRelease("orion", f"b{n}", n, "no_show", "came_soon" if n < wrong else "stayed_empty", n, 0)
        for n in range(judged)
    )
    record = RoomRecord("orion", releases)
    return Standing(record, "Orion", "shadow", "default", bar, said, why, kept_ms=400 * DAY_MS, whole=True)


@pytest.mark.parametrize(
    ("bar", "said", "words"),
    [
        (Bar(30, 1, 18, 0), "missing", "after 12 more judged releases if at most 1 of them is wrong"),
        (Bar(30, 1, 18, 1), "missing", "after 12 more judged releases if none of them is wrong"),
        (Bar(30, 1, 29, 1), "missing", "after 1 more judged release if it is not wrong"),
        (Bar(30, 1, 29, 0), "missing", "after 1 more judged release"),
        (Bar(30, 1, 30, 0), "met", "as soon as its next release is judged: the bar is met"),
        (
            Bar(30, 1, 18, 2),
            "over",
            "only by a person's word: 2 wrong, at most 1 allowed; first find out what happened there",
        ),
        (
            Bar(30, 0, 18, 1),
            "over",
            "only by a person's word: 1 wrong, none allowed; first find out what happened there",
        ),
        (Bar(30, 0, 18, 1), "no_bar", "by hand: no live_after set"),
        (Bar(30, 0, 18, 1), "cannot_prove", "It has no sensor"),
        (Bar(30, 0, 18, 1), "exempt", "never: it is exempt, and nothing is released here"),
        (Bar(30, 0, 18, 1), "former", "it is not in the configuration any more"),
    ],
)
def test_each_verdict_has_its_words(bar: Bar, said: Verdict, words: str) -> None:
    """What is missing, in figures."""
    why = "It has no sensor." if said == "cannot_prove" else ""
    assert verdict_words(standing(bar, said, why=why), Times(UTC)) == words


@pytest.mark.parametrize(
    ("bar", "judged", "wrong", "words"),
    [
        (Bar(0, 0, 9, 0), 9, 0, ""),
        (Bar(30, 0, 0, 0), 0, 0, "wrong in up to 11.6 % of its releases (95 % confidence)."),
        (Bar(30, 1, 9, 9), 9, 9, "This record is worse than the 3.3 % that the bar allows, beyond chance."),
        (Bar(9, 8, 99, 0), 99, 0, "This record is within the 88.9 % that the bar allows, beyond chance."),
        (Bar(30, 0, 9, 0), 9, 0, "too short to tell whether more than the bar's 0 % are wrong."),
    ],
)
def test_the_interval_is_compared_with_the_bar(bar: Bar, judged: int, wrong: int, words: str) -> None:
    """Worse or better than its share of wrong ones only where chance does not explain it."""
    said = against_the_bar(standing(bar, "missing", judged, wrong))
    assert said.endswith(words)
    assert bool(said) == bool(words)


def test_counters_that_agree_need_no_words() -> None:
    """Only a difference is told."""
    assert counted_words(standing(Bar(30, 0, 9, 1), "missing", 9, 1)) == ""
    assert "counted 9 judged, 2 of them wrong" in counted_words(standing(Bar(30, 0, 9, 2), "missing", 9, 1))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            {"afterwards": "came_soon", "came_at": at("09:10:30")},
            "somebody came less than a minute later: it",
        ),
        (
            {"afterwards": "came_later", "came_at": at("09:40"), "sensor": "pir"},
            "somebody came 30 min later (pir)",
        ),
        (
            {
                "afterwards": "by_person",
                "person_at": at("09:45"),
                "person_did": "kept",
                "came_at": at("09:40"),
                "sensor": "pir",
            },
            "a person kept the booking 35 min later, and a sensor showed somebody 30 min later (pir)",
        ),
        (
            {
                "afterwards": "could_not_tell",
                "untold_at": at("09:20"),
                "untold": Reason("overdue", "radar", at=at("09:18")),
            },
            "the sensors could not tell from 09:20 on: radar is silent: it last spoke at 09:18 and should",
        ),
        ({"afterwards": "cancelled"}, "cancelled or moved away 50 min later, nobody had come"),
        ({"afterwards": "ended"}, "ended before its time 50 min later, nobody had come"),
        ({"afterwards": "stayed_empty"}, "empty to the end, 50 min later"),
    ],
)
def test_each_way_in_which_it_goes_on_has_its_words(more: dict[str, Any], words: str) -> None:
    """Moments and sensors, no names."""
    release = ShadowRelease(
        "orion", "b", at("09:10"), "no_show", over_at=at("10:00"), would_return_ms=50 * MINUTE_MS, **more
    )
    assert release_words(release, Times(UTC)).startswith(words)
