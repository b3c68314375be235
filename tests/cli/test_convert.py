"""`text2face convert`: exact, whole or nothing, and never over what is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.checkpoints import writers
from text2face import load_generator
from text2face.generators.mapping import MappedGenerator


@pytest.fixture(params=sorted(writers.LAYOUTS))
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "network.pkl"
    path.write_bytes(writers.LAYOUTS[request.param]())
    return path


def test_converted_and_loaded_it_is_the_same(
    run: Callable[..., int], source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("convert", source, tmp_path / "out") == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'out'}: stylegan")
    before, after = load_generator(source), load_generator(tmp_path / "out")
    assert isinstance(before, MappedGenerator)
    assert isinstance(after, MappedGenerator)
    assert after.config == before.config
    w = torch.randn(2, before.num_ws, before.w_dim)
    assert torch.equal(after.synthesize(w), before.synthesize(w))
    z = torch.randn(2, before.z_dim)
    assert torch.equal(after.map(z, truncation=0.5), before.map(z, truncation=0.5))
    assert run("convert", tmp_path / "out", tmp_path / "again") == 0
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_half_is_half_the_size(run: Callable[..., int], tmp_path: Path) -> None:
    model = writers.small2(w_dim=64)
    (tmp_path / "network.pkl").write_bytes(writers.nvidia(model))
    for name, options in (("exact", []), ("half", ["--half"])):
        assert run("convert", tmp_path / "network.pkl", tmp_path / name, *options) == 0
    sizes = [(tmp_path / n / "model.safetensors").stat().st_size for n in ("exact", "half")]
    assert 1.5 < sizes[0] / sizes[1] < 2
    loaded = load_generator(tmp_path / "half")
    assert torch.equal(loaded.mean_latent, model.mean_latent.half().float())


def test_what_is_there_stays_without_overwrite(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    writers.small2().save_pretrained(out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    (tmp_path / "network.pkl").write_bytes(writers.nvidia(writers.small3()))
    assert run("convert", tmp_path / "network.pkl", out) == 1
    assert "config.json exists; expected a new folder" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert run("convert", tmp_path / "network.pkl", out, "--overwrite") == 0
    assert load_generator(out).num_ws == writers.small3().num_ws


def test_a_hostile_file_is_one_line_and_leaves_nothing(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "network.pkl").write_bytes(b"\x80\x04cos\nsystem\n\x8c\x04true\x85R.")
    assert run("convert", tmp_path / "network.pkl", tmp_path / "out") == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("text2face: refused: ")
    assert "'os.system'" in printed.err
    assert printed.err.count("\n") == 1
    assert not (tmp_path / "out").exists()
