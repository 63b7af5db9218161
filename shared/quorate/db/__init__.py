"""The platform's SQL: one store an aggregate, each taking an open Database; all synchronous and safe to share by threads."""

from quorate.db.database import Database, migrate, open_database
from quorate.db.evaluations import EvaluationStore, MetricValue, StoredEvaluation
from quorate.db.registry import RegisteredEnsemble, RegisteredMember, RegistryStore

__all__ = [
    "Database",
    "EvaluationStore",
    "MetricValue",
    "RegisteredEnsemble",
    "RegisteredMember",
    "RegistryStore",
    "StoredEvaluation",
    "migrate",
    "open_database",
]
