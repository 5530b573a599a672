"""A gateway that says what the test wants."""

import asyncio
import json
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

Frame = dict[str, Any]


class ScriptedConnection:
    """One connection of the client, of which the test plays the gateway."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket

    @property
    def token(self) -> str | None:
        request = self.socket.request
        return None if request is None else request.headers.get("Authorization")

    async def next(self, kind: str) -> Frame:
        """The next frame of the client that has this type. Others are passed over."""
        while True:
            frame: Frame = json.loads(await self.socket.recv())
            if frame["type"] == kind:
                return frame

    async def send(self, **frame: Any) -> None:
        await self.socket.send(json.dumps(frame))

    async def welcome(self, **limits: int) -> None:
        await self.send(type="welcome", peerId="peer", engine="test", cursor="log.0", heartbeatMs=25_000, limits=limits)

    async def accept(self) -> Frame:
        """Accepts the next subscription, and returns its frame."""
        frame = await self.next("subscribe")
        after = frame["after"]
        cursor = "log.0" if after in ("latest", "earliest") else after
        await self.send(type="subscribed", id=frame["id"], subscription=frame["subscription"], cursor=cursor)
        return frame

    async def publish(self, subscription: str, *places: int) -> None:
        for place in places:
            await self.send(type="message", subscription=subscription, message=message(place))

    async def published(self, frame: Frame, place: int = 1) -> None:
        await self.send(
            type="published", id=frame["id"], messageId=f"id-{place}", cursor=f"log.{place}", recipients=2, gateway="peer"
        )

    async def refuse(self, frame: Frame, code: str, **more: Any) -> None:
        await self.send(type="error", id=frame["id"], code=code, title="", detail="", retryable=False, **more)

    async def cut(self) -> None:
        self.socket.transport.abort()
        await self.socket.wait_closed()


class ScriptedGateway:
    def __init__(self) -> None:
        self.count = 0
        """Connections so far."""
        self._waiting: asyncio.Queue[ScriptedConnection] = asyncio.Queue()
        self._server: Server | None = None
        self.url = ""
        self.refusals: list[tuple[int, str]] = []
        """Statuses and bodies with which the next upgrades are refused."""
        self.redirect: str | None = None

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._handle,
            "127.0.0.1",
            0,
            subprotocols=[Subprotocol("peergate.v1.json")],
            close_timeout=1,
            process_request=self._refuse,
        )
        port = next(iter(self._server.sockets)).getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def connection(self) -> ScriptedConnection:
        """The next connection that no one has taken."""
        return await self._waiting.get()

    async def welcomed(self) -> ScriptedConnection:
        connection = await self.connection()
        await connection.welcome()
        return connection

    def _refuse(self, socket: ServerConnection, _: Request) -> Response | None:
        if self.redirect is not None:
            response = socket.respond(307, "")
            response.headers["Location"] = self.redirect
            return response
        return socket.respond(*self.refusals.pop(0)) if self.refusals else None

    async def _handle(self, socket: ServerConnection) -> None:
        self.count += 1
        self._waiting.put_nowait(ScriptedConnection(socket))
        await socket.wait_closed()


def message(place: int) -> Frame:
    return {
        "cursor": f"log.{place}",
        "id": f"id-{place}",
        "kind": "topic",
        "topic": "orders",
        "from": "author",
        "data": str(place),
        "encoding": "utf8",
    }
