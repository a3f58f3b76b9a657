"""The few requests that Exchange takes at a time from one application.

Outlook allows four, by some of its pages for the whole application whatever the mailbox. Exchange works on
a batch four at a time, so a batch takes them all.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Slots:
    """`count` places. Whoever waits is served in the order of arrival."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._free = asyncio.Semaphore(count)
        # Routine reads leave one place to writes and what belongs to them: a release must not queue
        # behind the reading of a hundred rooms.
        self._routine = asyncio.Semaphore(max(1, count - 1))
        # Two that each hold some and wait for the rest would wait for ever.
        self._gathering = asyncio.Lock()

    @asynccontextmanager
    async def one(self, *, urgent: bool) -> AsyncIterator[None]:
        """One place; only the urgent may have the last."""
        if urgent:
            async with self._free:
                yield
        else:
            async with self._routine, self._free:
                yield

    @asynccontextmanager
    async def all(self) -> AsyncIterator[None]:
        """Every place."""
        held = 0
        async with self._gathering:
            try:
                while held < self._count:
                    await self._free.acquire()
                    held += 1
                yield
            finally:
                for _ in range(held):
                    self._free.release()
