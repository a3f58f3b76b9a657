"""The documentation tells the truth: what it names exists, and what is generated is fresh."""

import importlib
import importlib.util
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

import pytest
import typer

from gateway.commands import app as gateway_app
from gateway.core.decisions import DecisionKind
from gateway.core.explain import HEADLINES
from gateway.core.rules import RELEASE_RULES
from simulators.cli import app as simulator_app

if TYPE_CHECKING:
    from docs import generate
else:  # docs/ is not installed, and pytest does not put the repository's root on the path
    GENERATE = importlib.util.spec_from_file_location(
        "docs_generate", Path(__file__).parents[1] / "docs" / "generate.py"
    )
    generate = importlib.util.module_from_spec(GENERATE)
    GENERATE.loader.exec_module(generate)

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        ROOT / "firmware-config" / "README.md",
        *(ROOT / "docs").rglob("*.md"),
    ]
)
TOP = {"gateway", "simulators", "tests", "docs", "packaging", "benchmarks", "firmware-config"}
PROGRAMS = {"occupancy-gateway": gateway_app, "occupancy-simulator": simulator_app}

FENCE = re.compile(r"^( *)```.*?^\1```$", re.DOTALL | re.MULTILINE)
INDENTED = re.compile(r"(?:^(?: {4,}.*)?\n)+", re.MULTILINE)
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"\b(occupancy-(?:gateway|simulator)) ([a-z][a-z-]*|--[a-z-]+)([^\n`|#]*)")


class Page(NamedTuple):
    """One page of Markdown."""

    path: Path
    text: str

    @property
    def prose(self) -> str:
        return FENCE.sub("", self.text)

    @property
    def code(self) -> Iterator[str]:
        """Every piece of code: in backticks, indented or fenced."""
        yield from CODE.findall(self.prose)
        yield from (found[0] for found in FENCE.finditer(self.text))
        yield from (found[0] for found in INDENTED.finditer(self.prose))

    @property
    def anchors(self) -> set[str]:
        return {anchor_of(title) for title in re.findall(r"^#+ (.+)$", self.prose, re.MULTILINE)}


def anchor_of(title: str) -> str:
    """The anchor that GitHub gives a title."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


def page(path: Path) -> Page:
    """The page in this file."""
    return Page(path, path.read_text(encoding="utf-8"))


@pytest.fixture(params=PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def each(request: pytest.FixtureRequest) -> Page:
    """Every page of the documentation."""
    return page(request.param)


def exists(dotted: str) -> bool:
    """Whether the longest importable module of a dotted name has the rest of it."""
    names = dotted.split(".")
    for length in range(len(names), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(names[:length]))
        except ModuleNotFoundError:
            continue
        for name in names[length:]:
            if not hasattr(found, name):
                return False
            found = getattr(found, name)
        return True
    return False


# -- names --------------------------------------------------------------------------------------------


def test_every_path_in_backticks_exists(each: Page) -> None:
    """A page that sends its reader to a file sends them to one that is there."""
    paths = [text for text in CODE.findall(each.prose) if text.split("/")[0] in TOP and "/" in text]
    missing = [text for text in paths if not (ROOT / text).exists()]
    assert not missing


def test_every_module_and_name_in_backticks_exists(each: Page) -> None:
    """`gateway.core.life.TRANSITIONS` and its like can be found under exactly that name."""
    dotted = re.compile(r"(?:gateway|simulators)(?:\.\w+)+")
    names = [text for text in CODE.findall(each.prose) if dotted.fullmatch(text)]
    shown_by_status = {"paused", "writing_halted", "calendars_in_trouble", "link", "clock", "breaker"}
    names = [text for text in names if text.removeprefix("gateway.") not in shown_by_status]
    assert not [name for name in names if not exists(name)]


def test_every_link_within_the_repository_resolves(each: Page) -> None:
    """Files and headings that are linked to exist."""
    broken = []
    for target in LINK.findall(each.prose):
        if "://" in target:
            continue
        file, _, anchor = unquote(target).partition("#")
        path = (each.path.parent / file).resolve() if file else each.path
        if not path.exists() or (anchor and anchor not in page(path).anchors):
            broken.append(target)
    assert not broken


@pytest.mark.thorough
def test_every_command_in_the_docs_is_one_of_the_programs(each: Page) -> None:
    """What a reader is told to type is understood: the command, and each of its options."""
    for code in each.code:
        for program, name, rest in COMMAND.findall(code):
            group = typer.main.get_command(PROGRAMS[program])
            commands = getattr(group, "commands", {})
            if name.startswith("--"):
                assert name in known_options(group) | {"--help"}, name
                continue
            assert name in commands, f"{program} {name}"
            command = commands[name]
            if hasattr(command, "commands"):  # a group: its command is the next word
                second = rest.split()[0]
                assert second in command.commands, f"{program} {name} {second}"
                command = command.commands[second]
            used = set(re.findall(r"(?<!\S)--[a-z-]+", rest.partition(">")[0]))
            assert used <= known_options(command) | {"--help"}, f"{program} {name}: {used}"


def known_options(command: Any) -> set[str]:
    """Every spelling of every option of a command."""
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}


def test_every_make_target_in_the_docs_is_in_the_makefile(each: Page) -> None:
    """`make demo` and the others can be made."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {name for code in each.code for name in re.findall(r"\bmake ([a-z]+)\b", code)} <= targets


def test_the_readme_leads_to_the_two_commands_and_to_every_page() -> None:
    """A newcomer who starts at the README finds demo, tests and each page of docs/."""
    readme = page(ROOT / "README.md")
    assert re.findall(r"^    make (\w+)", readme.text, re.MULTILINE)[:2] == ["demo", "test"]
    linked = {(ROOT / target.partition("#")[0]).resolve() for target in LINK.findall(readme.prose)}
    assert {path for path in (ROOT / "docs").glob("*.md") if path.resolve() not in linked} == set()


def test_every_log_line_in_the_operations_page_is_one_that_the_gateway_writes() -> None:
    """Somebody who looks up a line from the log, or sets an alert on it, has its exact words."""
    source = "\n".join(path.read_text() for path in (ROOT / "gateway").rglob("*.py"))
    table = page(ROOT / "docs" / "operations.md").text.partition("## Log lines")[2].partition("\n## ")[0]
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    lines = [line for row in rows for line in CODE.findall(row)]
    assert lines
    assert [line for line in lines if f'"{line}"' not in source] == []


# -- what is generated --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", generate.PAGES, ids=lambda path: path.name)
def test_generated_parts_are_fresh(path: Path) -> None:
    """Tables, diagram and examples are what the code says today; if not: make docs."""
    text = path.read_text(encoding="utf-8")
    assert generate.PART.search(text)
    assert generate.fresh(text) == text, "stale: run `make docs`"


def test_no_page_has_a_marker_that_nobody_fills() -> None:
    """Every generated part stands in a page that `make docs` writes, and every part has its place."""
    marked = {
        name: path for path in PAGES for name in re.findall(r"<!-- generated: (\S+) -->", path.read_text())
    }
    assert set(marked) == set(generate.PARTS)
    assert set(marked.values()) == set(generate.PAGES)


def test_a_stale_part_is_replaced_and_the_rest_stays() -> None:
    """Generating touches what is between the markers and nothing else."""
    stale = "before\n<!-- generated: states -->\nold\n<!-- end of states -->\nafter\n"
    made = generate.fresh(stale)
    assert made.startswith("before\n<!-- generated: states -->\n```mermaid\n")
    assert made.endswith("```\n<!-- end of states -->\nafter\n")
    assert generate.fresh(made) == made


def test_every_rule_has_a_sentence_of_its_own_in_the_table() -> None:
    """The table of rules is as long as the rules are, without two rows alike."""
    rows = [line for line in generate.rules().splitlines() if re.match(r"\| \d", line)]
    assert len(set(rows)) == len(RELEASE_RULES)


def test_the_example_on_the_topics_page_is_a_room_about_to_be_given_back() -> None:
    """The example shows what its caption says: warned, live, two minutes before its release."""
    site, decisions = generate.ghost_morning()
    (life,) = (life for life in site.rooms["orion"].state.lives.values() if life.state == "open")
    kinds: list[DecisionKind] = [decision.kind for decision in decisions]
    assert kinds[-1] == "warned"
    assert kinds[-1] in HEADLINES
    assert life.live
    assert life.due - site.state.now == 2 * 60_000


# -- the picture --------------------------------------------------------------------------------------


def test_the_picture_of_the_demo_asks_nobody_for_anything() -> None:
    """No font, script or image of the picture comes from elsewhere."""
    svg = generate.PICTURE.read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[^\"'\s)]+", svg)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<script|@font-face|@import|<image|href=", svg)


def test_a_picture_is_made_self_contained() -> None:
    """Fonts from elsewhere and comments go, what is drawn stays."""
    svg = (
        "<svg>\n<!-- by https://example.com -->\n<style>@font-face { src: url('https://example.com/f') }\n"
        ".a { font-family: Fira Code, monospace; }</style>\n<text>hello</text>\n</svg>"
    )
    made = generate.self_contained(svg)
    assert "example.com" not in made
    assert generate.LOCAL_FONTS in made
    assert "<text>hello</text>" in made


# -- decisions ----------------------------------------------------------------------------------------

DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))


def test_decisions_are_numbered_without_gaps() -> None:
    """Each decision has a number of its own, in its name and in its title."""
    for number, path in enumerate(DECISIONS, start=1):
        assert path.name.startswith(f"{number:04}-")
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {number}. ")
        assert all(f"**{part}.**" in text for part in ("Context", "Decision", "Consequences"))


def test_every_dependency_has_its_reason() -> None:
    """Nothing is installed that the first decision does not speak of."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(d for extra in project["optional-dependencies"].values() for d in extra),
    ]
    reasons = DECISIONS[0].read_text(encoding="utf-8")
    names = {re.split(r"[<>=~! \[]", requirement)[0] for requirement in wanted}
    assert {name for name in names if not re.search(rf"\b{re.escape(name)}\b", reasons)} == set()
