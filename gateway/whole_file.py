"""Files that are there whole or not at all, whatever happens while they are written."""

import os
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec


class _HasFormat(Protocol):
    @property
    def format(self) -> int: ...


Kept = TypeVar("Kept", bound=_HasFormat)


def write_durably(path: Path, content: bytes, mode: int | None = None) -> None:
    """Write a file down to the disk, with these permission bits if given. Raises OSError."""
    with path.open("wb") as file:
        if mode is not None:
            os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def keep_bytes(path: Path, content: bytes) -> None:
    """Put a content in place of the file. Raises OSError, and the old stays."""
    beside = path.with_name(f".{path.name}.new")
    write_durably(beside, content)
    beside.replace(path)


def keep_json(path: Path, value: object) -> None:
    """Put a value in place of the file, as JSON that people can read. Raises OSError, and the old stays."""
    keep_bytes(path, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def kept_json(
    path: Path, kind: type[Kept], form: int, *, error: type[Exception], remedy: str, at_most: int = -1
) -> Kept | None:
    """A value that `keep_json` kept in this form; None where there is no file yet.

    Raises `error`, which names the file and how to mend it (`remedy`). Of a file longer than `at_most`
    bytes no more is read, so it counts as damaged; -1: as long as it is.
    """
    try:
        with path.open("rb") as file:
            content = file.read(at_most)
    except FileNotFoundError:
        return None
    except OSError as failed:
        raise error(f"{path}: cannot be read ({failed.strerror or failed})") from failed
    try:
        kept = msgspec.json.decode(content, type=kind)
    except msgspec.DecodeError as failed:
        raise error(f"{path}: damaged ({failed}); {remedy}") from failed
    if kept.format != form:
        raise error(f"{path}: written by another version; {remedy}")
    return kept
