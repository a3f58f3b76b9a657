"""Puts each deliberate fault into a private copy of the code and sees that a test fails.

    python -m tests.mutations.runner                    every fault, two at a time
    python -m tests.mutations.runner release-on-unknown  only the named ones
    python -m tests.mutations.runner --list              what there is
    python -m tests.mutations.runner --json              the outcome for programs
    python -m tests.mutations.runner --page              every fault, and the table in docs/mutations.md

A fault is caught by a test that fails with it, fails again when it is run by itself, and passes on an
unchanged copy. Exit: 0 all caught; 1 something was not; 2 a patch does not fit the code or the copy was
not what was tested.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Final, Literal

from tests.mutations.patches import ROOT, Mutation, PatchError, load, named

PAGE: Final = ROOT / "docs" / "mutations.md"
PART: Final = re.compile(r"(<!-- mutations -->\n).*?(<!-- end of mutations -->)", re.DOTALL)

COPIED: Final = ("gateway", "simulators", "tests", "docs", "packaging", "pyproject.toml", "README.md")
PROPERTIES: Final = "tests/core/test_properties.py"
REPLAY: Final = "tests/replay"
WHAT_IF: Final = tuple(f"{REPLAY}/test_{name}.py" for name in ("judging", "put_back", "what_if"))
EVIDENCE: Final = f"{REPLAY}/test_evidence.py"
OTHERWISE: Final = f"{REPLAY}/test_otherwise.py"

STAGES: Final[dict[str, tuple[str, ...]]] = {
    "core": ("tests/core", f"--ignore={PROPERTIES}"),
    "properties": (PROPERTIES,),
    "ledger": ("tests/ledger",),
    "sensors": ("tests/sensors",),
    "exchange": ("tests/exchange",),
    "links": ("tests/links",),
    "reports": ("tests/reports",),
    "what-if": WHAT_IF,
    "replay": (REPLAY, *(f"--ignore={file}" for file in (*WHAT_IF, EVIDENCE, OTHERWISE))),
    "otherwise": (OTHERWISE,),
    "evidence": (EVIDENCE,),
    "runtime": ("tests/runtime",),
    "commands": ("tests/commands",),
    "integration": ("tests/integration",),
    "scenarios": ("tests/scenarios",),
    "world": ("tests/simulators/test_world.py",),
    "crash": ("tests/crash",),
}
"""Which tests, fastest first."""

STAGE_S: Final = 300.0
"""A stage that takes longer hangs: several times what the slowest takes on two busy cores."""

PLUGINS: Final = ("pytest_asyncio.plugin", "_hypothesis_pytestplugin")
AT_ONCE: Final = 2
UNSOUND_LIMIT: Final = 5
"""So many tests that fail without any fault, or only now and then, and there is no point in going on."""

OK: Final = (0, 5)
"""pytest's exit codes for "all passed" and "nothing to run"."""

Outcome = Literal["caught", "survived"]


class RunError(Exception):
    """The tests did not say anything about the fault; the message says why."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one fault."""

    name: str
    outcome: Outcome
    test: str
    """The test that failed, as pytest names it; empty if none did."""
    seconds: float
    """How long it took to get there from the first test on, all stages together."""
    hung: bool
    """The test did not end by itself."""
    unsound: tuple[str, ...]
    """Tests that were left out because they fail without the fault too, or not each time."""


@dataclass(frozen=True, slots=True)
class _Run:
    """What one run of pytest said."""

    code: int
    failed: str
    hung: bool


class Workshop:
    """A private copy of the tree, taken once, and as many copies of it as there are faults."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.clean = folder / "clean"
        copy_tree(ROOT, self.clean)
        self._lock = Lock()
        self._passes = lru_cache(maxsize=None)(self._run_clean)

    def judge(self, mutation: Mutation) -> Verdict:
        """Try one fault. Raises PatchError or RunError."""
        tree = self._folder / mutation.name
        copy_tree(self.clean, tree)
        try:
            mutation.apply(tree)
            return self._judge(mutation, tree)
        finally:
            shutil.rmtree(tree)

    def _judge(self, mutation: Mutation, tree: Path) -> Verdict:
        unsound: list[str] = []
        began = time.monotonic()
        for stage in (*mutation.stages, *(name for name in STAGES if name not in mutation.stages)):
            while True:
                run = _pytest(tree, *STAGES[stage], *(f"--deselect={test}" for test in unsound))
                seconds = time.monotonic() - began
                if not run.failed:
                    break
                if self._is_sound(run, tree):
                    return Verdict(mutation.name, "caught", run.failed, seconds, run.hung, tuple(unsound))
                unsound.append(run.failed)
                if len(unsound) > UNSOUND_LIMIT:
                    raise RunError(f"the tree is not green without a fault either: {', '.join(unsound)}")
        return Verdict(
            mutation.name, "survived", "", time.monotonic() - began, hung=False, unsound=tuple(unsound)
        )

    def _is_sound(self, run: _Run, tree: Path) -> bool:
        """Whether the test tells the fault from its absence: fails with it again, passes without it."""
        with self._lock:
            passes = self._passes(run.failed)
        return passes and (run.hung or bool(_pytest(tree, run.failed).failed))

    def _run_clean(self, test: str) -> bool:
        return _pytest(self.clean, test).code == 0


@contextmanager
def workshop() -> Iterator[Workshop]:
    """A workshop in a temporary folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        yield Workshop(Path(folder))


def copy_tree(source: Path, target: Path) -> None:
    """Copy what the tests need. No byte code: a fault must not hide behind an older one's."""
    target.mkdir()
    for name in COPIED:
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copy2(source / name, target / name)


def _environment(tree: Path, notes: Path) -> dict[str, str]:
    """The copy comes before the installed tree, for child processes too; nothing of our own run leaks in."""
    ours = ("COV", "PYTEST", "PYTHON", "PROPERTY_FACTOR", "HYPOTHESIS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {
        "PYTHONPATH": f"{tree}{os.pathsep}{tree / 'tests' / 'mutations'}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        # Plugins that are installed may be ours, and would come from the installed tree: `PLUGINS` are named.
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "MUTATION_TREE": str(tree),
        "MUTATION_NOTES": str(notes),
    }


def _pytest(tree: Path, *arguments: str, limit_s: float = STAGE_S) -> _Run:
    """Run tests of a copy up to the first failure. Raises RunError if they say nothing about it."""
    present = [one for one in arguments if one.startswith("-") or (tree / one.partition("::")[0]).exists()]
    if all(one.startswith("-") for one in present):
        return _Run(OK[1], "", hung=False)
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as notes:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=short", "-p", "mutation_witness"]
        command += [part for plugin in PLUGINS for part in ("-p", plugin)]
        command += ["-p", "no:cacheprovider", "-m", "not soak", f"--rootdir={tree}", *present]
        code, output = _bounded(command, tree, _environment(tree, Path(notes.name)), limit_s)
        return _understood(code, Path(notes.name).read_text(encoding="utf-8"), output)


def _bounded(
    command: Sequence[str], folder: Path, env: dict[str, str], limit_s: float
) -> tuple[int | None, str]:
    """Exit code and the end of the output; None as code if it had to be stopped, with all its children."""
    with subprocess.Popen(  # noqa: S603 - pytest, on our own tests
        command,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            return None, output[-2_000:]
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return process.returncode, output[-2_000:]


def _understood(code: int | None, notes: str, output: str) -> _Run:
    """What the witness wrote down, and that it is a witness of the copy."""
    facts = [json.loads(line) for line in notes.splitlines()]
    if code is None:
        began = [fact["began"] for fact in facts if "began" in fact]
        if not began:
            raise RunError(f"pytest hung before its first test:\n{output}")
        return _Run(1, began[-1], hung=True)
    uncollected = [fact["uncollected"] for fact in facts if "uncollected" in fact]
    if uncollected:
        raise RunError(f"with the fault {uncollected[0]} cannot even be imported:\n{output}")
    foreign = [name for fact in facts for name in fact.get("foreign", [])]
    if foreign:
        raise RunError(f"these modules did not come from the copy: {', '.join(foreign)}")
    if code not in (*OK, 1) or not any("imported" in fact for fact in facts):
        raise RunError(f"pytest ended with {code}:\n{output}")
    failed = [fact["failed"] for fact in facts if "failed" in fact]
    if (code == 1) != bool(failed):
        raise RunError(f"pytest ended with {code}, and no test said why:\n{output}")
    return _Run(code, failed[0] if failed else "", hung=False)


# -- telling ------------------------------------------------------------------------------------------

Tell = Callable[[Mutation, Verdict], None]


def judge_all(mutations: Sequence[Mutation], tell: Tell, at_once: int = AT_ONCE) -> list[Verdict]:
    """Try every fault, a few at a time; `tell` is called after each. Raises PatchError or RunError."""
    for mutation in mutations:
        mutation.mutated((ROOT / mutation.file).read_text(encoding="utf-8"))
    with workshop() as place, ThreadPoolExecutor(at_once) as pool:

        def judge(mutation: Mutation) -> Verdict:
            try:
                verdict = place.judge(mutation)
            except RunError as error:
                raise RunError(f"{mutation.name}: {error}") from error
            tell(mutation, verdict)
            return verdict

        futures = [pool.submit(judge, mutation) for mutation in mutations]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def line(mutation: Mutation, verdict: Verdict) -> str:
    """One row of the table that is printed."""
    by = verdict.test.removeprefix("tests/") or f"NOTHING. {mutation.breaks} ({mutation.offends})"
    hung = " (it hangs)" if verdict.hung else ""
    rows = [f"{verdict.outcome:<9}{verdict.seconds:6.1f} s  {mutation.name:<36} {by}{hung}"]
    rows += [f"{'':<19}fails without the fault too, or not each time: {test}" for test in verdict.unsound]
    return "\n".join(rows) + "\n"


def table(mutations: Sequence[Mutation], verdicts: Sequence[Verdict]) -> str:
    """The table of the page: name, what is broken, caught by. No times, no parameters: it changes seldom."""
    caught = {verdict.name: verdict.test for verdict in verdicts}
    rows = ["| fault | what is broken | offends | caught by |", "|---|---|---|---|"]
    for mutation in mutations:
        by = _in_words(caught[mutation.name])
        rows.append(f"| {mutation.name} | {mutation.breaks} | {mutation.offends} | {by} |")
    return "\n".join(rows) + "\n"


def _in_words(test: str) -> str:
    """A test's file, and its name as the sentence that it is."""
    file, _, name = test.partition("::")
    words = name.partition("[")[0].removeprefix("test_").replace("_", " ")
    return f"`{file}`: {words}" if test else "nothing"


def with_table(page: str, rows: str) -> str:
    """The page with its generated part replaced. Raises RunError if it has no markers."""
    after, count = PART.subn(lambda found: f"{found[1]}{rows}{found[2]}", page)
    if count != 1:
        raise RunError("the page needs exactly one <!-- mutations --> … <!-- end of mutations -->")
    return after


def main(arguments: Sequence[str]) -> int:
    """Do as the module says; its docstring gives the exit codes."""
    parser = argparse.ArgumentParser(prog="mutations", description="See that tests catch deliberate faults.")
    parser.add_argument("names", nargs="*", metavar="FAULT", help="only these")
    parser.add_argument("--list", action="store_true", help="only show what there is")
    parser.add_argument("--json", action="store_true", help="the outcome as JSON")
    parser.add_argument("--page", nargs="?", type=Path, const=PAGE, help="write the table into the page")
    parser.add_argument("--at-once", type=int, default=AT_ONCE, help="how many at a time")
    asked = parser.parse_args(arguments)
    if asked.page and asked.names:
        parser.error("the page shows every fault: name none")
    try:
        mutations = named(load(), asked.names)
        if asked.list:
            for one in mutations:
                sys.stdout.write(f"{one.name}\n    {one.breaks}\n    {one.offends}; {one.file}\n")
            return 0

        def tell(mutation: Mutation, verdict: Verdict) -> None:
            stream = sys.stderr if asked.json else sys.stdout
            stream.write(line(mutation, verdict))
            stream.flush()

        verdicts = judge_all(mutations, tell, asked.at_once)
        if asked.page:
            page = asked.page.read_text(encoding="utf-8")
            asked.page.write_text(with_table(page, table(mutations, verdicts)), encoding="utf-8")
    except (PatchError, RunError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return _conclude(verdicts, as_json=asked.json)


def _conclude(verdicts: Sequence[Verdict], *, as_json: bool) -> int:
    survived = [verdict.name for verdict in verdicts if verdict.outcome == "survived"]
    unsound = sorted({test for verdict in verdicts for test in verdict.unsound})
    if as_json:
        json.dump([asdict(verdict) for verdict in verdicts], sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        sys.stdout.write(f"{len(verdicts) - len(survived)} of {len(verdicts)} faults caught\n")
    if survived:
        sys.stderr.write(f"no test catches: {', '.join(survived)}\n")
    if unsound:
        sys.stderr.write(f"tests that fail without a fault, or not each time: {', '.join(unsound)}\n")
    return 1 if survived or unsound else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
