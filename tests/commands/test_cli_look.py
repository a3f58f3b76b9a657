"""The commands that look tell the truth about the ledger, with and without a running gateway."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scripted_day import (
    ATTENDED,
    CAME_LATE,
    CANCELLED,
    COMING,
    GHOST,
    RUNNING,
    SHADOWED,
    TOO_SHORT,
    WITHHELD,
    ScriptedDay,
)
from timeline import at, booking
from typer.testing import Result

from gateway.ledger import LedgerReader, OutboxChange

Call = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("day")


def told(result: Result) -> str:
    """What a command that succeeded printed, without line breaks and padding, dashes as "-"."""
    assert result.exit_code == 0, result.stderr
    return " ".join(result.stdout.split()).replace("\N{EN DASH}", "-")


def data(result: Result) -> Any:
    """What a command that succeeded printed as JSON."""
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


# -- status -------------------------------------------------------------------------------------------


def test_status_without_a_gateway_says_so_and_as_of_when(call: Call) -> None:
    """Nobody takes the last picture for the present one."""
    words = told(call("status"))
    assert "The gateway is not running." in words
    assert "This is how it was at Mon 21 Sep 2026 18:05:00, when it last recorded anything." in words
    assert "orion shadow vacant since 16:41" in words
    assert "would be given back (shadow) in 5 min unless somebody shows up: nobody came" in words


def test_status_as_json_has_the_picture_counts_and_prospects(call: Call) -> None:
    """A program reads from one place what people read on the screen."""
    picture = data(call("status", "--json"))
    assert picture["site"] == "Contoso Riverside"
    assert picture["gateway"]["running"] is False
    assert picture["gateway"]["as_of"] == "2026-09-21T18:05:00+02:00"
    orion = next(room for room in picture["rooms"] if room["room"] == "orion")
    assert orion["booking"]["key"] == RUNNING
    pir = next(sensor for sensor in orion["sensors"] if sensor["sensor"] == "pir")
    assert pir["messages"] == {
        "received": 293,
        "accepted": 90,
        "folded": 200,
        "rejected": 3,
        "last_error": "expected ON or OFF",
        "last_sample": "\x1b[31m{broken",
        "last_error_at": "2026-09-21T17:59:00+02:00",
    }
    assert picture["other_messages"]["(unknown topic)"]["received"] == 2
    assert [room["prospect"]["can_prove"] for room in picture["rooms"]] == [False, True]


def test_status_with_sensors_counts_messages_and_obeys_no_payload(call: Call) -> None:
    """The last refused sample is shown, and a terminal is never handed its control characters."""
    result = call("status", "--sensors")
    assert "pir nothing 18:05 unknown - 293 90 200 3" in told(result)
    assert "was \\x1b[31m{broken" in told(result)
    assert "\x1b" not in result.stdout
    assert "no sensor has this topic (office/vega)" in told(result)


def test_status_of_one_room_shows_only_it(call: Call) -> None:
    """--room narrows the picture."""
    words = told(call("status", "--room", "lyra", "--sensors"))
    assert "lyra live unknown" in words
    assert "orion" not in words
    assert words.endswith("No sensor is configured here.")


def test_status_says_what_to_look_at(call: Call) -> None:
    """A room that can never release and an old calendar are marked."""
    words = told(call("status", "--room", "lyra"))
    assert "look the calendar was last read at Mon 21 Sep 2026 07:00:00" in words
    assert "look It has no sensor, so nothing can be released; add a radar." in words


# -- explain ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", [GHOST, "a1b2c3d40001", "…b2c3d40001"])
def test_explain_tells_a_release_from_its_opening_to_what_came_of_it(call: Call, wanted: str) -> None:
    """Local times, reasons in words, the write and its end, and a closing sentence."""
    words = told(call("explain", wanted))
    assert "Orion Mon 21 Sep 2026 09:00 - 10:00 live" in words
    assert "08:50:00 The booking's time has come" in words
    assert "proven empty from 07:02 to 09:10 by radar, pir; due since 09:10" in words
    assert "Written to Exchange 09:10:00 give the room back (decline): done, Exchange shows it" in words
    assert words.endswith("Nobody came, and the room was given back: 50 min of 1 h came free.")


@pytest.mark.parametrize(
    ("key", "closing"),
    [
        (ATTENDED, "It was attended: the room was in use for 49 min of 1 h."),
        (TOO_SHORT, "It was too short to be given back."),
        (WITHHELD, "Nobody was seen, but the sensors could not tell that the room was empty."),
        (
            SHADOWED,
            "not given back: the room is in shadow mode. Live, 50 min of 1 h would have come free.",
        ),
        (CANCELLED, "It was cancelled, or moved away from this room."),
        (
            CAME_LATE,
            "the room was in use for 21 min of 1 h. Live, the room would have been given back before.",
        ),
        (COMING, "It is not over. At 18:05: has not begun."),
    ],
)
def test_explain_closes_with_what_came_of_it(call: Call, key: str, closing: str) -> None:
    """Each way a booking can go has its sentence, with its figures."""
    assert told(call("explain", key)).endswith(closing)


def test_explain_of_a_room_takes_its_current_booking(call: Call) -> None:
    """Standing before the door, nobody knows a key."""
    words = told(call("explain", "--room", "orion"))
    assert RUNNING in words
    assert words.endswith("would be given back (shadow) in 5 min unless somebody shows up: nobody came.")


def test_explain_of_a_free_room_takes_its_last_booking(folder: Path, call: Call) -> None:
    """What happened to the booking that just went? The next one is not meant."""
    (folder / "ledger.db").unlink()
    free = ScriptedDay()
    free.play(until="15:30")
    free.store(folder / "ledger.db")
    assert CAME_LATE in told(call("explain", "--room", "orion"))


def test_explain_as_json_has_reasons_as_data_and_in_words(call: Call) -> None:
    """Programs get codes and instants, people's sentences, the writes and the tally."""
    story = data(call("explain", GHOST, "--json"))
    assert story["start"] == "2026-09-21T09:00:00+02:00"
    assert [d["kind"] for d in story["decisions"]] == ["opened", "warned", "release", "released", "concluded"]
    due = next(r for r in story["decisions"][2]["reasons"] if r["code"] == "due")
    assert due["at"] == at("07:10")
    assert due["words"] == "due since 09:10, after 10 min of grace"
    assert story["writes"][0] | {"write": 0} == {
        "write": 0,
        "action": "release",
        "method": "decline",
        "state": "applied",
        "why": "",
        "attempts": 1,
        "changed_at": "2026-09-21T09:10:00+02:00",
    }
    assert story["tally"]["returned_ms"] == 50 * 60_000


def test_the_same_meeting_in_two_rooms_asks_which_room(call: Call) -> None:
    """One meeting has one key in every room it books."""
    asked = call("explain", RUNNING)
    assert asked.exit_code == 1
    assert "in lyra" in asked.stderr
    assert "in orion" in asked.stderr
    assert told(call("explain", RUNNING, "--room", "lyra")).startswith("Lyra Mon 21 Sep 2026")


def test_of_a_release_that_stayed_unclear_no_command_says_that_the_room_was_kept(
    folder: Path, call: Call
) -> None:
    """Sent, and Exchange did not answer before the end: each view says that nobody knows."""
    (folder / "ledger.db").unlink()
    unclear = ScriptedDay()
    unclear.applies = False
    unclear.book(booking("07:00", "08:00", GHOST))
    unclear.until("09:05")
    write = unclear.first("release").write
    assert write is not None
    unclear.batch.outbox.append(OutboxChange("orion", write.id, "unclear", at("07:12"), attempts=1))
    unclear.store(folder / "ledger.db")
    explained = told(call("explain", GHOST))
    assert "give the room back (decline): was sent, and Exchange does not show it yet" in explained
    assert explained.endswith(
        "Nobody came, and Exchange did not show before the end whether the room was given back."
    )
    assert data(call("explain", GHOST, "--json"))["tally"]["outcome"] == "unknown"
    assert (
        "the sensors, or Exchange, could not tell: Exchange did not show before the end whether it was given "
        "back"
    ) in told(call("bookings"))
    assert "not given back" not in told(call("decisions"))
    (concluded,) = data(call("decisions", "--kind", "concluded", "--json"))
    assert [reason["code"] for reason in concluded["reasons"]] == ["write_unclear"]
    assert concluded["reasons"][0]["words"].startswith("nobody came, and Exchange did not show")
    total = data(call("report", "--since", "today", "--json"))["total"]
    assert total["outcomes"] == {"unknown": 1}
    written = told(call("evidence", GHOST, "--out", str(folder / "evidence.json")))
    assert '"Kept" is what the rules make of that; really it is unknown.' in written


# -- bookings and decisions ---------------------------------------------------------------------------


def test_bookings_lists_the_day_by_room_in_local_time(call: Call) -> None:
    """Also those that are over, gone from the calendar or released."""
    words = told(call("bookings"))
    assert "Mon 21 Sep 2026 (Europe/Berlin)" in words
    assert "09:00 - 10:00 …b2c3d40001 nobody came, given back" in words
    assert "10:00 - 11:00 …b2c3d40002 attended" in words
    assert "- …b2c3d40006 cancelled or moved away" in words
    assert "18:00 - 19:00 …b2c3d40008 nobody seen yet shadow" in words
    assert "20:00 - 20:30 …b2c3d40009 not begun" in words
    assert words.index("…b2c3d40005") < words.index("…b2c3d40006") < words.index("…b2c3d40007")


def test_bookings_of_another_day_are_not_mixed_in(call: Call) -> None:
    """A day is a day on the site's clock."""
    assert data(call("bookings", "--day", "yesterday", "--json")) == {
        "day": "2026-09-20",
        "rooms": {"orion": [], "lyra": []},
    }
    listed = data(call("bookings", "--day", "2026-09-21", "--room", "orion", "--json"))["rooms"]
    assert list(listed) == ["orion"]
    assert len(listed["orion"]) == 9
    assert listed["orion"][0]["tally"]["outcome"] == "no_show_released"


def test_times_of_old_bookings_follow_from_their_decisions(folder: Path, call: Call) -> None:
    """The ledger forgets calendars and ended writes before decisions; times are told all the same."""
    with LedgerReader(folder / "ledger.db") as reader:
        decisions = reader.decisions()
    old = ScriptedDay.only_decisions(decisions)
    (folder / "ledger.db").unlink()
    old.store(folder / "ledger.db")
    assert "10:00 - 11:00 …b2c3d40002 attended" in told(call("bookings"))


def test_decisions_are_filtered_and_limited(call: Call) -> None:
    """Room, booking, kind and time combine; the newest are kept, oldest first."""
    released = data(call("decisions", "--kind", "released", "--json"))
    assert [(d["booking"], d["at"]) for d in released] == [(GHOST, "2026-09-21T09:10:00+02:00")]
    about = data(call("decisions", "--booking", "d40007", "--since", "16:15", "--until", "16:21", "--json"))
    assert [d["kind"] for d in about] == ["seen", "checked_in"]
    last = data(call("decisions", "--room", "orion", "--limit", "2", "--json"))
    everything = data(call("decisions", "--room", "orion", "--limit", "0", "--json"))
    assert last == everything[-2:]
    assert data(call("decisions", "--room", "lyra", "--kind", "released", "--json")) == []


def test_decisions_for_people_say_when_there_are_more(call: Call) -> None:
    """A cut list must not look whole, and a whole one not cut."""
    assert "Only the newest are shown; see --limit." in told(call("decisions", "--limit", "3"))
    words = told(call("decisions", "--since", "16:15", "--until", "16:25"))
    assert "Only the newest" not in words
    assert "16:20:30 orion …b2c3d40007 Checked in: radar showed presence for 30 s." in words
    assert told(call("decisions", "--since", "now")) == "No decision matches."


# -- report -------------------------------------------------------------------------------------------


def test_the_report_adds_up_to_figures_worked_out_by_hand(call: Call) -> None:
    """Six bookings, 315 min: a ghost back after 10 of 60; shadow 60; too short 15; used 49 + 21 min."""
    total = data(call("report", "--since", "today", "--format", "json"))["total"]
    assert total["bookings"] == 6
    assert total["booked_hours"] == 5.25
    assert total["used_hours"] == round(70 / 60, 4)
    assert total["ghost_hours"] == 2.25
    assert total["returned_hours"] == round(50 / 60, 4)
    assert total["would_return_hours"] == round(50 / 60, 4)
    assert total["came_after"] == 1
    assert total["occupied_hours"] == round(70 / 60, 4)
    causes = {cause["cause"]: cause["hours"] for cause in total["unreturned"]}
    assert causes == {"shadow": round(50 / 60, 4), "grace": round(20 / 60, 4), "too_short": 0.25}
    assert total["outcomes"]["cancelled"] == 1


def test_the_report_as_csv_has_one_line_a_room_and_fixed_columns(call: Call) -> None:
    """A spreadsheet of last month fits under that of this month."""
    result = call("report", "--since", "today", "--format", "csv")
    assert result.exit_code == 0
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["room"] for row in rows] == ["lyra", "orion"]
    assert rows[1]["ghost_hours"] == "2.25"
    assert rows[1]["unreturned_grace_hours"] == "0.33"
    assert rows[0]["booked_hours"] == "0.00"


def test_the_report_for_people_words_outcomes_and_causes(call: Call) -> None:
    """Whoever reads it needs no list of codes."""
    words = told(call("report", "--since", "today"))
    assert "Mon 21 Sep 00:00 to Mon 21 Sep 18:00 (Europe/Berlin)" in words
    assert "All rooms 6 5.3 1.2 2.3 0.8 0.8 0 of 1 (0 %)" in words
    assert "0.8 the room is in shadow mode" in words
    assert "0.3 the booking was too short to give anything back" in words
    assert "A room was wanted after its release, or after its supposed one in shadow: once." in words


def test_the_report_ends_where_the_record_does(call: Call) -> None:
    """The vacancy of a gateway that stopped does not go on for ever."""
    told_until = data(call("report", "--since", "today", "--until", "2026-10-01", "--json"))["until"]
    assert told_until == "2026-09-21T18:00:00+02:00"


def test_the_report_of_one_room_leaves_out_the_others(call: Call) -> None:
    """--room narrows the report and its totals."""
    lone = data(call("report", "--since", "today", "--room", "lyra", "--json"))
    assert [room["room"] for room in lone["rooms"]] == ["lyra"]
    assert lone["total"]["bookings"] == 0


# -- check-config -------------------------------------------------------------------------------------


def test_check_config_says_what_can_be_expected(call: Call) -> None:
    """Each room with its prospects; exit code 0."""
    words = told(call("check-config"))
    assert words.startswith("Contoso Riverside: 2 rooms, 2 sensors")
    assert "orion (live)" in words
    report = data(call("check-config", "--json"))
    assert report["problems"] == []
    assert [room["room"] for room in report["rooms"]] == ["orion", "lyra"]


def test_check_config_tells_every_mistake_and_exits_with_2(folder: Path, call: Call) -> None:
    """On standard error for people, on standard output for programs."""
    config = folder / "gateway.toml"
    config.write_text(config.read_text().replace("port = 1", 'port = "x"').replace("Europe/", "Europa/"))
    refused = call("check-config")
    assert refused.exit_code == 2
    assert refused.stdout == ""
    assert "gateway.toml:3: site.time_zone" in refused.stderr
    assert "mqtt.port" in refused.stderr
    as_json = call("check-config", "--json")
    assert as_json.exit_code == 2
    assert len(json.loads(as_json.stdout)["problems"]) == 2


def test_check_config_tells_of_holidays_and_of_a_region_that_there_is_not(folder: Path, call: Call) -> None:
    """The first day ahead for people, all of them for programs; an unknown region is a mistake."""
    config = folder / "gateway.toml"
    text = config.read_text()
    config.write_text(text.replace("[ledger]", 'holiday_region = "DE-BE"\n[ledger]', 1))
    assert re.search(r"holidays \d+ days ahead, first 20\d\d-\d\d-\d\d", told(call("check-config")))
    days = data(call("check-config", "--json"))["holidays"]
    assert days == sorted(days)
    assert [day for day in days if day.endswith("-05-01")]
    config.write_text(text.replace("[ledger]", 'holiday_region = "ZZ"\n[ledger]', 1))
    refused = call("check-config")
    assert refused.exit_code == 2
    assert 'site.holiday_region: no holidays are known of "ZZ"' in refused.stderr


# -- how it looks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize(
    "arguments",
    [
        ["status", "--sensors"],
        ["bookings"],
        ["explain", GHOST],
        ["decisions", "--limit", "0"],
        ["report", "--since", "today"],
        ["check-config"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_no_screen_is_wider_than_the_terminal(
    call: Call, monkeypatch: pytest.MonkeyPatch, columns: int, arguments: list[str]
) -> None:
    """Eighty columns are enough for everything, and no colour is needed."""
    monkeypatch.setenv("COLUMNS", str(columns))
    result = call(*arguments)
    assert result.exit_code == 0, result.stderr
    assert max(len(line) for line in result.stdout.splitlines()) <= columns
    assert "\x1b" not in result.stdout
