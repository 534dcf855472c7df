"""Key bundles as stanzas."""

from __future__ import annotations

from ..crypto.ratchet import PreKeyBundle
from ..stanza.node import Node, node

KEY_ID_SIZE = 3  # bytes of a prekey's number


def bundle_nodes(bundle: PreKeyBundle) -> list[Node]:
    """A bundle as the children of `<user>`."""
    signed = node(
        "skey", {}, [*_key_nodes(bundle.signed_id, bundle.signed_key), node("signature", {}, bundle.signature)]
    )
    nodes = [
        node("registration", {}, bundle.registration_id.to_bytes(4)),
        node("type", {}, b"\x05"),
        node("identity", {}, bundle.identity),
        signed,
    ]
    if bundle.one_time_id is not None and bundle.one_time_key is not None:
        nodes.append(node("key", {}, _key_nodes(bundle.one_time_id, bundle.one_time_key)))
    return nodes


def _key_nodes(number: int, key: bytes) -> list[Node]:
    return [node("id", {}, number.to_bytes(KEY_ID_SIZE)), node("value", {}, key)]
