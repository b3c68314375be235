"""Any request that the OpenAPI document allows, and many that it does not, as schemathesis asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.serving.conftest import Running, running
from tests.serving.test_api import editing
from text2face.serving.api import make_app
from text2face.serving.engine import Engine, EngineConfig

schemathesis = pytest.importorskip("schemathesis")
checks = pytest.importorskip("schemathesis.specs.openapi.checks")

app = make_app(Engine(editing(), EngineConfig(workers=1)))
schema = schemathesis.openapi.from_dict(app.openapi())


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(editing(), workers=1) as started:
        yield started


@schema.parametrize()
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_server_keeps_its_word(case: Any, server: Running) -> None:
    # Words that the model does not know are no valid prompt, which no schema can say.
    case.call_and_validate(base_url=server.url, excluded_checks=[checks.positive_data_acceptance])
