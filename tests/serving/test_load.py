"""64 clients at once for a few seconds, as `python -m benchmarks.serving` does for longer."""

from __future__ import annotations

import pytest

pytest.importorskip("fastapi")

from benchmarks.serving import measure


def test_many_clients_are_served_alike() -> None:
    one, many, memory = measure(64, 4, rounds=2)
    loads = [*one, *many]
    assert [failure for load in loads for failure in load.failures] == []
    assert sum(load.contradictions for load in loads) == 0
    assert all(len(load.latencies) > 0 for load in loads)
    assert memory[1] < 1.15 * memory[0]
