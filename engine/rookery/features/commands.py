"""Carries out commands that a sink reads from its broker: each is a message, exactly as if it had been posted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ..delivery.brokers.commands import MAX_COMMAND, Command, CommandOutcome
from ..errors import Busy, InvalidInput, OutcomeUnknown, RookeryError, StorageUnavailable, StoreError
from ..log import get_logger
from ..model.message import OutboundMessage
from ..model.webhook import Webhook
from .messages import MAX_BATCH, MessageFeatures
from .replies import MAX_KEY, check_fields

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

LATER = CommandOutcome()

log = get_logger("DELIVERY")


class CommandFeatures(MessageFeatures):
    """Commands are stored before they are acknowledged. The idempotency key of each is the command's own, or is made of
    the sink's id and the broker's id of the command, so that a repeated command sends nothing twice."""

    async def _carry_out_commands(self, sink: Webhook, commands: Sequence[Command]) -> Sequence[CommandOutcome]:
        """Returns the outcome of each. Commands of one session are stored in order: once one of them has to wait, the
        later commands of that session wait too."""
        outcomes: dict[int, CommandOutcome] = {}
        drafts: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        for index, command in enumerate(commands):
            try:
                session, fields = read_command(sink, command)
            except InvalidInput as error:
                outcomes[index] = CommandOutcome(error=str(error))
            else:
                drafts.setdefault(session, []).append((index, fields))
        for session, rows in drafts.items():
            for start in range(0, len(rows), MAX_BATCH):
                batch = rows[start : start + MAX_BATCH]
                found = await self._store_commands(session, [fields for _, fields in batch])
                outcomes |= {index: outcome for (index, _), outcome in zip(batch, found, strict=True)}
                if LATER in found:
                    outcomes |= {index: LATER for index, _ in rows[start + MAX_BATCH :]}
                    break
        return [outcomes[index] for index in range(len(commands))]

    async def _store_commands(self, session: str, messages: Sequence[dict[str, Any]]) -> Sequence[CommandOutcome]:
        try:
            answers = await self.submit_batch(session, messages)
        except (StoreError, OutcomeUnknown, Busy, StorageUnavailable):
            return [LATER] * len(messages)
        except RookeryError as error:
            return [CommandOutcome(error=str(error))] * len(messages)
        except Exception as error:  # a command that makes the checks fail unexpectedly must not stop the others
            if len(messages) > 1:
                return [outcome for one in messages for outcome in await self._store_commands(session, [one])]
            log.error("a command could not be carried out", session=session, exc_info=error)
            return [CommandOutcome(error="it cannot be carried out: the log of the server says why")]
        return [_outcome(answer) for answer in answers]


def _outcome(answer: OutboundMessage | RookeryError) -> CommandOutcome:
    if isinstance(answer, StoreError | OutcomeUnknown | Busy | StorageUnavailable):
        return LATER
    if isinstance(answer, RookeryError):
        return CommandOutcome(error=str(answer))
    document = {"id": answer.id, "session": answer.session, "state": answer.state.value}
    return CommandOutcome(answer=_encode(document | {"idempotency_key": answer.idempotency_key}))


def read_command(sink: Webhook, command: Command) -> tuple[str, dict[str, Any]]:
    """Returns the session and the arguments of `submit`. Raises InvalidInput."""
    if len(command.body) > MAX_COMMAND:
        raise InvalidInput(f"a command has at most {MAX_COMMAND} bytes")
    try:
        document = _decode(command.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidInput("the command is not JSON") from None
    if not isinstance(document, dict):
        raise InvalidInput('a command is an object: {"session": ..., "to": ..., "text": ...}')
    fields = dict(document)
    fields.pop("wait", None)
    session = fields.pop("session", sink.session)
    if not isinstance(session, str) or not session:
        raise InvalidInput("session: the id of the sending session is needed", field="session")
    if sink.session is not None and session != sink.session:
        raise InvalidInput(f"session: this sink sends for {sink.session!r} only", field="session")
    check_fields(fields)
    if fields.get("idempotency_key") is None and command.id is not None:
        fields["idempotency_key"] = f"{sink.id}:{command.id}"[:MAX_KEY]
    return session, fields
