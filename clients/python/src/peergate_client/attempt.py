import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass

from websockets import InvalidURI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidProxy, InvalidStatus
from websockets.typing import Subprotocol

from .back_off import asked_ms
from .close_codes import NO_CLOSE_FRAME, TOO_LARGE
from .errors import PeergateError, client_error, gateway_error
from .frames import Frame, parse_frame

CLOSE_SECONDS = 1
"""For the closing handshake: a gateway that is silent is not waited for."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a connection ended."""

    error: PeergateError
    code: int = NO_CLOSE_FRAME
    was_open: bool = False
    """Whether a `welcome` had come."""
    retry_after_ms: float = 0
    """What the gateway asked for before the next attempt."""
    is_final: bool = False
    """Whether it cannot be otherwise the next time, whatever the code."""


@dataclass(frozen=True, slots=True)
class AttemptInit:
    url: str
    token: str | None
    connect_timeout_ms: float
    """Until the `welcome`."""
    heartbeat_ms: float
    max_frame_bytes: int
    take: Callable[[Frame, int], None]
    """Is given each frame, the `welcome` first, and the length of its text."""


class Attempt:
    """One WebSocket, from its opening to its end."""

    def __init__(self, init: AttemptInit) -> None:
        self._init = init
        self._outgoing: asyncio.Queue[bytes] = asyncio.Queue()
        self._is_open = False
        self._refusal: PeergateError | None = None
        self._retry_after_ms: float = 0

    def send(self, encoded: bytes) -> None:
        """Frames that wait for the socket are bounded by the calls that wait for their answers."""
        self._outgoing.put_nowait(encoded)

    async def run(self) -> Ending:
        """Returns when the connection has ended."""
        try:
            async with asyncio.timeout(self._init.connect_timeout_ms / 1_000):
                socket = await self._connect()
        except TimeoutError:
            return Ending(client_error("connect_timeout"))
        except (InvalidURI, InvalidProxy, ValueError) as cause:
            return Ending(client_error("connection_closed", str(cause)), is_final=True)
        except InvalidStatus as refused:
            return _refused_upgrade(refused)
        except (OSError, InvalidHandshake, EOFError) as cause:
            return Ending(client_error("connection_lost", f"There is no connection to {self._init.url}: {cause}"))
        writer = asyncio.create_task(self._write(socket))
        try:
            return await self._read(socket)
        finally:
            writer.cancel()
            await socket.close()

    async def _connect(self) -> ClientConnection:
        url, token = self._init.url, self._init.token
        seconds = self._init.heartbeat_ms / 1_000
        return await connect(
            f"{'ws' + url[4:] if url.startswith('http') else url}".rstrip("/") + "/v1/stream",
            subprotocols=[Subprotocol("peergate.v1.json")],
            additional_headers=None if token is None else {"Authorization": f"Bearer {token}"},
            max_size=self._init.max_frame_bytes,
            open_timeout=None,
            ping_interval=seconds,
            ping_timeout=seconds,
            close_timeout=CLOSE_SECONDS,
        )

    async def _read(self, socket: ClientConnection) -> Ending:
        try:
            try:
                async with asyncio.timeout(self._init.connect_timeout_ms / 1_000) as deadline:
                    while not self._is_open:
                        if not self._take(await socket.recv()):
                            return self._end(client_error("protocol_error"))
                    deadline.reschedule(None)
            except TimeoutError:
                return self._end(client_error("connect_timeout"))
            while self._take(await socket.recv()):
                # The application gets a turn: `recv` does not give one while frames wait.
                await asyncio.sleep(0)
            return self._end(client_error("protocol_error"))
        except ConnectionClosed as closed:
            return self._closed(closed)

    def _take(self, text: str | bytes) -> bool:
        """Returns False for what is not of the protocol."""
        frame = parse_frame(text)
        if frame is None:
            return False
        if (frame["type"] == "welcome") == self._is_open:
            # The refusal of a token comes before any welcome.
            if frame["type"] != "error":
                return False
            self._refusal = gateway_error(frame)
            return True
        if frame["type"] == "welcome":
            self._is_open = True
        elif frame["type"] == "closing":
            self._retry_after_ms = asked_ms(frame["retryAfterMs"])
        elif frame["type"] == "error" and "id" not in frame and "subscription" not in frame:
            self._refusal = gateway_error(frame)
        self._init.take(frame, len(text))
        return True

    async def _write(self, socket: ClientConnection) -> None:
        # The reader learns of the end.
        with contextlib.suppress(ConnectionClosed):
            while True:
                await socket.send(await self._outgoing.get(), text=True)

    def _closed(self, closed: ConnectionClosed) -> Ending:
        if closed.rcvd is None or closed.rcvd_then_sent is False:
            if closed.sent is not None and closed.sent.code == TOO_LARGE:
                # The same frame would come again.
                return self._end(client_error("frame_too_large"), is_final=True)
            return self._end(client_error("connection_lost", f"The connection was lost: {closed}"))
        code, reason = closed.rcvd.code, closed.rcvd.reason
        told = f"The connection was closed with {code}{reason and f': {reason}'}"
        return self._end(client_error("connection_closed" if code >= 4500 else "connection_lost", told), code)

    def _end(self, error: PeergateError, code: int = NO_CLOSE_FRAME, *, is_final: bool = False) -> Ending:
        return Ending(self._refusal or error, code, self._is_open, self._retry_after_ms, is_final)


def _refused_upgrade(refused: InvalidStatus) -> Ending:
    """A gateway refuses with a problem document; a proxy in front of it answers with whatever it likes."""
    response = refused.response
    with contextlib.suppress(ValueError, RecursionError):
        problem = json.loads(response.body or b"")
        if isinstance(problem, dict) and isinstance(problem.get("code"), str):
            error = gateway_error(problem, response.status_code)
            return Ending(error, is_final=problem.get("retryable") is False)
    return Ending(client_error("connection_lost", f"The upgrade was answered with {response.status_code}"))
