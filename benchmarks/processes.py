"""Processes that are measured: started, listened to, looked at from outside, and ended."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

ROOT: Final = Path(__file__).resolve().parent.parent
ANSWER_S: Final = 90.0
"""How long a process may take until it says what is waited for."""
END_S: Final = 10.0
LOG_SHOWN: Final = 2_000


class ProcessError(Exception):
    """A measured process ended, or did not say in time what was expected; the text holds its log's end."""


class Measured:
    """`python -m <module> <arguments>` in a process of its own, for as long as the context lasts."""

    def __init__(self, module: str, *arguments: str, log: Path) -> None:
        """`log`: where its standard error goes."""
        self._module = module
        self._arguments = arguments
        self._log = log
        self._process: Process | None = None

    async def __aenter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", self._module, *self._arguments,
                stdin=PIPE, stdout=PIPE, stderr=log, cwd=ROOT,
            )  # fmt: skip
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close its input, which asks it to end; kill it if it does not."""
        process = self._running()
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(END_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def says(self, key: str) -> dict[str, Any]:
        """The next line that holds `key`; others are passed over. Raises ProcessError."""
        output = self._running().stdout
        try:
            async with asyncio.timeout(ANSWER_S):
                while output is not None and (line := await output.readline()):
                    told: dict[str, Any] = json.loads(line)
                    if key in told:
                        return told
        except TimeoutError:
            pass
        raise ProcessError(f"{self._module} did not say {key!r}: {self._log_end()}")

    async def reaches(self, count: int) -> float:
        """The monotonic time, in seconds, at which it had dealt with `count` messages."""
        while (told := await self.says("count"))["count"] < count:
            pass
        return float(told["at"])

    async def ends(self) -> None:
        """Wait until it ends by itself. Raises ProcessError if that is with an error."""
        try:
            async with asyncio.timeout(ANSWER_S):
                code = await self._running().wait()
        except TimeoutError:
            code = -1
        if code:
            raise ProcessError(f"{self._module} ended with {code}: {self._log_end()}")

    # -- seen from outside (proc(5)) ------------------------------------------------------------------

    @property
    def cpu_s(self) -> float:
        """Seconds of processor time so far, its own and the system's for it."""
        fields = self._proc("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def peak_rss_bytes(self) -> int:
        """The most memory that it has had resident."""
        return int(self._field("status", "VmHWM").split()[0]) * 1024

    @property
    def written_bytes(self) -> int:
        """What it has had the system write to disk so far."""
        return int(self._field("io", "write_bytes")) - int(self._field("io", "cancelled_write_bytes"))

    def _field(self, file: str, name: str) -> str:
        lines = self._proc(file).splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith(f"{name}:"))

    def _proc(self, file: str) -> str:
        return Path(f"/proc/{self._running().pid}/{file}").read_text(encoding="utf-8")

    def _running(self) -> Process:
        if self._process is None:
            raise ProcessError(f"{self._module} has not been started")
        return self._process

    def _log_end(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")[-LOG_SHOWN:]


def file_system(path: Path) -> str:
    """Type of the file system that `path` is on, or "unknown"."""
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _, mounted_at, type_, *_ = line.split()
        if path.is_relative_to(mounted_at) and len(mounted_at) >= len(best):
            best, kind = mounted_at, type_
    return kind
