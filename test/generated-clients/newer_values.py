"""A client passes on values that its contract does not list yet."""
from peergate_client.models import Message, Peer, Readiness

message = {
    "cursor": "k3v9q2.1041",
    "id": "12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz.1795444444000000001",
    "kind": "topic",
    "topic": "orders",
    "from": "12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz",
    "sequence": "1795444444000000001",
    "data": "hello",
    "encoding": "utf8",
    "receivedAt": "2026-11-23T12:34:04+00:00",
    "signature": "c2lnbmF0dXJl",
}
known = Message.from_dict(message)
assert (known.kind, known.encoding) == ("topic", "utf8")
newer = Message.from_dict({**message, "kind": "future", "encoding": "base85"})
assert (newer.kind, newer.encoding) == ("future", "base85")
assert newer.to_dict() == {**message, "kind": "future", "encoding": "base85"}

peer = {
    "peerId": "12D3KooWHHzSeKaY8xuZVzkLbKFfvNgPPeKhFBGrMbNzbm5akpqu",
    "multiaddrs": [],
    "state": "connected",
    "networks": ["custom"],
    "direction": "outbound",
    "path": "tcp",
    "via": None,
    "beyond": [],
    "since": "2026-11-23T12:00:00+00:00",
    "agent": None,
    "protocols": [],
    "latencyMs": None,
    "traffic": {"messagesIn": 0, "bytesIn": 0, "messagesOut": 0, "bytesOut": 0},
    "score": None,
    "firstSeen": "2026-11-20T08:00:00+00:00",
    "lastSeen": "2026-11-23T12:34:05+00:00",
    "topics": [],
    "label": None,
    "gateway": "12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz",
}
known = Peer.from_dict(peer)
assert (known.state, known.direction) == ("connected", "outbound")
newer = Peer.from_dict({**peer, "state": "future", "networks": ["future"], "direction": "both", "path": "future"})
assert (newer.state, newer.networks, newer.direction, newer.path) == ("future", ["future"], "both", "future")
assert Peer.from_dict({**peer, "direction": None}).direction is None

readiness = {"status": "degraded", "checks": {"started": True, "draining": False, "database": "slow"}}
newer = Readiness.from_dict(readiness)
assert (newer.status, newer.checks.database) == ("degraded", "slow")
