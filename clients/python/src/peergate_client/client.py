import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self, Unpack

from .calls import Call
from .connection import Connection, ConnectionInit
from .data import Data, Payload, payload_of
from .errors import PeergateError
from .feed import FeedInit
from .frames import Delivery, Frame
from .options import ClientOptions, SubscriptionOptions
from .rest import Rest
from .states import ConnectionState, Open
from .subscription import Subscription
from .tasks import TaskHandler, work
from .work import Judge, Registration, ServiceHandler, Verdict, serve, validate


@dataclass(frozen=True, slots=True)
class Published:
    """A message that is on the disk of the gateway."""

    message_id: str
    cursor: str
    recipients: int
    gateway: str
    replayed: bool = False
    """The idempotency key had published it before."""


class Client:
    """A client of one gateway, or of several with one database. It connects with the first use.

    `url`: base URLs are tried in turn.
    """

    def __init__(self, url: str | Sequence[str], **options: Unpack[ClientOptions]) -> None:
        urls = (url,) if isinstance(url, str) else tuple(url)
        if not urls:
            raise ValueError("a client needs the URL of a gateway")
        init = ConnectionInit(urls=urls, **options)
        self._connection = Connection(init)
        self.rest = Rest(urls[0], init.token)
        """The calls of openapi.yaml, to the first URL."""

    @property
    def state(self) -> ConnectionState:
        return self._connection.state

    def watch(self, watcher: Callable[[ConnectionState], None]) -> Callable[[], None]:
        """Calls the watcher with each state of the connection. Returns what ends it."""
        return self._connection.watch(watcher)

    def subscribe(self, topics: str | Sequence[str], **options: Unpack[SubscriptionOptions]) -> Subscription:
        """Follows topics, or patterns of them."""
        init = FeedInit(topics=[topics] if isinstance(topics, str) else list(topics), **options)
        return Subscription(self._connection, init)

    async def publish(self, topic: str, data: Data, *, idempotency_key: str | None = None) -> Published:
        """Returns when the message is on the disk of the gateway.

        It is repeated with its key, on later connections too, until it is answered. Messages are in the order of the
        calls; where a refusal must not change the order, wait for each. `idempotency_key` is by default a new one:
        repetitions with the same key, within 24 hours, publish nothing more.
        """
        key = idempotency_key or secrets.token_hex(16)
        frame = {"type": "publish", "topic": topic, **payload_of(data), "idempotencyKey": key}
        answer = await self._call("published", frame, again=True)
        return Published(
            answer["messageId"],
            answer["cursor"],
            answer["recipients"],
            answer["gateway"],
            answer.get("replayed") is True,
        )

    async def send(
        self, to: str, data: Data, *, expires_in_ms: int | None = None, idempotency_key: str | None = None
    ) -> Delivery:
        """Sends a direct message to a peer; returns when it is queued on the gateway's disk. Repeated like `publish`."""
        key = idempotency_key or secrets.token_hex(16)
        frame = {"type": "send", "to": to, **payload_of(data), "idempotencyKey": key, "expiresInMs": expires_in_ms}
        delivery = (await self._call("queued", frame, again=True))["delivery"]
        return Delivery(delivery["id"], delivery["to"], delivery["state"])

    async def request(self, to: str, service: str, data: Data, *, timeout_ms: int | None = None) -> Payload:
        """Asks a service of a peer. It is sent once: with `connection_lost` it may have been handled."""
        frame = {"type": "request", "to": to, "service": service, **payload_of(data), "timeoutMs": timeout_ms}
        if not isinstance(self.state, Open):
            # What is sent once waits for a connection.
            await self._call("pong", {"type": "ping"}, again=True)
        answer = await self._call("response", frame, again=False)
        return Payload(answer.get("data"), answer["encoding"])

    async def serve(
        self,
        service: str,
        handler: ServiceHandler,
        *,
        concurrency: int | None = None,
        encoding: Literal["base64", "json"] | None = None,
    ) -> Registration:
        """Provides a service; returns when the gateway has accepted it.

        `concurrency`: requests in progress at once, by default one.
        """
        return await serve(self._connection, service, handler, concurrency, encoding)

    async def work(
        self,
        consumer: str,
        handler: TaskHandler,
        *,
        concurrency: int = 1,
        encoding: Literal["base64", "json"] | None = None,
    ) -> Registration:
        """Works on the messages of a consumer (docs/consumers.md); returns when the gateway has accepted it.

        `concurrency`: messages in work at once.
        """
        return await work(self._connection, consumer, handler, concurrency, encoding)

    async def validate(
        self,
        topic: str,
        judge: Judge,
        *,
        deadline_ms: int | None = None,
        default: Verdict | None = None,
        encoding: Literal["base64", "json"] | None = None,
    ) -> Registration:
        """Judges the messages of a topic before they are stored; returns when the gateway has accepted it.

        `default` (`ignore`) applies without a verdict within `deadline_ms` (1,000).
        """
        return await validate(self._connection, topic, judge, deadline_ms, default, encoding)

    async def close(self) -> None:
        """Ends all subscriptions, calls and registrations."""
        await self._connection.close()
        await self.rest.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def _call(self, expected: str, frame: Frame, *, again: bool) -> Frame:
        future: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()

        def answered(answer: Frame) -> None:
            if not future.done():
                future.set_result(answer)

        def refused(error: PeergateError) -> None:
            if not future.done():
                future.set_exception(error)

        give_up = self._connection.call(
            Call(frame=frame, answered=answered, refused=refused, resend=again, repeat=again, counts=True)
        )
        try:
            answer = await future
        finally:
            give_up()
        if answer["type"] != expected:
            raise TypeError(f"{frame['type']} was answered with {answer['type']}")
        return answer
