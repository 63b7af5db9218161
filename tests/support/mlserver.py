"""Somebody else's server: MLServer with a scikit-learn model, run from the peers' venv."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.peers import peers_python
from tests.support.servers import accepts, free_port, stop, wait_until

TRAIN = """
import sys, joblib
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
joblib.dump(LogisticRegression(max_iter=1000).fit(*load_iris(return_X_y=True)), sys.argv[1])
"""


@contextmanager
def iris_on_mlserver(folder: Path) -> Iterator[str]:
    """Serve a logistic regression of iris as the model `iris`; yields the gRPC address."""
    python = peers_python()
    model = folder / "iris"
    model.mkdir(parents=True)
    subprocess.run([python, "-c", TRAIN, model / "model.joblib"], check=True)
    parameters = {"uri": "./model.joblib", "version": "v1"}
    settings = {"name": "iris", "implementation": "mlserver_sklearn.SKLearnModel", "parameters": parameters}
    (model / "model-settings.json").write_text(json.dumps(settings))
    port = free_port()
    ports = {"grpc_port": port, "http_port": free_port(), "metrics_port": free_port()}
    (folder / "settings.json").write_text(json.dumps(ports | {"host": "127.0.0.1", "parallel_workers": 0}))
    with (folder / "mlserver.log").open("w") as log:
        command = [python.parent / "mlserver", "start", folder]
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | {"PYTHONWARNINGS": "ignore"})
    try:
        wait_until(lambda: accepts(port), 60, "MLServer to listen")
        yield f"127.0.0.1:{port}"
    finally:
        stop(process)
