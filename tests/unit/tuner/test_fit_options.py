import subprocess
import sys

import pytest

from quorate.errors import InvalidInput
from quorate.fitting.options import parse_fit_options


def test_options_come_as_json_text_or_as_an_object():
    given = {"label": "species", "numeric": ["weight"], "folds": 4}
    assert parse_fit_options("table", given) == parse_fit_options(
        "table", '{"label": "species", "numeric": ["weight"], "folds": 4}'
    )


def test_an_unknown_option_is_refused_with_those_that_there_are():
    with pytest.raises(InvalidInput, match=r"option 'lable' is not known; the options are label, text"):
        parse_fit_options("table", {"lable": "species"})


def test_an_option_out_of_range_names_its_value():
    with pytest.raises(InvalidInput, match=r"option 'folds' is 1: .*greater than or equal to 2"):
        parse_fit_options("table", {"label": "species", "folds": 1})


def test_training_needs_a_label_and_a_live_ensemble_may_know_its_own():
    with pytest.raises(InvalidInput, match="give `label`"):
        parse_fit_options("table", "{}")
    assert parse_fit_options("ensemble", "").label == ""


def test_text_that_is_no_json_is_refused():
    with pytest.raises(InvalidInput, match="no JSON"):
        parse_fit_options("table", "{label")


def test_options_need_neither_torch_nor_scipy():
    code = "import sys, quorate.fitting.options; print({'torch', 'scipy', 'sklearn'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"
