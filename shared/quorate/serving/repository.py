"""Every version of one member that this worker knows, and the state each is in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

import structlog

from quorate.errors import NotFound, QuorateError, TryAgain, Unavailable

log = structlog.get_logger(__name__)


class State(StrEnum):
    """A version's state, in the words of the model repository extension."""

    LOADING = "LOADING"
    READY = "READY"
    UNLOADING = "UNLOADING"
    UNAVAILABLE = "UNAVAILABLE"


class Version(Protocol):
    """Where a version comes from; the loader knows what else is in it."""

    @property
    def number(self) -> int: ...


V = TypeVar("V", bound=Version)
M = TypeVar("M")


@dataclass(frozen=True)
class Entry(Generic[V, M]):
    """One version: where it comes from, its state, and the model while it is ready."""

    source: V
    state: State = State.UNAVAILABLE
    reason: str = ""
    model: M | None = None
    wanted: bool = True
    """Whether the worker should load it by itself: not after it was unloaded on request, or failed for good."""


class Repository(Generic[V, M]):
    """Versions by number. Loads happen on the caller's thread, one at a time; lookups never wait for them."""

    def __init__(self, name: str, load: Callable[[V], M], changed: Callable[[], None] = lambda: None) -> None:
        self.name = name
        self.changed = changed
        self._load = load
        self._entries: dict[str, Entry[V, M]] = {}
        self._newest: M | None = None
        self._loading = threading.Lock()

    def get(self, name: str, version: str) -> M:
        """Return the loaded model of a version, or of the newest loaded one where `version` is empty.

        Raises NotFound for another model's name or an unknown version, Unavailable for one that is not ready.
        """
        self._check_name(name)
        if not version:
            if self._newest is None:
                raise Unavailable(self._why_not_ready())
            return self._newest
        entry = self._entry(version)
        if entry.model is None:
            raise Unavailable(f"{name} version {version} is not ready: {entry.reason or entry.state.value.lower()}")
        return entry.model

    def is_ready(self, name: str, version: str) -> bool:
        """Whether the version (empty: any version) is loaded; NotFound as for `get`."""
        self._check_name(name)
        return self._newest is not None if not version else self._entry(version).model is not None

    @property
    def ready(self) -> bool:
        """Whether any version is loaded."""
        return self._newest is not None

    @property
    def entries(self) -> tuple[Entry[V, M], ...]:
        """Every known version, oldest first."""
        return tuple(sorted(self._entries.values(), key=lambda entry: entry.source.number))

    def offer(self, sources: Iterable[V]) -> None:
        """Learn which versions there are; one that is gone is dropped, one whose source changed is loaded anew."""
        known = {str(source.number): source for source in sources}
        with self._loading:
            for version in set(self._entries) - set(known):
                self._forget(version)
            for version, source in known.items():
                entry = self._entries.get(version)
                if entry is None or entry.source != source:
                    self._put(version, Entry(source))

    def load_wanted(self) -> bool:
        """Load every version that should be and is not, newest first; return whether one is left to try again."""
        again = False
        for entry in reversed(self.entries):
            if entry.wanted and entry.model is None:
                try:
                    self.load(entry.source.number)
                except TryAgain:
                    again = True
                except QuorateError:
                    continue  # its reason stands in the entry, and in the log
        return again

    def load(self, number: int) -> None:
        """Load a known version and keep it loaded; does nothing where it is. Raises what loading raises."""
        version = str(number)
        with self._loading:
            entry = self._entry(version)
            if entry.model is not None:
                return
            self._put(version, replace(entry, state=State.LOADING, reason=""))
            try:
                model = self._load(entry.source)
            except Exception as error:
                # "Try again" errors stay wanted; others wait for a request, or for another source.
                failed = replace(entry, state=State.UNAVAILABLE, reason=str(error), wanted=isinstance(error, TryAgain))
                self._put(version, failed)
                log.error("version_not_loaded", member=self.name, version=number, reason=str(error))
                raise
            self._put(version, replace(entry, state=State.READY, reason="", model=model, wanted=True))
            log.info("version_loaded", member=self.name, version=number)

    def unload(self, number: int) -> None:
        """Let go of a version until it is asked to load again; calls that run with it end undisturbed."""
        version = str(number)
        with self._loading:
            entry = self._entry(version)
            self._put(version, replace(entry, state=State.UNAVAILABLE, reason="unloaded", model=None, wanted=False))
            log.info("version_unloaded", member=self.name, version=number)

    def _put(self, version: str, entry: Entry[V, M]) -> None:
        self._entries = {**self._entries, version: entry}  # replaced whole: lookups hold no lock
        self._after_change()

    def _forget(self, version: str) -> None:
        self._entries = {known: entry for known, entry in self._entries.items() if known != version}
        self._after_change()

    def _after_change(self) -> None:
        self._newest = next((entry.model for entry in reversed(self.entries) if entry.model is not None), None)
        self.changed()

    def _entry(self, version: str) -> Entry[V, M]:
        try:
            return self._entries[version]
        except KeyError:
            known = ", ".join(str(entry.source.number) for entry in self.entries) or "none"
            raise NotFound(f"{self.name} has no version {version!r}; its versions are {known}") from None

    def _check_name(self, name: str) -> None:
        if name != self.name:
            raise NotFound(f"there is no model {name!r} here; this worker serves {self.name!r}")

    def _why_not_ready(self) -> str:
        if not self._entries:
            return f"{self.name} has no version yet; register one"
        newest = self.entries[-1]
        return f"{self.name} version {newest.source.number} is not ready: {newest.reason or newest.state.value.lower()}"
