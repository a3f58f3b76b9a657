"""The configuration file: read it, check it, and hand each part of the gateway what it needs.

    settings = load(Path("/etc/occupancy-gateway/gateway.toml"))   # or SettingsError with every problem

`gateway.settings_sections` says what a file may hold, `gateway.settings_checks` what must fit together,
`gateway.settings_warnings` what is unwise, `gateway.settings_problems` how a mistake is told. Durations
are milliseconds everywhere but in the file.
"""

import os
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from gateway.almanac import Almanac, AlmanacError
from gateway.core.policy import BreakerPolicy, RoomConfig, SiteConfig
from gateway.core.units import Instant
from gateway.exchange.bookable import NO_DEMANDS, Blackouts, Bookable
from gateway.exchange.credentials import AssertionFile, CertificateFiles, Credential, SecretFile
from gateway.exchange.errors import AuthError
from gateway.exchange.hours import Hours
from gateway.exchange.models import Exemptions
from gateway.sensors import SensorSource
from gateway.settings_checks import (
    CHECKS,
    Draft,
    control_socket,
    core_policy,
    profile_of,
    source_of,
    usual_texts,
)
from gateway.settings_problems import (
    KeyPath,
    Places,
    Problem,
    SettingsError,
    from_validation,
    located,
    shown,
    unknown_key,
)
from gateway.settings_sections import (
    SLUG,
    AlertsSettings,
    BreakerSettings,
    ControlSettings,
    DiscoverySettings,
    ExchangeSettings,
    HomeAssistantSettings,
    LedgerSettings,
    LogSettings,
    MqttSettings,
    PolicySettings,
    RoomSettings,
    Section,
    SensorSettings,
    SerialSettings,
    SiteSettings,
)
from gateway.settings_warnings import WARNINGS

__all__ = [
    "AlertsSettings",
    "ControlSettings",
    "DiscoverySettings",
    "ExchangeSettings",
    "HomeAssistantSettings",
    "LedgerSettings",
    "LogSettings",
    "MqttSettings",
    "PolicySettings",
    "RoomSettings",
    "SensorSettings",
    "SerialSettings",
    "Settings",
    "SettingsError",
    "SiteSettings",
    "load",
    "parse",
    "read_secret",
]

SECTIONS: Final[Mapping[str, type[Section]]] = {
    "site": SiteSettings,
    "breaker": BreakerSettings,
    "ledger": LedgerSettings,
    "mqtt": MqttSettings,
    "exchange": ExchangeSettings,
    "home_assistant": HomeAssistantSettings,
    "discovery": DiscoverySettings,
    "alerts": AlertsSettings,
    "control": ControlSettings,
    "log": LogSettings,
}
"""The tables that a file has once; `policy`, `serial` and `room` come several times."""

SEVERAL: Final = ("policy", "serial", "room")

OPTIONAL: Final = frozenset({"breaker", "ledger", "home_assistant", "discovery", "alerts", "control", "log"})
"""Tables that may be left out; calendars and a broker are always needed."""

MAX_FILE_BYTES: Final = 4 * 1024 * 1024
"""Ten times what a site of 1,000 sensors needs."""

MAX_SECRET_BYTES: Final = 64 * 1024
"""A certificate with its whole chain and key stays well below this."""

_S = TypeVar("_S", bound=Section)


@dataclass(frozen=True, slots=True)
class Settings:
    """A sound configuration. `warnings` are finished sentences about what is allowed and unwise."""

    file: str
    site: SiteSettings
    breaker: BreakerSettings
    ledger: LedgerSettings
    mqtt: MqttSettings
    exchange: ExchangeSettings
    home_assistant: HomeAssistantSettings
    discovery: DiscoverySettings
    alerts: AlertsSettings
    control: ControlSettings
    log: LogSettings
    policies: Mapping[str, PolicySettings]
    """By name, each complete: what it left out is taken from ``default``."""
    rooms: tuple[RoomSettings, ...]
    serial: tuple[SerialSettings, ...] = ()
    """Serial lines of this machine that sensors are on."""
    warnings: tuple[str, ...] = ()

    @property
    def control_socket(self) -> Path:
        """The local socket that commands arrive on."""
        return control_socket(self.control, self.ledger)

    @property
    def mqtt_client_id(self) -> str:
        """How the broker knows this gateway."""
        slug = re.sub(r"[^a-z0-9]+", "-", self.site.name.casefold()).strip("-")
        return self.mqtt.client_id or f"occupancy-gateway-{slug or 'site'}"

    def room(self, room_id: str) -> RoomSettings:
        """The room of that id. KeyError if there is none."""
        for room in self.rooms:
            if room.id == room_id:
                return room
        raise KeyError(room_id)

    def zone(self, room: RoomSettings) -> ZoneInfo:
        """The room's time zone, or the site's."""
        return ZoneInfo(room.time_zone or self.site.time_zone)

    def exemptions(self, room: RoomSettings) -> Exemptions:
        """What in a calendar entry exempts it in this room."""
        policy = self.policies[room.policy]
        return Exemptions.of(
            policy.exempt_organizers,
            policy.exempt_categories,
            hours=Hours.of(policy.hours),
            hold=self.exchange.hold_category,
            walk_up=self.exchange.walk_up_category,
            bookable=Bookable(
                room.capacity,
                policy.fewest,
                Blackouts.of(policy.blackouts),
                frozenset(organizer.casefold() for organizer in policy.allowed_organizers),
            )
            if any(consequence != "off" for consequence in policy.rules.values())
            else NO_DEMANDS,
        )

    def refusals(self, room: RoomSettings) -> dict[str, str]:
        """What organizers read whose bookings the room declines, by the rule that they break."""
        policy = self.policies[room.policy]
        return {**usual_texts(policy), **{str(rule): text for rule, text in policy.rule_texts.items()}}

    @property
    def attendant_file(self) -> Path:
        """Where the settings of the rooms' booking attendants are kept: as set, or beside the ledger."""
        return self.exchange.attendant_file or self.ledger.path.parent / "attendant-settings.json"

    @property
    def rehearsal_file(self) -> Path:
        """Where `exchange rehearse` keeps what it found: beside the ledger."""
        return self.ledger.path.parent / "rehearsal.json"

    def credential(self) -> Credential:
        """What the gateway identifies itself with to Entra; its files are not read yet."""
        exchange = self.exchange
        if exchange.certificate_file is not None:
            return CertificateFiles(
                exchange.certificate_file,
                exchange.certificate_key_file,
                exchange.password_file,
                exchange.thumbprint,
            )
        if exchange.assertion_file is not None:
            return AssertionFile(exchange.assertion_file)
        return SecretFile(exchange.client_secret_file or Path(), exchange.secret_expires)

    def exchange_credential(self) -> Credential:
        """As `credential`, after a look into its files: better told at the start than with the first token.

        Raises `SettingsError`.
        """
        credential = self.credential()
        try:
            credential.read()
        except AuthError as error:
            raise SettingsError([error.why]) from error
        return credential

    def mqtt_password(self) -> str | None:
        """The broker's password, where there is one. Reads its file; raises `SettingsError`."""
        return None if self.mqtt.password_file is None else read_secret(self.mqtt.password_file)

    def holidays(self, now: Instant) -> tuple[tuple[Instant, Instant], ...]:
        """The days around `now` on which empty rooms are expected, each from its midnight to the next.

        May start a program and read a file, so it takes up to a second. Raises `SettingsError`.
        """
        site = self.site
        almanac = Almanac(site.holiday_region, site.holiday_dates, site.holiday_file)
        try:
            return almanac.spans(now, ZoneInfo(site.time_zone))
        except AlmanacError as error:
            raise SettingsError([f"{self.file}: site.{error.setting}: {error}"]) from error

    def site_config(self, holidays: tuple[tuple[Instant, Instant], ...] = ()) -> SiteConfig:
        """The site as the core sees it. `holidays` as `holidays()` gives them: they hang on the present."""
        shared = Counter(sensor.topic for room in self.rooms for sensor in room.sensors)
        return SiteConfig(
            rooms=tuple(
                RoomConfig(
                    id=room.id,
                    name=room.name,
                    mode=room.mode,
                    exempt=room.exempt,
                    policy=core_policy(room.policy, self.policies[room.policy]),
                    sensors=tuple(
                        profile_of(sensor, shares_topic=shared[sensor.topic] > 1) for sensor in room.sensors
                    ),
                    parts=room.parts,
                )
                for room in self.rooms
            ),
            queue_covers_ms=self.mqtt.queue_covers,
            breaker=BreakerPolicy(self.breaker.on, self.breaker.at_least, self.breaker.share),
            holidays=holidays,
        )

    @property
    def learning_rooms(self) -> frozenset[str]:
        """Rooms whose sensors get longer holds by their own history."""
        return frozenset(room.id for room in self.rooms if self.policies[room.policy].learn)

    @property
    def history_rooms(self) -> frozenset[str]:
        """Rooms that end attended bookings early only where their sensors' history supports it."""
        policies = self.policies
        return frozenset(room.id for room in self.rooms if policies[room.policy].end_early_needs_history)

    def sensor_sources(self) -> list[SensorSource]:
        """How each sensor publishes, for `gateway.sensors.build_router`."""
        return [source_of(sensor) for room in self.rooms for sensor in room.sensors]


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read and check a configuration file. Raises `SettingsError` with everything that is wrong.

    Relative paths in the file start at its own folder. `environ`: where systemd names its folder of
    credentials (CREDENTIALS_DIRECTORY).
    """
    return parse(_text(path), file=str(path), base=path.absolute().parent, environ=environ)


def load_policies(path: Path) -> dict[str, PolicySettings]:
    """The policies of a configuration, or of a file with nothing else in it, by name.

    Each is complete: what it leaves out comes from the file's own ``default``. Only those that the file names
    are given. Raises `SettingsError`; what is wrong elsewhere in a configuration is not looked at.
    """
    text = _text(path)
    data = _toml(str(path), text)
    reader = _Reader({"base": path.absolute().parent, "environ": {}})
    for key in data:
        if key not in SECTIONS and key not in SEVERAL:
            reader.problems.append(unknown_key((key,), [*SECTIONS, *SEVERAL]))
    draft = reader.read_policies(data.get("policy", {}))
    problems = [*reader.problems, *(problem for check in CHECKS for problem in check(draft))]
    if not problems and not data.get("policy"):
        raise SettingsError([f"{path}: expected at least one [policy.NAME], found none"])
    if problems:
        raise SettingsError(located(problems, path, Places(text)))
    return {name: policy for name, policy in draft.policies.items() if name in data["policy"]}


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read ({error.strerror or error})"]) from error
    if len(raw) > MAX_FILE_BYTES:
        raise SettingsError([f"{path}: larger than {MAX_FILE_BYTES} bytes, so it is no configuration"])
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SettingsError([f"{path}:{line}: a TOML file must be UTF-8 text"]) from error


def _toml(file: str, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([_syntax_problem(file, text, error)]) from error


def parse(
    text: str, *, file: str = "gateway.toml", base: Path = Path(), environ: Mapping[str, str] = os.environ
) -> Settings:
    """As `load`, from the text itself. `file` is its name in messages, `base` where relative paths start."""
    data = _toml(file, text)
    places = Places(text)
    reader = _Reader({"base": base, "environ": environ})
    draft = reader.read(data)
    problems = [*reader.problems, *(problem for check in CHECKS for problem in check(draft))]
    if problems or (
        # Never so without a problem; spelled out because what follows depends on it.
        draft.site is None
        or draft.breaker is None
        or draft.ledger is None
        or draft.mqtt is None
        or draft.exchange is None
        or draft.home_assistant is None
        or draft.discovery is None
        or draft.alerts is None
        or draft.control is None
        or draft.log is None
    ):
        raise SettingsError(located(problems, file, places))
    warnings = [problem for warn in WARNINGS for problem in warn(draft)]
    return Settings(
        file=file,
        site=draft.site,
        breaker=draft.breaker,
        ledger=draft.ledger,
        mqtt=draft.mqtt,
        exchange=draft.exchange,
        home_assistant=draft.home_assistant,
        discovery=draft.discovery,
        alerts=draft.alerts,
        control=draft.control,
        log=draft.log,
        policies=draft.policies,
        rooms=tuple(draft.rooms.values()),
        serial=tuple(draft.serial.values()),
        warnings=tuple(located(warnings, file, places)),
    )


def _syntax_problem(file: str, text: str, error: tomllib.TOMLDecodeError) -> str:
    """Python says the position in words only: ``... (at line 3, column 5)`` or ``(at end of document)``."""
    found = re.search(r"\(at line (\d+), column \d+\)", str(error))
    line = int(found[1]) if found else max(1, len(text.splitlines()))
    return f"{file}:{line}: not TOML: {str(error).split(' (at ')[0]}"


class _Reader:
    """Turns parsed TOML into a draft, table by table, so that one faulty table hides no other's faults."""

    def __init__(self, context: Mapping[str, Any]) -> None:
        self._context = dict(context)
        self.problems: list[Problem] = []

    def read(self, data: Mapping[str, Any]) -> Draft:
        for key in data:
            if key not in SECTIONS and key not in SEVERAL:
                self.problems.append(unknown_key((key,), [*SECTIONS, *SEVERAL]))
        base = self.read_policies(data.get("policy", {}))
        rooms: dict[KeyPath, RoomSettings] = {}
        sensors: dict[KeyPath, SensorSettings] = {}
        for path, table in self._tables(data.get("room", []), ("room",)):
            own = {
                place: sensor
                for place, raw in self._tables(table.get("sensor", []), (*path, "sensor"))
                if (sensor := self._section(SensorSettings, raw, place)) is not None
            }
            sensors |= own
            header = {key: value for key, value in table.items() if key != "sensor"}
            room = self._section(RoomSettings, header, path)
            if room is not None:
                rooms[path] = room.model_copy(update={"sensors": tuple(own.values())})
        lines = {
            path: line
            for path, raw in self._tables(data.get("serial", []), ("serial",))
            if (line := self._section(SerialSettings, raw, path)) is not None
        }
        return base._replace(
            site=self._one(SiteSettings, data, "site"),
            breaker=self._one(BreakerSettings, data, "breaker"),
            ledger=self._one(LedgerSettings, data, "ledger"),
            mqtt=self._one(MqttSettings, data, "mqtt"),
            exchange=self._one(ExchangeSettings, data, "exchange"),
            home_assistant=self._one(HomeAssistantSettings, data, "home_assistant"),
            discovery=self._one(DiscoverySettings, data, "discovery"),
            alerts=self._one(AlertsSettings, data, "alerts"),
            control=self._one(ControlSettings, data, "control"),
            log=self._one(LogSettings, data, "log"),
            rooms=rooms,
            sensors=sensors,
            serial=lines,
        )

    def read_policies(self, raw: object) -> Draft:
        """A draft of nothing but policies."""
        named = _tables_in(raw)
        return Draft(
            site=None,
            breaker=None,
            ledger=None,
            mqtt=None,
            exchange=None,
            home_assistant=None,
            discovery=None,
            alerts=None,
            control=None,
            log=None,
            policies=self._policies(raw),
            policy_keys={"default": frozenset()} | {name: frozenset(table) for name, table in named.items()},
            rooms={},
            sensors={},
            serial={},
        )

    def _one(self, model: type[_S], data: Mapping[str, Any], name: str) -> _S | None:
        if name not in data and name not in OPTIONAL:
            why = (
                "calendars are always needed, also in shadow mode" if name == "exchange" else "always needed"
            )
            self.problems.append(Problem((name,), f"the table [{name}] is missing; {why}"))
            return None
        return self._section(model, data.get(name, {}), (name,))

    def _section(self, model: type[_S], raw: object, path: KeyPath) -> _S | None:
        if not isinstance(raw, Mapping):
            self.problems.append(Problem(path, f"found {shown(raw)}, expected a table"))
            return None
        try:
            return model.model_validate(raw, context=self._context)
        except ValidationError as error:
            self.problems += from_validation(error, model, path)
            return None

    def _tables(self, raw: object, path: KeyPath) -> Iterator[tuple[KeyPath, Mapping[str, Any]]]:
        """The tables of an array such as ``[[room]]``, each with its place."""
        if not isinstance(raw, list):
            header = ".".join(part for part in path if isinstance(part, str))
            self.problems.append(Problem(path, f"found {shown(raw)}, expected [[{header}]] for each"))
            return
        for position, table in enumerate(raw):
            if isinstance(table, Mapping):
                yield (*path, position), table
            else:
                self.problems.append(Problem((*path, position), f"found {shown(table)}, expected a table"))

    def _policies(self, raw: object) -> dict[str, PolicySettings]:
        """Every sound policy, completed from ``default``; none if that itself is faulty."""
        if not isinstance(raw, Mapping):
            self.problems.append(Problem(("policy",), f"found {shown(raw)}, expected [policy.NAME]"))
            return {}
        given: dict[str, PolicySettings] = {}
        for name, table in raw.items():
            if not SLUG.fullmatch(name):
                expected = 'a short name of a-z, 0-9, "-" and "_"'
                self.problems.append(Problem(("policy", name), f"found {shown(name)}, expected {expected}"))
            policy = self._section(PolicySettings, table, ("policy", name))
            if policy is not None:
                given[name] = policy
        default = given.get("default", None if "default" in raw else PolicySettings())
        if default is None:
            return {}
        return {"default": default} | {name: _completed(policy, default) for name, policy in given.items()}


def _tables_in(raw: object) -> dict[str, Mapping[str, Any]]:
    """The tables within a table, whatever else is in it."""
    held = raw if isinstance(raw, Mapping) else {}
    return {name: table for name, table in held.items() if isinstance(table, Mapping)}


def _completed(policy: PolicySettings, default: PolicySettings) -> PolicySettings:
    own = {key: getattr(policy, key) for key in policy.model_fields_set}
    return default.model_copy(update=own)


def read_secret(path: Path) -> str:
    """The first line of a secret's file, without blanks at its ends.

    Raises `SettingsError`, which names the file and shows nothing of it.
    """
    line = _read_text(path).partition("\n")[0].strip()
    if not line:
        raise SettingsError([f"{path}: expected a secret in its first line, found none"])
    return line


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_SECRET_BYTES + 1)
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read ({error.strerror or error})"]) from error
    if len(raw) > MAX_SECRET_BYTES:
        raise SettingsError([f"{path}: larger than {MAX_SECRET_BYTES} bytes, so it is no secret"])
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise SettingsError([f"{path}: expected text"]) from None
