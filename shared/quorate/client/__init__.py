"""The Python client of a platform: `Client`, and `AsyncClient` with the same methods, awaited.

Imports `quorate.v1` alone, so that it lives in one process with any other Open Inference Protocol client.
"""

from quorate.client.answers import Prediction
from quorate.client.asynchronous import AsyncClient
from quorate.client.listings import EnsembleInfo, FitProgress, JobProgress, MemberInfo
from quorate.client.scoring import ScoreResult
from quorate.client.synchronous import Client

__all__ = [
    "AsyncClient",
    "Client",
    "EnsembleInfo",
    "FitProgress",
    "JobProgress",
    "MemberInfo",
    "Prediction",
    "ScoreResult",
]
