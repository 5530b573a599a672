"""Sends each frame with all its options to a gateway that refuses what its contract does not have: python tour.py URL."""

import asyncio
import json
import sys

from peergate_client import Candidate, Client, Json, Outcome, PeergateError, Retry, Task, Verdict, operations

STRANGER = "12D3KooWHHzSeKaY8xuZVzkLbKFfvNgPPeKhFBGrMbNzbm5akpqu"


def judge(message: Candidate) -> Verdict:
    return "accept"


async def work(client: Client) -> list[object]:
    """What a worker had: one message that is retried twice and then acknowledged, and one that is dropped."""
    await client.rest.call(operations.create_consumer("billing", {"topics": ["jobs"], "backoffMs": 0}))
    had: asyncio.Queue[object] = asyncio.Queue()

    def bill(task: Task) -> Outcome | None:
        task.progress()
        had.put_nowait([task.message.data, task.attempt])
        if task.message.data == ["bad"]:
            return "drop"
        return {1: "retry", 2: Retry(after_ms=0), 3: None}[task.attempt]  # type: ignore[return-value]

    worker = await client.work("billing", bill, concurrency=1, encoding="json")
    await client.publish("jobs", Json(["good"]))
    seen = [await had.get() for _ in range(3)]
    await client.publish("jobs", Json(["bad"]))
    seen.append(await had.get())
    while (state := await client.rest.call(operations.get_consumer("billing")))["unacked"] > 0:
        await asyncio.sleep(0.01)
    seen.append([state["waiting"], state["parked"], state["workers"]])
    await client.rest.call(operations.remove_consumer("billing"))
    try:
        await worker.ended()
    except PeergateError as error:
        seen.append(error.code)
    return seen


async def main() -> None:
    told: dict[str, object] = {}
    async with Client(sys.argv[1]) as client:
        node = await client.rest.call(operations.get_node())
        validator = await client.validate("orders", judge, deadline_ms=500, default="accept", encoding="json")
        service = await client.serve("echo", lambda request: bytes(request), concurrency=2, encoding="base64")
        answer = await client.request(node["peerId"], "echo", b"\x00\xff", timeout_ms=20_000)
        told["answer"] = list(bytes(answer))
        first = await client.publish("orders", Json({"order": 17}), idempotency_key="key")
        again = await client.publish("orders", Json({"order": 17}), idempotency_key="key")
        told["replayed"] = [first.replayed, again.replayed, first.message_id == again.message_id]
        async with client.subscribe(["orders"], after="earliest", direct=True, own=True, encoding="json") as items:
            item = await anext(items)
            told["item"] = [item.type, item.message.data if item.type == "message" else None]
        delivery = await client.send(STRANGER, "hello", expires_in_ms=60_000, idempotency_key="direct")
        told["delivery"] = (await client.rest.call(operations.cancel_delivery(delivery.id)))["state"]
        page = await client.rest.call(operations.list_messages(topic=["orders"], encoding="json", limit=1))
        told["page"] = [message["data"] for message in page["items"]]
        told["bytes"] = list(await client.rest.call(operations.get_message_data(first.message_id)))
        try:
            await client.rest.call(operations.get_topic("nobody"))
        except PeergateError as error:
            told["refused"] = [error.code, error.status]
        try:
            await client.publish("orders", "x" * 2_000_000)
        except PeergateError as error:
            told["large"] = error.code
        told["work"] = await work(client)
        service.stop()
        validator.stop()
        await asyncio.gather(service.ended(), validator.ended())
        told["state"] = client.state.type
    print(json.dumps(told))


asyncio.run(main())
