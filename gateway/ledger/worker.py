"""The ledger on its own thread, so that a slow disk never stops the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from gateway.ledger.store import Checkpoint, Ledger

T = TypeVar("T")


class LedgerWorker:
    """Runs everything that touches the ledger in order on one thread.

    `executor` is for simulated worlds, which run everything inline; it must keep calls in order.
    """

    def __init__(
        self, path: Path, executor: Executor | None = None, checkpoint: Checkpoint = lambda _: None
    ) -> None:
        self._path = path
        self._checkpoint = checkpoint
        self._executor = executor or ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._ledger: Ledger | None = None

    async def open(self) -> None:
        """Open the file; raises what `Ledger` raises."""
        self._ledger = await self._submit(lambda: Ledger(self._path, self._checkpoint))

    async def run(self, job: Callable[[Ledger], T]) -> T:
        """Run a job with the ledger on its thread; its exception is raised here."""
        return await self._submit(lambda: job(self._opened()))

    async def close(self) -> None:
        """Close the file after all jobs before it, and end the thread."""
        if self._ledger is not None:
            await self._submit(self._ledger.close)
            self._ledger = None
        self._executor.shutdown(wait=False)

    def _opened(self) -> Ledger:
        if self._ledger is None:
            raise RuntimeError("the ledger is not open")
        return self._ledger

    async def _submit(self, job: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, job)
