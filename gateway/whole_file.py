"""Files that are there whole or not at all, whatever happens while they are written."""

import os
from pathlib import Path

import msgspec


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
