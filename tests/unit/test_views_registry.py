"""The registry of views: a new view is one new file."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from quorate import views
from quorate.artifacts import ArtifactStore, Manifest, build_artifact
from quorate.ensemble import Task
from quorate.errors import InvalidInput
from quorate.manifest import member_of

TOY = '''
"""The view `sound`: raw samples become their loudness."""
import numpy as np
from quorate.ensemble import InputBinding
from quorate.views.base import View

INPUTS = (InputBinding("sound", "FP32", ("sound",)),)

class Loudness:
    view = "sound"
    inputs = INPUTS
    def __init__(self, gain): self.gain = gain
    def transform(self, columns): return {"loudness": np.abs(columns["sound"]) * self.gain}
    def parameters(self): return {"gain": self.gain}
    def assets(self): return {"notes.txt": b"calibrated"}

VIEW = View("sound", lambda columns, options: Loudness(1 / np.abs(columns["sound"]).max()),
            lambda parameters, assets, limits: Loudness(parameters["gain"]), lambda parameters: INPUTS)
'''


@pytest.fixture
def sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder with one file in it, taken as a part of the package."""
    (tmp_path / "sound.py").write_text(TOY)
    monkeypatch.setattr(views, "__path__", [*views.__path__, str(tmp_path)])
    yield
    sys.modules.pop("quorate.views.sound", None)


def test_the_views_are_those_that_have_a_file() -> None:
    assert list(views.VIEWS) == ["image", "tabular", "text"]
    assert all(views.VIEWS[name].name == name for name in views.VIEWS)


@pytest.mark.usefixtures("sound")
def test_a_new_view_is_one_new_file_from_fitting_to_a_stored_member(tmp_path: Path) -> None:
    columns = {"sound": np.array([1.0, -4.0])}
    fitted = views.fit_preprocessor("sound", columns)
    assert fitted.transform(columns)["loudness"].tolist() == [0.25, 1.0]
    store = ArtifactStore(str(tmp_path / "store"))
    manifest = Manifest("birds", 1, Task.CLASSIFICATION, ("sound",), ("owl", "wren"))
    stored = store.put(build_artifact(manifest, b"onnx", [fitted]))
    loaded = store.fetch(stored.url, stored.digest, tmp_path / "cache")
    assert loaded.preprocessors()["sound"].transform(columns)["loudness"].tolist() == [0.25, 1.0]
    assert loaded.assets("sound") == {"notes.txt": b"calibrated"}
    assert member_of(loaded.manifest).columns == ("sound",)


@pytest.mark.parametrize("name", ["smell", "base", "_cells", "", "os", "..errors"])
def test_an_unknown_view_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(InvalidInput, match="image, tabular, text"):
        views.load_preprocessor(name, {})


def test_a_view_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    monkeypatch.delitem(sys.modules, "quorate.views.text", raising=False)
    with pytest.raises(InvalidInput, match=r"tokenizers; pip install 'quorate\[worker\]'"):
        views.load_preprocessor("text", {})
