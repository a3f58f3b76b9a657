"""What is generated of `docs/scenarios.md`: the forms of the language, and the rules that timelines tell.

    python -m simulators.scenario.catalogue        write it anew

A part stands between two markers; `tests/scenarios/test_scenarios.py` fails when one is stale:

    <!-- catalogue: NAME -->
    <!-- end of NAME -->
"""

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from simulators.scenario.timeline import GRAMMAR, SUFFIX, read
from simulators.scenario.words import PARTS

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "scenarios.md"
TIMELINES: Final = ROOT / "tests" / "scenarios"
_PART: Final = re.compile(r"(<!-- catalogue: ([a-z]+) -->\n).*?(<!-- end of \2 -->)", re.DOTALL)


def timelines(folder: Path = TIMELINES) -> list[Path]:
    """Every timeline below a folder, in order."""
    return sorted(folder.rglob(f"*{SUFFIX}"))


def catalogue(folder: Path = TIMELINES) -> str:
    """The rules that the timelines of a folder tell, grouped by subfolder: a table for each."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for path in timelines(folder):
        where = path.parent.relative_to(folder).as_posix()
        groups.setdefault(where, []).append((path.name.removesuffix(SUFFIX), read(path).rule))
    return "\n".join(
        f"**{group}**\n\n| timeline | rule |\n| --- | --- |\n"
        + "".join(f"| `{name}` | {rule} |\n" for name, rule in rows)
        for group, rows in groups.items()
    )


def forms() -> str:
    """Every form of a line and what it means, group by group."""
    groups: dict[str, list[str]] = {}
    for form in sorted(GRAMMAR.forms, key=lambda form: form.group == "Expectations"):
        syntax = form.syntax.replace("|", r"\|").replace("checked_in", "checked in")
        groups.setdefault(form.group, []).append(f"| `{syntax}` | {form.meaning} |\n")
    return "\n".join(
        f"**{group}**\n\n| line | meaning |\n| --- | --- |\n{''.join(rows)}" for group, rows in groups.items()
    )


def parts() -> str:
    """What the words in capitals stand for."""
    rows = (f"| {name} | {part.meaning} |\n" for name, part in PARTS.items())
    return f"| word | stands for |\n| --- | --- |\n{''.join(rows)}"


GENERATED: Final[Mapping[str, Callable[[], str]]] = {"rules": catalogue, "forms": forms, "words": parts}


def fresh(page: str) -> str:
    """The page with each of its generated parts as it should be. KeyError for a part nobody makes."""
    return _PART.sub(lambda found: f"{found[1]}{GENERATED[found[2]]()}{found[3]}", page)


def main() -> int:
    """Bring the page up to date."""
    before = PAGE.read_text(encoding="utf-8")
    after = fresh(before)
    if after != before:
        PAGE.write_text(after, encoding="utf-8")
    sys.stdout.write(f"{PAGE.name}: {'written' if after != before else 'fresh'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
