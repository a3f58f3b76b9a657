"""What PowerShell says of the rooms' booking attendants is understood in all its spellings, and judged."""

import codecs
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.exchange.attendant_settings import (
    EXPORTED,
    RECOMMENDED,
    AttendantSettings,
    Kept,
    SettingsFileError,
    load,
    problems,
    read_settings,
    save,
)

# The defaults of a room mailbox (Set-CalendarProcessing), as the setup script writes them.
DEFAULTS: dict[str, Any] = {
    "Mailbox": "orion@contoso.com",
    "AutomateProcessing": "AutoAccept",
    "AllowConflicts": False,
    "ConflictPercentageAllowed": 0,
    "MaximumConflictInstances": 0,
    "AllowRecurringMeetings": True,
    "BookingWindowInDays": 180,
    "EnforceSchedulingHorizon": True,
    "MaximumDurationInMinutes": 1440,
    "ProcessExternalMeetingMessages": False,
    "RemoveCanceledMeetings": False,
    "AllBookInPolicy": True,
    "AllRequestInPolicy": False,
    "TentativePendingApproval": True,
    "ScheduleOnlyDuringWorkHours": False,
    "BookingType": "Standard",
    "RemovePrivateProperty": True,
    "EnableAutoRelease": False,
    "PostReservationMaxClaimTimeInMinutes": 10,
}


def read(*entries: dict[str, Any]) -> tuple[AttendantSettings, ...]:
    """These entries, as a list in UTF-8."""
    return read_settings(json.dumps(list(entries)).encode())


def serious(**changed: Any) -> list[tuple[str, str]]:
    """What is to be mended in a room with these settings and otherwise the defaults."""
    (room,) = read(DEFAULTS | changed)
    return [(p.weight, p.setting) for p in problems(room) if p.weight != "note"]


def test_a_room_with_microsofts_defaults_is_fine() -> None:
    """Nothing to mend; and every setting arrives."""
    assert serious() == []
    (room,) = read(DEFAULTS)
    assert all(getattr(room, field) is not None for field in room.__struct_fields__)
    assert set(EXPORTED) | {"Mailbox"} == set(DEFAULTS)


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
def test_utf_8_with_and_without_a_mark_is_read(mark: bytes) -> None:
    """Windows PowerShell writes the mark, PowerShell 7 does not."""
    assert read_settings(mark + json.dumps([DEFAULTS]).encode()) == read(DEFAULTS)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-16-le"])
def test_utf_16_is_read(encoding: str) -> None:
    """`>` of Windows PowerShell writes it, with its mark."""
    mark = {"utf-16-be": codecs.BOM_UTF16_BE}.get(encoding, b"")
    assert read_settings(mark + json.dumps([DEFAULTS]).encode(encoding)) == read(DEFAULTS)


def test_one_room_alone_and_a_list_in_an_object_are_read() -> None:
    """ConvertTo-Json makes no list of one, and Windows PowerShell may wrap a list."""
    assert read_settings(json.dumps(DEFAULTS).encode()) == read(DEFAULTS)
    assert read_settings(json.dumps({"value": [DEFAULTS], "Count": 1}).encode()) == read(DEFAULTS)


@pytest.mark.parametrize("value", [2, "2", "AutoAccept", "autoaccept", {"value": 2, "Value": "AutoAccept"}])
def test_enumerations_come_as_numbers_or_words(value: Any) -> None:
    """ConvertTo-Json writes numbers unless it is told otherwise."""
    (room,) = read(DEFAULTS | {"AutomateProcessing": value})
    assert room.automate_processing == "AutoAccept"


@pytest.mark.parametrize(
    ("value", "days"),
    [
        (180, 180),
        ("180", 180),
        ("180.00:00:00", 180),
        ({"Ticks": 1, "Days": 180, "TotalDays": 180.0}, 180),
        ("1.12:00:00", 1),
        (None, None),
        ("soon", None),
        (True, None),
    ],
)
def test_durations_come_as_numbers_texts_or_objects(value: Any, days: int | None) -> None:
    """What cannot be understood is not told; it is never guessed."""
    (room,) = read(DEFAULTS | {"BookingWindowInDays": value})
    assert room.booking_window_days == days


def test_minutes_come_as_time_spans_too() -> None:
    """A day is 1440 minutes."""
    (room,) = read(DEFAULTS | {"MaximumDurationInMinutes": "1.00:30:00"})
    assert room.maximum_duration_minutes == 1_470


@pytest.mark.parametrize(
    ("value", "flag"), [("True", True), ("false", False), (0, False), (1, True), ("", None)]
)
def test_flags_come_as_text_or_numbers(value: Any, flag: bool | None) -> None:
    """As Export-Csv and old modules write them."""
    (room,) = read(DEFAULTS | {"AllowConflicts": value})
    assert room.allow_conflicts is flag


def test_a_mailbox_is_found_where_the_script_was_not_used() -> None:
    """Plain Get-CalendarProcessing has an Identity, which may be an address."""
    plain = {key: value for key, value in DEFAULTS.items() if key != "Mailbox"}
    (room,) = read(plain | {"Identity": "Orion@Contoso.com"})
    assert room.mailbox == "orion@contoso.com"
    (room,) = read(plain | {"PrimarySmtpAddress": {"Local": "orion", "Domain": "contoso.com"}})
    assert room.mailbox == "orion@contoso.com"
    with pytest.raises(SettingsFileError, match="entry 1: no address in Mailbox"):
        read(plain | {"Identity": "Orion"})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"\xff\xfe\x00", "no JSON"),
        (b"7", "expected a list of rooms"),
        (b"[]", "there is no room in it"),
        (b"[null]", "entry 1: expected an object"),
        (json.dumps([DEFAULTS, DEFAULTS]).encode(), "entry 2: orion@contoso.com is there already"),
    ],
)
def test_what_is_no_such_file_is_refused_with_the_place(content: bytes, words: str) -> None:
    """The wrong file, half a file, a file without rooms."""
    with pytest.raises(SettingsFileError, match=words):
        read_settings(content)


@given(
    st.binary(max_size=80)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*DEFAULTS, "value"]), inner, max_size=5)
        ),
        max_leaves=8,
    ).map(lambda data: json.dumps(data).encode())
)
def test_no_file_breaks_the_reading(content: bytes) -> None:
    """Settings or a sentence, whatever is in it."""
    try:
        rooms = read_settings(content)
    except SettingsFileError:
        return  # a sentence; its words are tested above
    assert all(isinstance(problems(room), tuple) for room in rooms)


# -- what is wrong ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "weight"),
    [
        ({"AutomateProcessing": "AutoUpdate"}, "fail"),
        ({"AutomateProcessing": 0}, "fail"),
        ({"BookingType": "Reserved"}, "fail"),
        ({"EnableAutoRelease": True}, "fail"),
        ({"AllowConflicts": True}, "warn"),
        ({"BookingWindowInDays": 0}, "warn"),
    ],
)
def test_what_keeps_the_gateway_from_its_work_is_told_with_its_remedy(
    changed: dict[str, Any], weight: str
) -> None:
    """Each names its parameter and the value that mends it."""
    (setting,) = changed
    (room,) = read(DEFAULTS | changed)
    (found,) = [problem for problem in problems(room) if problem.weight != "note"]
    assert (found.weight, found.setting) == (weight, setting)
    assert found.fix.startswith(f"-{setting} ")


def test_microsofts_own_release_is_told_with_its_grace() -> None:
    """Two deciders on one room: the worst of all settings comes first."""
    (room,) = read(DEFAULTS | {"EnableAutoRelease": True, "AllowConflicts": True})
    first, second, *_ = problems(room)
    assert "release of no-shows is on after 10 min" in first.text
    assert (first.weight, second.weight) == ("fail", "warn")


def test_notes_say_what_follows_and_ask_for_nothing() -> None:
    """Settings that people may want as they are."""
    (room,) = read(
        DEFAULTS
        | {
            "ConflictPercentageAllowed": 10,
            "ProcessExternalMeetingMessages": True,
            "EnforceSchedulingHorizon": False,
            "ScheduleOnlyDuringWorkHours": True,
            "AllBookInPolicy": False,
            "AllRequestInPolicy": True,
        }
    )
    found = problems(room, longest_minutes=180)
    assert {problem.weight for problem in found} == {"note"}
    assert not any(problem.fix for problem in found)
    told = {problem.setting for problem in found}
    assert {"ConflictPercentageAllowed", "RemoveCanceledMeetings", "MaximumDurationInMinutes"} < told
    assert "alone" in next(p.text for p in found if p.setting == "MaximumDurationInMinutes")


def test_irrelevant_settings_are_never_mentioned() -> None:
    """Who deletes subjects and comments has the gateway's blessing."""
    (room,) = read(DEFAULTS | {"DeleteSubject": False, "DeleteComments": True})
    assert not [p for p in problems(room) if p.setting.startswith("Delete")]


def test_what_is_not_told_is_no_problem() -> None:
    """An entry with nothing but its mailbox says nothing."""
    assert problems(AttendantSettings(mailbox="x@contoso.com")) == ()


def test_what_is_recommended_is_what_is_judged() -> None:
    """A room that is set as the script recommends has nothing to mend."""
    values: dict[str, Any] = {"$false": False, "$true": True}
    assert serious(**{each.parameter: values.get(each.value, each.value) for each in RECOMMENDED}) == []


# -- keeping ------------------------------------------------------------------------------------------


def test_what_was_imported_is_kept_and_found_again(tmp_path: Path) -> None:
    """By mailbox, whatever the case of its letters."""
    path = tmp_path / "attendant-settings.json"
    assert load(path) is None
    kept = Kept("2026-11-27T10:00:00+00:00", read(DEFAULTS))
    save(path, kept)
    again = load(path)
    assert again == kept
    assert again.of("ORION@contoso.com") == kept.rooms[0]
    assert again.of("vega@contoso.com") is None
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_damaged_or_foreign_file_is_told(tmp_path: Path) -> None:
    """With its name and what to do."""
    path = tmp_path / "a.json"
    for content, words in (
        (b"{", "damaged"),
        (b'{"imported_at":"x","rooms":[],"format":99}', "another version"),
    ):
        path.write_bytes(content)
        with pytest.raises(SettingsFileError, match=f"a.json: .*{words}"):
            load(path)
    with pytest.raises(SettingsFileError, match="cannot be read"):
        load(tmp_path)
