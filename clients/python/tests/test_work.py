import asyncio
import math

from peergate_client import Candidate, Data, Json, Outcome, Retry, ServiceRequest, Task, Verdict

from .case import GatewayCase
from .scripted_gateway import Frame, ScriptedConnection, message


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


class ConsumerTest(GatewayCase):
    async def subscribed(self, connection: ScriptedConnection) -> Frame:
        frame = await connection.next("subscribe")
        await connection.send(type="subscribed", id=frame["id"], subscription=frame["subscription"], cursor="log.0")
        return frame

    async def deliver(
        self, connection: ScriptedConnection, frame: Frame, place: int, attempt: int = 1, claim: str = "x"
    ) -> None:
        claimed = {"attempt": attempt, "claim": f"id-{place}~{claim}"}
        more = {"subscription": frame["subscription"], "consumer": "billing", **claimed}
        await connection.send(type="message", message=message(place), **more)

    async def test_the_outcome_is_the_verdict_and_what_fails_is_retried_and_reported(self) -> None:
        reported: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
        outcomes: dict[str, object] = {"1": None, "2": "drop", "3": Retry(2_500), "4": "retry", "5": ValueError("no"), "6": 17}

        def bill(task: Task) -> Outcome | None:
            outcome = outcomes[task.message.data]
            if isinstance(outcome, Exception):
                raise outcome
            return outcome  # type: ignore[return-value]

        client = await self.client()
        working = self.start(client.work("billing", bill, concurrency=9, encoding="json"))
        connection = await self.gateway.welcomed()
        frame = await self.subscribed(connection)
        self.assertEqual((frame["consumer"], frame["maxUnacked"], frame["encoding"]), ("billing", 9, "json"))
        registration = await working
        acks = []
        for place in range(1, 7):
            await self.deliver(connection, frame, place)
            acks.append(await connection.next("ack"))
        verdicts = [(one["claims"], one["verdict"], one.get("delayMs")) for one in acks]
        expected = [("ack", None), ("drop", None), ("retry", 2_500), ("retry", None), ("retry", None), ("retry", None)]
        self.assertEqual(verdicts, [([f"id-{place}~x"], *one) for place, one in enumerate(expected, 1)])
        self.assertEqual([type(error) for error in reported], [ValueError, TypeError])
        registration.stop()
        self.assertEqual((await connection.next("unsubscribe"))["subscription"], frame["subscription"])
        await registration.ended()

    async def test_a_delay_that_a_gateway_would_refuse_is_one_that_it_takes(self) -> None:
        told = {0.6: 1, -1: 0, math.inf: 86_400_000, -math.inf: 0, 86_400_001: 86_400_000, math.nan: None}
        delays = iter(told)
        client = await self.client()
        self.start(client.work("billing", lambda _: Retry(next(delays))))
        connection = await self.gateway.welcomed()
        frame = await self.subscribed(connection)
        for place, expected in enumerate(told.values()):
            await self.deliver(connection, frame, place)
            ack = await connection.next("ack")
            self.assertEqual((ack["verdict"], ack.get("delayMs")), ("retry", expected))

    async def test_work_on_a_message_that_came_again_as_the_same_attempt_ends_with_the_connection_too(self) -> None:
        begun: asyncio.Queue[None] = asyncio.Queue()
        cancelled: asyncio.Queue[None] = asyncio.Queue()

        async def bill(_: Task) -> None:
            begun.put_nowait(None)
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                cancelled.put_nowait(None)

        client = await self.client()
        self.start(client.work("billing", bill, concurrency=2))
        connection = await self.gateway.welcomed()
        frame = await self.subscribed(connection)
        for claim in ("x", "y"):
            await self.deliver(connection, frame, 1, claim=claim)
            await begun.get()
        await connection.cut()
        for _ in range(2):
            await asyncio.wait_for(cancelled.get(), 10)

    async def test_a_coroutine_function_works_on_several_at_once_and_tells_its_progress(self) -> None:
        done = asyncio.Event()

        async def bill(task: Task) -> None:
            task.progress()
            await done.wait()

        client = await self.client()
        self.start(client.work("billing", bill, concurrency=2))
        connection = await self.gateway.welcomed()
        frame = await self.subscribed(connection)
        for place in (1, 2):
            await self.deliver(connection, frame, place)
        told = [await connection.next("ack") for _ in range(2)]
        self.assertEqual([(one["claims"], one["verdict"]) for one in told], [(["id-1~x"], "progress"), (["id-2~x"], "progress")])
        done.set()
        told = [await connection.next("ack") for _ in range(2)]
        self.assertEqual([(one["claims"], one["verdict"]) for one in told], [(["id-1~x"], "ack"), (["id-2~x"], "ack")])

    async def test_an_acknowledgement_that_finds_the_database_away_is_repeated(self) -> None:
        client = await self.client()
        self.start(client.work("billing", lambda _: None))
        connection = await self.gateway.welcomed()
        frame = await self.subscribed(connection)
        await self.deliver(connection, frame, 1)
        ack = await connection.next("ack")
        await connection.send(
            type="error", id=ack["id"], code="store_unavailable", title="", detail="", retryable=True, retryAfterMs=50
        )
        self.assertEqual(await connection.next("ack"), ack)

    async def test_work_ends_with_its_connection_and_the_next_one_says_nothing_of_it(self) -> None:
        tasks: asyncio.Queue[Task] = asyncio.Queue()
        cancelled = asyncio.Event()
        done = asyncio.Event()

        async def bill(task: Task) -> None:
            tasks.put_nowait(task)
            if task.attempt == 1:
                try:
                    await done.wait()
                except asyncio.CancelledError:
                    # It goes on nevertheless.
                    cancelled.set()
                    await done.wait()
                    task.progress()

        client = await self.client()
        self.start(client.work("billing", bill))
        first = await self.gateway.welcomed()
        await self.deliver(first, await self.subscribed(first), 1)
        task = await tasks.get()
        self.assertFalse(task.lost.is_set())
        await first.cut()
        second = await self.gateway.welcomed()
        frame = await self.subscribed(second)
        await cancelled.wait()
        self.assertTrue(task.lost.is_set())
        done.set()
        await self.deliver(second, frame, 2, attempt=2)
        self.assertEqual((await second.next("ack"))["claims"], ["id-2~x"])

    async def test_a_consumer_that_is_removed_ends_its_worker(self) -> None:
        client = await self.client()
        working = self.start(client.work("billing", lambda _: None))
        connection = await self.gateway.welcomed()
        frame = await self.subscribed(connection)
        registration = await working
        gone = {"code": "consumer_not_found", "title": "", "detail": "", "retryable": False}
        await connection.send(type="error", subscription="another", **gone)
        await connection.send(type="error", subscription=frame["subscription"], **gone)
        await self.assert_code("consumer_not_found", registration.ended())
