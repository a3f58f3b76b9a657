"""A room is suggested where a name leaves no doubt, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.placing.similar import RoomNames, guessed_role, slug_of, suggested_room

ROOMS = [
    RoomNames("orion", "Orion", "orion@contoso.com"),
    RoomNames("vega-1", "Vega 1", "conf.vega1@contoso.com"),
    RoomNames("vega-2", "Vega 2", "conf.vega2@contoso.com"),
    RoomNames("big", "Großer Besprechungsraum Süd", "sued@contoso.com"),
    RoomNames("b2", "B2", "b2@contoso.com"),
    RoomNames("r204", "2.04", "room-2-04@contoso.com"),
]


@pytest.mark.parametrize(
    ("names", "room"),
    [
        (("zigbee2mqtt/orion-pir",), "orion"),
        (("Orion ceiling radar", "tele/tasmota_1A2B/SENSOR"), "orion"),
        (("oriom_pir",), "orion"),  # one slip of the pen
        (("Vega-2 door",), "vega-2"),
        (("vega02 pir",), "vega-2"),
        (("vega pir",), ""),  # which of them?
        (("vega-3 pir",), ""),
        (("Grosser Raum Sud PIR",), "big"),
        (("R204 PIR",), "r204"),
        (("0x00158d0004b2c3d4",), ""),
        (("kitchen pir",), ""),
        (("meeting room sensor",), ""),
        (("orion and vega 1",), ""),
        (("big room sued vega 1",), ""),
        (("tasmota_B20411",), ""),  # a part of an address is no room
        ((), ""),
    ],
)
def test_a_name_leads_to_its_room_or_nowhere(names: tuple[str, ...], room: str) -> None:
    """Numbers must be right, words nearly; words that all rooms share say nothing."""
    assert suggested_room(names, ROOMS) == room


def test_a_number_more_is_another_room_where_numbers_tell_rooms_apart() -> None:
    """`orion-3` is not `orion` beside an `orion-2`."""
    rooms = [ROOMS[0], RoomNames("orion-2", "Orion 2", "orion2@contoso.com")]
    assert suggested_room(("orion-3 pir",), rooms) == ""
    assert suggested_room(("orion-2 pir",), rooms) == "orion-2"
    assert suggested_room(("orion pir",), rooms) == "orion"


@given(names=st.lists(st.text(max_size=40), max_size=3))
def test_two_rooms_of_one_name_are_never_told_apart(names: list[str]) -> None:
    """Whatever the device is called: no guess between equals, and never a room that does not exist."""
    twins = [RoomNames("a1", "Orion", "x1@contoso.com"), RoomNames("a2", "Orion", "x2@contoso.com")]
    assert suggested_room([*names, "Orion"], twins) in {"", *([] if not names else ["a1", "a2"])}
    assert suggested_room(["Orion"], twins) == ""
    assert suggested_room(names, ROOMS) in {"", *(room.id for room in ROOMS)}


def test_a_role_is_guessed_from_plain_words() -> None:
    """What says nothing watches the room."""
    assert guessed_role(("Orion Tür",)) == "door"
    assert guessed_role(("orion/door",)) == "door"
    assert guessed_role(("Desk 4",)) == "seat"
    assert guessed_role(("orion-pir",)) == "room"


@given(text=st.text(max_size=80))
def test_a_slug_is_a_short_name_or_nothing(text: str) -> None:
    """It goes into topics and commands."""
    slug = slug_of(text)
    assert slug == "" or (slug[0].isalnum() and set(slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789-"))
