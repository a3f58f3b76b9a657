"""What may happen in a timeline: the forms of all lines but expectations."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from gateway.settings import PolicySettings
from simulators.scenario.config import Mode
from simulators.scenario.errors import ScenarioError, near
from simulators.scenario.gateway import Gateway
from simulators.scenario.words import Act, Form, Words, split_at_commas, text_of

ROOM_OPTIONS: Final = ("live", "shadow", "exempt")


def _room(g: Gateway, w: Words) -> None:
    options = [option.strip() for option in w.get("OPTIONS", "live").split(",")]
    parts: list[str] = []
    for option in options:
        if option.startswith("parts "):
            parts = option.removeprefix("parts ").split(" and ")
        elif option not in ROOM_OPTIONS:
            raise ScenarioError(f'a room cannot be "{option}"{near(option, ROOM_OPTIONS)}')
    mode: Mode = "shadow" if "shadow" in options else "live"
    sensors = [] if w["SENSORS"] == "no sensors" else split_at_commas(w["SENSORS"])
    g.room(w["ROOM"], sensors, mode=mode, exempt="exempt" in options, parts=parts)


def _policy(g: Gateway, w: Words) -> None:
    """Each pair is a setting and its value; a list of names may have several words behind the setting."""
    settings = {}
    for pair in split_at_commas(w["SETTINGS"]):
        words = pair.split()
        split = 1 if words[0] in PolicySettings.model_fields else len(words) - 1
        if not 0 < split < len(words):
            raise ScenarioError(f'"{pair}" is no setting and its value, such as "grace 15m"')
        settings[" ".join(words[:split])] = " ".join(words[split:])
    g.policy(**settings)


def _day(g: Gateway, w: Words) -> None:
    g.day(_date(w), w.get("ZONE", "UTC"))


def _date(w: Words) -> date:
    try:
        return date.fromisoformat(w["DATE"])
    except ValueError:
        raise ScenarioError(f'"{w["DATE"]}" is no date, such as "2026-03-29"') from None


def _book(g: Gateway, w: Words) -> None:
    category = text_of(w) if "TEXT" in w else ""
    g.book(w["ROOM"], w["SPAN"], by=w["WHO"], days=int(w.get("N", "1")), category=category)


def _book_in_room(g: Gateway, w: Words) -> None:
    g.book_in_room(w["ROOM"], w["SPAN"], attendees=(w["WHO"],) if "WHO" in w else ())


def _go(g: Gateway, w: Words) -> None:
    if w["WHO"] == "everyone":
        g.everyone_leaves(w["ROOM"])
    else:
        g.leave(w["WHO"], w["ROOM"])


def _send(g: Gateway, w: Words) -> None:
    g.send(w["SENSOR"], text_of(w), retained="a_retained" in w)


def _step(g: Gateway, w: Words) -> None:
    g.step_clock(("+" if w["choice"] == "forward" else "-") + w["DURATION"])


def _answers(g: Gateway, w: Words) -> None:
    g.exchange_answers(int(w["STATUS"]), int(w["N"]) if "N" in w else None)


def _does(method: str, *parts: str, **fixed: Any) -> Act:
    """Calls a method of the gateway with some of the line's words."""

    def act(g: Gateway, w: Words) -> None:
        getattr(g, method)(*(w[part] for part in parts), **fixed)

    return act


def _says(command: str) -> Act:
    def act(g: Gateway, w: Words) -> None:
        g.say(command or w["choice"], w.get("ROOM", ""), w["WHO"], w.get("WHEN", ""))

    return act


def _group(name: str, forms: Mapping[str, tuple[str, Act]], **more: bool) -> tuple[Form, ...]:
    return tuple(Form(name, syntax, meaning, act, **more) for syntax, (meaning, act) in forms.items())


_Forms = Mapping[str, tuple[str, Act]]

_BEGINNING: Final[_Forms] = {
    "day DATE [in ZONE]": ("the day it is, and where; otherwise a Monday in UTC", _day),
    "begins TIME": (
        "when the gateway wakes, if not 20 minutes before the first booking or time",
        _does("begins", "TIME"),
    ),
}

_DAYS: Final[_Forms] = {
    "the next day": ("from here on, times are those of the day after", lambda g, _: g.later()),
    "N days later": ("the same, so many days later", lambda g, w: g.later(int(w["N"]))),
}

_SETTINGS: Final[_Forms] = {
    "room ROOM: SENSORS [; OPTIONS]": ("a room and what hangs in it; `live` if nothing is said", _room),
    "policy SETTINGS": ("settings of every room's policy", _policy),
    "holiday DATE": ("a day on which empty rooms are expected", lambda g, w: g.holiday(_date(w))),
}

_BOOKINGS: Final[_Forms] = {
    "book ROOM SPAN by the room [with WHO]": (
        "an entry that the room itself organises; it may overlap others",
        _book_in_room,
    ),
    "book ROOM SPAN by WHO [for N days] [as TEXT]": (
        "somebody books the room; for several days: a series; as: the room's entry has this category",
        _book,
    ),
}

_ORGANIZERS: Final[_Forms] = {
    "WHO moves ROOM WHEN to SPAN": (
        "the organizer changes start or end; from then on it goes by its new time",
        _does("move", "ROOM", "WHEN", "SPAN"),
    ),
    "WHO edits ROOM WHEN": ("the organizer changes only the text", _does("edit", "ROOM", "WHEN")),
    "WHO cancels ROOM WHEN": ("the organizer cancels", _does("cancel", "ROOM", "WHEN")),
    "WHO adds ROOM again to WHEN": (
        "the organizer adds the room that was given back",
        _does("add_again", "ROOM", "WHEN"),
    ),
}

_PEOPLE: Final[_Forms] = {
    "WHO enters ROOM": ("somebody comes in", _does("enter", "WHO", "ROOM")),
    "WHO leaves ROOM": ("somebody goes; `everyone leaves`: all who are there", _go),
    "WHO visits ROOM for DURATION": (
        "somebody comes in and is gone again after so long",
        _does("visit", "WHO", "ROOM", "DURATION"),
    ),
    "somebody passes by ROOM": (
        "somebody goes by the open door: PIRs and door sensors see it",
        _does("pass_by", "ROOM"),
    ),
    "WHO sits still in ROOM": (
        "somebody inside does not move any more: PIRs do not see them",
        _does("sit_still", "WHO", "ROOM"),
    ),
    "WHO moves about in ROOM [for DURATION]": (
        "somebody inside moves, once or without a rest",
        lambda g, w: g.move_about(w["WHO"], w["ROOM"], w.get("DURATION", "0s")),
    ),
    "WHO checks in at ROOM": ("a person's word: we are here", _says("check-in")),
    "WHO keeps ROOM [WHEN]": ("a person's word: leave this booking alone, now or next", _says("keep")),
    "WHO ends ROOM [WHEN]": ("a person's word: we are done; only of what has begun", _says("end")),
    "WHO was here at ROOM [WHEN]": (
        "a person's word: the room was given back although we were there",
        _says("were-here"),
    ),
    "WHO reviews ROOM": ("a person has looked at a wrong release: go on", _says("reviewed")),
    "WHO sets ROOM live|shadow": ("a person sets the room's mode", _says("")),
    "WHO closes the breaker": (
        "a person has looked: it is right that so many rooms are empty",
        _says("close-breaker"),
    ),
}

_SENSORS: Final[_Forms] = {
    "SENSOR falls silent": ("it says nothing any more", _does("silence", "SENSOR")),
    "SENSOR works again": ("it speaks, and shows what is", _does("repair", "SENSOR")),
    "SENSOR sticks on|off": (
        "it speaks, and shows the same whatever happens",
        _does("stick", "SENSOR", "choice"),
    ),
    "SENSOR flickers for DURATION": (
        "it changes back and forth faster than people move",
        _does("flicker", "SENSOR", "DURATION"),
    ),
    "SENSOR goes offline": ("it is gone, and its last will says so", _does("set_offline", "SENSOR")),
    "SENSOR comes online": ("it is back, and says so", _does("set_online", "SENSOR")),
    "SENSOR reports battery N%": (
        "its battery's level",
        lambda g, w: g.set_battery(w["SENSOR"], int(w["N"])),
    ),
    "SENSOR sends [a retained] TEXT": ("these very bytes come on its topic", _send),
    "Zigbee bridge goes offline": ("it is gone, and says so", _does("bridge", up=False)),
    "Zigbee bridge hangs": (
        "nothing comes through it, and nobody says so",
        _does("bridge", up=False, told=False),
    ),
    "Zigbee bridge works again": ("it is online and says so", _does("bridge", up=True)),
}

_GATEWAY: Final[_Forms] = {
    "gateway is stopped": ("cleanly, as for an update", _does("stop")),
    "gateway is killed": ("as by `kill -9`: what was not committed is lost", _does("kill")),
    "power fails": ("the machine goes down with the gateway", _does("power_fails")),
    "gateway starts again": ("on the same ledger", _does("start")),
    "broker goes down": ("what sensors publish meanwhile is lost", _does("broker_goes_down")),
    "broker comes back": ("it still has the gateway's session", _does("broker_comes_back")),
    "broker comes back without sessions": (
        "it has forgotten them",
        _does("broker_comes_back", sessions=False),
    ),
    "link to the broker breaks": ("the broker queues what is published at QoS 1", _does("link_breaks")),
    "link to the broker is back": ("it delivers what it kept", _does("link_comes_back")),
    "clock is set forward|back by DURATION": (
        "the gateway's clock; a timeline's times go on being the true ones",
        _step,
    ),
    "clock is not synchronised": (
        "no time server vouches for it",
        _does("synchronise_clock", synchronised=False),
    ),
    "clock is synchronised": ("one does", _does("synchronise_clock", synchronised=True)),
    "disk is full": ("no commit succeeds", _does("fill_disk", full=True)),
    "disk has room again": ("commits succeed", _does("fill_disk", full=False)),
}

_EXCHANGE: Final[_Forms] = {
    "Exchange goes away": ("it answers 503 to everything", _does("exchange_answers", status=503)),
    "Exchange answers STATUS [N times]": ("to everything, or to the next N requests", _answers),
    "Exchange answers STATUS to the next release|check-in": (
        "one write is refused",
        lambda g, w: g.write_goes_wrong(_write(w), int(w["STATUS"])),
    ),
    "Exchange loses its answer to the next release|check-in": (
        "it does it, and its answer never comes",
        lambda g, w: g.write_goes_wrong(_write(w)),
    ),
    "Exchange is slow by DURATION": ("each answer takes so long", _does("exchange_is_slow", "DURATION")),
    "Exchange shows the calendar of DURATION ago": ("in every read", _does("exchange_is_stale", "DURATION")),
    "Exchange is back": ("it works as it should", _does("exchange_is_back")),
}


def _write(w: Words) -> Any:
    return w["choice"]


HAPPENINGS: Final[tuple[Form, ...]] = (
    *_group("The beginning", _BEGINNING, before=True, only_before=True),
    *_group("Several days (without a time)", _DAYS, before=True, only_before=True, new_day=True),
    *_group(
        "Rooms, policy and site (with a time: the gateway is configured anew and restarts)",
        _SETTINGS,
        before=True,
    ),
    *_group("Bookings (without a time: there from the beginning)", _BOOKINGS, before=True),
    *_group("Organizers", _ORGANIZERS),
    *_group("People", _PEOPLE),
    *_group("Sensors", _SENSORS),
    *_group("The gateway, its broker, clock and disk", _GATEWAY),
    *_group("Exchange", _EXCHANGE),
)
