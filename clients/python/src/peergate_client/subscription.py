import asyncio
import contextlib
import weakref
from types import TracebackType
from typing import Self

from .connection import Connection
from .feed import Feed, FeedInit
from .items import Item


class Subscription:
    """The values of topics, for `async for`.

    `async with` ends it with the block; without one it ends when the loop was left and nothing refers to it. The value
    that the loop has when it is left does not count as handled.
    """

    def __init__(self, connection: Connection, init: FeedInit) -> None:
        self._feed = Feed(connection, init)
        # The feed does not refer to this object, so that a loop that was left ends it.
        ending = weakref.finalize(self, _stop, asyncio.get_running_loop(), self._feed)
        ending.atexit = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        """When it is cancelled no value is lost."""
        item = await self._feed.next()
        if item is None:
            raise StopAsyncIteration
        return item

    async def aclose(self) -> None:
        """Ends the subscription; returns when the cursor store has what was handled."""
        await self._feed.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()


def _stop(loop: asyncio.AbstractEventLoop, feed: Feed) -> None:
    # Python may run this in any thread, and after the end of the loop.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(feed.stop)
