"""One simulated bot: its queue, its polls, its chats, and everything that was sent to or by it."""

from __future__ import annotations

import zlib
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable
from typing import Any

from ..settings import Settings
from ..wire.answers import ApiError, encode, too_many_requests
from .chats import Chat, user_json
from .files import FileStore
from .kinds import DEFAULT_KINDS, KNOWN_KINDS, MESSAGE_KINDS
from .limits import Window
from .orders import Charge, Invoice, Order
from .polls import PollDesk
from .records import Sent, Webhook
from .update_queue import DEFAULT_RETENTION, MAX_EVENTS, MAX_ID, RETENTION, Update, UpdateQueue

Message = dict[str, Any]


_lives: Counter[str] = Counter()
"""How often each token was registered in this process, by any simulator."""


class SimulatedBot:
    """Everything the simulator knows about one token. `push_...` sends the bot an update, `sent` is what it sent."""

    def __init__(self, token: str, settings: Settings, files: FileStore, clock: Callable[[], float]) -> None:
        self.token = token
        self.id = int(token.partition(":")[0])
        self.username = f"rookery_{self.id}_bot"
        self.first_name = f"Rookery {self.id}"
        self.settings = settings
        self.files = files
        self.clock = clock
        self.is_revoked = False
        self.webhook: Webhook | None = None
        self.allowed_kinds = DEFAULT_KINDS
        self.last_allowed_updates: object = None
        """The parameter as last received: decoding it again in every poll would cost more than the rest."""
        self._life = _lives[token]
        _lives[token] += 1
        self._id_epoch = 0
        self.queue = UpdateQueue(self._choose_first_id(), history=settings.history)
        self.polls = PollDesk(self.queue, settings)
        self.chats: dict[int, Chat] = {}
        # Repeatedly removing the oldest entry of a plain dict scans over all entries removed before.
        self.messages: OrderedDict[tuple[int, int], Message] = OrderedDict()
        self.sent: deque[Sent] = deque(maxlen=settings.history)
        """Messages the bot has sent."""
        self.actions: deque[Sent] = deque(maxlen=settings.history)
        """Its edits, deletions, reactions, chat actions and answers to callback queries."""
        self.calls: Counter[str] = Counter()
        """Number of requests by method, in lower case, whatever their result."""
        self.errors: Counter[int] = Counter()
        """Number of error answers, by code."""
        self.open_queries: dict[str, tuple[str, float]] = {}
        """The kind of each unanswered query, and the time after which an answer is too late."""
        self.invoices: dict[tuple[int, int], Invoice] = {}
        """By chat and message."""
        self.orders: dict[str, Order] = {}
        """By the id of the query that asks the bot about it."""
        self.charges: dict[str, Charge] = {}
        """By Telegram's charge id."""
        self.commands: dict[str, list[dict[str, Any]]] = {}
        self.filtered = 0
        """Updates that were not created because allowed_updates leaves them out."""
        self._sent_count = 0
        self._window: Window | None = None

    @property
    def user(self) -> dict[str, Any]:
        """The bot's own User object as messages carry it."""
        return {"id": self.id, "is_bot": True, "first_name": self.first_name, "username": self.username}

    def chat(self, chat_id: int) -> Chat:
        """The chat with this number, made up if new."""
        chat = self.chats.get(chat_id)
        if chat is None:
            chat = self.chats[chat_id] = Chat(chat_id)
        return chat

    # Actions of people.

    def push_text(self, text: str, *, chat_id: int = 1, from_id: int | None = None) -> Update | None:
        """A person writes a text. None when the server would drop the update (not allowed, queue full)."""
        return self.push_message({"text": text}, chat_id=chat_id, from_id=from_id)

    def push_message(self, content: Message, *, chat_id: int = 1, from_id: int | None = None) -> Update | None:
        """A person sends a message with any content; missing fields are filled in, given fields are kept."""
        partial: Message = {"chat": self.chat(chat_id).json}
        if from_id is not None:
            partial["from"] = user_json(from_id)
        return self.push_update({"message": partial | content})

    def push_document(self, content: bytes, file_name: str, *, chat_id: int = 1, caption: str = "") -> Update | None:
        """A person sends a document that the bot can fetch with getFile."""
        stored = self.files.add(content, file_name)
        message: Message = {"document": stored.describe() | {"file_name": file_name, "mime_type": stored.mime_type}}
        if caption:
            message["caption"] = caption
        return self.push_message(message, chat_id=chat_id)

    def push_callback(self, data: str, *, chat_id: int = 1, message_id: int | None = None) -> Update | None:
        """A person presses an inline button of a message, of the chat's last one by default."""
        chat = self.chat(chat_id)
        message = self.messages.get((chat_id, message_id or chat.last_message_id))
        query: dict[str, Any] = {"from": user_json(abs(chat_id)), "data": data}
        if message is not None:
            query["message"] = message
        return self.push_update({"callback_query": query})

    def push_many(self, count: int, *, chats: int = 1, first: int = 1, skip: int = 0) -> list[int]:
        """Texts numbered from `first`, in turn from chats 1 to `chats`; the ids of those that were queued.

        `skip` goes on after that many, so that a long series can be pushed in parts.
        """
        pushed = (self.push_text(str(first + index), chat_id=index % chats + 1) for index in range(skip, skip + count))
        return [update.id for update in pushed if update is not None]

    def push_update(self, partial: dict[str, Any]) -> Update | None:
        """Queue an update of any kind, filling in what the server would know; returns None when it is dropped."""
        kind = next((key for key in partial if key != "update_id"), "")
        if not kind:
            raise ValueError("an update needs a kind such as 'message'")
        now = self.clock()
        content: Any = partial[kind]
        keep_for = RETENTION.get(kind, DEFAULT_RETENTION)
        if isinstance(content, dict):
            if kind in MESSAGE_KINDS:
                content = self._complete_message(content, now)
                keep_for = content["date"] + DEFAULT_RETENTION - now if type(content["date"]) is int else keep_for
            elif kind.endswith("_query"):
                content = {"id": str(self.id << 20 | self.next_call_number()), **content}
                if kind == "callback_query":
                    content = {"chat_instance": str(self.id), **content}
                seconds = self.settings.checkout_seconds if kind == "pre_checkout_query" else keep_for
                self.open_queries[str(content["id"])] = (kind, now + seconds)
        if kind in KNOWN_KINDS and kind not in self.allowed_kinds:
            self.filtered += 1
            return None
        encoded = b'{"update_id":%d,%b:%b}' % (self.queue.next_id, encode(kind), encode(content))
        update = self.queue.push(kind, encoded, now, keep_for=keep_for)
        if update is not None and self.webhook is None:
            self.polls.updates_arrived(now)
        return update

    def restart_ids(self) -> None:
        """Continue from another random update id, as the service does after a week of silence."""
        self._id_epoch += 1
        self.queue.restart_ids(self._choose_first_id(), self.clock())

    def revoke(self) -> None:
        """Make the token worthless: every call gets 401, and so does a waiting one."""
        self.is_revoked = True
        self.polls.fail_waiting(401, "Unauthorized", self.clock())

    def block(self, chat_id: int, description: str = "") -> None:
        """Refuse sends to a chat with 403: blocked by the user, or kicked from the group."""
        self.chat(chat_id).bar(description)

    def unblock(self, chat_id: int) -> None:
        """Let sends to the chat pass again."""
        self.chat(chat_id).barred = ""

    def migrate(self, chat_id: int, to_chat_id: int) -> None:
        """Turn a group into a supergroup: sends to the old number get 400 with the new one."""
        self.chat(to_chat_id)
        self.chat(chat_id).migrated_to = to_chat_id

    # Used by the methods.

    def allow_kinds(self, names: Iterable[str]) -> None:
        """Remember allowed_updates; a list without known kinds means the default."""
        self.allowed_kinds = frozenset(name.lower() for name in names) & KNOWN_KINDS or DEFAULT_KINDS

    def take_flood_allowance(self, chat: Chat) -> None:
        """Count a message to a chat. Raises ApiError 429 when it exceeds the limit."""
        settings, now = self.settings, self.clock()
        windows: list[Window] = []
        if settings.chat_per_second is not None:
            chat.second = chat.second or Window(settings.chat_per_second, 1)
            windows.append(chat.second)
        if settings.group_per_minute is not None and chat.is_group:
            chat.minute = chat.minute or Window(settings.group_per_minute, 60)
            windows.append(chat.minute)
        if settings.bot_per_second is not None:
            self._window = self._window or Window(settings.bot_per_second, 1)
            windows.append(self._window)
        if not windows:
            return
        wait = max(window.retry_after(now) for window in windows)
        if wait:
            raise too_many_requests(wait)
        for window in windows:
            window.note(now)

    def forget_flood_windows(self) -> None:
        """Start counting anew, after the limits were changed."""
        self._window = None
        for chat in self.chats.values():
            chat.second = chat.minute = None

    def keep_message(self, message: Message) -> None:
        """Remember a message so that it can be replied to, edited and deleted."""
        self.messages[message["chat"]["id"], message["message_id"]] = message
        if len(self.messages) > self.settings.history:
            self.messages.popitem(last=False)

    def find_message(self, chat_id: int, message_id: int, purpose: str) -> Message:
        """A message of the chat. Raises ApiError 400 `message to ... not found`."""
        message = self.messages.get((chat_id, message_id))
        if message is None:
            raise ApiError(400, f"Bad Request: message to {purpose} not found")
        return message

    def close_query(self, kind: str, id: str) -> None:
        """Note the answer to a query. Raises ApiError 400 if it is too late, or the query is answered or never existed."""
        if self.open_queries.get(id, ("", 0.0))[0] != kind or self.open_queries.pop(id)[1] < self.clock():
            raise ApiError(400, "Bad Request: query is too old and response timeout expired or query ID is invalid")

    def next_call_number(self) -> int:
        """The next number for a call that takes effect; calls are numbered in that order."""
        self._sent_count += 1
        return self._sent_count

    def _complete_message(self, content: Message, now: float) -> Message:
        chat_json = content.get("chat", {"id": 1})
        chat_id = chat_json.get("id") if isinstance(chat_json, dict) else None
        if type(chat_id) is not int:
            return {"date": int(now)} | content
        chat = self.chat(chat_id)
        message_id = content.get("message_id")
        if type(message_id) is int:
            chat.last_message_id = max(chat.last_message_id, message_id)
        else:
            message_id = chat.next_message_id()
        message: Message = {
            "message_id": message_id,
            "from": user_json(chat_id if chat_id > 0 else 1),
            "chat": chat.json,
            "date": int(now),
        } | content
        message["chat"] = chat.json | message["chat"]
        self.keep_message(message)
        if chat.is_group and isinstance(message["from"], dict):
            chat.members.saw(message["from"])
        return message

    def _choose_first_id(self) -> int:
        # In the server's range, but the same in every run, so that a failing test fails the same way again.
        lowest, highest = 2 * max(MAX_EVENTS, 1_000_000) + 1, MAX_ID // 2
        chosen = f"{self.token} {self.settings.seed} {self._life} {self._id_epoch}"
        return lowest + zlib.crc32(chosen.encode()) % (highest - lowest)
