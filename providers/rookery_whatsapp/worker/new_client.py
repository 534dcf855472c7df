"""Creates a client of the library without connecting it."""

from __future__ import annotations

from neonize.client import NewClient
from neonize.proto.waCompanionReg.WAWebProtobufsCompanionReg_pb2 import DeviceProps

from ..protocol import Start
from .addresses import parse_jid

FULL_DAYS, FULL_QUOTA = 3650, 10_240
"""The longest history that a device may request from the phone, in days, and the storage that it declares, in MB."""


def new_client(start: Start) -> NewClient:
    """A client under the number that the engine has given it."""
    properties = DeviceProps(os=start.device_name, platformType=DeviceProps.CHROME)
    if start.history == "full":
        properties.requireFullSync = True
        properties.historySyncConfig.fullSyncDaysLimit = FULL_DAYS
        properties.historySyncConfig.storageQuotaMb = FULL_QUOTA
    client = NewClient(
        start.database,
        props=properties,
        uuid=f"{start.client}",  # the client's key in the maps: unique, so that it never matches an earlier client
        new_device=start.jid is None,
    )
    if start.jid is not None:
        # As a constructor argument it would replace the key by the phone number, which two sessions may share.
        client.jid = parse_jid(start.jid)
    # Python's garbage collector could call it, and change the maps, at any moment.
    client._stop_finalizer.detach()
    return client
