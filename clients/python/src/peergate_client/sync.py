"""The same client for programs without asyncio. Its connection lives in a thread of its own."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, Unpack

from . import client as asynchronous
from .client import Published
from .data import Data, Payload
from .frames import Candidate, Delivery
from .items import Item
from .operation import Operation
from .options import ClientOptions, SubscriptionOptions
from .states import ConnectionState
from .subscription import Subscription as AsyncSubscription
from .tasks import Outcome, Task
from .work import Registration as AsyncRegistration
from .work import ServiceRequest, Verdict

T = TypeVar("T")

MAX_THREADS = 1_000
"""For handlers and cursor stores. asyncio has four more than processors: what waits for one there counts as in work at the
gateway. Threads begin as they are needed, so `concurrency` bounds them first."""


class _Thread:
    """A thread with an event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(ThreadPoolExecutor(MAX_THREADS, "peergate-handler"))
        self._thread = threading.Thread(target=self._loop.run_forever, name="peergate-client", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Raises TimeoutError. After any interruption the coroutine is cancelled."""
        if self._loop.is_closed():
            coroutine.close()
            raise RuntimeError("the client was closed")
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result(timeout)
        except concurrent.futures.CancelledError:
            raise
        except BaseException:
            future.cancel()
            raise

    def close(self, closing: Coroutine[Any, Any, None]) -> None:
        if self._loop.is_closed():
            closing.close()
            return
        self.run(closing)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        # What was handled is still to be saved, and calls of other threads get their errors.
        self._loop.run_until_complete(_all_of(asyncio.all_tasks(self._loop)))
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


class Subscription:
    """The values of topics, for `for`. `with` ends it with the block."""

    def __init__(self, thread: _Thread, subscription: AsyncSubscription) -> None:
        self._thread = thread
        self._subscription = subscription

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Item:
        item = self.next()
        if item is None:
            raise StopIteration
        return item

    def next(self, timeout: float | None = None) -> Item | None:
        """The next value, or None at the end. Raises TimeoutError, after which it can be asked for again."""
        taking = _take(self._subscription, timeout)
        try:
            return self._thread.run(taking)
        except KeyboardInterrupt:
            # A value that came meanwhile was not handled.
            self._thread.run(self._subscription.aclose())
            raise

    def close(self) -> None:
        self._thread.run(self._subscription.aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class Registration:
    """A service, a validator or a worker, until it is stopped."""

    def __init__(self, thread: _Thread, registration: AsyncRegistration) -> None:
        self._thread = thread
        self._registration = registration

    def stop(self) -> None:
        self._thread.run(_in_loop(self._registration.stop))

    def wait(self, timeout: float | None = None) -> None:
        """Returns after `stop()`; raises when the gateway ends it or refuses it on a later connection, and TimeoutError."""
        self._thread.run(self._registration.ended(), timeout)


class Rest:
    """The calls of openapi.yaml: `rest.call(operations.get_topic("orders"))`."""

    def __init__(self, thread: _Thread, client: asynchronous.Client) -> None:
        self._thread = thread
        self._client = client

    def call(self, operation: Operation[T]) -> T:
        return self._thread.run(self._client.rest.call(operation))


class Client:
    """`peergate_client.Client` with calls that wait. Handlers run in threads, and so do the functions of cursor stores.

    A `timeout` is in seconds; after it the call is given up.
    """

    def __init__(self, url: str | Sequence[str], **options: Unpack[ClientOptions]) -> None:
        self._client = asynchronous.Client(url, **options)
        self._thread = _Thread()
        self.rest = Rest(self._thread, self._client)

    @property
    def state(self) -> ConnectionState:
        return self._client.state

    def watch(self, watcher: Callable[[ConnectionState], None]) -> Callable[[], None]:
        """Calls the watcher, in the thread of the connection, with each state. Returns what ends it."""
        return self._client.watch(watcher)

    def subscribe(self, topics: str | Sequence[str], **options: Unpack[SubscriptionOptions]) -> Subscription:
        subscription = self._thread.run(_in_loop(lambda: self._client.subscribe(topics, **options)))
        return Subscription(self._thread, subscription)

    def publish(
        self, topic: str, data: Data, *, idempotency_key: str | None = None, timeout: float | None = None
    ) -> Published:
        return self._thread.run(self._client.publish(topic, data, idempotency_key=idempotency_key), timeout)

    def send(
        self,
        to: str,
        data: Data,
        *,
        expires_in_ms: int | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> Delivery:
        sending = self._client.send(to, data, expires_in_ms=expires_in_ms, idempotency_key=idempotency_key)
        return self._thread.run(sending, timeout)

    def request(self, to: str, service: str, data: Data, *, timeout_ms: int | None = None) -> Payload:
        return self._thread.run(self._client.request(to, service, data, timeout_ms=timeout_ms))

    def serve(
        self,
        service: str,
        handler: Callable[[ServiceRequest], Data],
        *,
        concurrency: int | None = None,
        encoding: Literal["base64", "json"] | None = None,
    ) -> Registration:
        async def answer(request: ServiceRequest) -> Data:
            return await asyncio.to_thread(handler, request)

        serving = self._client.serve(service, answer, concurrency=concurrency, encoding=encoding)
        return Registration(self._thread, self._thread.run(serving))

    def work(
        self,
        consumer: str,
        handler: Callable[[Task], Outcome | None],
        *,
        concurrency: int = 1,
        encoding: Literal["base64", "json"] | None = None,
    ) -> Registration:
        """When the connection is lost, `lost` of the task is set, and the outcome does not count."""

        async def handle(task: Task) -> Outcome | None:
            own = replace(task, progress=lambda: self._thread.run(_in_loop(task.progress)))
            return await asyncio.to_thread(handler, own)

        working = self._client.work(consumer, handle, concurrency=concurrency, encoding=encoding)
        return Registration(self._thread, self._thread.run(working))

    def validate(
        self,
        topic: str,
        judge: Callable[[Candidate], Verdict],
        *,
        deadline_ms: int | None = None,
        default: Verdict | None = None,
        encoding: Literal["base64", "json"] | None = None,
    ) -> Registration:
        async def decide(message: Candidate) -> Verdict:
            return await asyncio.to_thread(judge, message)

        validating = self._client.validate(topic, decide, deadline_ms=deadline_ms, default=default, encoding=encoding)
        return Registration(self._thread, self._thread.run(validating))

    def close(self) -> None:
        """Ends all subscriptions, calls and registrations."""
        self._thread.close(self._client.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


async def _in_loop(function: Callable[[], T]) -> T:
    return function()


async def _all_of(tasks: set[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


async def _take(subscription: AsyncSubscription, timeout: float | None) -> Item | None:
    async with asyncio.timeout(timeout):
        return await anext(subscription, None)
