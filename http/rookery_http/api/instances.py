"""Several instances on one database: list them, and drain one before it is replaced."""

from __future__ import annotations

from typing import Annotated

import msgspec

from rookery.errors import InvalidInput
from rookery.model.instance import Instance
from rookery.model.key import Scope

from ..call_table import Answer, call
from ..output.problems import Problem
from ..output.values import Moment, moment
from .state import Api

TAG = "operations"


class InstanceState(msgspec.Struct, frozen=True, kw_only=True):
    """One instance, as it reported itself at most some seconds ago."""

    name: str
    draining: bool
    sessions: int
    capacity: Annotated[int | None, msgspec.Meta(description="its `MAX_CONCURRENT_SESSIONS`; null: no limit")]
    started_at: Moment
    answering: Annotated[bool, msgspec.Meta(description="true for the one that answers this call")]

    @classmethod
    def of(cls, instance: Instance, here: str) -> InstanceState:
        return cls(
            name=instance.name,
            draining=instance.draining,
            sessions=instance.sessions,
            capacity=instance.capacity,
            started_at=moment(instance.started_at),
            answering=instance.name == here,
        )


class InstanceList(msgspec.Struct, frozen=True):
    instances: list[InstanceState]


class Drain(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long to wait for the end; the default is `ROOKERY_DRAIN_TIMEOUT`."""

    timeout: Annotated[float, msgspec.Meta(ge=0, le=600, description="seconds")] | None = None


class Drained(msgspec.Struct, frozen=True, kw_only=True):
    """Progress. `left`: sessions that still run here. `others`: instances that accept sessions."""

    instance: str
    handed_over: int
    left: int
    others: int
    seconds: float


@call("GET", "/v1/instances", tag=TAG, answers={200: InstanceList}, scope=Scope.READ)
async def list_instances(api: Api) -> Answer:
    """List the instances that share the database."""
    found = await api.engine.instances()
    return Answer(InstanceList([InstanceState.of(instance, api.engine.instance) for instance in found]))


@call(
    "POST",
    "/v1/drain",
    tag=TAG,
    answers={200: Drained},
    problems={409: "the database is not shared, so no other instance could take the sessions over"},
    body_required=False,
)
async def drain(api: Api, *, body: Drain | None) -> Answer:
    """Hand all sessions of this instance over to other instances, permanently: it accepts none until restarted.

    Call it before this instance is stopped, directly and not through a load balancer. The answer comes when no session
    runs here any more or when the time is over; the handover continues even if the caller leaves.
    """
    try:
        report = await api.engine.drain(body.timeout if body else None)
    except InvalidInput as error:
        raise Problem(409, "not-shared", "Not shared", str(error)) from None
    return Answer(Drained(**msgspec.structs.asdict(report)))
