"""A libp2p peer in Python that does what a test tells it: see ../README.md."""

import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

import trio
from libp2p import new_host
from libp2p.crypto.ed25519 import Ed25519PrivateKey, create_new_key_pair
from libp2p.crypto.keys import KeyPair
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.pubsub import gossipsub
from libp2p.pubsub import pubsub as pubsub_module
from libp2p.pubsub.gossipsub import PROTOCOL_ID, PROTOCOL_ID_V11, PROTOCOL_ID_V12, GossipSub
from libp2p.pubsub.pubsub import Pubsub
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import Multiaddr

DIAL_SECONDS = 20

# More messages than any test publishes: what the subscriber does not take in time (of 32 by default) is dropped.
pubsub_module.SUBSCRIPTION_CHANNEL_SIZE = 100_000


def say(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def load_key(file: str | None) -> KeyPair:
    """The private key of a file, made when there is none."""
    if file is None:
        return create_new_key_pair()
    path = Path(file)
    if not path.exists():
        path.write_bytes(create_new_key_pair().private_key.to_bytes())
    key = Ed25519PrivateKey.from_bytes(path.read_bytes())
    return KeyPair(key, key.get_public_key())


class DropCounter:
    """Counts messages of this peer that never left it: those that found its own queue to another full (32 by default)."""

    def __init__(self) -> None:
        self.messages = 0
        self.drop_rpc = gossipsub.drop_rpc
        gossipsub.drop_rpc = self.drop

    def drop(self, peer_id: Any, rpc: Any) -> None:
        self.messages += len(rpc.publish)
        self.drop_rpc(peer_id, rpc)


class Peer:
    """What commands act upon."""

    def __init__(self, host: Any, pubsub: Pubsub, nursery: trio.Nursery) -> None:
        self.host = host
        self.pubsub = pubsub
        self.nursery = nursery
        self.drops = DropCounter()

    async def carry_out(self, command: dict[str, Any]) -> Any:
        match command["do"]:
            case "dial":
                with trio.fail_after(DIAL_SECONDS):
                    await self.host.connect(info_from_p2p_addr(Multiaddr(command["multiaddr"])))
            case "subscribe":
                subscription = await self.pubsub.subscribe(command["topic"])
                self.nursery.start_soon(self.tell_messages, command["topic"], subscription)
            case "subscribers":
                return [str(peer) for peer in self.pubsub.peer_topics.get(command["topic"], [])]
            case "publish":
                for data in command["data"]:
                    await self.pubsub.publish(command["topic"], base64.b64decode(data))
            case "dropped":
                return self.drops.messages
            case other:
                raise ValueError(f"this peer does not know how to do {other!r}")
        return None

    async def tell_messages(self, topic: str, subscription: Any) -> None:
        own = self.host.get_id().to_bytes()
        async for message in subscription:
            if message.from_id == own:
                continue
            author = type(self.host.get_id())(message.from_id)
            say({"event": "message", "topic": topic, "from": str(author), "data": base64.b64encode(message.data).decode()})

    async def answer(self, command: dict[str, Any]) -> None:
        try:
            say({"id": command["id"], "result": await self.carry_out(command)})
        except Exception as error:
            say({"id": command["id"], "error": repr(error)})


async def lines_of_input() -> Any:
    unfinished = b""
    async for chunk in trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())):
        *lines, unfinished = (unfinished + chunk).split(b"\n")
        for line in lines:
            yield line


async def run(settings: dict[str, Any]) -> None:
    unknown = settings.keys() - {"listen", "keyFile"}
    if unknown:
        raise ValueError(f"this peer cannot be set up with {', '.join(sorted(unknown))}")
    listen = [Multiaddr(address) for address in settings["listen"]]
    host = new_host(
        key_pair=load_key(settings.get("keyFile")),
        listen_addrs=listen,
        enable_quic=any("/quic-v1" in address for address in settings["listen"]),
    )
    router = GossipSub(
        protocols=[PROTOCOL_ID_V12, PROTOCOL_ID_V11, PROTOCOL_ID],
        degree=6,
        degree_low=4,
        degree_high=12,
        heartbeat_interval=1,
        # It takes no more than ten messages a second from a peer otherwise.
        spam_protection_enabled=False,
    )
    pubsub = Pubsub(host, router)
    async with host.run(listen_addrs=listen), background_trio_service(pubsub), background_trio_service(router):
        await pubsub.wait_until_ready()
        async with trio.open_nursery() as nursery:
            peer = Peer(host, pubsub, nursery)
            say({"event": "listening", "peerId": str(host.get_id()), "multiaddrs": [str(address) for address in host.get_addrs()]})
            async for line in lines_of_input():
                command = json.loads(line)
                if command["do"] == "publish":
                    # In the order of the commands.
                    await peer.answer(command)
                else:
                    nursery.start_soon(peer.answer, command)
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(run, json.loads(sys.argv[1]))
