"""Deliberate faults: how each is written down, and how it is put into a copy of the code.

PatchError
├── FaultFileError   a file under faults/ that is not a list of faults
└── StalePatchError  the search text is not exactly once in the file: the code has moved on
"""

import ast
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FAULTS: Final = Path(__file__).parent / "faults"
ROOT: Final = Path(__file__).parents[2]

KEYS: Final = frozenset({"file", "find", "replace", "breaks", "offends", "stages"})


class PatchError(Exception):
    """A fault that cannot be put into the code; the message says which and why."""


class FaultFileError(PatchError):
    """A table of faults is missing a key, has an unknown one, or repeats a name."""


class StalePatchError(PatchError):
    """The search text does not occur exactly once any more."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """One deliberate fault: `find` is replaced by `replace` in `file`."""

    name: str
    file: str
    """Relative to the root of the tree, under gateway/."""
    find: str
    replace: str
    breaks: str
    """What the gateway does wrong then, in a sentence."""
    offends: str
    """The invariant or rule that is broken."""
    stages: tuple[str, ...]
    """Where its test should be, asked first (names of `runner.STAGES`)."""

    def mutated(self, text: str) -> str:
        """The file's text with the fault. Raises StalePatchError, and PatchError for what is no Python."""
        count = text.count(self.find)
        if count != 1:
            raise StalePatchError(
                f"{self.name}: its search text occurs {count} times in {self.file}, not once. "
                f"The code has moved on: write the patch anew. It looks for {self.find!r}"
            )
        after = text.replace(self.find, self.replace)
        try:
            ast.parse(after, self.file)
        except SyntaxError as error:
            raise PatchError(f"{self.name}: {self.file} is no Python after it: {error}") from error
        if ast.dump(ast.parse(text)) == ast.dump(ast.parse(after)):
            raise PatchError(f"{self.name}: it changes nothing in {self.file}")
        return after

    def apply(self, tree: Path) -> None:
        """Put the fault into a copy of the tree. Raises PatchError; never for the tree itself."""
        if tree.resolve() == ROOT.resolve():
            raise PatchError("faults are put into copies of the tree only")
        path = tree / self.file
        if not path.is_file():
            raise StalePatchError(f"{self.name}: there is no file {self.file} any more")
        path.write_text(self.mutated(path.read_text(encoding="utf-8")), encoding="utf-8")


def load(folder: Path = FAULTS) -> tuple[Mutation, ...]:
    """Every fault under `folder`, by file and in the order written there. Raises FaultFileError."""
    found: dict[str, Mutation] = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            tables = tomllib.loads(path.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise FaultFileError(f"{path.name}: {error}") from error
        for name, table in tables.items():
            if name in found:
                raise FaultFileError(f"{path.name}: there is another fault named {name}")
            found[name] = _mutation(path.name, name, table)
    return tuple(found.values())


def _mutation(where: str, name: str, table: dict[str, Any]) -> Mutation:
    if set(table) != KEYS:
        odd = ", ".join(sorted(set(table) ^ KEYS))
        raise FaultFileError(f"{where}: the fault {name} has not exactly the keys it needs: {odd}")
    if not table["file"].startswith("gateway/"):
        raise FaultFileError(f"{where}: the fault {name} is not in the gateway's own code: {table['file']}")
    # A literal block of TOML ends with a line break before its closing quotes; the search text does not.
    return Mutation(
        name=name,
        file=table["file"],
        find=table["find"].removesuffix("\n"),
        replace=table["replace"].removesuffix("\n"),
        breaks=table["breaks"],
        offends=table["offends"],
        stages=tuple(table["stages"]),
    )


def named(mutations: Sequence[Mutation], names: Sequence[str]) -> tuple[Mutation, ...]:
    """The faults of these names, all if there are none. Raises PatchError for an unknown one."""
    known = {mutation.name: mutation for mutation in mutations}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise PatchError(f"there is no fault named {', '.join(unknown)}; --list shows them all")
    return tuple(known[name] for name in names) if names else tuple(mutations)
