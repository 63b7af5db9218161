"""Where the gateway is, and how a channel to it behaves."""

from __future__ import annotations

import json
from pathlib import Path

from quorate.errors import Unavailable
from quorate.home import read_state
from quorate.settings import Settings, load_settings

MAX_MESSAGE_BYTES = 256 * 2**20

# A gateway that restarts refuses connections for a second or two: such calls never reached it, so gRPC may retry them.
_RETRY = {
    "methodConfig": [
        {
            "name": [{"service": "quorate.v1.Answers", "method": "Predict"}, {"service": "quorate.v1.Registry"}],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 3,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}

CHANNEL_OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2000),
    ("grpc.service_config", json.dumps(_RETRY)),
)


def gateway_address(address: str = "", home: Path | None = None) -> str:
    """Return HOST:PORT of the gateway: as given, else QUORATE_GATEWAY, else that of the platform in the home.

    Unavailable: no platform runs there.
    """
    if address:
        return address
    settings: Settings = load_settings(home=home)
    if settings.gateway and home is None:
        return settings.gateway
    state = read_state(settings.home.expanduser().resolve())
    if state is None or not state.gateway:
        raise Unavailable(
            f"no platform runs in {settings.home}; start one with `quorate up --detach`, "
            "or name another's gateway by QUORATE_GATEWAY=HOST:PORT"
        )
    return state.gateway
