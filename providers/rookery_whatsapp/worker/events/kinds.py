"""Every kind of content of a WhatsApp message, by its field in `waE2E.Message`.

`docs/whatsapp.md` lists them; a test compares this table with neonize's protobufs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import commerce, media, parts

Describe = Callable[[Any, dict[str, Any]], None]
"""Fills a body from one part of a message."""

WRAPPERS = {
    "ephemeralMessage": {"ephemeral": True},
    "viewOnceMessage": {"view_once": True},
    "viewOnceMessageV2": {"view_once": True},
    "viewOnceMessageV2Extension": {"view_once": True},
    "documentWithCaptionMessage": {},
    "editedMessage": {},
    "deviceSentMessage": {},
    "lottieStickerMessage": {"animated": True},
    "groupMentionedMessage": {"mentions_group": True},
    "botInvokeMessage": {"for_bot": True},
    "associatedChildMessage": {"in_album": True},
    "statusMentionMessage": {"mentioned_in_status": True},
    "groupStatusMentionMessage": {"mentioned_in_status": True},
    "groupStatusMessage": {"group_status": True},
    "groupStatusMessageV2": {"group_status": True},
    "pollCreationMessageV4": {},
    "pollCreationOptionImageMessage": {"poll_option_picture": True},
    "eventCoverImage": {"event_cover": True},
    "statusAddYours": {"add_yours": True},
    "limitSharingMessage": {"limit_sharing": True},
    "botTaskMessage": {"bot_task": True},
    "questionMessage": {"question": True},
    "questionReplyMessage": {"question_reply": True},
    "botForwardedMessage": {"forwarded": True},
    "newsletterAdminProfileMessage": {"by_admin": True},
    "newsletterAdminProfileStatusMessage": {"by_admin": True},
    "spoilerMessage": {"spoiler": True},
    "botPlatformRegistrationSuccessMessage": {"bot_registered": True},
    "newsletterScheduledMessage": {"scheduled": True},
    "acp2SettingMessage": {"acp2_setting": True},
    "audioStickerMessage": {"audio_sticker": True},
}
"""Parts that wrap a whole message, and what each wrapper says about it."""

KINDS: dict[str, tuple[str, Describe]] = {
    "conversation": ("text", parts.plain),
    "extendedTextMessage": ("text", parts.text),
    "imageMessage": ("image", media.image),
    "videoMessage": ("video", media.video),
    "ptvMessage": ("video_note", media.video),
    "audioMessage": ("audio", media.audio),
    "documentMessage": ("document", media.document),
    "stickerMessage": ("sticker", media.sticker),
    "stickerPackMessage": ("sticker_pack", media.sticker_pack),
    "musicMessage": ("music", parts.generic),
    "locationMessage": ("location", parts.location),
    "liveLocationMessage": ("location", parts.live_location),
    "contactMessage": ("contact", parts.contact),
    "contactsArrayMessage": ("contact", parts.contacts),
    "pollCreationMessage": ("poll", parts.poll),
    "pollCreationMessageV2": ("poll", parts.poll),
    "pollCreationMessageV3": ("poll", parts.poll),
    "pollCreationMessageV5": ("poll", parts.poll),
    "pollCreationMessageV6": ("poll", parts.poll),
    "pollResultSnapshotMessage": ("poll_result", parts.poll_result),
    "pollResultSnapshotMessageV3": ("poll_result", parts.poll_result),
    "pollAddOptionMessage": ("poll_option_added", parts.poll_option),
    "albumMessage": ("album", parts.album),
    "eventMessage": ("event", parts.event),
    "eventInviteMessage": ("event_invite", parts.generic),
    "groupInviteMessage": ("group_invite", parts.group_invite),
    "newsletterAdminInviteMessage": ("channel_invite", parts.channel_invite),
    "newsletterFollowerInviteMessageV2": ("channel_invite", parts.channel_invite),
    "buttonsResponseMessage": ("button_reply", commerce.button_reply),
    "listResponseMessage": ("list_reply", commerce.list_reply),
    "templateButtonReplyMessage": ("template_reply", commerce.template_reply),
    "interactiveResponseMessage": ("flow_reply", commerce.flow_reply),
    "buttonsMessage": ("buttons", commerce.buttons),
    "listMessage": ("list", commerce.choices),
    "templateMessage": ("template", commerce.template),
    "highlyStructuredMessage": ("template", commerce.structured),
    "interactiveMessage": ("interactive", commerce.interactive),
    "orderMessage": ("order", commerce.order),
    "productMessage": ("product", commerce.product),
    "invoiceMessage": ("invoice", commerce.invoice),
    "sendPaymentMessage": ("payment", commerce.payment),
    "requestPaymentMessage": ("payment_request", commerce.payment_request),
    "declinePaymentRequestMessage": ("payment_declined", parts.keyed),
    "cancelPaymentRequestMessage": ("payment_cancelled", parts.keyed),
    "paymentInviteMessage": ("payment_invite", parts.generic),
    "paymentReminderMessage": ("payment_reminder", parts.generic),
    "splitPaymentMessage": ("split_payment", parts.generic),
    "splitPaymentUpdateMessage": ("split_payment_update", parts.generic),
    "call": ("call", parts.generic),
    "bcallMessage": ("call", parts.generic),
    "callLogMesssage": ("call_log", parts.call_log),
    "scheduledCallCreationMessage": ("scheduled_call", parts.scheduled_call),
    "scheduledCallEditMessage": ("scheduled_call_edit", parts.keyed),
    "pinInChatMessage": ("pin", parts.pin),
    "keepInChatMessage": ("keep", parts.keep),
    "commentMessage": ("comment", parts.comment),
    "requestPhoneNumberMessage": ("phone_number_request", parts.generic),
    "placeholderMessage": ("placeholder", parts.placeholder),
    "richResponseMessage": ("bot_answer", parts.rich),
    "statusNotificationMessage": ("status_notification", parts.generic),
    "statusQuestionAnswerMessage": ("status_answer", parts.answered),
    "questionResponseMessage": ("question_answer", parts.answered),
    "statusQuotedMessage": ("status_quote", parts.quoted_status),
    "statusStickerInteractionMessage": ("status_sticker", parts.generic),
    "statusLinkPreviewMetadata": ("status_link", parts.generic),
    "messageHistoryBundle": ("shared_history", parts.generic),
    "messageHistoryNotice": ("shared_history", parts.generic),
    "conditionalRevealMessage": ("scheduled_reveal", parts.nothing),
    "chat": ("chat", parts.chat),
}
"""Parts that are content: the kind in the event's body, and the function that fills the rest of the body."""

HOLDERS = {"commentMessage": "message", "sendPaymentMessage": "noteMessage", "requestPaymentMessage": "noteMessage"}
"""Parts with a kind of their own that contain a message, and the field with that message: its text becomes theirs."""

CONTEXT = "context"

SERVICE = {
    "senderKeyDistributionMessage": "sender_key",
    "fastRatchetKeySenderKeyDistributionMessage": "sender_key",
    "groupRootKeyShare": "group_key",
    "rootSecretDistributeMessage": "group_key",
    "stickerSyncRmrMessage": "sticker_sync",
    "messageContextInfo": CONTEXT,
}
"""Parts that devices exchange among themselves. Their documents contain keys and are not kept."""

ENCRYPTED = {
    "secretEncryptedMessage": "targetMessageKey",
    "encReactionMessage": "targetMessageKey",
    "encCommentMessage": "targetMessageKey",
    "encEventResponseMessage": "eventCreationMessageKey",
}
"""Parts that are encrypted under the secret of an earlier message, and the field that names that message."""

OWN_TYPES = ("protocolMessage", "reactionMessage", "pollUpdateMessage")
"""Parts that become events of a separate type."""

PROTOCOL = {
    0: "revoke",
    3: "ephemeral_setting",
    4: "ephemeral_sync",
    5: "history_sync",
    6: "app_state_keys",
    7: "app_state_key_request",
    8: "fanout_backfill",
    9: "security_setting",
    10: "app_state_error",
    11: "phone_number_shared",
    14: "edit",
    16: "phone_request",
    17: "phone_answer",
    18: "welcome_request",
    19: "bot_feedback",
    20: "media_notice",
    21: "cloud_thread",
    22: "lid_mapping",
    23: "reminder",
    24: "bot_onboarding",
    25: "status_mention",
    26: "stop_generation",
    27: "limit_sharing",
    28: "ai_metadata",
    29: "ai_query",
    30: "member_label",
    31: "ai_media",
    32: "unscheduled",
    34: "chat_theme",
    35: "ai_metadata",
    36: "verified_mark",
    37: "coexistence",
    39: "acp2_setting",
    40: "contact_key",
    41: "contact_key_request",
}
"""Numbers of `ProtocolMessage.Type` and the kinds of their events; `revoke` and `edit` have types of their own."""

HOLDS_KEYS = {5, 6, 7, 16, 17, 40, 41}
"""The types among them whose documents contain keys or other people's data; these documents are not kept."""
