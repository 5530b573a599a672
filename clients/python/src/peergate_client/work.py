"""What the gateway asks this client to do: requests to a service, messages to judge."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal

from .calls import Call
from .connection import Connection
from .data import Data, Payload, payload_of
from .errors import PeergateError, client_error
from .frames import Candidate, Frame, candidate_of, encode_frame

MAX_ERROR_LENGTH = 1_000
"""Characters of the error text in a `reply`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRequest(Payload):
    """A request of a peer, or of this gateway for one of its clients."""

    from_: str
    service: str
    deadline: str
    """Time after which nobody waits for the answer (RFC 3339)."""


ServiceHandler = Callable[[ServiceRequest], Data | Awaitable[Data]]
"""Answers a request. The text of an error that it raises is sent to the requester.

It is cancelled when nobody waits for the answer any more, also when the connection is lost.
"""

Verdict = Literal["accept", "ignore", "reject"]
"""`reject` also counts against the peer that brought the message; `ignore` is for rules of one's own."""

Judge = Callable[[Candidate], Verdict | Awaitable[Verdict]]
"""Judges a message before it is stored. When it raises, the default applies."""


Work = Callable[[Frame], tuple[str, Coroutine[Any, Any, bytes | None]] | None]
"""Gives, for a frame that asks for work, its id and what leads to the frame to send, if there is one."""


class Worker:
    """Registers on each connection, and does what the gateway asks for."""

    def __init__(
        self,
        connection: Connection,
        *,
        start: Frame,
        stop: Frame,
        work: Work,
        failure: Callable[[Frame], PeergateError | None] = lambda _: None,
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        """`failure` gives the error with which a frame ends the registration; `lost` is called when work is of no use any more."""
        self._connection = connection
        self._start = start
        self._stop = stop
        self._work = work
        self._failure = failure
        self._lost = lost
        self._tasks: dict[str, asyncio.Task[None]] = {}
        loop = asyncio.get_running_loop()
        self.accepted: asyncio.Future[None] = loop.create_future()
        self.end: asyncio.Future[None] = loop.create_future()
        # An error for which nobody waits is not reported.
        for future in (self.accepted, self.end):
            future.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._leave: Callable[[], None] = lambda: None
        self._leave = connection.join(self)

    def stop(self) -> None:
        if not self.end.done():
            self._connection.call(Call(frame=self._stop, resend=False, repeat=True, counts=False))
        self._finish(client_error("closed", "The registration was stopped"))

    def connected(self) -> None:
        self._connection.call(
            Call(
                frame=self._start,
                answered=self._answered,
                refused=self._refused,
                resend=False,
                repeat=True,
                counts=False,
            )
        )

    def lost(self) -> None:
        self._lost()
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    def frame(self, frame: Frame, length: int) -> None:
        if frame["type"] == "cancelled":
            task = self._tasks.pop(frame["requestId"], None)
            if task is not None:
                task.cancel()
            return
        found = self._work(frame)
        if found is not None:
            number, answering = found
            self._tasks[number] = asyncio.create_task(self._answer(number, answering))
        error = self._failure(frame)
        if error is not None:
            self._finish(error)

    def ended(self, error: PeergateError) -> None:
        self._finish(error)

    def _answered(self, _: Frame) -> None:
        if not self.accepted.done():
            self.accepted.set_result(None)

    def _refused(self, error: PeergateError) -> None:
        # Without a connection the next one asks again.
        if error.code != "connection_lost":
            self._finish(error)

    async def _answer(self, number: str, answering: Coroutine[Any, Any, bytes | None]) -> None:
        encoded = await answering
        # After a lost connection the id means nothing on the next one.
        if self._tasks.get(number) is asyncio.current_task():
            del self._tasks[number]
            if encoded is not None:
                self._connection.send(encoded)

    def _finish(self, error: PeergateError) -> None:
        if self.end.done():
            return
        if error.code == "closed":
            self.end.set_result(None)
        else:
            self.end.set_exception(error)
        if not self.accepted.done():
            self.accepted.set_exception(error)
        self._leave()
        self.lost()


class Registration:
    """A service, a validator or a worker, until it is stopped."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def stop(self) -> None:
        """Tells the gateway that there are to be no further questions."""
        self._worker.stop()

    async def ended(self) -> None:
        """Returns after `stop()` or `close()`; raises when the gateway ends it, or refuses it on a later connection."""
        await asyncio.shield(self._worker.end)


async def serve(
    connection: Connection, service: str, handler: ServiceHandler, concurrency: int | None, encoding: str | None
) -> Registration:
    async def answer(frame: Frame) -> bytes:
        request = ServiceRequest(
            data=frame.get("data"),
            encoding=frame["encoding"],
            from_=frame["from"],
            service=service,
            deadline=frame["deadline"],
        )
        reply = {"type": "reply", "requestId": frame["requestId"]}
        try:
            result = handler(request)
            data = await result if inspect.isawaitable(result) else result
            encoded = encode_frame({**reply, **payload_of(data)})
            oversize = connection.oversize(encoded)
            if oversize is not None:
                raise oversize
            return encoded
        except Exception as error:
            return encode_frame({**reply, "error": str(error)[:MAX_ERROR_LENGTH] or "The service failed"})

    return await registered(
        Worker(
            connection,
            start={"type": "serve", "service": service, "concurrency": concurrency, "encoding": encoding},
            stop={"type": "unserve", "service": service},
            work=lambda frame: (
                (frame["requestId"], answer(frame))
                if frame["type"] == "request" and frame["service"] == service
                else None
            ),
        )
    )


async def validate(
    connection: Connection, topic: str, judge: Judge, deadline_ms: int | None, default: str | None, encoding: str | None
) -> Registration:
    async def decide(frame: Frame) -> bytes | None:
        try:
            result = judge(candidate_of(frame["message"]))
            verdict = await result if inspect.isawaitable(result) else result
            return encode_frame({"type": "verdict", "validationId": frame["validationId"], "verdict": verdict})
        except Exception:
            # Without a verdict the default applies after the deadline.
            return None

    start = {"type": "validate", "topic": topic, "deadlineMs": deadline_ms, "default": default, "encoding": encoding}
    return await registered(
        Worker(
            connection,
            start=start,
            stop={"type": "unvalidate", "topic": topic},
            work=lambda frame: (
                (frame["validationId"], decide(frame))
                if frame["type"] == "validation" and frame["message"].get("topic") == topic
                else None
            ),
        )
    )


async def registered(worker: Worker) -> Registration:
    """Returns when the gateway has accepted it for the first time. When this is cancelled, the registration ends."""
    try:
        await worker.accepted
    except BaseException:
        worker.stop()
        raise
    return Registration(worker)
