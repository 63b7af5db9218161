"""The wire's answer as a Prediction."""

from __future__ import annotations

import numpy as np
import pytest

from quorate.client.answers import prediction_of
from quorate.client.columns import tensor_of
from quorate.ensemble import Quality
from quorate.rpc.quorate.v1 import answers_pb2 as pb

ANSWER = pb.Answer(
    ensemble="pets",
    version=3,
    labels=["cat", "dog"],
    outputs=[
        tensor_of("probabilities", np.array([[0.25, 0.75], [0.5, 0.5]], np.float32)),
        tensor_of("label", np.array([b"dog", b"cat"], object)),
        tensor_of("members.pets-text", np.array([[0.1, 0.9], [0.6, 0.4]], np.float32)),
    ],
    members=[
        pb.MemberReport(member="pets-text", version=1, status=pb.ANSWERED, latency_seconds=0.002),
        pb.MemberReport(member="pets-image", version=2, status=pb.MISSING_VIEW, reason="no image"),
        pb.MemberReport(member="pets-tabular", version=1, status=pb.FAILED, reason="connection refused"),
        pb.MemberReport(member="pets-sound", version=1, status=pb.LATE),
        pb.MemberReport(member="pets-smell", version=1, status=pb.SKIPPED),
    ],
    expected_quality=pb.ExpectedQuality(metric="accuracy", value=0.9, low=0.8, high=0.95, rows=100),
    degraded=True,
)


def test_an_answer_says_what_it_is_and_who_is_in_it() -> None:
    answer = prediction_of(ANSWER, 0.01)
    assert (answer.ensemble, answer.version, answer.label, answer.labels) == ("pets", 3, "dog", ("dog", "cat"))
    assert answer.probabilities.tolist() == [[0.25, 0.75], [0.5, 0.5]]
    assert (answer.confidence, answer.classes) == (0.75, ("cat", "dog"))
    assert answer.answered == ("pets-text",)
    assert answer.missing == ("pets-image",)
    assert answer.failed == ("pets-tabular",)
    assert answer.late == ("pets-sound",)
    assert answer.skipped == ("pets-smell",)
    assert answer.reasons == {"pets-image": "no image", "pets-tabular": "connection refused"}
    assert answer.degraded
    assert list(answer.by_member) == ["pets-text"]
    assert answer.expected_quality == Quality("accuracy", 0.9, 0.8, 0.95, 100)


def test_a_regression_has_a_value_and_no_label() -> None:
    message = pb.Answer(ensemble="prices", outputs=[tensor_of("value", np.array([3.5], np.float32))])
    answer = prediction_of(message, 0.01)
    assert answer.value == pytest.approx(3.5)
    assert (answer.label, answer.labels, len(answer.probabilities)) == ("", (), 0)
    assert np.isnan(answer.confidence)
    assert answer.expected_quality is None
