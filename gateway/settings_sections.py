"""The tables of the configuration file, one model each. docs/configuration.md is checked against them.

A validator's ValueError says what was expected; `gateway.settings_problems` adds where, and what was
found. Contradictions between settings are the business of `gateway.settings_checks`.
"""

import re
import zoneinfo
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, cast
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from gateway.alerts import GATHER_MS, KINDS, REPEAT_MS
from gateway.core.booking import Breach
from gateway.core.policy import Policy, Role, Senses
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Duration
from gateway.durations import DurationError, DurationMs, duration_setting, format_duration
from gateway.exchange.bookable import EXPECTED as EXPECTED_BLACKOUT
from gateway.exchange.bookable import Blackouts
from gateway.exchange.comment import DEFAULT_TEMPLATE, FIELDS, check_template
from gateway.exchange.hours import Hours
from gateway.exchange.models import DESK_CATEGORY, HOLD_CATEGORY, WALK_UP_CATEGORY
from gateway.links.filters import check_filter
from gateway.links.serial import BAUD, SerialFamily
from gateway.sensors import FAMILIES
from gateway.settings_problems import did_you_mean


def _one_of(names: Iterable[str]) -> str:
    *most, last = (f'"{name}"' for name in names)
    return f"{', '.join(most)} or {last}"


if TYPE_CHECKING:
    Family = str
else:
    Family = Literal[tuple(FAMILIES)]
"""The families' names, as their registry has them: error messages list them."""

HOLDS_MS: Final[Mapping[str, Duration]] = {
    "motion": 10 * MINUTE_MS,
    "presence": 1 * MINUTE_MS,
    "count": 2 * MINUTE_MS,
}
"""How long people may still be there after a sensor's last sign, by what it senses (design, 4.3)."""

SHORT_HOLD_MS: Final[Duration] = 2 * MINUTE_MS
"""A motion sensor's hold beside a presence sensor, which covers those who sit still."""

CREDENTIALS: Final = "${CREDENTIALS_DIRECTORY}/"
"""Stands at the start of a secret's path for the folder that systemd keeps credentials in."""

SLUG: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
"""Names that go into topics, commands and reports."""

MAX_LIST: Final = 1_000
"""Entries in one list of organizers or categories; far more than anybody maintains by hand."""

MAX_FILTERS: Final = 50
"""Topic filters of the discovery; each is asked of the broker by itself."""

MAX_TAGS: Final = 50
"""Tags of one room; what a person still reads."""

_POLICY: Final = Policy()


def _between(low: Duration, high: Duration) -> AfterValidator:
    """Bounds of a duration, both included, in ms."""

    def check(value: Duration) -> Duration:
        if not low <= value <= high:
            raise ValueError(f"a duration from {format_duration(low)} to {format_duration(high)}")
        return value

    return AfterValidator(check)


def _slug(value: str) -> str:
    if not SLUG.fullmatch(value):
        raise ValueError('a short name of a-z, 0-9, "-" and "_", such as "orion"')
    return value


def _time_zone(value: str) -> str:
    try:
        zoneinfo.ZoneInfo(value)
    except (KeyError, ValueError, OSError):  # unknown; not a relative path; a folder of zones
        close = did_you_mean(value, zoneinfo.available_timezones())
        raise ValueError(f'an IANA time zone such as "Europe/Berlin"{close}') from None
    return value


def _mail_address(value: str) -> str:
    if not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+\.[^@\s<>.]+", value):
        raise ValueError('an e-mail address, such as "orion@contoso.com"')
    return value


def _host(value: str) -> str:
    if "://" in value:
        raise ValueError(
            "a host name or address alone, without mqtt:// (port and tls have their own settings)"
        )
    if not re.fullmatch(r"[A-Za-z0-9._:\[\]%-]{1,255}", value):
        raise ValueError("a host name or address")
    return value


def topic_name(value: str) -> str:
    """A topic that can be published to (MQTT 3.1.1, 4.7): no wildcards. ValueError otherwise."""
    if "+" in value or "#" in value:
        raise ValueError("one exact topic: the wildcards + and # would mix several devices into one sensor")
    if not value or "\0" in value or value != value.strip() or len(value.encode()) > 65_535:  # noqa: PLR2004 - MQTT's own limit
        raise ValueError("an MQTT topic without blanks around it")
    return value


def _filter(value: str) -> str:
    try:
        check_filter(value)
    except ValueError:
        raise ValueError('a topic filter, such as "zigbee2mqtt/+"') from None
    return value


def _prefix(value: str) -> str:
    if topic_name(value).startswith(("/", "$")) or value.endswith("/"):
        raise ValueError('a topic to put before all others, without "/" at its ends, such as "occupancy"')
    return value


def _device_file(value: str) -> str:
    if not value.startswith("/") or "\0" in value:
        raise ValueError('the path of a device file, such as "/dev/serial/by-id/usb-…"')
    return value


def _https(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("an address that begins with https://")
    return value.rstrip("/")


def _https_or_loopback(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme == "http" and parts.hostname in {"localhost", "127.0.0.1", "::1"}:
        return value.rstrip("/")  # a simulator on this machine; no token leaves it
    return _https(value)


def _tenant(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]{0,254}", value):
        raise ValueError("the tenant's id or domain, such as contoso.onmicrosoft.com")
    return value


def _thumbprint(value: str) -> str:
    digits = re.sub(r"[\s:]", "", value).upper()
    if not re.fullmatch(r"[0-9A-F]{40}", digits):
        raise ValueError("the certificate's SHA-1 thumbprint, 40 hexadecimal digits")
    return digits


def _comment(value: str) -> str:
    try:
        return check_template(value)
    except ValueError as error:
        placeholders = ", ".join(f"{{{name}}}" for name in sorted(FIELDS))
        raise ValueError(f"text whose only placeholders are {placeholders} ({error})") from None


def _path(value: object, info: ValidationInfo) -> Path:
    """A path; a relative one starts at the configuration file's folder (`base` in the context)."""
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value or "\0" in value or "$" in value:
        raise ValueError("a path in quotes, without variables")
    context: Mapping[str, Any] = info.context or {}
    return Path(context.get("base", ".")) / value


def _secret_path(value: object, info: ValidationInfo) -> Path:
    """As `_path`; `CREDENTIALS` at its start is replaced, or kept as it stands outside of systemd."""
    if not isinstance(value, str) or not value.startswith(CREDENTIALS):
        if isinstance(value, str) and "$" in value:
            raise ValueError(f"a path in quotes; the only variable is {CREDENTIALS} at its start")
        return _path(value, info)
    context: Mapping[str, Any] = info.context or {}
    folder = cast("Mapping[str, str]", context.get("environ", {})).get("CREDENTIALS_DIRECTORY")
    return Path(folder) / value.removeprefix(CREDENTIALS) if folder else Path(value)


def _as_tuple(value: object) -> object:
    """TOML has lists, frozen models have tuples."""
    return tuple(value) if isinstance(value, list) else value


def _region(value: str) -> str:
    if not re.fullmatch(r"[A-Z]{2}(-[A-Z0-9]{1,3})?", value):
        raise ValueError('a country by ISO 3166, or a part of it, such as "DE" or "DE-BE"')
    return value


def _dates(value: object) -> tuple[date, ...]:
    """TOML writes dates without quotes; in quotes they mean the same."""
    expected = "a list of dates, such as [2026-12-24, 2026-12-31]"
    if not isinstance(value, list | tuple):
        raise ValueError(expected)  # noqa: TRY004 - what a validator raises for pydantic
    days: list[date] = []
    for each in value:
        try:
            day = date.fromisoformat(each) if isinstance(each, str) else each
        except ValueError:
            raise ValueError(f'{expected}; "{each}" is none') from None
        if not isinstance(day, date) or isinstance(day, datetime):
            raise ValueError(f"{expected}; {each} is none")  # noqa: TRY004 - as above
        days.append(day)
    return tuple(days)


def _day(value: object) -> date | None:
    """TOML writes dates without quotes; in quotes they mean the same."""
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        day = value
    if day is not None and (not isinstance(day, date) or isinstance(day, datetime)):
        raise ValueError("a date such as 2027-01-31")
    return day


def _hours(value: object) -> tuple[str, ...]:
    """One text or several, in the form that `gateway.exchange.hours` reads."""
    texts = (value,) if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise ValueError('text such as "mon-fri 08:00-18:00", or a list of such texts')
    Hours.of(texts)
    return tuple(texts)


def _blackouts(value: object) -> tuple[str, ...]:
    """One text or several, in the form that `gateway.exchange.bookable` reads."""
    texts = (value,) if isinstance(value, str) else value
    if not isinstance(texts, list | tuple):
        raise ValueError(EXPECTED_BLACKOUT)  # noqa: TRY004 - what a validator raises for pydantic
    words = tuple(str(text) if isinstance(text, date) else text for text in texts)
    if not all(isinstance(text, str) for text in words):
        raise ValueError(EXPECTED_BLACKOUT)
    Blackouts.of(words)
    return words


def _organizer(value: str) -> str:
    """An address, or a whole domain with its "@" in front."""
    if value.startswith("@"):
        _mail_address(f"somebody{value}")
        return value
    return _mail_address(value)


def _heartbeat(value: object) -> Duration | None:
    if value is None or value == "none":
        return None
    try:
        heartbeat_ms = duration_setting(value)
    except DurationError as error:
        raise ValueError(f'{error}, or "none"') from None
    if not SECOND_MS <= heartbeat_ms <= 7 * DAY_MS:
        raise ValueError('a duration from 1s to 7d, or "none" for a sensor that never speaks by itself')
    return heartbeat_ms


def _kinds(value: dict[str, Duration]) -> dict[str, Duration]:
    for kind, after in value.items():
        if kind not in KINDS:
            close = did_you_mean(kind, KINDS)
            raise ValueError(f"kinds of alerts as docs/operations.md lists them, not {kind!r}{close}")
        if after > 7 * DAY_MS:
            raise ValueError(f"for {kind} a duration of at most 7d")
    return value


Text = Annotated[str, Field(min_length=1, max_length=500)]
Tag = Annotated[str, Field(min_length=1, max_length=100)]
OptionText = Annotated[str, Field(min_length=1, max_length=262_144)]
"""A sensor's option; one of them may hold a device's whole description of itself."""
Slug = Annotated[str, AfterValidator(_slug)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
MailAddress = Annotated[str, AfterValidator(_mail_address)]
Organizer = Annotated[str, AfterValidator(_organizer)]
FilePath = Annotated[Path, BeforeValidator(_path)]
SecretFile = Annotated[Path, BeforeValidator(_secret_path)]
Topic = Annotated[str, AfterValidator(topic_name)]


class Section(BaseModel):
    """A table of the file: nothing unknown, nothing converted behind the writer's back."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )


class SiteSettings(Section):
    """``[site]``."""

    name: Text
    """What people call the place."""
    time_zone: TimeZone
    """The IANA time zone of the place, such as "Europe/Berlin"."""
    clock: Literal["synchronised", "trusted"] = "synchronised"
    """Nothing is released while the machine's clock is not synchronised ; "trusted": it is right anyway."""
    holiday_region: Annotated[str, AfterValidator(_region)] | None = None
    """Country or part of a country whose public holidays are holidays here, such as "DE-BE"."""
    holiday_dates: Annotated[tuple[date, ...], BeforeValidator(_dates), Field(max_length=MAX_LIST)] = ()
    """Further holidays."""
    holiday_file: FilePath | None = None
    """An iCalendar file (.ics) whose all-day entries are holidays too."""


class BreakerSettings(Section):
    """``[breaker]``: rooms that fall silent together stop all releases until somebody has looked."""

    on: bool = True
    """Whether silence of many rooms at once stops releases."""
    at_least: Annotated[int, Field(ge=2, le=1_000)] = 3
    """Never with fewer silent rooms than this."""
    share: Annotated[int, Field(ge=10, le=100)] = 50
    """Percent of the rooms with a booking just now, until four weeks have shown what is usual."""


class LedgerSettings(Section):
    """``[ledger]``."""

    path: FilePath = Path("/var/lib/occupancy-gateway/ledger.db")
    """The SQLite file that everything is remembered in."""
    keep: Annotated[DurationMs, _between(7 * DAY_MS, 3_650 * DAY_MS)] = 400 * DAY_MS
    """How long events and decisions are kept."""


class MqttSettings(Section):
    """``[mqtt]``."""

    host: Annotated[str, AfterValidator(_host)]
    """The broker's host name or address."""
    tls: bool = False
    """Speak TLS with the broker."""
    port: int = Field(default_factory=lambda data: 8883 if data.get("tls") else 1883, ge=1, le=65_535)
    """The broker's port."""
    client_id: Annotated[str, Field(max_length=200)] = ""
    """How the broker knows this gateway; its queue of missed messages hangs on it."""
    username: Text | None = None
    """Who the gateway logs in as."""
    password_file: SecretFile | None = None
    """File whose first line is the password."""
    ca_file: FilePath | None = None
    """Root certificates (PEM) to trust instead of the system's."""
    cert_file: FilePath | None = None
    """The gateway's own certificate (PEM), where the broker asks for one."""
    key_file: SecretFile | None = None
    """Private key (PEM) of `cert_file`, where it is not in the same file."""
    keepalive: Annotated[DurationMs, _between(5 * SECOND_MS, 18 * HOUR_MS)] = 60 * SECOND_MS
    """After this long without a word the connection counts as broken after half as long again."""
    topic_prefix: Annotated[str, AfterValidator(_prefix)] = "occupancy"
    """What all topics begin with that the gateway publishes."""
    max_in_flight: Annotated[int, Field(ge=1, le=65_535)] = 20
    """How many messages the broker sends unacknowledged, such as Mosquitto's max_inflight_messages."""
    queue_covers: Annotated[DurationMs, _between(0, DAY_MS)] = 60 * SECOND_MS
    """For how long the broker can queue every sensor's messages while the gateway restarts."""


class ExchangeSettings(Section):
    """``[exchange]``."""

    tenant_id: Annotated[str, AfterValidator(_tenant)]
    """The tenant's id or domain in Microsoft Entra."""
    client_id: Text
    """The application (client) id of the app registration."""
    client_secret_file: SecretFile | None = None
    """File whose first line is the client secret."""
    secret_expires: Annotated[date | None, BeforeValidator(_day)] = None
    """The day on which the client secret ends, such as 2027-01-31, so that it is told in time."""
    certificate_file: SecretFile | None = None
    """Certificate and private key in one file (PEM or .pfx); better than a secret."""
    certificate_key_file: SecretFile | None = None
    """Private key (PEM) of `certificate_file`, where it is not in the same file."""
    thumbprint: Annotated[str, AfterValidator(_thumbprint)] | None = None
    """The certificate's SHA-1 thumbprint, for authorities that know no other; otherwise leave it out."""
    password_file: SecretFile | None = None
    """File whose first line opens the certificate's private key."""
    assertion_file: SecretFile | None = None
    """File whose first line is a token that another authority signed (workload identity federation)."""
    authority: Annotated[str, AfterValidator(_https)] = Field(
        default_factory=lambda data: f"https://login.microsoftonline.com/{data['tenant_id']}"
    )
    """Where tokens come from."""
    base_url: Annotated[str, AfterValidator(_https_or_loopback)] = "https://graph.microsoft.com/v1.0"
    """Microsoft Graph's address, with its version."""
    ca_file: FilePath | None = None
    """Root certificates (PEM) to trust instead of the built-in ones."""
    poll: Annotated[DurationMs, _between(5 * SECOND_MS, 15 * MINUTE_MS)] = 55 * SECOND_MS
    """How often calendars are read in working hours, near a booking, and while somebody is there.

    So that none is older than a minute, the time that an answer takes included.
    """
    poll_at_rest: Annotated[DurationMs, _between(5 * SECOND_MS, HOUR_MS)] = 15 * MINUTE_MS
    """How often it is read otherwise."""
    horizon: Annotated[DurationMs, _between(0, 730 * DAY_MS)] = 180 * DAY_MS
    """How far ahead rooms can be booked; so far lost dates of series are looked for. "0s": not at all."""
    working_hours: Annotated[tuple[str, ...], BeforeValidator(_hours), Field(max_length=MAX_LIST)] = (
        "mon-fri 06:00-20:00",
    )
    """When calendars are read often in any case; "always" is "mon-sun 00:00-24:00"."""
    requests_per_room: int = Field(default=2_000, ge=50, le=100_000)
    """Requests for each room and day; once they are spent, calendars are read often only near bookings."""
    max_in_flight: int = Field(default=4, ge=1, le=16)
    """Requests to Graph at the same time."""
    check_in_category: Text = "Checked in"
    """The category that marks an attended booking in the room's calendar."""
    walk_up_category: Text = WALK_UP_CATEGORY
    """The category by which the gateway knows the walk-ups again that it booked."""
    walk_up_subject: Text = "In use"
    """What a walk-up is called in the room's calendar."""
    hold_category: Text = HOLD_CATEGORY
    """The category by which the gateway knows again what it booked for people who had lost the room."""
    hold_subject: Text = "Given back to those who are here"
    """What such a booking is called in the room's calendar."""
    desk_category: Text = DESK_CATEGORY
    """The category by which the gateway knows the bookings again that people made through it."""
    desk_subject: Text = "Booked at the room"
    """What such a booking is called in the room's calendar, unless a title is given."""
    desk_longest: Annotated[DurationMs, _between(5 * MINUTE_MS, DAY_MS)] = 4 * HOUR_MS
    """How long a booking may be at the most that people make through the gateway."""
    release_comment: Annotated[str, Field(max_length=2_000), AfterValidator(_comment)] = DEFAULT_TEMPLATE
    """What the organizer reads when a room is given back."""
    attendant_file: FilePath | None = None
    """Where `exchange import-settings` keeps what the rooms' booking attendants are set to."""


class HomeAssistantSettings(Section):
    """``[home_assistant]``."""

    discovery: bool = False
    """Whether rooms and gateway are announced as devices by Home Assistant's MQTT discovery."""
    prefix: Annotated[str, AfterValidator(_prefix)] = "homeassistant"
    """The discovery prefix of Home Assistant; it says on `status` below it that it has started."""


class DiscoverySettings(Section):
    """``[discovery]``: sensors that are heard and that no room has yet."""

    listen: Literal["asked", "always", "off"] = "asked"
    """For a while after somebody asked (`sensors list`), all the time, or never."""
    topics: Annotated[
        tuple[Annotated[str, AfterValidator(_filter)], ...],
        BeforeValidator(_as_tuple),
        Field(max_length=MAX_FILTERS),
    ] = ()
    """Topic filters to listen to instead of the usual ones."""
    ignore: Annotated[tuple[Text, ...], BeforeValidator(_as_tuple), Field(max_length=MAX_LIST)] = ()
    """Topics of devices that are not to be listed any more."""


class SerialSettings(Section):
    """``[[serial]]``: a stick or a radar module on a serial line of this machine."""

    name: Slug
    """Its name in topics: its sensors' topics begin with serial/NAME/."""
    port: Annotated[str, AfterValidator(_device_file)]
    """The device file; those below /dev/serial/by-id stay the same when it is plugged in anew."""
    family: SerialFamily
    """What is on the line: "enocean", "ld2410" or "ld2450"."""
    baud: Annotated[int, Field(ge=1_200, le=4_000_000)] = Field(
        default_factory=lambda data: BAUD[data["family"]]
    )
    """Its speed, where it was changed."""


class AlertsSettings(Section):
    """``[alerts]``: how patient and how insistent the gateway is when something is wrong."""

    repeat: Annotated[DurationMs, _between(MINUTE_MS, 7 * DAY_MS)] = REPEAT_MS
    """The same trouble that comes again is told again after this at the earliest."""
    gather: Annotated[DurationMs, _between(0, HOUR_MS)] = GATHER_MS
    """How long a message waits for others of its kind, so that forty rooms are one message."""
    after: Annotated[dict[str, DurationMs], AfterValidator(_kinds)] = Field(default_factory=dict)
    """How long a trouble must last before it is told, by kind, where it is not the kind's own."""


class ControlSettings(Section):
    """``[control]``."""

    socket: FilePath | None = None
    """The local socket that commands arrive on."""


class LogSettings(Section):
    """``[log]``."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important messages that are written."""
    format: Literal["console", "json", "auto"] = "auto"
    """For people, for programs, or whichever suits where the log goes."""


class PolicySettings(Section):
    """``[policy.NAME]``; what it leaves out comes from ``[policy.default]``."""

    grace: Annotated[DurationMs, _between(MINUTE_MS, 4 * HOUR_MS)] = _POLICY.grace_ms
    """From a booking's start to the moment a no-show may be released."""
    early_arrival: Annotated[DurationMs, _between(0, 2 * HOUR_MS)] = _POLICY.early_arrival_ms
    """People who come this long before the start belong to the booking."""
    handover: Annotated[DurationMs, _between(0, HOUR_MS)] = _POLICY.handover_ms
    """For this long after the start, people may still be those of the meeting before."""
    warn_before_release: Annotated[DurationMs, _between(0, HOUR_MS)] = _POLICY.warn_before_release_ms
    """How long before a release the room is warned."""
    vacate: Annotated[DurationMs, _between(MINUTE_MS, 4 * HOUR_MS)] = _POLICY.vacate_ms
    """A booking with a brief visit is released after this long an emptiness."""
    min_remaining: Annotated[DurationMs, _between(0, 4 * HOUR_MS)] = _POLICY.min_remaining_ms
    """With less than this left of a booking nothing is released any more."""
    exempt_longer_than: Annotated[DurationMs, _between(MINUTE_MS, 31 * DAY_MS)] = (
        _POLICY.exempt_longer_than_ms
    )
    """Longer bookings are left alone."""
    release_own_bookings: bool = _POLICY.release_own_bookings
    """Whether bookings that the room itself organises may be cancelled."""
    end_early: bool = _POLICY.end_early
    """Whether an attended booking is shortened when everybody has left for good."""
    end_early_vacate: Annotated[DurationMs, _between(25 * MINUTE_MS, 4 * HOUR_MS)] = (
        _POLICY.end_early_vacate_ms
    )
    """How long the room must be proven empty before an attended booking is shortened."""
    end_early_needs_history: bool = True
    """Whether that waits until the room's own history shows that its sensors notice who sits still."""
    learn: bool = False
    """Whether a sensor whose history asks for a longer hold than configured gets it; never a shorter one."""
    walk_up: bool = _POLICY.walk_up
    """Whether people without a booking get one: shown busy, extended while they are there, freed after."""
    walk_up_after: Annotated[DurationMs, _between(MINUTE_MS, 4 * HOUR_MS)] = _POLICY.walk_up_after_ms
    """How long an unbooked room is in use before it is shown as busy."""
    walk_up_length: Annotated[DurationMs, _between(10 * MINUTE_MS, 4 * HOUR_MS)] = _POLICY.walk_up_length_ms
    """How far ahead a walk-up keeps the room, at first and each time that it is extended."""
    series_ghosts: Annotated[int, Field(ge=0, le=100)] = _POLICY.series_ghosts
    """So many occurrences of a series in a row without anybody, and the series is reported; 0: never."""
    live_after: Annotated[int, Field(ge=0, le=10_000)] = _POLICY.live_after
    """So many releases judged in shadow, and a room goes live by itself; 0: only by hand."""
    live_if_wrong_at_most: Annotated[int, Field(ge=0, le=10_000)] = _POLICY.live_if_wrong_at_most
    """A room goes live by itself only if at most so many of them were followed by people."""
    hours: Annotated[tuple[str, ...], BeforeValidator(_hours), Field(max_length=MAX_LIST)] = ()
    """Times of the week in which the policy acts, such as "mon-fri 08:00-18:00"; empty: always."""
    exempt_organizers: Annotated[
        tuple[MailAddress, ...], BeforeValidator(_as_tuple), Field(max_length=MAX_LIST)
    ] = ()
    """Bookings of these addresses are left alone."""
    exempt_categories: Annotated[
        tuple[Text, ...], BeforeValidator(_as_tuple), Field(max_length=MAX_LIST)
    ] = ()
    """Bookings with one of these categories are left alone."""
    rules: dict[Breach, Literal["off", "report", "decline"]] = Field(default_factory=dict)
    """What comes of bookings that break a rule, such as `{ too_long = "report", blackout = "decline" }`."""
    longest: Annotated[DurationMs, _between(15 * MINUTE_MS, 31 * DAY_MS)] = 8 * HOUR_MS
    """Longer bookings are `too_long`."""
    notice: Annotated[DurationMs, _between(0, DAY_MS)] = 0
    """Bookings made later than this before their start are `too_late`."""
    ahead: Annotated[DurationMs, _between(HOUR_MS, 1_080 * DAY_MS)] = 180 * DAY_MS
    """Bookings made earlier than this before their start are `too_early`."""
    fewest: Annotated[int, Field(ge=0, le=100)] = 25
    """With fewer people than this share (percent) of a room's seats a booking has `too_few`."""
    blackouts: Annotated[tuple[str, ...], BeforeValidator(_blackouts), Field(max_length=MAX_LIST)] = ()
    """When rooms are closed to bookings (`blackout`): hours of the week, dates, or spans of dates."""
    allowed_organizers: Annotated[
        tuple[Organizer, ...], BeforeValidator(_as_tuple), Field(max_length=MAX_LIST)
    ] = ()
    """Who may book, by address or "@domain"; others are `not_allowed`. Empty: everybody."""
    rule_texts: dict[Breach, Annotated[str, Field(min_length=1, max_length=2_000)]] = Field(
        default_factory=dict
    )
    """What an organizer reads whose booking is declined, by rule, instead of the usual text."""


class SensorSettings(Section):
    """``[[room.sensor]]``."""

    id: Slug
    """Short name of the sensor, its own within the whole site."""
    family: Family = Field(description=f"How its payloads are to be read: {_one_of(FAMILIES)}.")
    topic: Topic
    """The topic it publishes on."""
    senses: Senses
    """What it senses: "motion" (PIR), "presence" (radar) or "count"."""
    role: Role = "room"
    """What it watches: the whole room, only its door, or only a seat."""
    hold: Annotated[DurationMs, _between(0, 4 * HOUR_MS)] = Field(
        default_factory=lambda data: HOLDS_MS[data["senses"]]
    )
    """How long after its last sign people may still be there."""
    hold_beside_presence: Annotated[DurationMs, _between(0, 4 * HOUR_MS)] = Field(
        default_factory=lambda data: min(SHORT_HOLD_MS, data["hold"])
    )
    """The hold of a motion sensor while a healthy presence sensor shares the room."""
    latency: Annotated[DurationMs, _between(0, 4 * HOUR_MS)] = 0
    """How late it may report presence: its interval if it only reports now and then."""
    heartbeat: Annotated[int | None, BeforeValidator(_heartbeat)] = None
    """How often it speaks when nothing happens; "none": never."""
    device_hold: Annotated[DurationMs, _between(0, 4 * HOUR_MS)] = 0
    """How long the device itself stays "on" after the last motion."""
    says_clear: bool = True
    """It reports on and off, not only hits."""
    loss_detectable: bool = False
    """A lost message is noticed (sequence number, cumulative counter, age of the last motion)."""
    at_qos1: bool = False
    """It publishes at QoS 1, so that the broker keeps its messages while the gateway restarts."""
    bridge: Annotated[str, Field(max_length=200)] = ""
    """The radio bridge in front of it."""
    unit: Annotated[str, Field(max_length=200)] = ""
    """The device (radio, power supply) that it shares with other sensors."""
    in_service: bool = True
    """Set to false while it is broken or taken down."""
    options: dict[str, OptionText] = Field(default_factory=dict)
    """What the family needs to know besides."""


class RoomSettings(Section):
    """``[[room]]``."""

    id: Slug
    """Short name of the room in topics, commands and reports."""
    name: Annotated[str, Field(max_length=200)] = Field(default_factory=lambda data: str(data["id"]))
    """What people call it."""
    mailbox: MailAddress
    """The room's address in Exchange."""
    time_zone: TimeZone | None = None
    """The room's time zone, where it is not the site's."""
    mode: Literal["shadow", "live"] = "shadow"
    """Whether decisions are only recorded, or carried out too."""
    policy: str = "default"
    """Name of the policy that holds here."""
    exempt: bool = False
    """Never release anything in this room."""
    capacity: Annotated[int | None, Field(ge=1, le=10_000)] = None
    """How many people it is made for."""
    building: Text | None = None
    """The building it is in, as people call it."""
    floor: Text | None = None
    """The floor it is on, as people call it, in quotes."""
    tags: Annotated[tuple[Tag, ...], BeforeValidator(_as_tuple), Field(max_length=MAX_TAGS)] = ()
    """What it offers, in words of your own, such as ["video", "whiteboard"]."""
    parts: Annotated[tuple[Slug, ...], BeforeValidator(_as_tuple), Field(max_length=MAX_LIST)] = ()
    """Ids of the rooms that this one is put together from, such as by opening a wall."""
    sensors: tuple[SensorSettings, ...] = Field(default=(), alias="sensor")
    """The sensors of this room, each a [[room.sensor]] after it."""
