import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from .attempt import Attempt, AttemptInit, Ending
from .back_off import BackOff, pause_ms
from .calls import Call, Calls
from .close_codes import is_final
from .errors import PeergateError, client_error
from .frames import Frame
from .states import Closed, Connecting, ConnectionState, Idle, Open, Waiting

Token = str | Callable[[], str | Awaitable[str]] | None

PROVEN_SECONDS = 5
"""For which a connection must have been open to count as a success: one that is cut at once is a failure."""


class Participant(Protocol):
    """What lives on the connection through its ends: a subscription, a service, a validator."""

    def connected(self) -> None:
        """A connection is open: register again."""

    def lost(self) -> None: ...

    def frame(self, frame: Frame, length: int) -> None:
        """Is given a frame that answers no call."""

    def ended(self, error: PeergateError) -> None:
        """There will be no further connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionInit:
    urls: tuple[str, ...]
    token: Token = None
    back_off: BackOff = BackOff()
    connect_timeout_ms: float = 15_000
    heartbeat_ms: float = 25_000
    max_frame_bytes: int = 64 * 2**20
    max_pending_calls: int = 1_000


class Connection:
    """One stream to one of the gateways at a time.

    It begins with the first use, and is opened again until it is closed.
    """

    def __init__(self, init: ConnectionInit) -> None:
        self.init = init
        self.state: ConnectionState = Idle()
        self._calls = Calls(self.send, self.oversize, init.max_pending_calls)
        self._max_sent_bytes: int | None = None
        # In the order in which they came; the values are not used.
        self._participants: dict[Participant, None] = {}
        self._watchers: list[Callable[[ConnectionState], None]] = []
        self._attempt: Attempt | None = None
        self._opened_at = 0.0
        self._running: asyncio.Task[None] | None = None

    def watch(self, watcher: Callable[[ConnectionState], None]) -> Callable[[], None]:
        """Returns what ends the watching."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher) if watcher in self._watchers else None

    def join(self, participant: Participant) -> Callable[[], None]:
        """Returns what takes it out again."""
        if isinstance(self.state, Closed):
            participant.ended(self.state.error or client_error("closed"))
            return lambda: None
        self._participants[participant] = None
        if isinstance(self.state, Open):
            participant.connected()
        self._begin()
        return lambda: self._leave(participant)

    def call(self, call: Call) -> Callable[[], None]:
        """Returns what gives the call up."""
        if isinstance(self.state, Closed):
            call.refused(self.state.error or client_error("closed"))
            return lambda: None
        give_up = self._calls.add(call)
        self._begin()
        return give_up

    def send(self, encoded: bytes) -> bool:
        """Returns False, and sends nothing, if no connection is open."""
        if self._attempt is None or not isinstance(self.state, Open):
            return False
        self._attempt.send(encoded)
        return True

    def oversize(self, encoded: bytes) -> PeergateError | None:
        """The error of a frame that is larger than the gateway takes: it would end the connection for good."""
        if self._max_sent_bytes is None or len(encoded) <= self._max_sent_bytes:
            return None
        return PeergateError(
            "message_too_large", f"The frame has {len(encoded)} bytes, and the maximum is {self._max_sent_bytes}"
        )

    async def close(self) -> None:
        self._finish(None)
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    def _begin(self) -> None:
        if isinstance(self.state, Idle):
            self._enter(Connecting(self.init.urls[0], 0))
            self._running = asyncio.create_task(self._run())

    def _leave(self, participant: Participant) -> None:
        self._participants.pop(participant, None)

    async def _run(self) -> None:
        failures = attempts = 0
        try:
            while True:
                url = self.init.urls[attempts % len(self.init.urls)]
                attempts += 1
                if attempts > 1:
                    self._enter(Connecting(url, failures))
                ending = await self._one(url)
                self._attempt = None
                if ending.is_final or is_final(ending.code, can_renew_token=callable(self.init.token)):
                    self._finish(ending.error)
                    return
                if ending.was_open and time.monotonic() - self._opened_at >= PROVEN_SECONDS:
                    failures = 0
                pause = pause_ms(self.init.back_off, failures, ending.retry_after_ms)
                failures += 1
                self._enter(Waiting(pause, failures, ending.error))
                self._calls.lost()
                for participant in list(self._participants):
                    participant.lost()
                await asyncio.sleep(pause / 1_000)
        except Exception as cause:
            # A fault of this client: nothing that waits may wait for ever.
            self._finish(client_error("connection_closed", f"The client failed: {cause!r}"))
            raise

    async def _one(self, url: str) -> Ending:
        try:
            token = self.init.token() if callable(self.init.token) else self.init.token
            bearer = await token if inspect.isawaitable(token) else token
        except Exception as cause:
            # Where tokens come from can be away for a while too.
            error = client_error("no_token", f"The function that gives tokens failed: {cause!r}")
            error.__cause__ = cause
            return Ending(error)
        self._attempt = Attempt(
            AttemptInit(
                url=url,
                token=bearer,
                connect_timeout_ms=self.init.connect_timeout_ms,
                heartbeat_ms=self.init.heartbeat_ms,
                max_frame_bytes=self.init.max_frame_bytes,
                take=lambda frame, length: self._take(url, frame, length),
            )
        )
        return await self._attempt.run()

    def _take(self, url: str, frame: Frame, length: int) -> None:
        if frame["type"] == "welcome":
            self._opened_at = time.monotonic()
            limits = frame.get("limits")
            most = limits.get("maxFrameBytes") if isinstance(limits, dict) else None
            self._max_sent_bytes = most if isinstance(most, int) else None
            self._enter(Open(url, frame["peerId"]))
            for participant in list(self._participants):
                participant.connected()
            self._calls.connected()
        elif not self._calls.answer(frame):
            for participant in list(self._participants):
                participant.frame(frame, length)

    def _finish(self, error: PeergateError | None) -> None:
        if isinstance(self.state, Closed):
            return
        self._enter(Closed(error))
        reason = error or client_error("closed")
        for participant in list(self._participants):
            participant.ended(reason)
        self._participants.clear()
        self._calls.end(reason)
        self._watchers.clear()

    def _enter(self, state: ConnectionState) -> None:
        self.state = state
        for watcher in list(self._watchers):
            try:
                watcher(state)
            except Exception as error:
                # A watcher must not end the connection.
                asyncio.get_running_loop().call_exception_handler(
                    {"message": "A watcher of the connection failed", "exception": error}
                )
