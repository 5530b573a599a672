import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

from .back_off import asked_ms, pause_ms
from .calls import Call
from .connection import Connection
from .cursors import CursorSaver, CursorStore
from .errors import PeergateError, gateway_error
from .frames import Frame, message_of
from .items import CaughtUp, Gap, Item, MessageItem
from .states import Open

LOST_POSITIONS = {
    "cursor_expired": "expired",
    "cursor_epoch_mismatch": "other-log",
    "cursor_ahead": "other-log",
}
"""Positions that the gateway refuses, with the reason of the gap up to where it can begin."""

_numbers = count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedInit:
    topics: Sequence[str]
    after: str = "latest"
    cursors: CursorStore | None = None
    direct: bool | None = None
    own: bool | None = None
    encoding: str | None = None
    max_buffered_items: int = 1_000
    max_buffered_characters: int = 8 * 2**20


@dataclass(frozen=True, slots=True)
class _Entry:
    item: Item | None
    """None for a position without a value."""
    cursor: str
    length: int = 0


class Feed:
    """The values of a subscription that the application has not taken yet.

    It subscribes on each connection, after the last value in its buffer. When the buffer is full it unsubscribes, and
    drops what is under way: it subscribes there again when half is taken.
    """

    def __init__(self, connection: Connection, init: FeedInit) -> None:
        self._connection = connection
        self._init = init
        self._number = next(_numbers)
        self._saver = None if init.cursors is None else CursorSaver(init.cursors, self._finish)
        self._entries: deque[_Entry] = deque()
        self._characters = 0
        self._position = init.after
        self._name: str | None = None
        """Of the present subscription at the gateway; frames of earlier ones are ignored."""
        self._asked = 0
        self._is_accepted = False
        self._is_leaving = False
        self._give_up: Callable[[], None] = lambda: None
        self._again: asyncio.TimerHandle | None = None
        self._failures = 0
        self._lost: tuple[str, str] | None = None
        self._is_caught_up = False
        self._in_hand: str | None = None
        """Cursor of the value that the application has."""
        self._news: asyncio.Event = asyncio.Event()
        self._is_read = False
        self._is_ended = False
        self._error: Exception | None = None
        self._leave: Callable[[], None] = lambda: None
        self._starting = asyncio.create_task(self._start())

    async def next(self) -> Item | None:
        """The next value, or None at the end. The value before counts as handled.

        When it is cancelled no value is lost.
        """
        if self._is_read:
            raise RuntimeError("the next value was asked for before the value before had come")
        self._is_read = True
        try:
            self._handled()
            while True:
                while self._entries:
                    entry = self._entries.popleft()
                    self._characters -= entry.length
                    self._resume()
                    self._in_hand = entry.cursor
                    if entry.item is not None:
                        return entry.item
                    self._handled()
                if self._is_ended:
                    await self._last()
                    return None
                self._news.clear()
                await self._news.wait()
        finally:
            self._is_read = False

    def stop(self) -> None:
        """The value that the application has does not count as handled."""
        self._in_hand = None
        self._entries.clear()
        self._finish(None)

    async def close(self) -> None:
        self.stop()
        await self._idle()

    async def _start(self) -> None:
        try:
            saved = None if self._init.cursors is None else await self._init.cursors.load()
        except Exception as error:
            self._finish(error)
        else:
            self._position = saved or self._position
        if not self._is_ended:
            self._leave = self._connection.join(self)

    def connected(self) -> None:
        self._subscribe()

    def lost(self) -> None:
        self._stop_timer()
        self._name = None
        self._is_leaving = False

    def ended(self, error: PeergateError) -> None:
        self._finish(None if error.code == "closed" else error)

    def frame(self, frame: Frame, length: int) -> None:
        if self._name is None or frame.get("subscription") != self._name or not self._is_accepted:
            return
        match frame["type"]:
            case "message":
                message = message_of(frame["message"])
                self._failures = 0
                self._put(_Entry(MessageItem(message, message.cursor), message.cursor, length))
            case "gap":
                start, end, topic = frame["from"], frame["to"], frame.get("topic")
                gap = Gap(start, end, frame["reason"], end, topic, direct=frame.get("direct") is True)
                self._put(_Entry(gap, end, length))
            case "caught-up" if not self._is_caught_up:
                self._is_caught_up = True
                self._put(_Entry(CaughtUp(frame["cursor"]), frame["cursor"], length))
            case "caught-up" | "progress":
                self._put(_Entry(None, frame["cursor"]))
            case "error":
                self._name = None
                self._refused(gateway_error(frame))

    def _subscribe(self) -> None:
        self._stop_timer()
        if self._name is not None or self._is_ended or self._is_full():
            return
        self._asked += 1
        name = self._name = f"{self._number}.{self._asked}"
        self._is_accepted = False

        def answered(answer: Frame) -> None:
            if answer["type"] == "subscribed" and self._name == name:
                self._subscribed(answer["cursor"])

        def refused(error: PeergateError) -> None:
            if self._name == name:
                self._name = None
                self._refused(error)

        frame = {
            "type": "subscribe",
            "subscription": name,
            "topics": list(self._init.topics),
            "after": self._position,
            "direct": self._init.direct,
            "own": self._init.own,
            "encoding": self._init.encoding,
        }
        self._give_up = self._connection.call(
            Call(frame=frame, answered=answered, refused=refused, resend=False, repeat=False, counts=False)
        )

    def _subscribed(self, cursor: str) -> None:
        self._is_accepted = True
        lost, self._lost = self._lost, None
        if lost is None:
            self._position = cursor
        else:
            self._put(_Entry(Gap(lost[0], cursor, lost[1], cursor), cursor))

    def _refused(self, error: PeergateError) -> None:
        # The next connection subscribes again.
        if self._is_ended or error.code == "connection_lost":
            return
        reason = LOST_POSITIONS.get(error.code)
        if error.retryable:
            # Such as an interrupted database: the same place again.
            pause = pause_ms(self._connection.init.back_off, self._failures, asked_ms(error.retry_after_ms or 0))
            self._failures += 1
            self._again = asyncio.get_running_loop().call_later(pause / 1_000, self._subscribe_if_open)
        elif reason is None or self._position == "earliest":
            self._finish(error)
        else:
            self._lost = (self._position, reason)
            self._position = "earliest"
            self._subscribe()

    def _subscribe_if_open(self) -> None:
        if isinstance(self._connection.state, Open):
            self._subscribe()

    def _put(self, entry: _Entry) -> None:
        self._position = entry.cursor
        if entry.item is None and self._entries and self._entries[-1].item is None:
            self._entries.pop()
        self._entries.append(entry)
        self._characters += entry.length
        self._news.set()
        if self._is_full():
            self._unsubscribe()

    def _is_full(self) -> bool:
        return (
            len(self._entries) >= self._init.max_buffered_items
            or self._characters >= self._init.max_buffered_characters
        )

    def _resume(self) -> None:
        if self._name is not None or self._is_leaving or self._again is not None:
            return
        half_taken = (
            len(self._entries) <= self._init.max_buffered_items / 2
            and self._characters <= self._init.max_buffered_characters / 2
        )
        if half_taken:
            self._subscribe_if_open()

    def _unsubscribe(self) -> None:
        name, self._name = self._name, None
        self._give_up()
        if name is None:
            return
        self._is_leaving = True

        def left(_: object) -> None:
            self._is_leaving = False
            if not self._is_ended:
                self._resume()

        frame = {"type": "unsubscribe", "subscription": name}
        self._connection.call(
            Call(frame=frame, answered=left, refused=left, resend=False, repeat=True, counts=False)
        )

    def _handled(self) -> None:
        if self._in_hand is not None and self._saver is not None:
            self._saver.save(self._in_hand)
        self._in_hand = None

    def _finish(self, error: Exception | None) -> None:
        if self._is_ended:
            return
        self._is_ended = True
        self._error = error
        self._stop_timer()
        self._leave()
        self._unsubscribe()
        self._news.set()

    def _stop_timer(self) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again = None

    async def _last(self) -> None:
        await self._idle()
        error, self._error = self._error, None
        if error is not None:
            raise error

    async def _idle(self) -> None:
        if self._saver is not None:
            await self._saver.idle()
