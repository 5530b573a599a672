import asyncio
import math
from unittest.mock import patch

from peergate_client import Json, Published

from .case import GatewayCase


class CallsTest(GatewayCase):
    async def test_a_publication_is_repeated_with_its_key_on_the_next_connection_until_it_is_answered(self) -> None:
        client = await self.client()
        publishing = [self.start(client.publish("orders", text)) for text in ("one", "two", "three")]
        first = await self.gateway.welcomed()
        sent = [await first.next("publish") for _ in publishing]
        self.assertEqual([frame["data"] for frame in sent], ["one", "two", "three"])
        self.assertEqual(len({frame["idempotencyKey"] for frame in sent}), 3)
        await first.published(sent[0])
        await publishing[0]
        await first.cut()
        second = await self.gateway.welcomed()
        for number in (1, 2):
            frame = await second.next("publish")
            self.assertEqual(frame, sent[number])
            await second.published(frame, number)
        self.assertEqual(await publishing[2], Published("id-2", "log.2", 2, "peer"))

    async def test_a_retryable_error_is_repeated_and_another_raised(self) -> None:
        client = await self.client()
        publishing = self.start(client.publish("orders", "hello"))
        connection = await self.gateway.welcomed()
        frame = await connection.next("publish")
        await connection.send(type="error", id=frame["id"], code="rate_limited", retryable=True, retryAfterMs=1)
        again = await connection.next("publish")
        self.assertEqual(again, frame)
        await connection.refuse(again, "forbidden", errors=[{"path": "/topic", "message": "no"}, 17], earliest=1)
        await self.assert_code("forbidden", publishing)

    async def test_however_long_the_gateway_asks_to_wait_a_call_is_repeated(self) -> None:
        client = await self.client()
        asked = (1e12, math.inf, math.nan, -1)
        publishing = [self.start(client.publish("orders", "hello")) for _ in asked]
        connection = await self.gateway.welcomed()
        with patch("peergate_client.back_off.MAX_ASKED_MS", 1):
            for pause in asked:
                frame = await connection.next("publish")
                await connection.send(type="error", id=frame["id"], code="busy", retryable=True, retryAfterMs=pause)
            for _ in asked:
                await connection.published(await connection.next("publish"))
            await asyncio.gather(*publishing)

    async def test_a_cancelled_call_is_not_repeated(self) -> None:
        client = await self.client()
        publishing = self.start(client.publish("orders", "hello"))
        first = await self.gateway.welcomed()
        await first.next("publish")
        publishing.cancel()
        await asyncio.wait([publishing])
        await first.cut()
        later = self.start(client.publish("orders", "later"))
        second = await self.gateway.welcomed()
        frame = await second.next("publish")
        self.assertEqual(frame["data"], "later")
        await second.published(frame)
        await later

    async def test_a_request_waits_for_a_connection_and_is_sent_once(self) -> None:
        client = await self.client()
        requesting = self.start(client.request("peer", "capitals", "hello", timeout_ms=5))
        first = await self.gateway.connection()
        await first.cut()
        second = await self.gateway.welcomed()
        ping = await second.next("ping")
        await second.send(type="pong", id=ping["id"])
        frame = await second.next("request")
        self.assertEqual((frame["to"], frame["service"], frame["data"], frame["timeoutMs"]), ("peer", "capitals", "hello", 5))
        await second.cut()
        await self.assert_code("connection_lost", requesting)

    async def test_direct_messages_are_sent(self) -> None:
        client = await self.client()
        sending = self.start(client.send("peer", "hello", expires_in_ms=1_000))
        connection = await self.gateway.welcomed()
        frame = await connection.next("send")
        self.assertEqual((frame["to"], frame["expiresInMs"]), ("peer", 1_000))
        await connection.send(type="queued", id=frame["id"], delivery={"id": "a", "to": "peer", "state": "queued"})
        self.assertEqual((await sending).state, "queued")

    async def test_data_is_text_bytes_or_a_json_value(self) -> None:
        client = await self.client()
        for data in ("hällo", b"\x00\xff", Json({"order": [17, None]}), Json(None)):
            self.start(client.publish("orders", data))
        connection = await self.gateway.welcomed()
        sent = [await connection.next("publish") for _ in range(4)]
        self.assertEqual(
            [(frame["data"], frame["encoding"]) for frame in sent],
            [("hällo", "utf8"), ("AP8=", "base64"), ({"order": [17, None]}, "json"), (None, "json")],
        )

    async def test_what_is_no_data_is_refused_before_anything_is_sent(self) -> None:
        client = await self.client(max_pending_calls=1)
        for value in (Json(object()), Json(float("nan")), "\ud800", 17):
            with self.subTest(value), self.assertRaises((TypeError, ValueError)):
                await client.publish("orders", value)  # type: ignore[arg-type]
        publishing = self.start(client.publish("orders", "hello"))
        connection = await self.gateway.welcomed()
        self.assertEqual((await connection.next("publish"))["data"], "hello")
        publishing.cancel()

    async def test_a_frame_that_is_larger_than_the_gateway_takes_is_refused_and_ends_no_connection(self) -> None:
        client = await self.client()
        publishing = [self.start(client.publish("orders", text)) for text in ("x" * 1_000, "hello")]
        connection = await self.gateway.connection()
        await connection.welcome(maxFrameBytes=1_000)
        frame = await connection.next("publish")
        self.assertEqual(frame["data"], "hello")
        await connection.published(frame)
        await publishing[1]
        for refused in (publishing[0], client.publish("orders", "x" * 1_000)):
            await self.assert_code("message_too_large", refused)
        serving = self.start(client.serve("large", lambda _: "x" * 1_000))
        await connection.send(type="serving", id=(await connection.next("serve"))["id"])
        await serving
        await connection.send(
            type="request", requestId="a", service="large", data="", encoding="utf8", deadline="", **{"from": "peer"}
        )
        self.assertIn("message_too_large", (await connection.next("reply"))["error"])

    async def test_the_end_of_the_client_ends_calls(self) -> None:
        client = await self.client()
        publishing = self.start(client.publish("orders", "hello"))
        await self.gateway.welcomed()
        await client.close()
        await self.assert_code("closed", publishing)
        await self.assert_code("closed", client.publish("orders", "later"))
