"""Resolves a chat to one name, whichever form a person writes it in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from ...errors import NotFound
from ...provider.capabilities import ChatNaming
from ..owners import OwnerCalls


class ChatNames(OwnerCalls):
    """Platforms that know several forms of an address say which one their events use."""

    async def chat_name(self, session: str, chat: str) -> str:
        """The name that the session's events use for this chat; `chat` itself when the session does not exist, or its
        platform has only one form. Raises StoreError."""
        try:
            runner = self._supervisor.running.get(session)
            row = runner.session if runner is not None else await self._store.get_session(session)
        except NotFound:
            return chat
        provider = self._providers.get(row.platform)
        if not hasattr(provider, "chat_name"):  # every send comes here, and asking a runtime protocol is slow
            return chat
        cursor = runner.inbox.cursor if runner is not None else row.cursor
        return await cast("ChatNaming", provider).chat_name(row.id, chat, cursor)

    def _has_one_form(self, session: str) -> bool:
        """True when the session runs here and its platform gives each chat only one name: `chat_name` then changes
        nothing."""
        runner = self._supervisor.running.get(session)
        return runner is not None and not hasattr(self._providers.get(runner.session.platform), "chat_name")

    async def chat_names(self, session: str, chat: str) -> Sequence[str]:
        """Every name under which data of this chat may be stored; `chat` as given comes first. Raises NotFound
        (session), StoreError."""
        row = await self._store.get_session(session)
        names = [chat, await self.chat_name(session, chat)]
        if isinstance(provider := self._providers.get(row.platform), ChatNaming):
            names += await provider.chat_names(session, chat)
        return list(dict.fromkeys(names))

    async def name_chat(self, chat: str, session: str | None) -> str:
        """Like `chat_name`, but the session may be omitted: then only addresses that cannot be another platform's id
        are resolved. Raises StoreError."""
        if session is not None:
            return await self.chat_name(session, chat)
        if not chat.lstrip("-").isdigit():
            for provider in self._providers.values():
                if isinstance(provider, ChatNaming) and (name := provider.chat_address(chat)) != chat:
                    return name
        return chat

    async def chat_forms(self, session: str | None, chats: Sequence[str] | None) -> tuple[str, ...] | None:
        """`chats` as given, and the names that events use for them: of one session, or of sessions of any platform."""
        if chats is None:
            return None
        found = dict.fromkeys(chats)
        for chat in chats:
            if session is not None:
                found[await self.chat_name(session, chat)] = None
                continue
            for provider in self._providers.values():
                if isinstance(provider, ChatNaming):
                    found[provider.chat_address(chat)] = None
        return tuple(found)
