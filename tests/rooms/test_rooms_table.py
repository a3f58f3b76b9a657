"""Rooms from a spreadsheet: tolerant of how it was saved, strict about what it says, faults by their line."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.exchange.places import FoundRoom
from gateway.rooms.table import TableError, read_table

FULL = (
    "mailbox;name;id;capacity;building;floor;tags;time_zone\r\n"
    'orion@contoso.com;Orion;orion;8;North;4;"video, whiteboard";Europe/Berlin\r\n'
    "vega@contoso.com;;;;;;;\r\n"
)
ORION = FoundRoom(
    mailbox="orion@contoso.com",
    name="Orion",
    id="orion",
    capacity=8,
    building="North",
    floor="4",
    tags=("video", "whiteboard"),
    time_zone="Europe/Berlin",
    line=2,
)
VEGA = FoundRoom(mailbox="vega@contoso.com", line=3)


def problems(text: str) -> list[str]:
    """What is wrong with a table."""
    with pytest.raises(TableError) as refused:
        read_table(text.encode())
    return list(refused.value.problems)


def test_every_column_arrives_and_an_empty_cell_says_nothing() -> None:
    """Nothing but the mailbox is needed."""
    assert read_table(FULL.encode()) == (ORION, VEGA)


@pytest.mark.parametrize("separator", [",", "\t"])
def test_other_separators_are_found_out(separator: str) -> None:
    """Spreadsheets use what their country uses."""
    assert read_table(FULL.replace(";", separator).encode()) == (ORION, VEGA)


def test_marks_and_utf_16_are_understood() -> None:
    """What Excel writes as CSV UTF-8 and as Unicode text."""
    assert read_table(codecs.BOM_UTF8 + FULL.encode()) == (ORION, VEGA)
    assert read_table(FULL.encode("utf-16")) == (ORION, VEGA)


def test_names_of_exchanges_own_exports_are_known() -> None:
    """Get-EXOMailbox and Places call the same things otherwise; other columns are ignored."""
    text = "Display Name,PrimarySmtpAddress,Resource Capacity,Alias\nOrion,orion@contoso.com,8,x\n"
    assert read_table(text.encode()) == (
        FoundRoom(mailbox="orion@contoso.com", name="Orion", capacity=8, line=2),
    )


def test_blank_lines_and_quoted_line_breaks_do_no_harm() -> None:
    """Names become one line; lines are counted as an editor counts them."""
    text = '\n\nmailbox,name\n\n"orion@contoso.com","Orion\nroom"\nvega@contoso.com,Vega\n'
    found = read_table(text.encode())
    assert [(room.name, room.line) for room in found] == [("Orion room", 6), ("Vega", 7)]


def test_each_fault_is_told_with_its_line() -> None:
    """All at once."""
    text = (
        "mailbox;capacity;id;time_zone\n"
        "orion;8;;\n"
        ";8;;\n"
        "vega@contoso.com;eight;;\n"
        "vega@contoso.com;0;;\n"
        "lyra@contoso.com;;Lyra 1;Europe/Berlln\n"
    )
    assert problems(text) == [
        'rooms.csv:2: mailbox: found "orion", expected an e-mail address, such as "orion@contoso.com"',
        "rooms.csv:3: mailbox: missing; expected the room's address in Exchange",
        'rooms.csv:4: capacity: found "eight", expected a whole number from 1 to 10000',
        'rooms.csv:5: capacity: found "0", expected a whole number from 1 to 10000',
        "rooms.csv:5: vega@contoso.com is in line 4 already",
        'rooms.csv:6: id: found "Lyra 1", expected a short name of a-z, 0-9, "-" and "_"',
        (
            'rooms.csv:6: time_zone: found "Europe/Berlln", expected an IANA time zone such as '
            '"Europe/Berlin"; did you mean "Europe/Berlin"?'
        ),
    ]


def test_what_is_no_table_is_refused() -> None:
    """No names, nothing at all, an unclosed quote, another encoding."""
    assert "expected the columns' names" in problems("a;b\n1;2\n")[0]
    assert "empty; expected a first line" in problems("\n\n")[0]
    assert "is a quotation mark missing?" in problems('mailbox\n"orion@contoso.com\n')[0]
    with pytest.raises(TableError, match=r"rooms.csv:2: expected UTF-8"):
        read_table(b"mailbox,name\norion@contoso.com,Z\xfcrich\n")


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: f"mailbox;name\n{text}".encode()))
def test_no_file_breaks_the_reading(content: bytes) -> None:
    """Rooms, or sentences with the file's name."""
    try:
        rooms = read_table(content)
    except TableError as error:
        told = error.problems
        assert told
        assert all(problem.startswith("rooms.csv:") for problem in told)
    else:
        assert all("@" in room.mailbox for room in rooms)
