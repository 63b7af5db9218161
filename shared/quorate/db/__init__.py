"""The platform's SQL: one store an aggregate, each taking an open Database; synchronous, and shared by threads."""

from quorate.db.database import Database, migrate, open_database
from quorate.db.evaluations import EvaluationStore, MetricValue, StoredEvaluation
from quorate.db.fits import FitStore, NewFit, StoredFit
from quorate.db.job_records import ClaimedChunk, JobProgress, JobsDue, NewChunk, NewJob, StoredChunk, StoredJob
from quorate.db.jobs import JobStore
from quorate.db.registry import RegisteredEnsemble, RegisteredMember, RegistryStore
from quorate.db.requests import ClaimedRequest, FinishedRequest, NewRequest, RequestStore, StoredRequest

__all__ = [
    "ClaimedChunk",
    "ClaimedRequest",
    "Database",
    "EvaluationStore",
    "FinishedRequest",
    "FitStore",
    "JobProgress",
    "JobStore",
    "JobsDue",
    "MetricValue",
    "NewChunk",
    "NewFit",
    "NewJob",
    "NewRequest",
    "RegisteredEnsemble",
    "RegisteredMember",
    "RegistryStore",
    "RequestStore",
    "StoredChunk",
    "StoredEvaluation",
    "StoredFit",
    "StoredJob",
    "StoredRequest",
    "migrate",
    "open_database",
]
