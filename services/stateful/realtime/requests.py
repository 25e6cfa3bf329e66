"""What clients may send over a WebSocket: one model for each type, strict and bounded."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from services.bodies import Line, Name, Text
from services.refusals import BadRequest
from services.shop.accounts import MAX_PREFERENCES

Channel = Annotated[str, StringConstraints(pattern=r"^([a-z][a-z0-9-]{0,31}|user:[1-9][0-9]{0,9})$")]
Id = Annotated[str, StringConstraints(max_length=64)]


class _Request(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Subscribe(_Request):
    """Get a channel's messages, recent ones first."""

    type: Literal["subscribe"]
    channel: Channel


class Unsubscribe(_Request):
    """Get no more of them."""

    type: Literal["unsubscribe"]
    channel: Channel


class Publish(_Request):
    """Send a message to a channel's subscribers."""

    type: Literal["publish"]
    channel: Channel
    text: Line
    id: Id | None = None


class Chat(_Request):
    """Say something to the shop."""

    type: Literal["chat"]
    text: Line
    id: Id | None = None


class Prefer(_Request):
    """Change preferences for this connection alone."""

    type: Literal["prefer"]
    preferences: Annotated[dict[Name, Text], Field(max_length=MAX_PREFERENCES)]


AnyRequest = Subscribe | Unsubscribe | Publish | Chat | Prefer
_ANY: Final[TypeAdapter[AnyRequest]] = TypeAdapter(Annotated[AnyRequest, Field(discriminator="type")])


def read_request(text: str) -> AnyRequest:
    """Raises BadRequest that names the field and never repeats its value."""
    try:
        return _ANY.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadRequest(f"{place}: {first['msg']}" if place else first["msg"]) from None
