from __future__ import annotations

import tarfile
import time
from pathlib import Path

import click
import numpy as np
import pytest

from recipes import away
from recipes.away import PACK, Stage, go, keep, tracked, write_archive


@pytest.fixture(autouse=True)
def _assets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(away.Assets, "load", lambda _: None)


def test_an_archive_holds_the_assets_and_the_code(tmp_path: Path) -> None:
    np.savez(tmp_path / PACK, textures=np.zeros((200, 200), np.uint8), rest=np.arange(3.0))
    size = write_archive(tmp_path / "away.tar", tmp_path, {path: str(path) for path in tracked()})
    assert size < away.LIMIT
    with tarfile.open(tmp_path / "away.tar") as archive:
        names = archive.getnames()
        archive.extractall(tmp_path / "there", filter="data")
    assert f"assets/{PACK}" in names
    assert "recipes/away.py" in names
    assert "src/text2face/bundled/generator/model.safetensors" in names
    assert not any("bundled/sampler" in name or "bundled/inversion" in name for name in names)
    with np.load(tmp_path / "there" / "assets" / PACK) as pack:
        np.testing.assert_array_equal(pack["rest"], np.arange(3.0))
    assert (tmp_path / "there" / "assets" / PACK).stat().st_size < 40_000


def test_an_archive_that_is_too_large_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / PACK, rest=np.arange(3.0))
    big = tmp_path / "big.bin"
    big.write_bytes(bytes(3 * 2**20))
    monkeypatch.setattr(away, "LIMIT", 2**20)
    with pytest.raises(click.ClickException, match=r"would have 3 MiB.*at most 1.*big\.bin 3 MiB"):
        write_archive(tmp_path / "away.tar", tmp_path, {big: "big.bin"})
    assert not (tmp_path / "away.tar").exists()


def stage(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, code: str) -> Stage:
    (folder / f"{name}_stage.py").write_text(code, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return Stage(name, (f"{name}_stage",))


def test_stages_go_on_where_they_were_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second stage needs three calls: it counts on in a file each time it is interrupted."""
    monkeypatch.setattr(away, "GRACE", 5.0)
    monkeypatch.setattr(away, "ENOUGH", 0.2)
    slow = (
        "import pathlib, sys, time\n"
        f"path = pathlib.Path({str(tmp_path / 'calls')!r})\n"
        "calls = int(path.read_text()) + 1 if path.exists() else 1\n"
        "path.write_text(str(calls))\n"
        "try:\n    time.sleep(0 if calls == 3 else 60)\n"
        "except KeyboardInterrupt:\n    sys.exit(130)\n"
    )
    stages = [
        stage(monkeypatch, tmp_path, "quick", "print('quick')"),
        stage(monkeypatch, tmp_path, "slow", slow),
        stage(monkeypatch, tmp_path, "last", "print('last')"),
    ]
    out = tmp_path / "out"
    for _ in range(2):
        assert list(go(stages, out, time.monotonic() + 6.5)) == ["slow", "last"]
    assert not (out / "last.log").exists()
    assert list(go(stages, out, time.monotonic() + 60)) == []
    assert (tmp_path / "calls").read_text() == "3"
    assert (out / "quick.log").read_text().split() == ["quick"]
    keep(out)
    with tarfile.open(out / "back.tar") as archive:
        assert {"quick.log", "slow.done", "last.log"} <= set(archive.getnames())


def test_a_stage_that_fails_is_named_and_not_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = stage(monkeypatch, tmp_path, "bad", "raise SystemExit('no renders')")
    out = tmp_path / "out"
    with pytest.raises(click.ClickException, match="stage bad ended with 1: no renders"):
        list(go([bad], out, time.monotonic() + 60))
    assert not (out / "bad.done").exists()
