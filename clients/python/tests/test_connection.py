import asyncio
import re
import unittest
from pathlib import Path

from peergate_client import ConnectionState
from peergate_client.back_off import BackOff, pause_ms
from peergate_client.close_codes import is_final

from .case import GatewayCase, all_of
from .scripted_gateway import ScriptedGateway

FAULTS: dict[str, str | bytes] = {
    "text that is not JSON": '{"type":',
    "a value that is no object": "17",
    "null": "null",
    "nesting beyond any frame": "[" * 100_000,
    "an object without a type": "{}",
    "a message without a cursor": '{"type":"message","message":{"id":"a","encoding":"utf8"}}',
    "a message that is null": '{"type":"message","message":null}',
    "a gap without its end": '{"type":"gap","from":"log.1","reason":"pruned"}',
    "a second welcome": '{"type":"welcome","peerId":"peer","heartbeatMs":25000}',
    "bytes": b'{"type":"pong"}',
}


class ConnectionTest(GatewayCase):
    async def test_what_is_not_of_the_protocol_ends_a_connection_and_the_next_one_goes_on(self) -> None:
        for fault, text in FAULTS.items():
            with self.subTest(fault):
                states: list[str] = []
                client = await self.client()
                client.watch(lambda state: states.append(state.error.code if state.type == "waiting" else state.type))
                publishing = self.start(client.publish("orders", "hello"))
                first = await self.gateway.welcomed()
                await first.socket.send(text)
                second = await self.gateway.welcomed()
                await second.published(await second.next("publish"))
                await publishing
                self.assertEqual(states, ["connecting", "open", "protocol_error", "connecting", "open"])
                await client.close()

    async def test_unknown_frames_and_fields_and_answers_to_nothing_are_passed_over(self) -> None:
        client = await self.client()
        publishing = self.start(client.publish("orders", "hello"))
        connection = await self.gateway.welcomed()
        frame = await connection.next("publish")
        await connection.send(type="weather", data=1)
        await connection.published({"id": 77})
        await connection.publish("of-nobody", 1)
        await connection.send(
            type="published", id=frame["id"], messageId="a", cursor="log.1", recipients=2, gateway="peer", colour="blue"
        )
        self.assertEqual((await publishing).message_id, "a")
        self.assertEqual(self.gateway.count, 1)

    async def test_a_gateway_that_says_nothing_is_given_up(self) -> None:
        client = await self.client(connect_timeout_ms=50)
        waiting: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def watch(state: ConnectionState) -> None:
            if state.type == "waiting" and not waiting.done():
                waiting.set_result(state.error.code)

        client.watch(watch)
        self.start(client.publish("orders", "hello"))
        self.assertEqual(await waiting, "connect_timeout")
        await self.gateway.connection()

    async def test_a_gateway_that_answers_no_ping_is_given_up(self) -> None:
        client = await self.client(heartbeat_ms=20)
        self.start(client.publish("orders", "hello"))
        first = await self.gateway.welcomed()
        first.socket.transport.pause_reading()
        await self.gateway.connection()

    async def test_a_frame_larger_than_the_limit_ends_the_client(self) -> None:
        client = await self.client(max_frame_bytes=200)
        publishing = self.start(client.publish("orders", "hello"))
        connection = await self.gateway.welcomed()
        await connection.send(type="weather", data="x" * 200)
        await self.assert_code("frame_too_large", publishing)
        self.assertEqual(client.state.type, "closed")

    async def test_close_codes_that_need_a_change_end_everything_with_an_error(self) -> None:
        for code in (1002, 1008, 1009, 4500, 4502, 4503, 4999):
            with self.subTest(code):
                client = await self.client(token=lambda: "secret")
                following = self.start(all_of(client.subscribe("orders")))
                publishing = self.start(client.publish("orders", "hello"))
                count = self.gateway.count
                connection = await self.gateway.welcomed()
                await connection.next("publish")
                await connection.socket.close(code)
                expected = "connection_closed" if code >= 4500 else "connection_lost"
                await self.assert_code(expected, following)
                await self.assert_code(expected, publishing)
                await self.assert_code(expected, client.publish("orders", "later"))
                self.assertEqual(client.state.type, "closed")
                self.assertEqual(self.gateway.count, count + 1)

    async def test_the_error_frame_before_a_final_close_is_the_error_of_the_client(self) -> None:
        client = await self.client(token="wrong")
        publishing = self.start(client.publish("orders", "hello"))
        connection = await self.gateway.connection()
        self.assertEqual(connection.token, "Bearer wrong")
        await connection.send(type="error", code="invalid_token", title="", detail="unknown", retryable=False)
        await connection.socket.close(4502)
        await self.assert_code("invalid_token", publishing)

    async def test_a_function_gives_a_token_for_each_connection_and_is_asked_again_when_it_fails(self) -> None:
        tokens = iter(["one", None, "two"])

        async def token() -> str:
            found = next(tokens)
            if found is None:
                raise OSError("no answer")
            return found

        client = await self.client(token=token)
        self.start(client.publish("orders", "hello"))
        first = await self.gateway.welcomed()
        self.assertEqual(first.token, "Bearer one")
        await first.socket.close(4100)
        self.assertEqual((await self.gateway.connection()).token, "Bearer two")

    async def test_a_refused_upgrade_is_tried_again_unless_the_gateway_says_that_it_is_of_no_use(self) -> None:
        self.gateway.refusals = [
            (502, "<html>"),
            (503, '{"code":"overloaded","retryable":true}'),
            (403, '{"code":"forbidden_origin","retryable":false}'),
        ]
        codes: list[str] = []
        client = await self.client()
        client.watch(lambda state: codes.append(state.error.code) if state.type == "waiting" else None)
        await self.assert_code("forbidden_origin", client.publish("orders", "hello"))
        self.assertEqual(codes, ["connection_lost", "overloaded"])

    async def test_a_token_is_not_sent_to_where_a_gateway_redirects(self) -> None:
        async with ScriptedGateway() as other:
            self.gateway.redirect = f"{other.url.replace('http', 'ws')}/v1/stream"
            client = await self.client(token="secret")
            self.start(client.publish("orders", "hello"))
            self.assertIsNone((await other.connection()).token)
            await client.close()

    async def test_a_gateway_that_closes_says_when_to_come_back_within_limits(self) -> None:
        for asked, least in ((50, 50), (10**9, 120_000)):
            with self.subTest(asked):
                waiting: asyncio.Future[float] = asyncio.get_running_loop().create_future()
                client = await self.client()
                client.watch(lambda state: waiting.set_result(state.pause_ms) if state.type == "waiting" else None)
                self.start(client.publish("orders", "hello"))
                connection = await self.gateway.welcomed()
                await connection.send(type="closing", reason="draining", retryAfterMs=asked)
                await connection.socket.close(4002)
                pause = await waiting
                self.assertTrue(least <= pause <= least + 200, pause)
                await client.close()

    async def test_a_url_that_is_none_ends_the_client(self) -> None:
        for url in ("ftp://127.0.0.1", "http://[bad", "http://"):
            with self.subTest(url):
                self.gateway.url = url
                client = await self.client()
                await self.assert_code("connection_closed", client.publish("orders", "hello"))

    async def test_a_watcher_that_fails_ends_no_connection(self) -> None:
        failures: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context["exception"]))
        client = await self.client()
        fault = ValueError("of the watcher")

        def watch(_: object) -> None:
            raise fault

        client.watch(watch)
        publishing = self.start(client.publish("orders", "hello"))
        connection = await self.gateway.welcomed()
        await connection.published(await connection.next("publish"))
        await publishing
        self.assertEqual(failures, [fault, fault])


class PauseTest(unittest.TestCase):
    def test_pauses_double_up_to_the_last_and_the_jitter_is_full(self) -> None:
        back_off = BackOff(100, 1_000)
        self.assertEqual([pause_ms(back_off, failures, 0, lambda: 1) for failures in range(5)], [100, 200, 400, 800, 1_000])
        self.assertEqual(pause_ms(back_off, 3, 0, lambda: 0), 0)
        self.assertEqual(pause_ms(back_off, 10**9, 50, lambda: 1), 1_050)


class CloseCodeTest(unittest.TestCase):
    def test_the_close_codes_of_the_contract_are_final_as_it_says(self) -> None:
        page = (Path(__file__).parents[3] / "docs/stream-protocol.md").read_text(encoding="utf-8")
        rows = re.findall(r"^\| (\d{4}) \|.*\| ([^|]+) \|$", page, re.MULTILINE)
        self.assertGreater(len(rows), 10)
        for code, action in rows:
            with self.subTest(code):
                self.assertEqual(is_final(int(code), can_renew_token=True), "reconnect" not in action)
        self.assertTrue(is_final(4100, can_renew_token=False))

    def test_any_other_code_is_not_final(self) -> None:
        for code in (1000, 1001, 1005, 1006, 1012, 1013, 3000, 4099, 4499):
            self.assertFalse(is_final(code, can_renew_token=False))
