"""Domain errors raised in a servicer become gRPC statuses here, in one place for every server."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import structlog

from quorate.errors import QuorateError
from quorate.statuses import DETAILS_KEY, error_from_rpc, status_of

__all__ = ["ErrorInterceptor", "abort", "error_from_rpc"]

log = structlog.get_logger(__name__)


class ErrorInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
    """Answers a QuorateError with its status and details, and any other exception with INTERNAL, logged in full."""

    def __init__(self) -> None:
        self._guarded: dict[str, Any] = {}

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        """Return the method's handler with its errors translated; made once a method."""
        method: str = handler_call_details.method
        if (guarded := self._guarded.get(method)) is None:
            if (handler := await continuation(handler_call_details)) is None:
                return None
            guarded = self._guarded[method] = guard(handler, method)
        return guarded


async def abort(context: Any, error: QuorateError) -> None:
    """End the call with the error's status; never returns."""
    status = status_of(error)
    await context.abort(_CODES[status.code], status.message, ((DETAILS_KEY, status.SerializeToString()),))


def guard(handler: Any, method: str) -> Any:
    """Wrap a handler of any of gRPC's four kinds, so that its errors are translated."""
    if handler.response_streaming:
        kind = "stream_stream" if handler.request_streaming else "unary_stream"
        behaviour = getattr(handler, kind)
        wrap = _guard_generator if inspect.isasyncgenfunction(behaviour) else _guard_coroutine
    else:
        kind = "stream_unary" if handler.request_streaming else "unary_unary"
        behaviour = getattr(handler, kind)
        wrap = _guard_coroutine
    make = getattr(grpc, f"{kind}_rpc_method_handler")
    return make(wrap(behaviour, method), handler.request_deserializer, handler.response_serializer)


def _guard_coroutine(behaviour: Callable[..., Awaitable[Any]], method: str) -> Callable[..., Awaitable[Any]]:
    async def guarded(request: Any, context: Any) -> Any:
        try:
            return await behaviour(request, context)
        except Exception as error:
            await _translate(error, context, method)

    return guarded


def _guard_generator(behaviour: Callable[..., AsyncIterator[Any]], method: str) -> Callable[..., AsyncIterator[Any]]:
    async def guarded(request: Any, context: Any) -> AsyncIterator[Any]:
        try:
            async for response in behaviour(request, context):
                yield response
        except Exception as error:
            await _translate(error, context, method)

    return guarded


async def _translate(error: Exception, context: Any, method: str) -> None:
    if isinstance(error, grpc.aio.AbortError | grpc.aio.UsageError):
        raise error
    if isinstance(error, QuorateError):
        await abort(context, error)
    log.exception("call_failed", method=method, exc_info=error)
    await context.abort(grpc.StatusCode.INTERNAL, "an internal error; the server's log holds the details")


_CODES = {code.value[0]: code for code in grpc.StatusCode}
