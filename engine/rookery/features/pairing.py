"""Pairing: what a person scans or types so that a session may use an account."""

from __future__ import annotations

from ..errors import InvalidInput
from ..parts import EngineParts
from ..provider import Pairable, Pairing


class PairingFeatures(EngineParts):
    """For platforms whose sessions are authorised by a person."""

    async def pairing(self, id: str) -> Pairing | None:
        """The code to use now; None when the session waits for none here. `rookery.pairing` draws it. Raises NotFound."""
        session = await self._store.get_session(id)
        provider = self._providers.get(session.platform)
        return provider.pairing(id) if isinstance(provider, Pairable) else None

    async def request_pairing_code(self, id: str, phone: str) -> Pairing:
        """A code to type into the phone with this number, instead of scanning.

        Raises NotFound, InvalidInput, NotConnected (the session does not wait to be paired here), SendError.
        """
        session = await self._store.get_session(id)
        provider = self._providers.get(session.platform)
        if not isinstance(provider, Pairable):
            raise InvalidInput(f"sessions of {session.platform} are not paired by a code", field="platform")
        return await provider.request_pairing_code(id, phone)
