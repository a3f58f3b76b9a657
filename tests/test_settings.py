"""A configuration is read whole or refused with everything that is wrong with it, and its documents agree."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from gateway.core.booking_rules import BookingRules
from gateway.core.policy import Policy, SensorProfile, whole_rooms
from gateway.durations import format_duration
from gateway.exchange.bookable import NO_DEMANDS, Blackouts, Bookable
from gateway.exchange.comment import release_comment
from gateway.exchange.credentials import AssertionFile, CertificateFiles, SecretFile
from gateway.exchange.hours import Hours
from gateway.exchange.models import Exemptions
from gateway.exchange.moments import instant
from gateway.sensors import FAMILIES, build_router
from gateway.settings import SECTIONS, Settings, SettingsError, load, parse, read_secret
from gateway.settings_problems import INSTEAD, NOT_YET, Places, dotted
from gateway.settings_sections import PolicySettings, RoomSettings, Section, SensorSettings, SerialSettings

ROOT = Path(__file__).parents[1]

GOOD = """\
[site]
name = "Contoso Riverside"
time_zone = "Europe/Berlin"
[mqtt]
host = "broker.contoso.com"
[exchange]
tenant_id = "contoso.onmicrosoft.com"
client_id = "gateway"
client_secret_file = "graph-secret"
[policy.patient]
grace = "20m"
exempt_organizers = ["Reception@contoso.com"]
[[room]]
id = "orion"
mailbox = "orion@contoso.com"
[[room.sensor]]
id = "orion-radar"
family = "plain"
topic = "office/orion/radar"
senses = "presence"
heartbeat = "1m"
[[room.sensor]]
id = "orion-pir"
family = "json"
topic = "office/orion/pir"
senses = "motion"
heartbeat = "5m"
options = { path = "motion" }
[[room]]
id = "lyra"
mailbox = "lyra@contoso.com"
policy = "patient"
[[room.sensor]]
id = "lyra-pir"
family = "zigbee2mqtt"
topic = "zigbee2mqtt/lyra-pir"
senses = "motion"
heartbeat = "1h"
"""


def changed(old: str, new: str) -> str:
    """The good configuration with one thing changed."""
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new)


def cases(name: str) -> list[tuple[str, str, list[str]]]:
    """The cases of a file in tests/data/settings: what is replaced, by what, and what is told."""
    text = (ROOT / "tests" / "data" / "settings" / name).read_text()
    blocks = [block.splitlines() for block in text.split("\n\n")[1:]]
    return [
        (
            "\n".join(line[2:] for line in block if line.startswith("-")),
            "\n".join(line[2:] for line in block if line.startswith("+")),
            [f"gateway.toml{line[2:]}" for line in block if line.startswith("!")],
        )
        for block in blocks
    ]


def problems(text: str) -> list[str]:
    """What is wrong with a configuration, as told."""
    with pytest.raises(SettingsError) as refused:
        parse(text, environ={})
    assert str(refused.value) == "\n".join(refused.value.problems)
    return list(refused.value.problems)


def warnings(text: str, base: Path, environ: dict[str, str] | None = None) -> list[str]:
    """What is unwise about a configuration, less what every one here has: a secret that is not there."""
    (base / "graph-secret").write_text("invented")
    (base / "graph-secret").chmod(0o600)
    return list(parse(text, base=base, environ=environ or {}).warnings)


def test_a_good_configuration_is_read_without_a_word(tmp_path: Path) -> None:
    """What is right causes no warning."""
    assert warnings(GOOD, tmp_path) == []


@pytest.mark.parametrize(("old", "new", "told"), cases("wrong.txt"))
def test_a_mistake_is_told_with_place_finding_and_expectation(old: str, new: str, told: list[str]) -> None:
    """A sentence for each mistake: file, line, key, what was found, what was expected."""
    assert problems(changed(old, new)) == told


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    """Faults in one table hide neither those of another nor contradictions between the sound ones."""
    text = (
        GOOD.replace('host = "broker.contoso.com"', 'hots = "broker"')
        .replace('heartbeat = "5m"', "heartbeat = 5")
        .replace('id = "lyra"', 'id = "orion"')
        .replace("[exchange]", "[exchagne]")
    )
    assert [problem.split(": ")[:2] for problem in problems(text)] == [
        ["gateway.toml:4", "mqtt.host"],
        ["gateway.toml:5", "mqtt.hots"],
        ["gateway.toml:6", "exchagne"],
        ["gateway.toml:27", "room[0].sensor[1].heartbeat"],
        ["gateway.toml:30", "room[1].id"],
        ["gateway.toml", "exchange"],
    ]


def test_a_missing_exchange_says_why_it_is_needed() -> None:
    """Somebody who only tries shadow mode learns that calendars are needed for it too."""
    start, end = GOOD.index("[exchange]"), GOOD.index("[policy.patient]")
    (problem,) = problems(GOOD[:start] + GOOD[end:])
    assert problem == (
        "gateway.toml: exchange: the table [exchange] is missing; calendars are always needed, also in "
        "shadow mode"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[site\n", "gateway.toml:1: not TOML: "),
        ('[site]\nname = "a"\nname = "b"\n', "gateway.toml:3: not TOML: "),
        ("[site]\nname = ", "gateway.toml:2: not TOML: "),
    ],
)
def test_what_is_not_toml_is_told_with_its_line(text: str, told: str) -> None:
    """The parser's own complaint, with a position like any other."""
    (problem,) = problems(text)
    assert problem.startswith(told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("room = 7\n", "gateway.toml:1: room: found 7, expected [[room]] for each"),
        ("room = [7]\n", "gateway.toml:1: room[0]: found 7, expected a table"),
        ("policy = 7\n", "gateway.toml:1: policy: found 7, expected [policy.NAME]"),
        ("log = 7\n", "gateway.toml:1: log: found 7, expected a table"),
        ('[policy]\ngrace = "5m"\n', 'gateway.toml:2: policy.grace: found "5m", expected a table'),
        ("[room]\nid = 'a'\n", "gateway.toml:1: room: found a table, expected [[room]] for each"),
        (
            "[[room]]\nsensor = 7\n",
            "gateway.toml:2: room[0].sensor: found 7, expected [[room.sensor]] for each",
        ),
    ],
)
def test_a_table_of_the_wrong_shape_is_told_and_not_stumbled_over(text: str, told: str) -> None:
    """Whatever TOML can hold in a table's place is a problem with words, never a traceback."""
    assert told in problems(text)


@pytest.mark.parametrize("key", sorted(INSTEAD))
def test_a_name_of_the_design_leads_to_the_setting_that_does_it(key: str) -> None:
    """Who knows the design's words is told the file's."""
    line = f"{key} = true\n"
    (problem,) = problems(changed('id = "lyra"\n', f'id = "lyra"\n{line}'))
    assert problem.endswith(f"room[1].{key}: there is no such setting; set {INSTEAD[key]} instead")


@pytest.mark.parametrize("key", sorted(NOT_YET))
@pytest.mark.parametrize(
    ("anchor", "path"),
    [
        ("[site]", ""),
        ("[policy.patient]\n", "policy.patient."),
        ('id = "lyra"\n', "room[1]."),
        ('id = "lyra-pir"\n', "room[1].sensor[0]."),
    ],
)
def test_a_setting_of_a_later_version_is_refused_not_ignored(key: str, anchor: str, path: str) -> None:
    """Who writes web = true must not believe that it is on."""
    line = f"{key} = true\n"
    text = line + GOOD if not path else changed(anchor, anchor + line)
    (problem,) = problems(text)
    assert f": {path}{key}: not available yet ({NOT_YET[key]})" in problem


def test_no_future_setting_shadows_a_present_one() -> None:
    """Once a setting is built it must leave the table of those that are not."""
    models: list[type[Section]] = [*SECTIONS.values(), PolicySettings, RoomSettings, SensorSettings]
    present = {name for model in models for name in model.model_fields}
    present |= {option for family in FAMILIES.values() for option in family.options}
    assert not present & set(NOT_YET)


def test_the_value_of_an_unknown_key_is_never_repeated() -> None:
    """It may be a secret that was put into the wrong place."""
    text = changed('host = "broker.contoso.com"', 'host = "b"\npassword = "canary-secret"')
    assert "canary" not in str(problems(text))


def test_a_long_value_is_shortened() -> None:
    """A message stays one line that people read."""
    (problem,) = problems(changed('"Europe/Berlin"', f'"{"x" * 5_000}"'))
    assert len(problem) < 300


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "cannot be read (No such file or directory)"), (b"[site]\nname = '\xff'", "must be UTF-8 text")],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None, told: str) -> None:
    """Missing and undecodable files are configuration problems like others."""
    file = tmp_path / "gateway.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError) as refused:
        load(file)
    assert str(file) in str(refused.value)
    assert told in str(refused.value)


def test_a_file_beyond_all_measure_is_refused_unread(tmp_path: Path) -> None:
    """A wrong path, say to a ledger, must not fill the memory of a small box."""
    file = tmp_path / "gateway.toml"
    file.write_bytes(b"#" * (4 * 1024 * 1024 + 1))
    with pytest.raises(SettingsError, match="larger than"):
        load(file)


def test_relative_paths_start_at_the_files_own_folder(tmp_path: Path) -> None:
    """Not at whatever folder the program was started in."""
    file = tmp_path / "gateway.toml"
    file.write_text(GOOD + '[ledger]\npath = "data/ledger.db"\n')
    settings = load(file, environ={})
    assert settings.ledger.path == tmp_path / "data" / "ledger.db"
    assert settings.exchange.client_secret_file == tmp_path / "graph-secret"
    assert settings.control_socket == tmp_path / "data" / "control.sock"


def test_a_socket_path_that_the_system_refuses_is_told_early() -> None:
    """Better at check-config than when the service starts."""
    (problem,) = problems(GOOD + f'[control]\nsocket = "/{"x" * 107}"\n')
    assert problem == "gateway.toml:40: control.socket: the path has 108 bytes, a socket's may have 107"


def test_a_credential_of_systemd_is_found(tmp_path: Path) -> None:
    """The variable stands for the folder that systemd names in the environment."""
    text = changed('"graph-secret"', '"${CREDENTIALS_DIRECTORY}/graph"')
    (tmp_path / "graph").write_text("invented \n")
    (tmp_path / "graph").chmod(0o400)
    settings = parse(text, environ={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert settings.warnings == ()
    assert settings.exchange_credential().read().for_msal == "invented"


@pytest.mark.parametrize(("old", "new", "told"), cases("unwise.txt"))
def test_what_is_allowed_and_unwise_is_a_warning(tmp_path: Path, old: str, new: str, told: list[str]) -> None:
    """The gateway starts, and says what will disappoint."""
    assert warnings(changed(old, new), tmp_path) == told


def test_a_helper_that_is_said_to_be_none_or_out_of_service_needs_no_heartbeat(tmp_path: Path) -> None:
    """Door sensors and those taken down were never meant to prove anything."""
    for extra in ('role = "door"', "in_service = false"):
        assert warnings(changed('heartbeat = "1m"', extra), tmp_path) == []


def test_a_secret_that_everybody_can_read_is_a_warning(tmp_path: Path) -> None:
    """The file is used, and the operator told how to mend it."""
    secret = tmp_path / "graph-secret"
    secret.write_text("invented")
    secret.chmod(0o644)
    (warning,) = parse(GOOD, base=tmp_path, environ={}).warnings
    assert warning.startswith("gateway.toml:9: exchange.client_secret_file: ")
    assert warning.endswith(f"{secret} can be read by everybody on this machine; chmod o-rwx it")


def test_a_secret_that_is_missing_is_a_warning_and_an_error_when_it_is_needed(tmp_path: Path) -> None:
    """A configuration can be checked where its secrets are not."""
    settings = parse(GOOD, base=tmp_path, environ={})
    assert "graph-secret cannot be looked at (No such file" in settings.warnings[0]
    with pytest.raises(SettingsError, match=r"graph-secret: cannot be read \(No such file"):
        settings.exchange_credential()


def test_a_site_without_rooms_is_a_warning(tmp_path: Path) -> None:
    """It may be on its way to having some."""
    assert warnings(GOOD[: GOOD.index("[[room]]")], tmp_path) == [
        "gateway.toml: room: there is no [[room]], so there is nothing to do"
    ]


def test_an_empty_secret_is_refused_without_showing_anything(tmp_path: Path) -> None:
    """Only the first line counts, and the second never turns up in a message."""
    secret = tmp_path / "secret"
    secret.write_text("\ncanary\n")
    with pytest.raises(SettingsError) as refused:
        read_secret(secret)
    assert str(refused.value) == f"{secret}: expected a secret in its first line, found none"


def test_each_way_to_identify_oneself_becomes_its_credential(tmp_path: Path) -> None:
    """Every setting of a credential reaches it, with paths that start at the file's own folder."""
    line = 'client_secret_file = "graph-secret"\n'
    secret = parse(changed(line, f"{line}secret_expires = 2027-01-31\n"), base=tmp_path, environ={})
    assert secret.credential() == SecretFile(tmp_path / "graph-secret", date(2027, 1, 31))
    certificate = (
        'certificate_file = "c.pem"\ncertificate_key_file = "k.pem"\npassword_file = "p"\n'
        f'thumbprint = "{"a1:b2 " * 10}"\n'
    )
    assert parse(changed(line, certificate), base=tmp_path, environ={}).credential() == CertificateFiles(
        tmp_path / "c.pem", tmp_path / "k.pem", tmp_path / "p", "A1B2" * 10
    )
    assertion = parse(changed(line, 'assertion_file = "/t"\n'), base=tmp_path, environ={})
    assert assertion.credential() == AssertionFile(Path("/t"))


def test_every_file_of_a_credential_is_looked_at(tmp_path: Path) -> None:
    """A private key or an assertion that everybody can read is worth a warning wherever it stands."""
    for name in ("c.pem", "k.pem", "p", "t"):
        (tmp_path / name).write_text("x")
        (tmp_path / name).chmod(0o644)
    line = 'client_secret_file = "graph-secret"\n'
    keys = {"certificate_file": "c.pem", "certificate_key_file": "k.pem", "password_file": "p"}
    for settings in (keys, {"assertion_file": "t"}):
        lines = "".join(f'{key} = "{name}"\n' for key, name in settings.items())
        told = warnings(changed(line, lines), tmp_path)
        assert [each.split(": ")[1] for each in told] == [f"exchange.{key}" for key in settings]
        assert all(each.endswith("can be read by everybody on this machine; chmod o-rwx it") for each in told)


def test_what_a_room_offers_is_kept_as_it_is_written() -> None:
    """Capacity, building, floor and tags are for people and for later rules; none is needed."""
    extra = 'policy = "patient"\ncapacity = 8\nbuilding = "North"\nfloor = "4"\ntags = ["video"]'
    orion, lyra = parse(changed('policy = "patient"', extra), environ={}).rooms
    assert (lyra.capacity, lyra.building, lyra.floor, lyra.tags) == (8, "North", "4", ("video",))
    assert (orion.capacity, orion.building, orion.floor, orion.tags) == (None, None, None, ())


def test_the_attendants_settings_are_beside_the_ledger_unless_set(tmp_path: Path) -> None:
    """One place for what the gateway itself writes."""
    ledger = '[ledger]\npath = "/data/ledger.db"\n'
    assert parse(GOOD + ledger, environ={}).attendant_file == Path("/data/attendant-settings.json")
    line = 'client_secret_file = "graph-secret"\n'
    own = parse(changed(line, f'{line}attendant_file = "a.json"\n'), base=tmp_path, environ={})
    assert own.attendant_file == tmp_path / "a.json"


def test_the_core_is_given_what_the_file_says() -> None:
    """Every value arrives in the core's units, with the defaults that hang on other settings."""
    config = parse(GOOD, environ={}).site_config()
    orion, lyra = config.rooms
    assert orion.policy == Policy()
    assert orion.mode == "shadow"
    assert orion.sensors == (
        SensorProfile(
            "orion-radar", "presence", hold_ms=60_000, hold_beside_presence_ms=60_000, heartbeat_ms=60_000
        ),
        SensorProfile("orion-pir", "motion", heartbeat_ms=300_000),
    )
    assert lyra.policy == Policy(name="patient", grace_ms=1_200_000)
    assert lyra.sensors == (
        SensorProfile("lyra-pir", "motion", heartbeat_ms=3_600_000, bridge="zigbee2mqtt"),
    )
    assert config.queue_covers_ms == 60_000


def test_every_sensor_setting_reaches_the_core() -> None:
    """A setting that is read and then forgotten would be worse than none."""
    text = changed(
        'heartbeat = "5m"',
        'heartbeat = "5m"\nrole = "seat"\nhold = "9m"\nhold_beside_presence = "3m"\nlatency = "4m"\n'
        'device_hold = "2m"\nsays_clear = false\nloss_detectable = true\nat_qos1 = true\nbridge = "b"\n'
        'unit = "u"\nin_service = false',
    )
    assert parse(text, environ={}).site_config().rooms[0].sensors[1] == SensorProfile(
        id="orion-pir",
        senses="motion",
        role="seat",
        hold_ms=540_000,
        hold_beside_presence_ms=180_000,
        latency_ms=240_000,
        heartbeat_ms=300_000,
        device_hold_ms=120_000,
        says_clear=False,
        loss_detectable=True,
        at_qos1=True,
        bridge="b",
        unit="u",
        in_service=False,
    )


EVERYTHING = """\
end_early = true
end_early_vacate = "30m"
walk_up = true
walk_up_after = "3m"
walk_up_length = "45m"
series_ghosts = 4
live_after = 20
live_if_wrong_at_most = 1
hours = ["mon-thu 08:00-18:00", "fri 08:00-15:00"]
rules = { too_long = "report", blackout = "decline", not_allowed = "decline", too_few = "off" }
longest = "4h"
notice = "30m"
ahead = "60d"
blackouts = ["sun 00:00-24:00", 2026-12-24, "2026-12-27/2026-12-31"]
allowed_organizers = ["@contoso.com", "Guest@fabrikam.com"]
rule_texts = { blackout = "Closed." }
"""


def test_every_policy_setting_reaches_the_core() -> None:
    """Ending early, walk-ups, series and going live by the record: each in the core's units."""
    settings = parse(changed('grace = "20m"', f'grace = "20m"\n{EVERYTHING}'), environ={})
    assert settings.site_config().rooms[1].policy == Policy(
        name="patient",
        grace_ms=1_200_000,
        end_early=True,
        end_early_vacate_ms=1_800_000,
        walk_up=True,
        walk_up_after_ms=180_000,
        walk_up_length_ms=2_700_000,
        series_ghosts=4,
        live_after=20,
        live_if_wrong_at_most=1,
        rules=BookingRules(
            (("not_allowed", "decline"), ("blackout", "decline"), ("too_long", "report")),
            longest_ms=4 * 3_600_000,
            notice_ms=30 * 60_000,
            ahead_ms=60 * 24 * 3_600_000,
        ),
    )
    exemptions = settings.exemptions(settings.room("lyra"))
    assert exemptions.hours == Hours.of(["fri 08:00-15:00", "mon-thu 08:00-18:00"])
    assert settings.exemptions(settings.room("orion")).hours == Hours()
    assert exemptions.bookable == Bookable(
        None,
        25,
        Blackouts.of(["sun 00:00-24:00", "2026-12-24", "2026-12-27/2026-12-31"]),
        frozenset({"@contoso.com", "guest@fabrikam.com"}),
    )
    assert settings.exemptions(settings.room("orion")).bookable is NO_DEMANDS
    texts = settings.refusals(settings.room("lyra"))
    assert texts["blackout"] == "Closed."
    assert texts["too_long"] == "This room can be booked for 4 h at the most."
    assert texts["too_early"] == "This room can be booked 60 days ahead at the most."


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('rules = { too_late = "report" }', "names too_late, which needs notice"),
        ('rules = { blackout = "decline" }', "names blackout, which needs blackouts"),
        ('rules = { not_allowed = "report" }', "names not_allowed, which needs allowed_organizers"),
        ('rules = { too_many = "report" }', "names too_many, and no room of this policy has a capacity"),
        ('rules = { too_loud = "report" }', "too_loud"),
        ('rules = { too_long = "cancel" }', "report"),
        ('blackouts = "at night"', "hours of the week such as"),
        ('blackouts = "2027-01-01/2026-12-24"', "must begin before it ends"),
        ('allowed_organizers = ["contoso.com"]', "an e-mail address"),
    ],
)
def test_a_rule_that_can_never_hold_is_refused(line: str, complaint: str) -> None:
    """Whoever writes it down means it; where it needs another setting, that is named."""
    with pytest.raises(SettingsError) as caught:
        parse(changed('grace = "20m"', f'grace = "20m"\n{line}'), environ={})
    assert complaint in str(caught.value)


def test_a_combined_room_names_its_parts_and_hears_their_sensors(tmp_path: Path) -> None:
    """It needs no sensor of its own, and what can be expected of it is worked out with its parts'."""
    text = GOOD + '[[room]]\nid = "hall"\nmailbox = "hall@contoso.com"\nparts = ["orion", "lyra"]\n'
    assert warnings(text, tmp_path) == []
    config = parse(text, environ={}).site_config()
    assert config.rooms[2].parts == ("orion", "lyra")
    assert [p.id for p in whole_rooms(config)[2].sensors] == ["orion-radar", "orion-pir", "lyra-pir"]


def test_own_categories_are_what_the_calendar_is_read_by() -> None:
    """Renamed marks are recognised by their new names."""
    extra = 'walk_up_category = "Spontan"\nhold_category = "Zurück"\n'
    settings = parse(changed("[policy.patient]", f"{extra}[policy.patient]"), environ={})
    exemptions = settings.exemptions(settings.room("orion"))
    assert (exemptions.walk_up, exemptions.hold) == ("Spontan", "Zurück")


def test_holidays_are_whole_days_of_the_sites_zone(tmp_path: Path) -> None:
    """From the file's dates and a calendar file, a month back and a year ahead, in order, each once."""
    (tmp_path / "closed.ics").write_text(
        "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20261224\r\n"
        "DTEND;VALUE=DATE:20261226\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    extra = 'holiday_dates = [2026-12-24, "2026-10-25", 2020-01-01]\nholiday_file = "closed.ics"\n'
    settings = parse(changed("[mqtt]\n", f"{extra}[mqtt]\n"), base=tmp_path, environ={})
    found = settings.holidays(instant(datetime(2026, 10, 1, tzinfo=UTC)))
    berlin = ZoneInfo("Europe/Berlin")
    days = [datetime(2026, 10, 25), datetime(2026, 12, 24), datetime(2026, 12, 25)]  # noqa: DTZ001 - local
    assert [start for start, _ in found] == [instant(day.replace(tzinfo=berlin)) for day in days]
    assert found[0][1] - found[0][0] == 25 * 3_600_000, "the day on which summer time ends has 25 hours"
    assert settings.site_config(found).holidays == found
    (tmp_path / "closed.ics").unlink()
    with pytest.raises(SettingsError, match=r"site.holiday_file: .* cannot be read"):
        settings.holidays(0)


def test_a_policy_takes_from_default_what_it_leaves_out() -> None:
    """One change to [policy.default] holds everywhere, except where a policy says otherwise."""
    text = changed(
        "[policy.patient]\n", '[policy.default]\ngrace = "12m"\nvacate = "30m"\n[policy.patient]\n'
    )
    orion, lyra = parse(text, environ={}).site_config().rooms
    assert (orion.policy.grace_ms, orion.policy.vacate_ms) == (720_000, 1_800_000)
    assert (lyra.policy.grace_ms, lyra.policy.vacate_ms) == (1_200_000, 1_800_000)


def test_sensors_that_share_a_topic_count_as_one_device() -> None:
    """They fail together, so together they must not pass for two independent witnesses."""
    text = changed(
        'family = "plain"\ntopic = "office/orion/radar"',
        'family = "json"\noptions = { path = "presence" }\ntopic = "office/orion/pir"',
    )
    radar, pir = parse(text, environ={}).site_config().rooms[0].sensors
    assert set(radar.ties) & set(pir.ties) == {"unit office/orion/pir"}


def test_the_sensors_sources_can_be_routed() -> None:
    """What passes the checks is understood by every family."""
    router = build_router(parse(GOOD, environ={}).sensor_sources())
    assert "office/orion/radar" in router.topics
    assert "zigbee2mqtt/bridge/state" in router.topics


def test_families_are_those_that_exist() -> None:
    """A new family is offered by the configuration, and none that is gone."""
    known = SensorSettings.model_fields["family"].annotation
    assert getattr(known, "__args__", ()) == tuple(FAMILIES)


def test_exemptions_are_those_of_the_rooms_policy() -> None:
    """As the calendar reader takes them: in any case."""
    settings = parse(GOOD, environ={})
    assert settings.exemptions(settings.room("orion")) == Exemptions()
    assert settings.exemptions(settings.room("lyra")).organizers == {"reception@contoso.com"}


def test_a_room_is_found_by_its_id_and_has_a_zone() -> None:
    """Its own time zone where it has one, otherwise the site's."""
    settings = parse(changed('id = "lyra"', 'id = "lyra"\ntime_zone = "Asia/Tokyo"'), environ={})
    assert settings.zone(settings.room("orion")).key == "Europe/Berlin"
    assert settings.zone(settings.room("lyra")).key == "Asia/Tokyo"
    with pytest.raises(KeyError):
        settings.room("vega")


@pytest.mark.parametrize(
    ("site", "client_id"),
    [("Contoso Riverside", "occupancy-gateway-contoso-riverside"), ("渋谷", "occupancy-gateway-site")],
)
def test_the_brokers_name_for_the_gateway_comes_from_the_site(site: str, client_id: str) -> None:
    """Two sites on one broker do not throw each other out."""
    assert parse(GOOD.replace("Contoso Riverside", site), environ={}).mqtt_client_id == client_id


@pytest.mark.parametrize(
    ("extra", "port"), [("", 1883), ("tls = true\n", 8883), ("tls = true\nport = 1\n", 1)]
)
def test_the_port_follows_tls_unless_it_is_set(extra: str, port: int) -> None:
    """The two registered ports of MQTT."""
    text = changed('host = "broker.contoso.com"\n', f'{extra}host = "b"\n')
    assert parse(text, environ={}).mqtt.port == port


def test_the_brokers_password_is_the_first_line_of_its_file(tmp_path: Path) -> None:
    """Editors end files with a newline, which is no part of a password."""
    text = changed('host = "broker.contoso.com"', 'host = "b"\nusername = "u"\npassword_file = "p"')
    (tmp_path / "p").write_text("invented\n")
    assert parse(text, base=tmp_path, environ={}).mqtt_password() == "invented"
    assert parse(GOOD, environ={}).mqtt_password() is None


def test_the_default_comment_can_be_filled_in() -> None:
    """What the file may hold is what the writer of comments understands."""
    settings = parse(GOOD, environ={})
    zone = settings.zone(settings.room("orion"))
    comment = release_comment("Orion", 0, 600_000, zone, settings.exchange.release_comment)
    assert "Orion" in comment


def test_places_know_comments_quotes_nesting_and_long_texts() -> None:
    """Lines are found in all forms that a TOML file has."""
    places = Places(
        '# [site]\n[ site ] # here\n"name" = """\nnot = "a key"\n"""\ntime_zone = "x"\n'
        "[[room]]\n[[room.sensor]]\n[[room.sensor]]\nid = 1\n[room.sensor.options]\npath = 1\n"
        "[[room]]\nsite.deep = 1\n"
    )
    assert places.line(("site",)) == 2
    assert places.line(("site", "name")) == 3
    assert places.line(("site", "not")) == 2
    assert places.line(("site", "time_zone")) == 6
    assert places.line(("room", 0, "sensor", 1, "id")) == 10
    assert places.line(("room", 0, "sensor", 1, "options", "path")) == 12
    assert places.line(("room", 1, "site", "deep")) == 14
    assert places.line(("mqtt",)) is None
    assert dotted(("room", 1, "sensor", 0, "id")) == "room[1].sensor[0].id"


def test_the_packaged_example_is_sound() -> None:
    """What people copy first works, but for the secrets that are not there."""
    settings = load(ROOT / "packaging" / "gateway.toml", environ={})
    assert all("CREDENTIALS_DIRECTORY" in warning for warning in settings.warnings)
    build_router(settings.sensor_sources())


TABLES: dict[str, type[Section]] = {
    **{f"[{name}]": model for name, model in SECTIONS.items()},
    "[policy.NAME]": PolicySettings,
    "[[room]]": RoomSettings,
    "[[room.sensor]]": SensorSettings,
    "[[serial]]": SerialSettings,
}

DEPENDENT = {
    ("[mqtt]", "port"): "`1883`; with `tls` `8883`",
    ("[mqtt]", "client_id"): "`occupancy-gateway-` and the site's name",
    ("[exchange]", "attendant_file"): "`attendant-settings.json` beside the ledger",
    ("[exchange]", "authority"): "`https://login.microsoftonline.com/` and the tenant",
    ("[exchange]", "release_comment"): "a short English text",
    ("[control]", "socket"): "`control.sock` beside the ledger",
    ("[[room]]", "name"): "the id",
    ("[[room]]", "time_zone"): "the site's",
    ("[[room.sensor]]", "hold"): 'motion `"10m"`, presence `"1m"`, count `"2m"`',
    ("[[room.sensor]]", "hold_beside_presence"): '`"2m"`, or `hold` if that is shorter',
    ("[[room.sensor]]", "heartbeat"): '`"none"`',
    ("[[room.sensor]]", "bridge"): "for zigbee2mqtt the first level of the topic, otherwise not set",
    ("[[room.sensor]]", "unit"): "the topic where several sensors share it, otherwise not set",
    ("[[room.sensor]]", "options"): "`{}`",
    ("[[serial]]", "baud"): "`57600` for enocean, `256000` for the radars",
    ("[alerts]", "after"): "`{}`",
}
"""Defaults that hang on other settings; the test after this one checks what they say."""


def documented() -> Iterator[tuple[str, str, str, str]]:
    """Table, setting, default and unit of every row of docs/configuration.md."""
    table = ""
    for line in (ROOT / "docs" / "configuration.md").read_text().splitlines():
        if line.startswith("#"):
            table = line.removeprefix("## ")
        elif line.startswith("| `") and table in TABLES:
            name, default, unit, meaning = (cell.strip() for cell in line.strip("|").split("|"))
            assert meaning
            yield table, name.strip("`"), default, unit


def default_as_documented(field: FieldInfo) -> str:
    """How the documents write a default that stands by itself."""
    if field.default_factory is dict:
        return "`{}`"
    value = field.get_default(call_default_factory=False)
    if value is PydanticUndefined:
        return "required"
    if value is None:
        return "not set"
    return f"`{json.dumps(value, default=str)}`"  # TOML and JSON write these alike


def test_every_setting_is_documented_with_its_default() -> None:
    """The page and the code name the same settings, with the same defaults."""
    rows = list(documented())
    for table, model in TABLES.items():
        fields = {name: field for name, field in model.model_fields.items() if name != "sensors"}
        assert [name for where, name, _, _ in rows if where == table] == list(fields)
    for table, name, default, unit in rows:
        field = TABLES[table].model_fields[name]
        if (table, name) in DEPENDENT:
            assert default == DEPENDENT[table, name]
        elif unit.startswith("duration"):
            assert default == f'`"{format_duration(field.default)}"`'
        else:
            assert default == default_as_documented(field), (table, name)


def test_defaults_that_hang_on_other_settings_are_as_documented() -> None:
    """The sentences of `DEPENDENT`, one by one, where no other test has them."""
    settings = parse(GOOD, environ={})
    assert settings.exchange.authority == "https://login.microsoftonline.com/contoso.onmicrosoft.com"
    assert settings.control_socket == settings.ledger.path.parent / "control.sock"
    assert settings.room("orion").name == "orion"
    holds = {"motion": ("10m", "2m"), "presence": ("1m", "1m"), "count": ("2m", "2m")}
    for senses, (hold, short) in holds.items():
        sensor = _sensor(settings, senses=senses)
        assert (format_duration(sensor.hold), format_duration(sensor.hold_beside_presence)) == (hold, short)
        assert sensor.heartbeat is None
        assert sensor.options == {}


def _sensor(settings: Settings, **values: str) -> SensorSettings:
    """A sensor with nothing set that need not be."""
    first = settings.rooms[0].sensors[0]
    return SensorSettings.model_validate({"id": "a", "family": "plain", "topic": first.topic, **values})


def test_every_documented_bound_is_the_codes() -> None:
    """A duration one millisecond outside of the documented range is refused, its ends are taken."""
    for table, name, _, unit in documented():
        bounds = re.fullmatch(r"duration, (\S+) to (\S+?)(, or \"none\")?", unit)
        if bounds is None:
            assert not unit.startswith("duration")
            continue
        model = TABLES[table]
        assert not refused_value(model, name, bounds[1]), (table, name)
        assert not refused_value(model, name, bounds[2]), (table, name)
        assert refused_value(model, name, f"{bounds[2]}1ms"), (table, name)
        assert bounds[1] == "0s" or refused_value(model, name, "999ms"), (table, name)


def refused_value(model: type[Section], name: str, text: str) -> bool:
    """Whether this one value is refused, whatever else the table lacks."""
    try:
        model.model_validate({name: text})
    except ValidationError as error:
        return any(detail["loc"] == (name,) for detail in error.errors() if detail["type"] == "value_error")
    return False


# -- alerts -------------------------------------------------------------------------------------------


def test_the_patience_of_alerts_is_set_by_kind() -> None:
    """Kinds are named in [alerts.after]; all others keep their own delay."""
    settings = parse(GOOD + '\n[alerts]\nrepeat = "2h"\n[alerts.after]\ncalendar_unreadable = "15m"\n')
    assert settings.alerts.repeat == 2 * 3_600_000
    assert settings.alerts.after == {"calendar_unreadable": 15 * 60_000}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('calender_unreadable = "15m"', 'did you mean "calendar_unreadable"'),
        ('link_down = "8d"', "at most 7d"),
        ("link_down = 5", "a duration in quotes"),
    ],
)
def test_a_wrong_patience_is_told_with_what_is_expected(line: str, expected: str) -> None:
    """An unknown kind would never have an effect; it is refused with the one that was meant."""
    (problem,) = problems(GOOD + f"\n[alerts.after]\n{line}\n")
    assert "alerts.after" in problem
    assert expected in problem
