import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from .back_off import repeat_after_ms
from .errors import PeergateError, client_error, gateway_error
from .frames import Frame, encode_frame


def _ignore(_: object) -> None:
    return


@dataclass(eq=False, kw_only=True)
class Call:
    """A frame that asks for an answer. One of its callbacks runs, once, before the next frame is read."""

    frame: Frame
    answered: Callable[[Frame], None] = field(default=_ignore)
    refused: Callable[[PeergateError], None] = field(default=_ignore)
    resend: bool
    """Whether it waits for a connection, and is sent again on the next one, unless it has been answered.

    Otherwise it fails with its connection.
    """
    repeat: bool
    """Whether it is sent again after an error that is retryable."""
    counts: bool
    """Whether the application made it: only those calls are limited. A subscription must be able to resume."""


@dataclass(eq=False)
class _Pending:
    call: Call
    encoded: bytes
    is_sent: bool = False
    """On the present connection."""
    timer: asyncio.TimerHandle | None = None

    def stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Calls:
    """The calls without an answer, oldest first."""

    def __init__(
        self, send: Callable[[bytes], bool], oversize: Callable[[bytes], PeergateError | None], max_pending: int
    ) -> None:
        """`send` returns False when there is no connection; `oversize` gives the error of a frame that is too large."""
        self._send = send
        self._oversize = oversize
        self._max_pending = max_pending
        self._pending: dict[int, _Pending] = {}
        self._counted = 0
        self._last_id = 0

    def add(self, call: Call) -> Callable[[], None]:
        """Returns what gives the call up; its callbacks run no more.

        Raises TypeError or ValueError for what is no JSON.
        """
        encoded = encode_frame(call.frame)
        if call.counts and self._counted >= self._max_pending:
            call.refused(client_error("too_many_calls"))
            return lambda: None
        self._last_id += 1
        number = self._last_id
        self._counted += call.counts
        self._pending[number] = _Pending(call, encoded)
        if not self._send_one(number) and not call.resend:
            self._refuse(number, client_error("connection_lost"))
        return lambda: self._give_up(number)

    def answer(self, frame: Frame) -> bool:
        """Gives an answer to its call. Returns False if the frame is no answer."""
        number = frame.get("id")
        if not isinstance(number, int):
            return False
        pending = self._pending.get(number)
        if pending is None:
            # Such as the second answer to a call that was sent twice.
            return True
        if frame["type"] != "error":
            self._take(number)
            pending.call.answered(frame)
            return True
        error = gateway_error(frame)
        if error.retryable and pending.call.repeat:
            pending.stop_timer()
            pause = repeat_after_ms(error.retry_after_ms)
            pending.timer = asyncio.get_running_loop().call_later(pause / 1_000, self._send_one, number)
        else:
            self._refuse(number, error)
        return True

    def connected(self) -> None:
        """Sends what waited for a connection, in its order."""
        for number, pending in list(self._pending.items()):
            if not pending.is_sent:
                self._send_one(number)

    def lost(self) -> None:
        for number, pending in list(self._pending.items()):
            pending.is_sent = False
            if not pending.call.resend:
                self._refuse(number, client_error("connection_lost"))

    def end(self, error: PeergateError) -> None:
        for number in list(self._pending):
            self._refuse(number, error)

    def _send_one(self, number: int) -> bool:
        pending = self._pending.get(number)
        if pending is None:
            return True
        pending.stop_timer()
        encoded = b'{"id":%d,%b' % (number, pending.encoded[1:])
        oversize = self._oversize(encoded)
        if oversize is not None:
            self._refuse(number, oversize)
            return True
        pending.is_sent = self._send(encoded)
        return pending.is_sent

    def _refuse(self, number: int, error: PeergateError) -> None:
        pending = self._take(number)
        if pending is not None:
            pending.call.refused(error)

    def _give_up(self, number: int) -> None:
        self._take(number)

    def _take(self, number: int) -> _Pending | None:
        pending = self._pending.pop(number, None)
        if pending is not None:
            pending.stop_timer()
            self._counted -= pending.call.counts
        return pending
