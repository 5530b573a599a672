import asyncio
import queue
import threading
import unittest
import unittest.mock
from collections.abc import Coroutine
from typing import Any

from peergate_client import BackOff, MemoryCursors, Outcome, Retry, Task
from peergate_client.sync import Client

from .scripted_gateway import ScriptedConnection, ScriptedGateway, message


class SyncTest(unittest.TestCase):
    """The gateway is in a thread of its own, and the client is called as a program without asyncio does."""

    def setUp(self) -> None:
        self.loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self.loop.run_forever)
        thread.start()
        self.addCleanup(self.loop.close)
        self.addCleanup(thread.join)
        self.addCleanup(lambda: self.loop.call_soon_threadsafe(self.loop.stop))
        self.gateway = self.run_there(self._start())
        self.addCleanup(lambda: self.run_there(self.gateway.__aexit__()))
        self.client = self.enterContext(Client(self.gateway.url, back_off=BackOff(20, 200)))

    async def _start(self) -> ScriptedGateway:
        return await ScriptedGateway().__aenter__()

    def run_there(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    def test_values_come_in_a_loop_and_what_was_handled_is_saved(self) -> None:
        async def play() -> None:
            connection = await self.gateway.welcomed()
            await connection.publish((await connection.accept())["subscription"], 1, 2)

        cursors = MemoryCursors()
        with self.client.subscribe("orders", cursors=cursors) as items:
            with self.assertRaises(TimeoutError):
                items.next(timeout=0)
            self.run_there(play())
            self.assertEqual([item.cursor for _, item in zip(range(2), items, strict=False)], ["log.1", "log.2"])
        self.assertEqual(cursors.cursor, "log.1")
        self.assertEqual(list(items), [])

    def test_a_publication_waits_for_its_answer_or_for_its_time(self) -> None:
        async def play(connection: ScriptedConnection) -> None:
            await connection.published(await connection.next("publish"))

        with self.assertRaises(TimeoutError):
            self.client.publish("orders", "hello", timeout=0)
        connection = self.run_there(self.gateway.welcomed())
        playing = asyncio.run_coroutine_threadsafe(play(connection), self.loop)
        self.assertEqual(self.client.publish("orders", "hello").message_id, "id-1")
        playing.result()

    def test_a_handler_may_wait_and_call_the_client(self) -> None:
        async def play() -> str:
            connection = await self.gateway.welcomed()
            frame = await connection.next("serve")
            await connection.send(type="serving", id=frame["id"])
            await connection.send(
                type="request", requestId="a", service="capitals", data="hello", encoding="utf8", deadline="", **{"from": "b"}
            )
            await connection.published(await connection.next("publish"))
            return str((await connection.next("reply"))["data"])

        playing = asyncio.run_coroutine_threadsafe(play(), self.loop)
        registration = self.client.serve("capitals", lambda request: self.client.publish("log", "x").message_id)
        self.assertEqual(playing.result(), "id-1")
        registration.stop()
        registration.wait()

    def test_a_worker_may_wait_and_tell_its_progress(self) -> None:
        async def play() -> list[tuple[str, int | None]]:
            connection = await self.deliver(range(1))
            told = [await connection.next("ack") for _ in range(2)]
            return [(one["verdict"], one.get("delayMs")) for one in told]

        def bill(task: Task) -> Outcome:
            task.progress()
            return Retry(task.attempt * 3_000)

        playing = asyncio.run_coroutine_threadsafe(play(), self.loop)
        registration = self.client.work("billing", bill)
        self.assertEqual(playing.result(), [("progress", None), ("retry", 3_000)])
        registration.stop()
        registration.wait()

    async def deliver(self, places: range) -> ScriptedConnection:
        connection: ScriptedConnection = await self.gateway.welcomed()
        frame = await connection.next("subscribe")
        name = frame["subscription"]
        await connection.send(type="subscribed", id=frame["id"], subscription=name, cursor="log.0")
        for place in places:
            more = {"consumer": "billing", "attempt": 1, "claim": f"id-{place}~x"}
            await connection.send(type="message", subscription=name, **more, message=message(place))
        return connection

    def test_as_many_handlers_run_at_once_as_are_asked_for(self) -> None:
        count = 40
        together = threading.Barrier(count)
        delivering = asyncio.run_coroutine_threadsafe(self.deliver(range(count)), self.loop)

        def bill(_: Task) -> None:
            together.wait(60)

        self.client.work("billing", bill, concurrency=count)
        connection = delivering.result()
        verdicts = [self.run_there(connection.next("ack"))["verdict"] for _ in range(count)]
        self.assertEqual(verdicts, ["ack"] * count)

    def test_handlers_beyond_the_maximum_of_threads_wait(self) -> None:
        begun: queue.SimpleQueue[str] = queue.SimpleQueue()
        done = threading.Event()

        def bill(task: Task) -> None:
            begun.put(task.message.id)
            done.wait(60)

        with unittest.mock.patch("peergate_client.sync.MAX_THREADS", 2):
            client = self.enterContext(Client(self.gateway.url))
        delivering = asyncio.run_coroutine_threadsafe(self.deliver(range(3)), self.loop)
        client.work("billing", bill, concurrency=3)
        connection = delivering.result()
        first = {begun.get(), begun.get()}
        # All three have come before the answer to this.
        asking = asyncio.run_coroutine_threadsafe(self.answer(connection), self.loop)
        client.publish("orders", "hello")
        asking.result()
        self.assertTrue(begun.empty())
        done.set()
        self.assertEqual(first | {begun.get()}, {"id-0", "id-1", "id-2"})

    async def answer(self, connection: ScriptedConnection) -> None:
        await connection.published(await connection.next("publish"))

    def test_after_its_end_it_says_so(self) -> None:
        self.client.close()
        self.client.close()
        with self.assertRaisesRegex(RuntimeError, "closed"):
            self.client.publish("orders", "hello")
        self.assertEqual(self.client.state.type, "closed")
