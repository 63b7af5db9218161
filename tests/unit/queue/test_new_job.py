"""What a request for a job becomes, before it is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorate.ensemble import Ensemble, Task
from quorate.rpc.quorate.v1 import jobs_pb2 as pb
from quorate.settings import Settings
from services.coordinator.jobs.servicer import new_job
from tests.support.members import LABELS, text_member

SETTINGS = Settings(home=Path("/home/of/quorate"))
ENSEMBLE = Ensemble("pets", 3, Task.CLASSIFICATION, LABELS, (text_member(),))


@pytest.mark.parametrize("output_url", ["", "s3://bucket/scored", "file:///data/scored/"])
def test_two_jobs_never_write_to_one_folder(output_url: str) -> None:
    request = pb.CreateJobRequest(ensemble="pets", input_url="file:///data/rows.csv", output_url=output_url)
    first, second = (new_job(request, ENSEMBLE, SETTINGS) for _ in range(2))
    below = output_url.rstrip("/") or f"{SETTINGS.resolved_store_url}/jobs"
    assert first.output_url == f"{below}/{first.id}"
    assert second.output_url == f"{below}/{second.id}" != first.output_url
