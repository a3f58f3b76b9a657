"""An import changes what it shows and nothing else: comments stay, twice is once, harm is refused."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.exchange.places import FoundRoom
from gateway.rooms.changes import Changes, compare, new_id
from gateway.rooms.edit import HEADING, EditError, edited, write
from gateway.settings import parse

TEXT = """\
# Our office. Ask facilities before you change this.
[site]
name = "Contoso Riverside"   # as on the sign
time_zone = "Europe/Berlin"

[mqtt]
host = "broker.contoso.com"

[exchange]
tenant_id = "contoso.onmicrosoft.com"
client_id = "gateway"
client_secret_file = "graph-secret"

# The big one.
[[room]]
id = "orion"
name = "Orion"  # not "Conf Room Orion"
mailbox = "orion@contoso.com"
capacity = 6    # chairs, counted by hand
tags = ["video", "Whiteboard"]

[[room.sensor]]
id = "orion-radar"
family = "plain"
topic = "office/orion/radar"
senses = "presence"
heartbeat = "1m"

# The small one has no sensor yet.
[[room]]
id = "lyra"
mailbox = "Lyra@contoso.com"   # as Exchange spells it
policy = "patient"

# Waits longer.
[policy.patient]
grace = "20m"   # agreed in spring
"""

ORION = FoundRoom(
    mailbox="ORION@contoso.com", name="Conf Room Orion", capacity=8, tags=("video", "whiteboard")
)
LYRA = FoundRoom(mailbox="lyra@contoso.com", name="Lyra", building="North", floor="4", tags=("teams",))
VEGA = FoundRoom(mailbox="vega@contoso.com", name='Véga "V"', capacity=3, time_zone="Europe/London")


def changes(text: str, *found: FoundRoom, names: bool = False) -> Changes:
    """What these rooms change in a configuration."""
    return compare(parse(text, environ={}).rooms, found, names=names)


def imported(text: str, *found: FoundRoom, names: bool = False) -> str:
    """The configuration after an import."""
    return edited(text, changes(text, *found, names=names), environ={})


def test_what_is_new_different_and_gone_is_told() -> None:
    """By mailbox, whatever its case; tags in another order or case are the same tags."""
    found = changes(TEXT, ORION, VEGA)
    (added,) = found.added
    assert (added.id, added.mailbox) == ("vega-v", "vega@contoso.com")
    assert added.settings == {"name": 'Véga "V"', "capacity": 3, "time_zone": "Europe/London"}
    (changed,) = found.changed
    assert changed.id == "orion"
    assert [tuple(each) for each in changed.differences] == [("capacity", 6, 8)]
    assert [tuple(gone) for gone in found.gone] == [("lyra", "Lyra@contoso.com")]


def test_the_text_changes_where_it_must_and_nowhere_else() -> None:
    """Word for word: values replaced in place, new keys beneath the mailbox, new rooms at the end."""
    expected = (
        TEXT.replace("capacity = 6 ", "capacity = 8 ").replace(
            "   # as Exchange spells it\n",
            '   # as Exchange spells it\nname = "Lyra"\nbuilding = "North"\nfloor = "4"\ntags = ["teams"]\n',
        )
        + f'\n{HEADING}\n\n[[room]]\nid = "vega-v"\nname = "Véga \\"V\\""\nmailbox = "vega@contoso.com"\n'
        'capacity = 3\ntime_zone = "Europe/London"\n'
    )
    assert imported(TEXT, ORION, LYRA, VEGA) == expected


def test_an_import_that_is_repeated_changes_nothing() -> None:
    """Also after the next one: the heading comes once."""
    once = imported(TEXT, ORION, LYRA, VEGA)
    again = changes(once, ORION, LYRA, VEGA)
    assert not again.writes
    assert again.same == 3
    assert edited(once, again, environ={}) == once
    more = imported(once, FoundRoom(mailbox="ara@contoso.com"))
    assert more.count(HEADING) == 1
    assert more.endswith('[[room]]\nid = "ara"\nmailbox = "ara@contoso.com"\n')


def test_names_that_people_gave_stay_unless_asked() -> None:
    """A room without a name gets one."""
    assert 'name = "Orion"' in imported(TEXT, ORION)
    with_names = imported(TEXT, ORION, names=True)
    assert 'name = "Conf Room Orion"  # not "Conf Room Orion"' in with_names


def test_what_is_not_told_is_left_alone_and_the_gone_stay() -> None:
    """A source without capacities takes none away."""
    assert imported(TEXT, FoundRoom(mailbox="orion@contoso.com")) == TEXT
    assert imported(TEXT) == TEXT


def test_windows_line_ends_stay() -> None:
    """Every line of the result ends as the others do."""
    result = imported(TEXT.replace("\n", "\r\n"), ORION, LYRA, VEGA)
    assert result.replace("\r\n", "\n") == imported(TEXT, ORION, LYRA, VEGA)
    assert result.count("\n") == result.count("\r\n")


def test_a_file_without_a_last_line_end_is_no_trap() -> None:
    """New lines never run into the last one."""
    text = TEXT[: TEXT.index("policy = ")].rstrip("\n")
    assert parse(imported(text, LYRA, VEGA), environ={}).room("lyra").building == "North"


@pytest.mark.parametrize("name", ["#", "a # b", 'it\'s "#"', "\\", "'''#", '"""#'])
def test_a_hash_in_a_name_is_no_comment(name: str) -> None:
    """Neither before nor after: the line's own comment stays, and the name is exact."""
    result = imported(TEXT, FoundRoom(mailbox="orion@contoso.com", name=name), names=True)
    assert parse(result, environ={}).room("orion").name == name
    assert '  # not "Conf Room Orion"' in result
    other = FoundRoom(mailbox="orion@contoso.com", name="Orion")
    assert parse(imported(result, other, names=True), environ={}).room("orion").name == "Orion"


@pytest.mark.parametrize("odd", ["\"'''\"", '"[[room]]"', "'mailbox = 1'", '"#"'])
def test_odd_texts_before_it_do_not_hide_a_mailbox(odd: str) -> None:
    """What stands within quotes is neither a heading nor a key."""
    text = TEXT.replace('"video", "Whiteboard"', odd)
    assert parse(imported(text, LYRA), environ={}).room("lyra").building == "North"


def test_rooms_written_in_one_line_are_refused_and_not_broken() -> None:
    """TOML allows it, and no line can be put beneath a mailbox there."""
    start = TEXT[: TEXT.index("# The big one.")]
    text = 'room = [{ id = "orion", mailbox = "orion@contoso.com" }]\n' + start
    with pytest.raises(EditError, match="cannot be changed safely"):
        imported(text, ORION)


def test_a_result_that_is_no_sound_configuration_is_refused() -> None:
    """Two rooms of one id from the other side, told as the settings tell it."""
    found = changes(TEXT, VEGA)
    bad = found._replace(added=(found.added[0]._replace(id="orion"),))
    with pytest.raises(EditError, match="id of a room already") as refused:
        edited(TEXT, bad, environ={})
    assert "nothing was written" in str(refused.value)


@pytest.mark.parametrize(
    ("room", "id_"),
    [
        (FoundRoom(mailbox="a@b.c", name="Größe 4. OG"), "grosse-4-og"),
        (FoundRoom(mailbox="room.12@b.c", name="会議室"), "room-12"),
        (FoundRoom(mailbox="会@b.c"), "room"),
        (FoundRoom(mailbox="a@b.c", name="Orion"), "orion-2"),
        (FoundRoom(mailbox="a@b.c", name="X" * 90), "x" * 40),
        (FoundRoom(mailbox="a@b.c", id="given", name="Other"), "given"),
    ],
)
def test_a_new_room_gets_a_short_name_that_no_other_has(room: FoundRoom, id_: str) -> None:
    """From its name, or its mailbox."""
    assert new_id(room, {"orion"}) == id_


COMMENT = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")) | st.sampled_from("[]\"'='#{}\\"), max_size=25
)


@pytest.mark.thorough
@settings(max_examples=60)
@given(st.data())
def test_every_comment_stays_wherever_it_stands(data: st.DataObject) -> None:
    """Random comments, on lines of their own and behind values: all there, in order; nothing else said."""
    lines = []
    for line in TEXT.splitlines():
        bare = line.partition("   #")[0].partition("  #")[0]
        if data.draw(st.booleans()):
            lines.append(f"#{data.draw(COMMENT)}")
        lines.append(f"{bare} #{data.draw(COMMENT)}" if bare and data.draw(st.booleans()) else bare)
    text = "\n".join(lines) + "\n"
    result = imported(text, ORION, LYRA, VEGA)
    kept = iter(result.splitlines())
    changed = {line for line in lines if line.startswith("capacity = 6")}
    assert all(line in kept for line in lines if line not in changed)  # in this order
    for line in changed:
        assert line.partition("#")[2] in result
    assert tomllib.loads(result) == tomllib.loads(imported(TEXT, ORION, LYRA, VEGA))


TOLD = st.builds(
    FoundRoom,
    mailbox=st.sampled_from(
        ["orion@contoso.com", "LYRA@contoso.com", "vega@contoso.com", "it's@contoso.com"]
    ),
    name=st.none() | st.text(min_size=1, max_size=20),
    capacity=st.none() | st.integers(1, 10_000),
    building=st.none() | st.text(min_size=1, max_size=20),
    tags=st.none()
    | st.lists(st.text(min_size=1, max_size=9), min_size=1, max_size=3, unique=True).map(tuple),
)


@settings(max_examples=100)
@given(st.lists(TOLD, max_size=4, unique_by=lambda room: room.mailbox.casefold()), st.booleans())
def test_whatever_is_told_an_import_is_exact_and_once(found: list[FoundRoom], names: bool) -> None:
    """The result says what was told, and telling it again changes nothing."""
    result = imported(TEXT, *found, names=names)
    again = changes(result, *found, names=names)
    assert not again.writes
    rooms = {room.mailbox.casefold(): room for room in parse(result, environ={}).rooms}
    for room in found:
        if room.capacity is not None:
            assert rooms[room.mailbox.casefold()].capacity == room.capacity


# -- the file -----------------------------------------------------------------------------------------


def test_the_file_is_replaced_whole_with_a_backup_and_its_mode(tmp_path: Path) -> None:
    """Through a link too; nothing else is left in the folder."""
    real = tmp_path / "real.toml"
    real.write_text(TEXT)
    real.chmod(0o640)
    link = tmp_path / "gateway.toml"
    link.symlink_to(real)
    backup = tmp_path / "backup"
    write(link, TEXT, "new", backup)
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert backup.read_text() == TEXT
    assert [path.stat().st_mode & 0o777 for path in (real, backup)] == [0o640, 0o640]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "gateway.toml", "real.toml"]


def test_a_file_that_somebody_else_changed_is_left_alone(tmp_path: Path) -> None:
    """Between the reading and the writing an editor was closed."""
    file = tmp_path / "gateway.toml"
    file.write_text("theirs")
    with pytest.raises(EditError, match="changed by somebody else"):
        write(file, TEXT, "new", tmp_path / "backup")
    assert file.read_text() == "theirs"
