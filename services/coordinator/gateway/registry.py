"""`quorate.v1.Registry`: what is registered, and whether it could answer now."""

# The generated base class names the methods and what they are given.
# ruff: noqa: ARG002, N802

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quorate.rpc.quorate.v1 import registry_pb2 as pb
from quorate.rpc.quorate.v1 import registry_pb2_grpc as rpc
from services.coordinator.engine import Catalog, Engine


class RegistryServicer(rpc.RegistryServicer):
    """Lists the catalog as the gateway knows it."""

    def __init__(self, engine: Engine, catalog: Callable[[], Catalog]) -> None:
        self._engine = engine
        self._catalog = catalog

    async def ListMembers(self, request: pb.ListMembersRequest, context: Any) -> pb.ListMembersReply:
        reply = pb.ListMembersReply()
        catalog = self._catalog()
        for registered in catalog.members:
            member = registered.member
            reply.members.add(
                name=member.name,
                version=member.version,
                task=member.task.value,
                views=member.views,
                labels=member.labels,
                source=registered.source,
                addresses=catalog.endpoints(member.name),
                ready=self._engine.member_ready(member),
            )
        return reply

    async def ListEnsembles(self, request: pb.ListEnsemblesRequest, context: Any) -> pb.ListEnsemblesReply:
        reply = pb.ListEnsemblesReply()
        catalog = self._catalog()
        for ensemble in catalog.ensembles():
            reply.ensembles.add(
                name=ensemble.name,
                version=ensemble.version,
                aliases=catalog.aliases_of(ensemble),
                task=ensemble.task.value,
                members=[member.name for member in ensemble.members],
                combiner=ensemble.combiner.kind,
                labels=ensemble.labels,
                ready=self._engine.is_ready(ensemble),
            )
        return reply
