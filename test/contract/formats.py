"""Values of the formats that openapi.yaml has beside those of JSON Schema, and queries that do not wait for long."""

from base64 import b32encode
from hashlib import sha256

import schemathesis
from hypothesis import strategies as st

LETTERS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
SHORT_MS = 50
DELIVERY = "0m1k3x9v2q7b4f0e2d1c"


def base58(data: bytes) -> str:
    """Bitcoin's base58: https://datatracker.ietf.org/doc/html/draft-msporny-base58"""
    number, text = int.from_bytes(data), ""
    while number:
        number, digit = divmod(number, 58)
        text = LETTERS[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def cid(data: bytes) -> str:
    """CIDv1 of raw bytes: https://github.com/multiformats/cid"""
    return "b" + b32encode(bytes.fromhex("01551220") + sha256(data).digest()).decode().lower().rstrip("=")


# An Ed25519 key in protobuf, as an identity multihash: https://github.com/libp2p/specs/blob/master/peer-ids/peer-ids.md
peer_ids = st.binary(min_size=32, max_size=32).map(lambda key: base58(bytes.fromhex("002408011220") + key))
# Nobody listens on the lowest ports.
multiaddrs = st.builds("/ip4/127.0.0.1/tcp/{}/ws/p2p/{}".format, st.integers(1, 9), peer_ids)

schemathesis.openapi.format("peer-id", peer_ids)
schemathesis.openapi.format("multiaddr", multiaddrs)
schemathesis.openapi.format("cid", st.binary().map(cid))
schemathesis.openapi.format("dht-key", st.binary().map(lambda data: f"/peergate/imm/{sha256(data).hexdigest()}"))


@schemathesis.hook
def before_call(context, case, kwargs):
    for name in ("waitMs", "timeoutMs"):
        wait = (case.query or {}).get(name)
        if isinstance(wait, int) and wait > SHORT_MS:
            case.query[name] = SHORT_MS
    # The id in the example of the answer to sendToPeer, of a delivery, is taken for that of a peer.
    if (case.path_parameters or {}).get("peerId") == DELIVERY:
        case.path_parameters["peerId"] = base58(bytes.fromhex("002408011220") + bytes(32))
