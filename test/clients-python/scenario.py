"""Plays clients/scenario.md: python scenario.py URL…, with the lines of test/fixtures/player-program.ts."""

import asyncio
import json
import sys

from peergate_client import BackOff, Client, MemoryCursors


def tell(**told: object) -> None:
    print(json.dumps(told), flush=True)


async def publish(client: Client, text: str) -> None:
    await client.publish("orders", text)
    tell(answered=text)


async def publish_lines(client: Client, publishing: asyncio.TaskGroup) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        publishing.create_task(publish(client, line.decode().rstrip("\n")))


async def follow(client: Client) -> None:
    cursors = MemoryCursors()
    left = 0
    while True:
        taken = 0
        # The loop is left now and then: the next one begins where the store says.
        async with client.subscribe("orders", after="earliest", cursors=cursors, max_buffered_items=8) as items:
            async for item in items:
                if item.type == "gap":
                    raise RuntimeError(f"a gap: {item}")
                taken += 1
                # What the loop has when it is left does not count as handled.
                if taken > 100 and left < 3:
                    break
                if item.type == "message":
                    tell(seen={"cursor": item.cursor, "data": item.message.data})
                # Messages come faster than they are taken, so that the buffer becomes full.
                for _ in range(20):
                    await asyncio.sleep(0)
        left += 1


async def main() -> None:
    pauses = BackOff(20, 200)
    async with (
        Client(sys.argv[1:], back_off=pauses) as publisher,
        Client(sys.argv[1:], back_off=pauses) as follower,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(publish_lines(publisher, group))
        group.create_task(follow(follower))


asyncio.run(main())
