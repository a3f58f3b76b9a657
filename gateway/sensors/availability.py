"""Topics on which a device, its last will or its bridge is said to be online or offline.

Tasmota and ESPHome publish a plain word, Zigbee2MQTT a word or `{"state": word}`. They are meant to be
retained, so retained ones count. They are never a proof of life: a broker publishes a will by itself.
"""

from collections.abc import Mapping
from typing import Final

from gateway.core.events import Availability
from gateway.sensors.base import (
    Decode,
    Decoded,
    OptionError,
    PayloadError,
    Route,
    SensorSource,
    check_topic,
    shown,
)
from gateway.sensors.values import BLANKS, Words, as_json, utf8, word_of, words

ONLINE_WORDS: Final = ("online", "on", "true", "1", "connected", "alive")
OFFLINE_WORDS: Final = ("offline", "off", "false", "0", "disconnected", "dead")

SHARED_OPTIONS: Final = {
    "on": "words for occupied or motion, separated by commas; replaces the usual ones",
    "off": "words for vacant or clear, separated by commas; replaces the usual ones",
    "availability_topic": "topic on which the device is said to be online or offline",
    "online": "words for online, separated by commas; replaces the usual ones",
    "offline": "words for offline, separated by commas; replaces the usual ones",
}


def online_words(options: Mapping[str, str]) -> Words:
    """The words of an availability topic, from the options `online` and `offline`."""
    return words(options, "online", "offline", ONLINE_WORDS, OFFLINE_WORDS)


def availability_routes(source: SensorSource, default_topic: str = "") -> tuple[Route, ...]:
    """The route of a device's own availability topic, if it has one. Raises OptionError."""
    topic = source.options.get("availability_topic", default_topic)
    if not topic:
        return ()
    if topic == source.topic:
        raise OptionError("availability_topic must be another topic than the value's")
    return (Route(check_topic(topic, "availability_topic"), availability_decode(source), source.sensor),)


def availability_decode(source: SensorSource) -> Decode:
    """A decoder of an availability or last-will topic: a word, or Zigbee2MQTT's {"state": word}.

    Retained messages count: this is what a retained last will is for.
    """
    table = online_words(source.options)
    online: Decoded = (Availability(source.sensor, online=True),)
    offline: Decoded = (Availability(source.sensor, online=False),)

    def decode(payload: bytes, _retained: bool) -> Decoded:
        return online if as_state(payload, table) else offline

    return decode


def as_state(payload: bytes, table: Words) -> int:
    """1 for online, 0 for offline: a plain word, or an object with it under "state". Raises PayloadError."""
    text = utf8(payload).strip(BLANKS)
    value: object = text
    if text.startswith(("{", "[", '"')):
        value = as_json(payload)
        if isinstance(value, dict):
            value = value.get("state")
    word = word_of(value)
    state = None if word is None else table.get(word)
    if state is None:
        raise PayloadError(f"expected a word for online or offline, got {shown(payload)}")
    return state
