"""How far a prompt walks; the limits are what it takes today, and may only fall."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.walk import Walk, follow


def test_a_change_is_a_call_into_another_file() -> None:
    walk = Walk([("a.py", "f"), ("a.py", "g"), ("b.py", "h"), ("a.py", "g")])
    assert (walk.files, len(walk.calls), walk.changes) == (["a.py", "b.py"], 4, 2)


@pytest.mark.slow
def test_the_walk_from_the_command_to_the_generator_is_short(tmp_path: Path) -> None:
    drawing, loading = follow(["generate", "a man", "--seed", "1", "-q", "-o", tmp_path])
    assert drawing.calls[0] == ("cli/app.py", "main")
    assert drawing.calls[-1] == ("generators/mapping.py", "MappedGenerator.synthesize")
    assert ("pipeline.py", "TextToFace.from_pretrained") in loading.calls
    assert len(drawing.files) <= 26
    assert len(drawing.calls) <= 425
    assert drawing.changes <= 103
