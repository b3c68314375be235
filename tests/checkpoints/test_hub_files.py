"""A checkpoint file inside a hub repository, "owner/name:file.pkl", served by this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests import hub as hubs
from tests.checkpoints import writers
from tests.hub import Hub
from text2face import TextToFace, load_generator, load_sampler
from text2face.errors import CheckpointError
from text2face.loading import find_file

Run = Callable[..., int]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with hubs.serve(tmp_path / "server") as hub:
        hubs.point_at(hub, tmp_path / "hub", monkeypatch.setattr)
        yield hub


@pytest.fixture
def repository(hub: Hub) -> Path:
    folder = hub.repository("me/cats")
    (folder / "old files").mkdir(parents=True)
    model = writers.small2()
    (folder / "network.pkl").write_bytes(writers.nvidia(model))
    torch.save(writers.rosinality_tree(model), folder / "old files" / "550000.pt")
    state = writers.rosinality_tree(model)["g_ema"]
    save_file({k: v.contiguous() for k, v in state.items()}, folder / "network.safetensors")
    (folder / "other.pkl").write_bytes(b"not asked for")
    (folder / "README.md").write_text("cats")
    return folder


@pytest.mark.parametrize("name", ["network.pkl", "old files/550000.pt", "network.safetensors"])
def test_a_generator_loads_and_only_its_file_comes(hub: Hub, repository: Path, name: str) -> None:
    loaded = load_generator(f"me/cats:{name}")
    w = torch.randn(1, loaded.num_ws, loaded.w_dim)
    assert torch.equal(loaded.synthesize(w), writers.small2().synthesize(w))
    got = {path.partition("/resolve/")[2] for how, path, _ in hub.asked if how == "GET"}
    assert {path.partition("/")[2] for path in got if path} == {name}


def test_it_is_the_generator_of_commands(
    hub: Hub, repository: Path, run: Run, tmp_path: Path
) -> None:
    assert run("convert", "me/cats:network.pkl", tmp_path / "cats") == 0
    w = torch.randn(1, 4, 8)
    converted = load_generator(tmp_path / "cats")
    assert torch.equal(converted.synthesize(w), writers.small2().synthesize(w))
    pairs = ("--generator", "me/cats:network.pkl", "--count", 4, "-q", "-o", tmp_path / "pairs")
    assert run("pairs", *pairs) == 0
    assert list((tmp_path / "pairs").glob("*.safetensors"))


def test_it_stays_in_the_cache_when_the_hub_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hubs.serve(tmp_path / "server") as hub:
        hubs.point_at(hub, tmp_path / "hub", monkeypatch.setattr)
        folder = hub.repository("me/cats")
        folder.mkdir(parents=True)
        (folder / "network.pkl").write_bytes(writers.nvidia(writers.small2()))
        load_generator("me/cats:network.pkl")
    gone = "http://127.0.0.1:9"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", gone)
    template = f"{gone}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    assert load_generator("me/cats:network.pkl").num_ws == 4
    for name in ("me/cats:other.pkl", "me/dogs:other.pkl"):
        said = rf"cannot fetch other\.pkl of {name[:7]} from .*check the network, or give a file"
        with pytest.raises(CheckpointError, match=said):
            load_generator(name)


@pytest.mark.parametrize(
    "name",
    [
        "", "../network.pkl", "/etc/network.pkl", "*.pkl", "network.p?l", "[n]etwork.pkl",
        "network.zip", "network.py", ".pkl", "a//network.pkl", "a/../network.pkl", "a:network.pkl",
        "network.pkl\n", ".hidden/network.pkl", "a\\network.pkl", "README.md",
    ],
)  # fmt: skip
@pytest.mark.parametrize("load", [load_generator, load_sampler, TextToFace.from_pretrained])
def test_names_that_are_none_are_refused_before_anything_is_asked(
    hub: Hub, repository: Path, name: str, load: Callable[[str], object]
) -> None:
    with pytest.raises(CheckpointError, match="bad file name in a hub repository") as caught:
        load(f"me/cats:{name}")
    assert "\n" not in str(caught.value)
    assert not hub.asked


@pytest.mark.parametrize("load", [load_generator, load_sampler, TextToFace.from_pretrained])
def test_what_is_not_there_is_told(
    hub: Hub,
    repository: Path,
    load: Callable[[str], object],
    capfd: pytest.CaptureFixture[str],
) -> None:
    capfd.readouterr()
    with pytest.raises(CheckpointError, match=r"no file none\.pkl in the hub repository me/cats"):
        load("me/cats:none.pkl")
    assert capfd.readouterr().err == ""
    with pytest.raises(CheckpointError, match=r"no hub model me/dogs; expected a file on this"):
        load("me/dogs:network.pkl")
    with pytest.raises(CheckpointError, match=r"other\.pkl"):
        load("me/cats:other.pkl")


def test_a_model_and_a_sampler_of_another_kind_of_file(
    hub: Hub, repository: Path, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CheckpointError, match="holds no sampler that stands alone"):
        load_sampler("me/cats:network.pkl")
    capsys.readouterr()
    options = ("--model", "me/cats:network.pkl", "-o", tmp_path / "out")
    assert run("generate", "a face", *options) == 1
    error = capsys.readouterr().err
    assert "network.pkl is no pipeline" in error
    assert len(error.strip().splitlines()) == 1


def test_the_settings_of_a_prior_come_along(hub: Hub, repository: Path, tmp_path: Path) -> None:
    (repository / "prior.ckpt").write_bytes(b"a prior")
    (repository / "prior.yaml").write_text("model: {}")
    found = find_file("me/cats:prior.ckpt")
    assert found is not None
    assert found.read_bytes() == b"a prior"
    assert found.with_suffix(".yaml").read_text() == "model: {}"
