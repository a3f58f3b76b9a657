"""The deliberate faults fit the code, the runner tells caught from survived, and its page is true."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.mutations import runner
from tests.mutations.patches import (
    FAULTS,
    ROOT,
    FaultFileError,
    Mutation,
    PatchError,
    StalePatchError,
    load,
    named,
)
from tests.mutations.runner import STAGES, RunError, Verdict, Workshop, workshop

pytestmark = pytest.mark.thorough  # its children run copies of the gateway

MUTATIONS = load()
QUICKEST = ("retained-value-is-evidence", "half-a-batch-committed")
MUST_HAVE = 24

ONE = Mutation(
    name="one",
    file="gateway/one.py",
    find="return 1",
    replace="return 2",
    breaks="It counts wrongly.",
    offends="arithmetic",
    stages=("core",),
)


# -- the faults ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_each_fault_fits_the_code_as_it_is_today(mutation: Mutation) -> None:
    """Its search text occurs exactly once, and what comes of it is Python that differs."""
    text = (ROOT / mutation.file).read_text(encoding="utf-8")
    assert mutation.mutated(text) != text


def test_there_are_faults_enough_and_each_says_what_it_breaks() -> None:
    """Each has a sentence of its own, names what it offends, and knows where its test should be."""
    assert len(MUTATIONS) >= MUST_HAVE
    assert len({mutation.breaks for mutation in MUTATIONS}) == len(MUTATIONS)
    for mutation in MUTATIONS:
        assert mutation.breaks.endswith("."), mutation.name
        assert mutation.offends, mutation.name
        assert mutation.stages, mutation.name
        assert set(mutation.stages) <= set(STAGES), mutation.name


@pytest.mark.parametrize("text", ["", "return 1\nreturn 1\n"], ids=["nowhere", "twice"])
def test_a_patch_that_does_not_fit_any_more_says_so(text: str) -> None:
    """The message names the fault, the file and what was looked for."""
    with pytest.raises(StalePatchError, match=r"one: .* times in gateway/one.py, not once.*'return 1'"):
        ONE.mutated(text)


def test_a_patch_must_give_python_that_differs() -> None:
    """A fault in a comment, or one that no longer compiles, would prove nothing."""
    with pytest.raises(PatchError, match="changes nothing"):
        ONE.mutated("x = 1  # return 1\n")
    with pytest.raises(PatchError, match="no Python"):
        ONE.mutated("def f():\n    if x: return 1\n".replace("return 1", "return 1 (")[:-1])


def test_the_tree_itself_is_never_touched() -> None:
    """Faults go into copies only."""
    with pytest.raises(PatchError, match="copies of the tree only"):
        MUTATIONS[0].apply(ROOT)


def test_mistakes_in_the_files_of_faults_are_named(tmp_path: Path) -> None:
    """A missing key, a file outside the gateway, a name given twice, and what is no TOML."""
    whole = 'file = "gateway/x.py"\nfind = "a"\nreplace = "b"\nbreaks = "c"\noffends = "d"\nstages = []\n'
    (tmp_path / "a.toml").write_text(f"[one]\n{whole}")
    assert [mutation.name for mutation in load(tmp_path)] == ["one"]
    for text, words in (
        (f"[one]\n{whole}", "another fault named one"),
        ('[two]\nfile = "gateway/x.py"\n', "breaks, find"),
        (f"[two]\n{whole}".replace("gateway", "tests"), "not in the gateway's own code"),
        ("[two", "b.toml"),
    ):
        (tmp_path / "b.toml").write_text(text)
        with pytest.raises(FaultFileError, match=words):
            load(tmp_path)


def test_faults_are_chosen_by_name() -> None:
    """All of them if none is named; an unknown name is refused."""
    assert named(MUTATIONS, []) == MUTATIONS
    assert [one.name for one in named(MUTATIONS, ["no-warning-before-release"])] == [
        "no-warning-before-release"
    ]
    with pytest.raises(PatchError, match="no fault named nothing"):
        named(MUTATIONS, ["nothing"])


# -- the runner, on a tree of its own -----------------------------------------------------------------

GATEWAY = "def one():\n    return 1\n\n\ndef two():\n    return 3 - 1\n"
GOOD = "from gateway.one import one\n\n\ndef test_one():\n    assert one() == 1\n"
WEAK = "from gateway.one import one\n\n\ndef test_one():\n    assert one()\n"
RED = "def test_red():\n    assert False\n\n\n"
HANGS = "from gateway.one import one\n\n\ndef test_hangs():\n    while one() == 2:\n        pass\n"


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree with a gateway of one module; the runner takes it for the project's."""
    tree = tmp_path / "tree"
    for name in runner.COPIED:
        if "." in name:
            tree.mkdir(exist_ok=True)
            (tree / name).touch()
        else:
            (tree / name).mkdir(parents=True)
    (tree / "gateway" / "__init__.py").touch()
    (tree / "gateway" / "one.py").write_text(GATEWAY)
    (tree / "tests" / "core").mkdir()
    (tree / "tests" / "mutations").mkdir()
    witness = "mutation_witness.py"
    (tree / "tests" / "mutations" / witness).write_text((Path(runner.__file__).parent / witness).read_text())
    monkeypatch.setattr(runner, "ROOT", tree)
    return tree


def judged(small: Path, tests: str) -> Verdict:
    """What comes of the fault ONE with these tests."""
    (small / "tests" / "core" / "test_one.py").write_text(tests)
    with workshop() as place:
        return place.judge(ONE)


def test_a_fault_that_no_test_notices_survives(small: Path) -> None:
    """A test that would pass with any number catches nothing."""
    assert judged(small, WEAK).outcome == "survived"


def test_a_test_that_fails_anyway_catches_nothing_and_the_next_one_does(small: Path) -> None:
    """It is left out and named, and the test behind it catches the fault; the tree is as it was."""
    verdict = judged(small, RED + GOOD)
    assert (verdict.outcome, verdict.test) == ("caught", "tests/core/test_one.py::test_one")
    assert verdict.unsound == ("tests/core/test_one.py::test_red",)
    assert (small / "gateway" / "one.py").read_text() == GATEWAY


def test_tests_that_never_end_catch_it_too(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are stopped, and the test that hangs is named."""
    monkeypatch.setattr(runner._pytest, "__kwdefaults__", {"limit_s": 3.0})
    verdict = judged(small, HANGS)
    assert (verdict.outcome, verdict.test) == ("caught", "tests/core/test_one.py::test_hangs")
    assert verdict.hung


def test_a_fault_that_nothing_can_import_is_no_good_fault(small: Path) -> None:
    """A module that raises while it is imported fails any test, and says nothing about one."""
    (small / "gateway" / "one.py").write_text(GATEWAY + "if one() != 1:\n    raise ValueError\n")
    with pytest.raises(RunError, match="cannot even be imported"):
        judged(small, GOOD)


def test_modules_from_elsewhere_are_noticed(small: Path) -> None:
    """If the tests import another tree than the copy, nothing that they say counts."""
    escape = f"import sys\n\nsys.path.insert(0, {str(ROOT)!r})\n"
    (small / "tests" / "core" / "conftest.py").write_text(escape)
    with pytest.raises(RunError, match="did not come from the copy: gateway"):
        judged(small, "from gateway.core import units\n\n\ndef test_one():\n    assert units\n")


# -- some real ones, and all of them ------------------------------------------------------------------


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A workshop for the project itself."""
    return Workshop(tmp_path_factory.mktemp("workshop"))


@pytest.mark.parametrize(
    "mutation",
    [
        pytest.param(one, marks=[] if one.name in QUICKEST else [pytest.mark.soak], id=one.name)
        for one in MUTATIONS
    ],
)
def test_each_fault_is_caught(mutation: Mutation, place: Workshop) -> None:
    """Some test fails with it, by itself too, and passes without it."""
    verdict = place.judge(mutation)
    assert verdict.outcome == "caught", f"{mutation.breaks} No test notices."
    assert not verdict.unsound


# -- the page -----------------------------------------------------------------------------------------


def test_the_page_shows_every_fault_and_a_test_that_is_there() -> None:
    """Name, sentence and rule as in the files of faults; what catches each still exists."""
    part = runner.PART.search(runner.PAGE.read_text(encoding="utf-8"))
    assert part is not None
    rows = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in part[0].splitlines()[3:-1]]
    assert [row[:3] for row in rows] == [[one.name, one.breaks, one.offends] for one in MUTATIONS]
    for name, _, _, by in rows:
        found = re.fullmatch(r"`(tests/\S+)`: (.+)", by)
        assert found, f"{name}: caught by {by}"
        function = f"test_{found[2].replace(' ', '_')}"
        assert f"def {function}(" in (ROOT / found[1]).read_text(encoding="utf-8"), name


def test_only_the_generated_part_of_the_page_is_replaced() -> None:
    """What people wrote around it stays; a page without its markers is refused."""
    verdict = Verdict(
        "one", "caught", "tests/core/test_one.py::test_it_counts[1-2]", 0.5, hung=False, unsound=()
    )
    rows = runner.table([ONE], [verdict])
    assert "| one | It counts wrongly. | arithmetic | `tests/core/test_one.py`: it counts |\n" in rows
    made = runner.with_table("before\n<!-- mutations -->\nold\n<!-- end of mutations -->\nafter\n", rows)
    assert made == f"before\n<!-- mutations -->\n{rows}<!-- end of mutations -->\nafter\n"
    with pytest.raises(RunError, match="needs exactly one"):
        runner.with_table("nothing here", rows)


def test_a_survivor_fails_the_run_and_says_what_a_test_must_notice(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The sentence of what is broken is what a catching test would have to see."""
    verdict = Verdict("one", "survived", "", 9.0, hung=False, unsound=())
    assert "NOTHING. It counts wrongly. (arithmetic)" in runner.line(ONE, verdict)
    assert runner._conclude([verdict], as_json=False) == 1
    assert "no test catches: one" in capsys.readouterr().err


def test_every_file_of_faults_is_read() -> None:
    """None is left out for its name."""
    tables = [tomllib.loads(path.read_text(encoding="utf-8")) for path in FAULTS.iterdir()]
    assert sum(len(table) for table in tables) == len(MUTATIONS)
