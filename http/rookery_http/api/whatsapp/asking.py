"""Code that the calls of this folder share."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from rookery.errors import InvalidInput
from rookery.model.directory import Question

from ...output.problems import Problem
from ..state import Api

PROBLEMS = {
    404: "there is no such session",
    409: "the session is not connected, or its platform has no such things",
    422: "the platform refused; `detail` has its words",
    504: "no answer came: a change may have been made",
}
PICTURE_BODY = 4_200_000
"""Bytes of a body with the largest accepted picture as base64."""
Address = Annotated[
    str, msgspec.Meta(min_length=1, max_length=128, description="a phone number with its country code, or an address")
]
Picture = Annotated[
    bytes, msgspec.Meta(max_length=3_000_000, description="a JPEG, base64; an empty one removes the picture")
]


async def ask(api: Api, session: str, question: Question) -> Any:
    """The platform's answer. Raises a Problem (409) for a platform that does not support these calls."""
    try:
        return await api.engine.ask(session, question)
    except InvalidInput as error:
        if error.field == "platform":  # the request is valid, but this session is of another kind
            raise Problem(409, "not-supported", "Not supported by the platform", str(error)) from None
        raise
