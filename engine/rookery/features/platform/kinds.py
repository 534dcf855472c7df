"""Messages as their platform wants them: options of its own, and calls of its methods."""

from __future__ import annotations

from typing import Any

from ...errors import InvalidInput
from ...provider.capabilities import MethodProvider, OptionChecking
from ..validation import canonical, check_document, fields_of
from .chats import ChatNames


class MessageKinds(ChatNames):
    """Reads what only the platform of a session knows about a message."""

    async def _with_options(
        self, session: str, content: dict[str, Any], options: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Separate the content from the options, some of which may stand beside the content's fields. Raises NotFound,
        InvalidInput."""
        runner = self._supervisor.running.get(session)
        row = runner.session if runner is not None else await self._store.get_session(session)
        provider = self._providers.get(row.platform)
        if not isinstance(provider, OptionChecking) or content.get("type") == "call":
            return content, options
        known = fields_of(content)
        beside = {name: value for name, value in content.items() if name not in known}
        kind = canonical(content.get("type", "text"))
        shared = {name: content[name] for name in provider.option_names(kind) if content.get(name) is not None}
        provider.check_options(kind, options | beside | shared, fields=known)
        return {name: value for name, value in content.items() if name in known}, options | beside

    def _as_call(self, content: dict[str, Any]) -> dict[str, Any]:
        """Turn a message whose type is a platform into a call of one of that platform's methods. Raises what
        `MethodProvider.check_call` raises."""
        platform = content.get("type")
        if platform == "call":
            raise InvalidInput("type: the platform's name is needed to call one of its methods", field="type")
        provider = self._providers.get(platform) if isinstance(platform, str) else None
        if provider is None or not isinstance(provider, MethodProvider):  # checking a runtime protocol is slow
            return content
        method, params = content.get("method"), content.get("params", {})
        if isinstance(method, str):
            provider.check_call(method, check_document(params, "params"))
        return content | {"type": "call", "platform": platform}

    async def _check_platform(self, session: str, wanted: str) -> None:
        found = (await self._store.get_session(session)).platform
        if found != wanted:
            raise InvalidInput(f"type: the session {session!r} is of the platform {found!r}", field="type")
