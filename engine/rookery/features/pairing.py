"""Pairing: the code that a person scans or types so that a session may use an account."""

from __future__ import annotations

from ..errors import InvalidInput
from ..model.session import PAIRING_STATUSES, PairingCode
from ..provider.capabilities import Pairable, Pairing
from .owners import OwnerCalls


class PairingFeatures(OwnerCalls):
    """For platforms whose sessions a person authorises."""

    async def pairing(self, id: str) -> Pairing | None:
        """The current code; None when the session is not waiting to be paired. Draw a code of kind `qr` as a QR code.

        Raises NotFound, OwnerUnavailable.
        """
        session = await self._store.get_session(id)
        if id in self._supervisor.running or session.health.status not in PAIRING_STATUSES:
            return await self._pairing_here(id)
        return await self._where_it_runs(id, self._pairing_here, PairingCode | None)

    async def _pairing_here(self, id: str) -> Pairing | None:
        provider = self._providers.get((await self._store.get_session(id)).platform)
        pairing = provider.pairing(id) if isinstance(provider, Pairable) else None
        return None if pairing is None else PairingCode(pairing.kind, pairing.code, pairing.expires_at)

    async def request_pairing_code(self, id: str, phone: str) -> Pairing:
        """A code to type into the phone with this number, instead of scanning.

        Raises NotFound, InvalidInput, NotConnected (the session is not waiting to be paired), SendError,
        OwnerUnavailable.
        """
        session = await self._store.get_session(id)
        if not isinstance(self._providers.get(session.platform), Pairable):
            raise InvalidInput(f"sessions of {session.platform} are not paired by a code", field="platform")
        return await self._where_it_runs(id, self._pairing_code_here, PairingCode, phone=phone)

    async def _pairing_code_here(self, id: str, phone: str) -> Pairing:
        provider = self._providers.get((await self._store.get_session(id)).platform)
        assert isinstance(provider, Pairable), "was looked at before"
        pairing = await provider.request_pairing_code(id, phone)
        return PairingCode(pairing.kind, pairing.code, pairing.expires_at)
