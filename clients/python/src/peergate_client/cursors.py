import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import Protocol


class CursorStore(Protocol):
    """Keeps the position of a subscription while the program does not run.

    A message is handled when the loop asks for the next value; then its cursor is saved. So after a crash the last
    messages may come again, and none is left out. To handle each message exactly once, use no store: write the cursor
    to your own database in the transaction that has the effect of the message, and pass it as `after`.
    """

    async def load(self) -> str | None:
        """The saved cursor; None before the first one."""

    async def save(self, cursor: str) -> None: ...


class MemoryCursors:
    """For tests, and to go on in the same program."""

    def __init__(self, cursor: str | None = None) -> None:
        self.cursor = cursor

    async def load(self) -> str | None:
        return self.cursor

    async def save(self, cursor: str) -> None:
        self.cursor = cursor


class FileCursors:
    """A cursor in a file of its own. The file is replaced as a whole, so a crash leaves the old cursor or the new one.

    One process at a time may use it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fspath(path)

    async def load(self) -> str | None:
        return await asyncio.to_thread(self._load)

    async def save(self, cursor: str) -> None:
        await asyncio.to_thread(self._save, cursor)

    def _load(self) -> str | None:
        with contextlib.suppress(FileNotFoundError), open(self._path, encoding="utf-8") as file:
            return file.read().strip() or None
        return None

    def _save(self, cursor: str) -> None:
        following = f"{self._path}.next"
        with open(following, "w", encoding="utf-8") as file:
            file.write(f"{cursor}\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(following, self._path)


class CursorSaver:
    """Saves one cursor at a time. While a save runs, only the newest of the others is kept."""

    def __init__(self, store: CursorStore, failed: Callable[[Exception], None]) -> None:
        self._store = store
        self._failed = failed
        self._next: str | None = None
        self._running: asyncio.Task[None] | None = None

    def save(self, cursor: str) -> None:
        self._next = cursor
        if self._running is None:
            self._running = asyncio.create_task(self._run())

    async def idle(self) -> None:
        """Returns when all that was to be saved is saved."""
        if self._running is not None:
            await asyncio.shield(self._running)

    async def _run(self) -> None:
        try:
            while (cursor := self._next) is not None:
                self._next = None
                await self._store.save(cursor)
        except Exception as error:
            self._failed(error)
        finally:
            self._running = None
