"""`sensors ...`: what can be told of sensors without a running gateway."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final

import typer

from gateway.commands.base import CommandError, JsonOption, WrongUsage, print_json
from gateway.sensors import FAMILIES, Family, OptionError, PayloadError, family_named
from gateway.sensors.batch import (
    MAX_LINE_BYTES,
    Refusal,
    answer,
    as_data,
    device_of,
    payload_of,
    refusal_of,
)
from gateway.sensors.batch import (
    decode as decode_message,
)
from gateway.sensors.understood import Description, Device, Seen, Understood

MAX_DEVICE_BYTES: Final = 16 * 1024 * 1024

WORDS: Final[dict[tuple[str, int], str]] = {
    ("presence", 1): "somebody is there",
    ("presence", 0): "nobody is there",
    ("motion", 1): "somebody moved",
    ("motion", 0): "nobody moves; people who sit still may be there",
    ("tamper", 1): "it was tampered with",
    ("tamper", 0): "nobody tampers with it",
    ("fault", 1): "it reports a fault",
    ("fault", 0): "it reports no fault",
}
HOW: Final = {
    "state": "",
    "hold": "; it stays on for a time of the device's own",
    "pulse": "; it never says when that ends",
    "period": "; since its last message",
    "total": "; a total that only rises, never a number of people in the room",
}


def decode(
    family: Annotated[
        str,
        typer.Option("--family", "-f", metavar="FAMILY", help="Family of the sensor, such as zigbee2mqtt."),
    ] = "",
    topic: Annotated[
        str, typer.Option("--topic", "-t", metavar="TOPIC", help="Topic that the message came on.")
    ] = "",
    payload: Annotated[
        str | None,
        typer.Option(
            "--payload", "-p", metavar="TEXT", help="The message; of serial families in hexadecimal."
        ),
    ] = None,
    device: Annotated[
        Path | None,
        typer.Option("--device", "-d", metavar="FILE", help="What the device says of itself, as JSON."),
    ] = None,
    batch: Annotated[
        str, typer.Option("--batch", metavar="FILE", help="Read JSON lines from FILE (- for standard input).")
    ] = "",
    as_json: JsonOption = False,  # noqa: FBT002 - typer's way to declare a flag
) -> None:
    """Say what the gateway would understand of a sensor's message, and why not more.

    Nothing is connected to and nothing is changed. The device's own description (its entry in
    Zigbee2MQTT's bridge/devices, its discovery configuration, its vendor and model) makes more
    understood; what could be read wrongly without it is refused.

    With --batch each line asks {"family", "topic", "payload", "device"} and is answered by one line
    {"readings": [{"kind", "value", "property"}], "refused"}. Kinds: presence, motion, count,
    entries, battery, link, tamper, fault.

    Examples:
      occupancy-gateway sensors decode -f zigbee2mqtt -p '{"occupancy": true}'
      occupancy-gateway sensors decode -f tts -d device.json -p "$(cat up.json)"
      occupancy-gateway sensors decode --batch messages.jsonl --json
    """
    if batch:
        if family or topic or payload is not None or device is not None:
            raise WrongUsage(
                "--batch takes family, topic, payload and device from its lines, not from options."
            )
        _batch(batch)
        return
    known = _family(family)
    if payload is None:
        raise WrongUsage("--payload is missing: the text of the message.")
    description = None if device is None else _description(device)
    try:
        data = payload_of(known.name, payload.encode(errors="surrogateescape"))
        understood = decode_message(known.reader(description), topic or None, data)
    except (PayloadError, Refusal) as error:
        understood = Understood(refused=str(error))
    if as_json:
        print_json(as_data(understood))
        return
    for line in in_words(understood):
        typer.echo(line)
    if description is not None:
        for line in _device_in_words(known, description):
            typer.echo(line)


def _family(name: str) -> Family:
    if not name:
        raise WrongUsage(f"--family is missing; the families are {', '.join(sorted(FAMILIES))}.")
    try:
        return family_named(name)
    except OptionError as error:
        raise WrongUsage(f"{error}.") from None


def in_words(understood: Understood) -> list[str]:
    """What a message says, one sentence each."""
    lines = [f"{seen.kind} {seen.value}  ({seen.property}): {_word(seen)}" for seen in understood.seen]
    if understood.online is not None:
        lines.append(f"the device is said to be {'online' if understood.online else 'offline'}")
    elif why := refusal_of(understood):
        lines.append(f"not understood: {why}" if not lines else f"besides: {why}")
    if understood.made_at is not None:
        moment = datetime.fromtimestamp(understood.made_at / 1000, UTC)
        lines.append(f"made at {moment.isoformat(timespec='seconds')}")
    if not understood.device_made:
        lines.append("not surely made by the device itself, so it does not prove that the device lives")
    return lines


def _word(seen: Seen) -> str:
    fixed = WORDS.get((seen.kind, seen.value))
    if fixed is not None:
        return fixed + (HOW[seen.how] if seen.value and seen.kind == "motion" else "")
    if seen.kind == "count":
        return f"{seen.value} people in the room"
    if seen.kind == "entries":
        return f"{seen.value} people went in{HOW[seen.how]}"
    return f"{seen.value} percent left" if seen.kind == "battery" else f"signal {seen.value}"


def _device_in_words(family: Family, device: Device) -> list[str]:
    description: Description = family.describe(device)
    lines = [
        f"  {one.name}: {one.kind} ({one.how}){f', {one.why}' if one.why else ''}"
        for one in description.properties
    ]
    not_taken = list(description.not_taken.items())[:20]
    lines += [f"  {name} is not taken: {why}" for name, why in not_taken]
    return ["", "Of this device:", *(lines or ["  nothing is known beforehand"])]


def _description(path: Path) -> Device | None:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path}: cannot be read ({error.strerror}).") from None
    if len(text) > MAX_DEVICE_BYTES:
        raise CommandError(f"{path}: has over {MAX_DEVICE_BYTES} bytes; give one device's own description.")
    try:
        return device_of(text)
    except Refusal as error:
        raise CommandError(f"{path}: {error}.") from None


def _batch(place: str) -> None:
    if place == "-":
        _answer_all(sys.stdin.buffer)
        return
    try:
        with Path(place).open("rb") as file:
            _answer_all(file)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CommandError(f"{place}: cannot be read ({error.strerror}).") from None


def _answer_all(lines: BinaryIO) -> None:
    """One answer a line, at once: whoever asks may wait for it before asking more."""
    out: Any = sys.stdout.buffer
    while line := lines.readline(MAX_LINE_BYTES + 1):
        whole = line
        while not line.endswith(b"\n") and (line := lines.readline(MAX_LINE_BYTES + 1)):
            pass  # the rest of a line that is too long; `whole` is over the limit and will be refused
        if whole.strip():
            out.write(answer(whole) + b"\n")
            out.flush()
