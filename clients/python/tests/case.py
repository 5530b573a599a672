import asyncio
import unittest
from collections.abc import Coroutine
from typing import Any, TypeVar

from peergate_client import BackOff, Client, Item, PeergateError, Subscription

from .scripted_gateway import ScriptedGateway

T = TypeVar("T")


class GatewayCase(unittest.IsolatedAsyncioTestCase):
    """A test with a scripted gateway. Its clients have short pauses, and are closed with it."""

    async def asyncSetUp(self) -> None:
        self.gateway = await self.enterAsyncContext(ScriptedGateway())

    async def client(self, **more: Any) -> Client:
        return await self.enterAsyncContext(Client(self.gateway.url, back_off=BackOff(20, 200), **more))

    def start(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(coroutine)
        self.addAsyncCleanup(_end, task)
        return task

    async def assert_code(self, code: str, coroutine: Coroutine[Any, Any, Any] | asyncio.Task[Any]) -> None:
        with self.assertRaises(PeergateError) as caught:
            await coroutine
        self.assertEqual(caught.exception.code, code)


async def all_of(subscription: Subscription) -> list[Item]:
    return [item async for item in subscription]


async def take(subscription: Subscription, count: int) -> list[Item]:
    return [await anext(subscription) for _ in range(count)]


async def _end(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.wait([task])
