import asyncio
import unittest
from unittest.mock import patch

import httpx

from peergate_client import Client, Operation, PeergateError, operations


class RestTest(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self) -> None:
        self.answer = b""
        self.asked: list[bytes] = []
        self.stays = False
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.addCleanup(server.close)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        self.client = await self.enterAsyncContext(Client(url, token=lambda: "secret"))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
        self.asked.append(head + await reader.readexactly(length))
        writer.write(self.answer)
        await writer.drain()
        if self.stays:
            self.addCleanup(writer.close)
        else:
            writer.close()

    def _answers(self, status: str, body: bytes) -> None:
        self.answer = b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n%b" % (status.encode(), len(body), body)

    async def test_a_call_has_the_path_query_headers_and_body_of_its_operation(self) -> None:
        self._answers("201 Created", b'{"cursor":"log.1"}')
        operation = operations.publish_to_topic("a/b ä", {"data": "hällo"}, wait_ms=5, idempotency_key="key")
        published = await self.client.rest.call(operation)
        self.assertEqual(published["cursor"], "log.1")
        [asked] = self.asked
        self.assertTrue(asked.startswith(b"POST /v1/topics/a%2Fb%20%C3%A4/messages?waitMs=5 HTTP/1.1\r\n"), asked)
        self.assertIn(b"authorization: bearer secret\r\n", asked.lower())
        self.assertIn(b"idempotency-key: key\r\n", asked.lower())
        self.assertTrue(asked.endswith('\r\n\r\n{"data":"hällo"}'.encode()), asked)

    async def test_lists_and_truth_are_written_as_the_contract_has_them(self) -> None:
        self._answers("204 No Content", b"")
        await self.client.rest.call(operations.leave_topic("orders", purge=True))
        self._answers("200 OK", b'{"items":[]}')
        await self.client.rest.call(operations.list_messages(topic=["a", "b"]))
        self.assertIn(b"?purge=true ", self.asked[0])
        self.assertIn(b"?topic=a&topic=b ", self.asked[1])

    async def test_bodies_and_answers_can_be_bytes(self) -> None:
        self._answers("200 OK", b"\x00\xff")
        self.assertEqual(await self.client.rest.call(operations.get_message_data("a")), b"\x00\xff")
        await self.client.rest.call(Operation[bytes]("POST", "/", "bytes", body=b"\x00\xff"))
        self.assertIn(b"content-type: application/octet-stream\r\n", self.asked[1].lower())
        self.assertTrue(self.asked[1].endswith(b"\r\n\r\n\x00\xff"))

    async def test_an_answer_is_not_waited_for_without_end(self) -> None:
        with patch("peergate_client.rest.TIMEOUT_SECONDS", 0.05), self.assertRaises(httpx.ReadTimeout):
            self.answer = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n"
            self.stays = True
            await self.client.rest.call(operations.get_node())

    async def test_a_problem_is_an_error_with_its_code_and_what_is_none_has_its_status(self) -> None:
        answers = {
            b'{"code":"topic_not_found","title":"no","retryable":false}': ("topic_not_found", False),
            b"<html>": ("http_502", True),
            b"[" * 100_000: ("http_502", True),
        }
        for body, (code, retryable) in answers.items():
            with self.subTest(code):
                self._answers("502 Bad Gateway", body)
                with self.assertRaises(PeergateError) as caught:
                    await self.client.rest.call(operations.get_topic("orders"))
                error = caught.exception
                self.assertEqual((error.code, error.retryable, error.status), (code, retryable, 502))
