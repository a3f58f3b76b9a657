"""EnOcean occupancy sensors: ESP3 telegrams of the profiles A5-07-01 to -03 and A5-08-01 to -03.

A telegram does not say its profile: the option `eep` does (or the device's description). What the bits mean:
- A5-07-01: DB1 of 128 and more is PIR on, less is off.
- A5-07-02, -03: DB0.7 is motion; without it the sensor is *uncertain*, which is not off.
- A5-08-01, -02, -03: DB0.1 is the PIR, inverted: 0 is on. DB0.0 (0: the button is pressed) is left out. They
  differ in the ranges of light and temperature only.
- DB0.3 = 0 is a teach-in telegram in each of them, and never a measurement.
Sources: EnOcean Equipment Profiles 2.6; EnOcean Serial Protocol 3.
"""

import re
from collections.abc import Mapping
from typing import Final

from gateway.sensors.availability import availability_routes
from gateway.sensors.base import OptionError, PayloadError, Route, SensorSource, check_topic, shown
from gateway.sensors.described import DEVICE_OPTIONS, decode_with, device_in
from gateway.sensors.serial_frames import esp3_framer, status_topic
from gateway.sensors.understood import Description, Device, How, Property, Reader, Seen, Understood, text_of

PROFILES: Final = ("A5-07-01", "A5-07-02", "A5-07-03", "A5-08-01", "A5-08-02", "A5-08-03")
_PROFILE: Final = re.compile(r"\b([0-9a-f]{2})-([0-9a-f]{2})-([0-9a-f]{2})\b")
_SENDER: Final = re.compile(r"[0-9a-f]{8}")
RADIO_ERP1: Final = 1
RORG_4BS: Final = 0xA5
LENGTH_4BS: Final = 10
LEARN_BIT: Final = 0x08
PROFILE_IN_TEACH_IN: Final = 0x80


class EnOcean:
    """The family `enocean`."""

    name: Final = "enocean"
    options: Final[Mapping[str, str]] = {
        "eep": f"the sensor's profile: {', '.join(PROFILES)}",
        "sender": "the sensor's own address, eight hexadecimal digits: telegrams of others are not read",
    } | DEVICE_OPTIONS

    def routes(self, source: SensorSource) -> tuple[Route, ...]:
        """The topic under which the serial link delivers telegrams. Raises OptionError."""
        topic = check_topic(source.topic, "the topic")
        device = dict(device_in(source.options) or {})
        device |= {key: source.options[key] for key in ("eep", "sender") if key in source.options}
        if profile_of(device) is None:
            raise OptionError(f"the family enocean needs the option eep, one of {', '.join(PROFILES)}")
        sender = device.get("sender")
        if sender is not None and not (isinstance(sender, str) and _SENDER.fullmatch(sender.casefold())):
            raise OptionError(f"sender must be eight hexadecimal digits, found {shown(sender)}")
        state = Route(topic, decode_with(source, self.reader(device)), source.sensor)
        return (state, *availability_routes(source, status_topic(topic)))

    def describe(self, device: Device) -> Description:
        """What its profile has."""
        profile = profile_of(device)
        if profile is None:
            return Description(not_taken={"PIR": _no_profile(device)})
        how: How = "pulse" if profile in {"A5-07-02", "A5-07-03"} else "hold"
        return Description((Property("PIR", "motion", how, f"profile {profile}"),))

    def reader(self, device: Device | None) -> Reader:
        """By the device's profile."""
        profile = None if device is None else profile_of(device)
        no_profile = _no_profile(device or {})
        given = None if device is None else device.get("sender")
        sender = given.casefold() if isinstance(given, str) and _SENDER.fullmatch(given.casefold()) else ""

        def reader(_topic: str | None, payload: bytes) -> Understood:
            telegram = last_frame(payload)
            return _telegram(telegram, profile, no_profile, sender)

        return reader


def profile_of(device: Device) -> str | None:
    """The device's profile, if it is one that is understood."""
    found = _PROFILE.findall(text_of(device))
    profiles = {"-".join(parts).upper() for parts in found}
    return next(iter(profiles)) if len(profiles) == 1 and profiles <= set(PROFILES) else None


def _no_profile(device: Device) -> str:
    found = _PROFILE.findall(text_of(device))
    if found:
        return (
            f"the profile {'-'.join(found[0]).upper()} is not that of a sensor of people that is understood"
        )
    return "a telegram does not say its profile (EEP); give it as the device"


def last_frame(payload: bytes) -> bytes:
    """The last whole telegram of a payload. Raises PayloadError."""
    frames = esp3_framer().feed(payload)
    if not frames:
        raise PayloadError(f"expected an ESP3 telegram with right checksums, got {shown(payload)}")
    return frames[-1]


def sender_of(telegram: bytes) -> str:
    """The sender of a radio telegram, eight hexadecimal digits; empty if it has none."""
    length = int.from_bytes(telegram[1:3], "big")
    data = telegram[6 : 6 + length]
    return data[-5:-1].hex() if telegram[4] == RADIO_ERP1 and length >= 6 else ""  # noqa: PLR2004 - RORG, sender, status


def heard_profile(payload: bytes) -> str | None:
    """The profile that a teach-in telegram tells; empty for a measurement, which may be of any profile.

    None for what is no telegram of four bytes, or a teach-in telegram without a profile. Raises PayloadError.
    """
    telegram = last_frame(payload)
    length = int.from_bytes(telegram[1:3], "big")
    if telegram[4] != RADIO_ERP1 or telegram[6] != RORG_4BS or length != LENGTH_4BS:
        return None
    db3, db2, _, db0 = telegram[7:11]
    if db0 & LEARN_BIT:
        return ""
    return _told_profile(db3, db2) if db0 & PROFILE_IN_TEACH_IN else None


def _told_profile(db3: int, db2: int) -> str:
    return f"A5-{db3 >> 2:02X}-{(db3 & 0x03) << 5 | db2 >> 3:02X}"


def _telegram(telegram: bytes, profile: str | None, no_profile: str, sender: str) -> Understood:
    length, more = int.from_bytes(telegram[1:3], "big"), telegram[3]
    data, optional = telegram[6 : 6 + length], telegram[6 + length : 6 + length + more]
    if telegram[4] != RADIO_ERP1:
        return Understood(refused=f"a packet of type {telegram[4]}: no radio telegram", device_made=False)
    if data[0] != RORG_4BS or length != LENGTH_4BS:
        return Understood(refused=f"a radio telegram of type {data[0]:02X}, not of an occupancy sensor (A5)")
    if sender and sender_of(telegram) != sender:
        raise PayloadError(f"expected a telegram of {sender}, got one of {sender_of(telegram)}")
    db3, db2, db1, db0 = data[1:5]
    if not db0 & LEARN_BIT:
        return Understood(refused=_teach_in(db3, db2, db0))
    strength = (Seen("link", -optional[5], "dBm"),) if more == 7 and 0 < optional[5] < 255 else ()  # noqa: PLR2004 - ESP3 table 1
    if profile is None:
        return Understood(strength, no_profile)
    motion = _motion(profile, db1, db0)
    if motion is None:
        return Understood(strength, "the sensor is uncertain whether somebody is there: that is not vacant")
    return Understood((motion, *strength))


def _teach_in(db3: int, db2: int, db0: int) -> str:
    if not db0 & PROFILE_IN_TEACH_IN:
        return "a teach-in telegram, no measurement"
    return f"a teach-in telegram, no measurement: it says that its profile is {_told_profile(db3, db2)}"


def _motion(profile: str, db1: int, db0: int) -> Seen | None:
    if profile == "A5-07-01":
        return Seen("motion", int(db1 >= 128), "PIR", "hold")  # noqa: PLR2004 - from the profile's table
    if profile.startswith("A5-08"):
        return Seen("motion", int(not db0 & 0x02), "PIR", "hold")
    return Seen("motion", 1, "PIR", "pulse") if db0 & 0x80 else None
