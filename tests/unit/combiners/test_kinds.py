"""Each kind of combiner gives the figures of its formula, and refuses parameters that are not its own."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from quorate.combiners import Panel, build_combiner, combiner_kind, kinds, registry
from quorate.combiners.registry import build_kind
from quorate.combiners.voting import Average
from quorate.ensemble import Combiner, Ensemble, InputBinding, Member, Task
from quorate.errors import InvalidSpec

EVERYONE = np.ones((3, 1), dtype=bool)


def panel(task: Task = Task.CLASSIFICATION, classes: int = 2, members: int = 3) -> Panel:
    names = tuple("abcdefgh"[:members])
    return Panel(names, (("text",), ("image",), ("text",), *((("table",),) * members))[:members], task, classes)


def merged(kind: str, said: list[list[float]], parameters: dict[str, Any] | None = None, **about: Any) -> list[float]:
    outputs = np.array(said)[:, None, :]
    there = np.ones(outputs.shape[:2], dtype=bool)
    shape = panel(classes=outputs.shape[2], members=len(said), **about)
    return build_kind(kind, parameters or {}, shape).combine(outputs, there)[0].tolist()


def test_a_hard_vote_follows_the_majority_against_the_most_confident() -> None:
    assert np.argmax(merged("hard_vote", [[0.51, 0.49], [0.51, 0.49], [0.0, 1.0]])) == 0


def test_a_tied_hard_vote_goes_to_the_more_confident_class() -> None:
    assert np.argmax(merged("hard_vote", [[0.6, 0.4, 0], [0.3, 0.7, 0]])) == 1


def test_a_tied_hard_vote_of_equal_confidence_goes_to_the_label_declared_first() -> None:
    assert np.argmax(merged("hard_vote", [[0.0, 0.7, 0.3], [0.0, 0.3, 0.7]])) == 1


def test_a_hard_vote_gives_nearly_the_share_of_votes() -> None:
    np.testing.assert_allclose(merged("hard_vote", [[1, 0], [0.9, 0.1], [0.2, 0.8]]), [2 / 3, 1 / 3], atol=1e-4)


def test_a_soft_vote_is_the_weighted_mean() -> None:
    np.testing.assert_allclose(
        merged("soft_vote", [[0.8, 0.2], [0.5, 0.5], [0.2, 0.8]], {"weights": {"a": 2}}), [0.575, 0.425]
    )


def test_labels_of_a_multilabel_task_are_averaged_each_by_itself() -> None:
    said = [[0.9, 0.8], [0.5, 0.8], [0.1, 0.8]]
    np.testing.assert_allclose(merged("soft_vote", said, task=Task.MULTILABEL), [0.5, 0.8])


def test_values_of_a_regression_are_averaged_over_who_is_there() -> None:
    combine = build_kind("mean", {"weights": [1, 3, 1]}, panel(Task.REGRESSION, 1)).combine
    outputs = np.array([[[1.0], [-2.0]], [[5.0], [7.0]], [[100.0], [8.0]]])
    present = np.array([[True, False], [True, False], [False, False]])
    np.testing.assert_allclose(combine(outputs, present), [[4.0], [np.nan]])


def test_an_unfitted_log_pool_is_the_geometric_mean() -> None:
    expected = np.sqrt([0.9 * 0.5, 0.1 * 0.5])
    np.testing.assert_allclose(merged("log_pool", [[0.9, 0.1], [0.5, 0.5]]), expected / expected.sum())


def test_a_fitted_log_pool_is_its_formula() -> None:
    fitted = {"patterns": {"11": {"weights": [0.5, 2.0], "bias": [0.3, -0.1]}}}
    expected = np.exp(0.5 * np.log([0.9, 0.1]) + 2 * np.log([0.4, 0.6]) + [0.3, -0.1])
    np.testing.assert_allclose(merged("log_pool", [[0.9, 0.1], [0.4, 0.6]], fitted), expected / expected.sum())


def test_a_pattern_that_was_not_fitted_takes_the_general_weights_scaled_to_one() -> None:
    parameters = {"weights": [1, 3, 1], "patterns": {"111": {"weights": [9, 9, 9], "bias": [5, 0]}}}
    outputs = np.array([[[0.9, 0.1]], [[0.4, 0.6]], [[0.0, 1.0]]])
    combine = build_kind("log_pool", parameters, panel()).combine
    expected = np.array([0.9, 0.1]) ** 0.25 * np.array([0.4, 0.6]) ** 0.75
    result = combine(outputs, np.array([[True], [True], [False]]))
    np.testing.assert_allclose(result, [expected / expected.sum()])


def test_one_certain_member_does_not_veto_the_others_for_ever() -> None:
    assert min(merged("log_pool", [[1, 0], [0.5, 0.5]])) > 0


def test_multi_view_averages_inside_a_view_before_it_pools_across() -> None:
    said = [[0.9, 0.1], [0.3, 0.7], [0.5, 0.5]]
    expected = np.exp(2 * np.log([0.7, 0.3]) + 1 * np.log([0.3, 0.7]))
    fitted = {"patterns": {"11": {"weights": [2, 1]}}}
    np.testing.assert_allclose(merged("multi_view", said, fitted), expected / expected.sum())


def test_multi_view_uses_the_pattern_of_the_views_that_are_present() -> None:
    fitted = {"patterns": {"11": {"weights": [2, 1]}, "10": {"weights": [3]}}}
    combine = build_kind("multi_view", fitted, panel()).combine
    outputs = np.array([[[0.9, 0.1]], [[0.3, 0.7]], [[0.5, 0.5]]])
    expected = np.array([0.9, 0.1]) ** 3
    result = combine(outputs, np.array([[True], [False], [False]]))
    np.testing.assert_allclose(result, [expected / expected.sum()])


def test_more_members_than_bits_in_an_integer_are_merged_by_pattern_too() -> None:
    rng = np.random.default_rng(0)
    outputs = rng.dirichlet(np.ones(3), (70, 40))
    present = rng.random((70, 40)) > 0.5
    many = Panel(tuple(f"m{i}" for i in range(70)), (("text",),) * 70, Task.CLASSIFICATION, 3)
    result = build_kind("log_pool", {}, many).combine(outputs, present)
    logs = (np.log(outputs) * present[..., None]).sum(axis=0) / present.sum(axis=0)[:, None]
    np.testing.assert_allclose(result, np.exp(logs) / np.exp(logs).sum(axis=1, keepdims=True), rtol=1e-6)


@pytest.mark.parametrize(
    ("kind", "parameters", "message"),
    [
        ("vote", {}, "combiner.kind is 'vote'; the kinds are hard_vote, log_pool, mean, multi_view, soft_vote"),
        ("mean", {}, "'mean', which does not merge a classification; hard_vote, log_pool, multi_view, soft_vote does"),
        ("hard_vote", {"weights": [1, 1, 1]}, "parameters.weights is not a parameter; hard_vote takes no parameters"),
        ("soft_vote", {"weigths": 1}, "parameters.weigths is not a parameter; soft_vote takes weights"),
        ("soft_vote", {"weights": [1, 2]}, r"parameters.weights is \[1, 2\]; give 3 numbers"),
        ("soft_vote", {"weights": [1, 2, 0]}, "parameters.weights has 0; every weight is above 0"),
        ("soft_vote", {"weights": {"z": 1}}, "parameters.weights names 'z'; the names are a, b, c"),
        ("soft_vote", {"weights": {"a": "much"}}, r"weights is \['much', 1.0, 1.0\]; give 3 numbers"),
        ("soft_vote", {"weights": [1, float("inf"), 1]}, "give finite numbers"),
        ("log_pool", {"patterns": []}, r"patterns is \[\]; give a mapping"),
        ("log_pool", {"patterns": {"11": {"weights": [1, 1]}}}, "has '11'; a pattern is a text of 3 characters"),
        ("log_pool", {"patterns": {111: {"weights": [1, 1, 1]}}}, "has 111; a pattern is a text of 3 characters"),
        ("log_pool", {"patterns": {"000": {"weights": []}}}, "has '000'"),
        ("log_pool", {"patterns": {"101": {"bias": [0, 0]}}}, r"patterns\['101'\] is .*; give weights"),
        ("log_pool", {"patterns": {"101": {"weights": [1, 1, 1]}}}, r"\['101'\].weights is .*; give 2 numbers"),
        ("log_pool", {"patterns": {"101": {"weights": [1, -1]}}}, r"\['101'\].weights has -1; every weight is 0 or"),
        ("log_pool", {"patterns": {"101": {"weights": [1, 1], "bias": [0]}}}, r"\['101'\].bias is \[0\]; give 2 num"),
        ("multi_view", {"patterns": {"111": {"weights": [1, 1, 1]}}}, "a text of 2 characters"),
        ("multi_view", {"weights": {"sound": 1}}, "names 'sound'; the names are text, image"),
    ],
)
def test_parameters_that_do_not_fit_are_refused_by_value(kind: str, parameters: dict[Any, Any], message: str) -> None:
    with pytest.raises(InvalidSpec, match=message):
        build_kind(kind, parameters, panel())


def test_an_ensemble_s_combiner_is_built_for_its_members_and_labels() -> None:
    one = Member("a", 1, ("text",), Task.CLASSIFICATION, ("x", "y"), (InputBinding("text", "BYTES", ("text",)),))
    fitted = Combiner("log_pool", {"patterns": {"1": {"weights": [2.0], "bias": [0.0, 0.0]}}})
    built = build_combiner(Ensemble("e", 1, Task.CLASSIFICATION, ("x", "y"), (one,), fitted))
    np.testing.assert_allclose(built.combine(np.array([[[0.2, 0.8]]]), EVERYONE[:1]), [[0.04 / 0.68, 0.64 / 0.68]])


def test_a_new_kind_needs_nothing_but_its_registration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_KINDS", dict(registry._KINDS))

    @combiner_kind("loudest", Task.GENERATION)
    def loudest(panel: Panel, parameters: Any) -> Average:
        return Average(np.ones(len(panel.members)), normalise=False)

    assert kinds(Task.GENERATION) == ("loudest",)
    assert isinstance(build_kind("loudest", {}, panel(Task.GENERATION)), Average)


def test_combining_needs_numpy_alone() -> None:
    code = (
        "import sys, quorate.combiners, quorate.quality; "
        "print(sorted({'scipy', 'sklearn', 'pydantic', 'grpc', 'sqlalchemy', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_reading_a_specification_needs_neither_scipy_nor_scikit_learn() -> None:
    code = "import sys, quorate.spec, quorate.fitting; print(sorted({'scipy', 'sklearn', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
