from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from text2face import catalogue, load_generator
from text2face.catalogue import MODELS, PIPELINES, Model
from text2face.errors import ArgumentError, CheckpointError

Run = Callable[..., int]
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TEXT2FACE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "cache"


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Model:
    """A model whose server is a folder of this machine."""
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / "tiny.pkl").write_bytes(b"weights")
    model = Model(
        name="tiny",
        kind="generator",
        about="a tiny network",
        licence="CC0",
        source=(tmp_path / "server").as_uri(),
        file="tiny.pkl",
    )
    monkeypatch.setitem(MODELS, "tiny", model)
    return model


def test_every_entry_says_what_it_must() -> None:
    for name, model in MODELS.items():
        assert name == model.name
        assert model.about
        assert model.licence
        assert model.is_on_hub == ("/" in model.source and "://" not in model.source)
        if not model.is_on_hub:
            assert urlsplit(model.source).scheme == "https"
        assert model.file or model.note
    nvidia = [model for model in MODELS.values() if "nvidia" in model.source]
    assert len(nvidia) == 27
    assert all("non-commercial" in model.licence for model in nvidia)


def test_an_unknown_name_gets_a_hint() -> None:
    with pytest.raises(ArgumentError, match="did you mean stylegan2-ffhq-1024"):
        catalogue.find("stylegan2-fhq-1024")
    with pytest.raises(ArgumentError, match="text2face models list"):
        catalogue.find("?")


def test_a_model_is_downloaded_after_its_licence_is_shown(
    run: Run, capsys: Capture, tiny: Model, cache: Path
) -> None:
    assert catalogue.cached(tiny) is None
    assert run("models", "download", "tiny") == 0
    out, err = capsys.readouterr()
    assert out == f"{cache / 'models' / 'tiny' / 'tiny.pkl'}\n"
    assert err == "tiny: CC0\n"
    path = catalogue.cached(tiny)
    assert path is not None
    assert path.read_bytes() == b"weights"
    assert run("models", "download", "tiny", "--offline") == 0
    path.write_bytes(b"others")
    assert run("models", "download", "tiny", "--offline") == 1
    assert "not the file that was first downloaded" in capsys.readouterr().err


def test_a_published_checksum_is_held_against_the_first_download(
    run: Run, capsys: Capture, tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODELS, "tiny", replace(tiny, sha256=hashlib.sha256(b"w").hexdigest()))
    assert run("models", "download", "tiny") == 1
    assert "its SHA-256 is" in capsys.readouterr().err
    right = hashlib.sha256(b"weights").hexdigest()
    monkeypatch.setitem(MODELS, "tiny", replace(tiny, sha256=right))
    assert run("models", "download", "tiny") == 0


def test_offline_looks_in_the_cache_only(run: Run, capsys: Capture, tiny: Model) -> None:
    assert run("models", "download", "tiny", "--offline") == 1
    assert "is not in the cache" in capsys.readouterr().err
    assert run("models", "download", "clip-vit-b-32", "--offline") == 1
    assert "cannot fetch openai/clip-vit-base-patch32" in capsys.readouterr().err


def test_a_hub_model_is_fetched_and_its_weights_are_pinned(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def snapshot(hub_id: str, **options: object) -> str:
        asked.append((hub_id, options["revision"]))
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    model = catalogue.find("clip-vit-b-16")
    assert catalogue.cached(model) is None
    with pytest.raises(CheckpointError, match=r"has no pytorch_model\.bin any more"):
        catalogue.download(model)
    (tmp_path / "pytorch_model.bin").write_bytes(b"weights")
    assert catalogue.download(model) == catalogue.cached(model) == tmp_path
    assert set(asked) == {("openai/clip-vit-base-patch16", "main")}
    (tmp_path / "pytorch_model.bin").write_bytes(b"others")
    with pytest.raises(CheckpointError, match="not the file that was first downloaded"):
        catalogue.download(model)


def test_weights_without_an_address_are_fetched_by_hand() -> None:
    with pytest.raises(CheckpointError, match="fetch it by hand from https"):
        catalogue.download(catalogue.find("fast-text2stylegan"))


def test_a_generator_of_the_registry_is_loaded_by_its_name(cache: Path) -> None:
    with pytest.raises(CheckpointError, match="run `text2face models download stylegan2-ffhq-256"):
        load_generator("stylegan2-ffhq-256")
    path = catalogue.path_of(catalogue.find("stylegan2-ffhq-256"))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"stylegan2-ffhq-256x256\.pkl is empty"):
        load_generator("stylegan2-ffhq-256")


def test_list_and_info(run: Run, capsys: Capture, tiny: Model) -> None:
    assert run("models", "list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(PIPELINES) + len(MODELS)
    assert lines[0].split()[:4] == ["clip2latent-ffhq", "pipeline", "1,378", "MB"]
    generator = next(line for line in lines if line.startswith("stylegan2-ffhq-1024 "))
    assert generator.split()[:4] == ["stylegan2-ffhq-1024", "generator", "382", "MB"]
    assert run("models", "list", "--kind", "encoder", "--json") == 0
    facts = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert facts[0]["source"] == "openai/clip-vit-base-patch32"
    assert facts[0]["cached"] is None
    assert run("models", "info", "tiny") == 0
    assert "licence: CC0\n" in capsys.readouterr().out
    assert run("models", "info", "tiny", "--json") == 0
    assert json.loads(capsys.readouterr().out)["size"] is None
    assert run("models", "info", "nothing") == 2
