import asyncio
import gc
from unittest.mock import patch

from peergate_client import CaughtUp, Gap, Item, MemoryCursors, MessageItem, Subscription

from .case import GatewayCase, all_of, take


class SubscriptionTest(GatewayCase):
    async def test_without_any_message_the_client_resumes_where_the_subscription_began(self) -> None:
        client = await self.client()
        self.start(all_of(client.subscribe("orders")))
        first = await self.gateway.welcomed()
        frame = await first.accept()
        self.assertEqual((frame["topics"], frame["after"]), (["orders"], "latest"))
        await first.send(type="pong")
        await first.socket.close(4002)
        second = await self.gateway.welcomed()
        self.assertEqual((await second.accept())["after"], "log.0")

    async def test_it_asks_for_what_the_application_wants(self) -> None:
        client = await self.client()
        items = client.subscribe(["orders.*", "invoices"], direct=True, own=False, encoding="base64")
        connection = await self.gateway.welcomed()
        frame = await connection.accept()
        del frame["id"], frame["subscription"]
        self.assertEqual(
            frame,
            {
                "type": "subscribe",
                "topics": ["orders.*", "invoices"],
                "after": "latest",
                "direct": True,
                "own": False,
                "encoding": "base64",
            },
        )
        await items.aclose()

    async def test_after_a_cut_it_resumes_behind_the_last_message_that_it_has(self) -> None:
        client = await self.client()
        items = client.subscribe("orders", after="earliest")
        first = await self.gateway.welcomed()
        name = (await first.accept())["subscription"]
        await first.publish(name, 1, 2)
        await take(items, 2)
        await first.cut()
        second = await self.gateway.welcomed()
        frame = await second.accept()
        self.assertEqual(frame["after"], "log.2")
        await second.publish(frame["subscription"], 3)
        self.assertEqual((await anext(items)).cursor, "log.3")

    async def test_however_long_the_gateway_asks_to_wait_it_subscribes_again(self) -> None:
        client = await self.client()
        self.start(all_of(client.subscribe("orders")))
        connection = await self.gateway.welcomed()
        with patch("peergate_client.back_off.MAX_ASKED_MS", 1):
            number = (await connection.next("subscribe"))["id"]
            await connection.send(type="error", id=number, code="busy", retryable=True, retryAfterMs=1e12)
            await connection.accept()

    async def test_a_full_buffer_unsubscribes_drops_what_is_under_way_and_resumes_when_half_is_taken(self) -> None:
        client = await self.client()
        items = client.subscribe("orders", after="earliest", max_buffered_items=4)
        connection = await self.gateway.welcomed()
        name = (await connection.accept())["subscription"]
        await connection.publish(name, *range(1, 9))
        left = await connection.next("unsubscribe")
        self.assertEqual(left["subscription"], name)
        await connection.send(type="unsubscribed", id=left["id"], subscription=name)
        taken = await take(items, 2)
        resumed = await connection.accept()
        self.assertEqual(resumed["after"], "log.4")
        self.assertNotEqual(resumed["subscription"], name)
        await connection.publish(resumed["subscription"], 5, 6)
        taken += await take(items, 4)
        self.assertEqual([item.cursor for item in taken], [f"log.{place}" for place in range(1, 7)])

    async def test_the_characters_of_the_buffer_are_limited_too(self) -> None:
        client = await self.client()
        items = client.subscribe("orders", after="earliest", max_buffered_characters=100)
        connection = await self.gateway.welcomed()
        name = (await connection.accept())["subscription"]
        await connection.publish(name, 1)
        await connection.next("unsubscribe")
        await items.aclose()

    async def test_a_subscription_resumes_although_as_many_calls_wait_as_may(self) -> None:
        client = await self.client(max_pending_calls=1)
        items = client.subscribe("orders", after="earliest")
        publishing = self.start(client.publish("orders", "hello"))
        first = await self.gateway.welcomed()
        await first.accept()
        await first.next("publish")
        await self.assert_code("too_many_calls", client.publish("orders", "one more"))
        await first.cut()
        second = await self.gateway.welcomed()
        frame = await second.accept()
        await second.published(await second.next("publish"))
        await publishing
        await second.publish(frame["subscription"], 1)
        self.assertEqual((await anext(items)).cursor, "log.1")

    async def test_a_cursor_is_saved_when_the_next_value_is_asked_for_and_not_when_the_loop_is_left(self) -> None:
        client = await self.client()
        cursors = MemoryCursors("log.5")
        async with client.subscribe("orders", after="earliest", cursors=cursors) as items:
            connection = await self.gateway.welcomed()
            frame = await connection.accept()
            self.assertEqual(frame["after"], "log.5")
            await connection.publish(frame["subscription"], 6, 7)
            async for item in items:
                if item.cursor == "log.7":
                    break
        self.assertEqual(cursors.cursor, "log.6")

    async def test_a_loop_that_was_left_without_a_block_ends_too(self) -> None:
        client = await self.client()
        subscribed = client.subscribe("orders")
        connection = await self.gateway.welcomed()
        name = (await connection.accept())["subscription"]
        await connection.publish(name, 1)
        async for _ in subscribed:
            break
        del subscribed
        gc.collect()
        self.assertEqual((await connection.next("unsubscribe"))["subscription"], name)

    async def test_progress_of_a_quiet_subscription_is_saved(self) -> None:
        saved: asyncio.Queue[str] = asyncio.Queue()

        class Cursors(MemoryCursors):
            async def save(self, cursor: str) -> None:
                saved.put_nowait(cursor)

        client = await self.client()
        self.start(all_of(client.subscribe("orders", cursors=Cursors())))
        connection = await self.gateway.welcomed()
        name = (await connection.accept())["subscription"]
        await connection.send(type="progress", subscription=name, cursor="log.40")
        self.assertEqual(await saved.get(), "log.40")

    async def test_a_store_that_fails_ends_the_loop_with_its_error(self) -> None:
        class Full(MemoryCursors):
            async def save(self, cursor: str) -> None:
                raise OSError("disk full")

        class Away(MemoryCursors):
            async def load(self) -> str | None:
                raise OSError("no such disk")

        client = await self.client()
        with self.assertRaisesRegex(OSError, "no such disk"):
            await all_of(client.subscribe("orders", cursors=Away()))
        following = self.start(all_of(client.subscribe("orders", cursors=Full())))
        connection = await self.gateway.welcomed()
        await connection.publish((await connection.accept())["subscription"], 1)
        with self.assertRaisesRegex(OSError, "disk full"):
            await following

    async def test_a_position_that_is_lost_gives_a_gap_and_the_earliest_message(self) -> None:
        reasons = {"cursor_expired": "expired", "cursor_epoch_mismatch": "other-log", "cursor_ahead": "other-log"}
        client = await self.client()
        ready = self.start(client.publish("orders", "hello"))
        connection = await self.gateway.welcomed()
        await connection.published(await connection.next("publish"))
        await ready
        for code, reason in reasons.items():
            with self.subTest(code):
                items = client.subscribe("orders", after="old.3")
                await connection.refuse(await connection.next("subscribe"), code)
                self.assertEqual((await connection.accept())["after"], "earliest")
                self.assertEqual(await anext(items), Gap("old.3", "log.0", reason, "log.0"))
                await items.aclose()

    async def test_a_log_that_refuses_its_own_beginning_ends_the_loop(self) -> None:
        client = await self.client()
        following = self.start(all_of(client.subscribe("orders", after="old.3")))
        connection = await self.gateway.welcomed()
        for _ in range(2):
            await connection.refuse(await connection.next("subscribe"), "cursor_expired")
        await self.assert_code("cursor_expired", following)

    async def test_gaps_are_values_and_caught_up_is_one_once(self) -> None:
        client = await self.client()
        items = client.subscribe("orders", after="earliest")
        connection = await self.gateway.welcomed()
        name = (await connection.accept())["subscription"]
        gap = {"topic": "orders", "from": "log.0", "to": "log.3", "reason": "pruned"}
        await connection.send(type="gap", subscription=name, **gap)
        await connection.send(type="caught-up", subscription=name, cursor="log.3")
        await connection.send(type="caught-up", subscription=name, cursor="log.3")
        await connection.publish(name, 4)
        missing, caught_up, last = await take(items, 3)
        self.assertEqual(missing, Gap("log.0", "log.3", "pruned", "log.3", "orders"))
        self.assertEqual(caught_up, CaughtUp("log.3"))
        assert isinstance(last, MessageItem)
        self.assertEqual((last.message.data, bytes(last.message), last.message.from_), ("4", b"4", "author"))

    async def test_a_refused_subscription_raises_the_code_and_others_go_on(self) -> None:
        client = await self.client()
        following = self.start(all_of(client.subscribe("secret")))
        connection = await self.gateway.welcomed()
        await connection.refuse(await connection.next("subscribe"), "forbidden")
        await self.assert_code("forbidden", following)
        items = client.subscribe("orders")
        await connection.publish((await connection.accept())["subscription"], 1)
        self.assertEqual((await anext(items)).cursor, "log.1")

    async def test_an_interrupted_subscription_begins_again_at_its_place_after_a_pause(self) -> None:
        client = await self.client()
        items = client.subscribe("orders", after="earliest")
        connection = await self.gateway.welcomed()
        name = (await connection.accept())["subscription"]
        await connection.publish(name, 1)
        error = {"type": "error", "code": "storage_unavailable", "retryable": True, "retryAfterMs": 30}
        await connection.send(subscription=name, **error)
        refused = await connection.next("subscribe")
        self.assertEqual(refused["after"], "log.1")
        await connection.send(id=refused["id"], **error)
        again = await connection.accept()
        await connection.publish(again["subscription"], 2)
        self.assertEqual([item.cursor for item in await take(items, 2)], ["log.1", "log.2"])

    async def test_a_subscription_that_waits_to_begin_again_does_not_when_it_was_closed(self) -> None:
        client = await self.client()
        items = client.subscribe("orders")
        connection = await self.gateway.welcomed()
        frame = await connection.next("subscribe")
        error = {"type": "error", "code": "rate_limited", "retryable": True}
        await connection.send(id=frame["id"], retryAfterMs=20_000, **error)
        # Its answer comes behind the error.
        publishing = self.start(client.publish("orders", "hello"))
        await connection.published(await connection.next("publish"))
        await publishing
        await items.aclose()
        loop = asyncio.get_running_loop()
        now = loop.time
        with patch.object(loop, "time", lambda: now() + 22):
            await asyncio.sleep(0)
            other = client.subscribe("invoices")
            self.assertEqual((await connection.next("subscribe"))["topics"], ["invoices"])
            await other.aclose()

    async def test_a_wait_for_a_value_that_is_cancelled_loses_none(self) -> None:
        client = await self.client()
        items = client.subscribe("orders")
        connection = await self.gateway.welcomed()
        name = (await connection.accept())["subscription"]
        waiting = self.start(_next(items))
        await asyncio.sleep(0)
        with self.assertRaises(RuntimeError):
            await anext(items)
        waiting.cancel()
        await asyncio.wait([waiting])
        await connection.publish(name, 1)
        self.assertEqual((await anext(items)).cursor, "log.1")

    async def test_the_end_of_the_client_is_the_end_of_the_loop(self) -> None:
        client = await self.client()
        following = self.start(all_of(client.subscribe("orders")))
        connection = await self.gateway.welcomed()
        await connection.publish((await connection.accept())["subscription"], 1)
        await connection.socket.ping()
        await client.close()
        self.assertLessEqual(len(await following), 1)
        self.assertEqual(await all_of(client.subscribe("orders")), [])


async def _next(items: Subscription) -> Item:
    return await anext(items)
