from __future__ import annotations

import pytest

from tests.pipelines.qc.build import Finished, finish_once


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return finish_once(tmp_path_factory)
