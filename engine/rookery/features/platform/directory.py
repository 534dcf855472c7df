"""People, groups, channels and the account itself, for platforms that can answer questions about them."""

from __future__ import annotations

from typing import Any, Union

import msgspec
import trio

from ...errors import InvalidInput, NotConnected, OutcomeUnknown
from ...model.directory import ANSWERS, CHANGES, QUESTIONS, Question
from ...provider.capabilities import Directory
from ..owners import OwnerCalls

SECONDS = 25.0
"""Seconds that the platform may take to answer."""

MARGIN = 5.0  # extra seconds for a call to another instance

_questions: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(Union[QUESTIONS])  # noqa: UP007 - from a tuple


class DirectoryFeatures(OwnerCalls):
    """One call for every question in `rookery.model.directory`."""

    async def ask(self, session: str, question: Question) -> Any:
        """The answer of the session's platform; `model.directory.ANSWERS` gives its type.

        Works on every instance: the instance that runs the session asks. Nothing is stored.

        Raises NotFound, InvalidInput (also for a platform without a directory; `field` is then "platform"),
        NotConnected, PlatformRefused, SendRateLimited, OutcomeUnknown, OwnerUnavailable, StoreError.
        """
        row = await self._store.get_session(session)
        self._check_directory(row.platform)
        answer = await self._where_it_runs(
            session,
            self._question_here,
            Any,
            seconds=SECONDS + MARGIN,
            question=msgspec.msgpack.encode(question),
        )
        return msgspec.convert(answer, ANSWERS[type(question)])

    async def _question_here(self, id: str, question: bytes) -> Any:
        asked = _questions.decode(question)
        link = await self._link_of(id)
        if not isinstance(link, Directory):
            self._check_directory((await self._store.get_session(id)).platform)
            raise NotConnected(f"the session {id!r} cannot answer that")
        with trio.move_on_after(SECONDS):
            return msgspec.to_builtins(await link.ask(asked), builtin_types=(bytes,))
        if isinstance(asked, CHANGES):
            raise OutcomeUnknown(f"the platform did not answer within {SECONDS:g} s; the change may have been made")
        raise OutcomeUnknown(f"the platform did not answer within {SECONDS:g} s")

    def _check_directory(self, platform: str) -> None:
        if not getattr(self._providers.get(platform), "has_directory", False):
            raise InvalidInput(f"sessions of {platform} have no such directory of people and groups", field="platform")
