import asyncio

from peergate_client import Candidate, Data, Json, ServiceRequest, Verdict

from .case import GatewayCase
from .scripted_gateway import Frame, ScriptedConnection


def request(number: str) -> Frame:
    return {
        "type": "request",
        "requestId": number,
        "from": "peer",
        "service": "capitals",
        "data": "hello",
        "encoding": "utf8",
        "deadline": "2026-11-29T12:00:00Z",
    }


class WorkTest(GatewayCase):
    async def confirm(self, connection: ScriptedConnection, kind: str, answer: str) -> Frame:
        frame = await connection.next(kind)
        await connection.send(type=answer, id=frame["id"])
        return frame

    async def test_a_service_answers_and_registers_again_on_the_next_connection(self) -> None:
        client = await self.client()
        serving = self.start(client.serve("capitals", lambda request: str(request.data).upper(), concurrency=4))
        first = await self.gateway.welcomed()
        frame = await self.confirm(first, "serve", "serving")
        self.assertEqual((frame["service"], frame["concurrency"]), ("capitals", 4))
        registration = await serving
        await first.send(**request("a"))
        reply = await first.next("reply")
        self.assertEqual((reply["requestId"], reply["data"]), ("a", "HELLO"))
        await first.cut()
        second = await self.gateway.welcomed()
        await self.confirm(second, "serve", "serving")
        registration.stop()
        await second.next("unserve")
        await registration.ended()

    async def test_the_text_of_an_error_is_the_answer_and_data_that_is_none_an_error(self) -> None:
        async def fail(_: ServiceRequest) -> Data:
            raise ValueError("x" * 2_000)

        client = await self.client()
        self.start(client.publish("orders", "hello"))
        connection = await self.gateway.welcomed()
        for handler, error in ((fail, "x" * 1_000), (lambda _: Json(object()), "Object of type object is not JSON")):
            serving = self.start(client.serve("capitals", handler))
            await self.confirm(connection, "serve", "serving")
            registration = await serving
            await connection.send(**request("a"))
            self.assertIn(error, (await connection.next("reply"))["error"])
            registration.stop()

    async def test_a_handler_is_cancelled_when_nobody_waits_for_its_answer(self) -> None:
        started: asyncio.Queue[None] = asyncio.Queue()
        cancelled: asyncio.Queue[None] = asyncio.Queue()

        async def wait(_: ServiceRequest) -> Data:
            started.put_nowait(None)
            try:
                await asyncio.get_running_loop().create_future()
                return ""
            finally:
                cancelled.put_nowait(None)

        client = await self.client()
        self.start(client.serve("capitals", wait))
        connection = await self.gateway.welcomed()
        await self.confirm(connection, "serve", "serving")
        await connection.send(**request("a"))
        await started.get()
        await connection.send(type="cancelled", requestId="a")
        await cancelled.get()
        await connection.send(**request("b"))
        await started.get()
        await connection.cut()
        await cancelled.get()

    async def test_a_refused_service_raises_the_code_now_and_on_later_connections(self) -> None:
        client = await self.client()
        serving = self.start(client.serve("capitals", lambda _: ""))
        first = await self.gateway.welcomed()
        await first.refuse(await first.next("serve"), "forbidden")
        await self.assert_code("forbidden", serving)
        serving = self.start(client.serve("capitals", lambda _: ""))
        await self.confirm(first, "serve", "serving")
        registration = await serving
        await first.cut()
        second = await self.gateway.welcomed()
        await second.refuse(await second.next("serve"), "forbidden")
        await self.assert_code("forbidden", registration.ended())

    async def test_a_validator_judges_and_says_nothing_when_it_fails(self) -> None:
        async def judge(message: Candidate) -> Verdict:
            return {"good": "accept", "bad": "reject"}[message.data]  # type: ignore[return-value]

        client = await self.client()
        validating = self.start(client.validate("orders", judge, deadline_ms=500, default="accept"))
        connection = await self.gateway.welcomed()
        frame = await self.confirm(connection, "validate", "validating")
        self.assertEqual((frame["topic"], frame["deadlineMs"], frame["default"]), ("orders", 500, "accept"))
        registration = await validating
        for number, data in enumerate(("good", "unknown", "bad")):
            message = {"id": "a", "topic": "orders", "data": data, "encoding": "utf8"}
            await connection.send(type="validation", validationId=str(number), message=message)
        verdicts = [await connection.next("verdict") for _ in range(2)]
        self.assertEqual([(one["validationId"], one["verdict"]) for one in verdicts], [("0", "accept"), ("2", "reject")])
        registration.stop()
        await connection.next("unvalidate")

    async def test_a_registration_that_is_cancelled_before_it_is_accepted_ends(self) -> None:
        client = await self.client()
        serving = self.start(client.serve("capitals", lambda _: ""))
        connection = await self.gateway.welcomed()
        await connection.next("serve")
        serving.cancel()
        await connection.next("unserve")
