"""A file that another process writes under the same name meanwhile is kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from text2face import TextToFace

COMMANDS: dict[str, list[str]] = {
    "a.png": ["generate", "a man", "--seed", "1", "-o", "a.png"],
    "out/seed0002.jpeg": ["generate", "a man", "--seed", "1", "-n", "2", "--format", "jpeg"],
    "out/seed0001.npz": ["generate", "a man", "--seed", "1", "--save-latents", "npz"],
    "out/grid.png": ["generate", "a man", "--seed", "1", "--grid", "1x1"],
    "b.png": ["edit", "first.png", "a woman", "-o", "b.png"],
    "c.npz": ["encode", "first.png", "-o", "c.npz"],
    "d.png": ["encode", "first.png", "-o", "d.png"],
    "e.png": ["mix", "first.png", "second.png", "-o", "e.png"],
    "f.gif": ["interpolate", "first.png", "second.png", "--steps", "2", "-o", "f.gif"],
    "g.png": ["interpolate", "first.png", "second.png", "--steps", "2", "-o", "g.png"],
    "h.webp": ["sweep", "first.png", "a woman", "--steps", "2", "-o", "h.webp"],
    "i.png": ["sweep", "first.png", "a woman", "--steps", "2", "--and", "a hat", "-o", "i.png"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_it_is_kept_unless_told_otherwise(
    name: str,
    bundled: TextToFace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run: Callable[..., int],
    capsys: Any,
) -> None:
    monkeypatch.chdir(tmp_path)
    bundled("a man", seed=4, num_images=2).save(tmp_path)
    Path("seed0004.png").rename("first.png")
    Path("seed0005.png").rename("second.png")

    def load(*_: object, **__: object) -> TextToFace:
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(b"of another process")
        return bundled

    monkeypatch.setattr(TextToFace, "from_pretrained", load)
    assert run(*COMMANDS[name], "-q") == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert f"{name} was written by another process meanwhile" in err
    assert Path(name).read_bytes() == b"of another process"
    assert not list(tmp_path.rglob("*.tmp"))
    assert run(*COMMANDS[name], "-q", "--overwrite") == 0
    assert Path(name).stat().st_size > 100
