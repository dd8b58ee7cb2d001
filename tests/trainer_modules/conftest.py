"""Services that train on machines of their own, as fakes."""

from collections.abc import Iterator

import pytest

from tests.trainer_modules.fake_jobs import FakeJobs
from trainer_modules.common import custom_job, jobs


@pytest.fixture
def vertex_jobs(monkeypatch) -> Iterator[FakeJobs]:
    """Vertex AI's jobs."""
    fake = FakeJobs()
    with fake.serving() as address:
        monkeypatch.setenv(custom_job.ENDPOINT, address)
        monkeypatch.setattr(jobs, "pause", lambda: None)
        yield fake
