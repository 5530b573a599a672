import asyncio
import threading
import unittest
from collections.abc import Coroutine
from typing import Any

from peergate_client import BackOff, MemoryCursors
from peergate_client.sync import Client

from .scripted_gateway import ScriptedConnection, ScriptedGateway


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

    def test_after_its_end_it_says_so(self) -> None:
        self.client.close()
        self.client.close()
        with self.assertRaisesRegex(RuntimeError, "closed"):
            self.client.publish("orders", "hello")
        self.assertEqual(self.client.state.type, "closed")
