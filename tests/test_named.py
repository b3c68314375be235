"""Named pipelines, whole: from a server in the hub's layout to faces, with tiny networks."""

from __future__ import annotations

import base64
import io
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from tests import hub as hubs
from tests.hub import Hub
from tests.tiny_clip import save_clip
from text2face import TextToFace, catalogue, named
from text2face.catalogue import MODELS
from text2face.errors import CheckpointError, OutputError
from text2face.samplers.clip2latent import Clip2LatentSampler

FIXTURES = Path(__file__).parent / "fixtures"
NAME = "clip2latent-ffhq"
PRIOR = "ffhq-sg2-510"
GENERATOR = "stylegan2-ffhq-1024x1024.pkl"

Run = Callable[..., int]
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the server has: a prior, a CLIP and a generator that fit together."""
    root = tmp_path_factory.mktemp("server")
    prior = root / "models" / "lambdalabs" / "clip2latent"
    prior.mkdir(parents=True)
    shutil.copy(FIXTURES / "clip2latent" / "a-ffhq-sg2.ckpt", prior / f"{PRIOR}.ckpt")
    settings = yaml.safe_load((FIXTURES / "clip2latent" / "a-ffhq-sg2.yaml").read_text())
    settings["data"]["latent_repeats"] = [8]
    (prior / f"{PRIOR}.yaml").write_text(yaml.safe_dump(settings))
    clip = root / "models" / "openai" / "clip-vit-base-patch32"
    clip.mkdir(parents=True)
    save_clip(clip, embedding_dim=32, context=77)
    model = clip / "model.safetensors"
    from safetensors.torch import load_file

    torch.save(load_file(model), clip / "pytorch_model.bin")
    model.unlink()
    (root / "files").mkdir()
    network = FIXTURES / "checkpoints" / "stylegan2-ada-32-resnet.pkl"
    shutil.copy(network, root / "files" / GENERATOR)
    return root


@pytest.fixture
def hub(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A server of this test, whose files are those of the catalogue."""
    root = tmp_path / "server"
    shutil.copytree(files, root)
    with hubs.serve(root) as hub:
        hubs.point_at(hub, tmp_path / "hub", monkeypatch.setattr)
        monkeypatch.setenv("TEXT2FACE_CACHE", str(tmp_path / "cache"))
        prior = hub.repository("lambdalabs/clip2latent") / f"{PRIOR}.ckpt"
        clip = hub.repository("openai/clip-vit-base-patch32") / "pytorch_model.bin"
        changes = {
            "clip2latent": {"sha256": hubs.digest(prior)},
            "clip-vit-b-32": {"sha256": hubs.digest(clip)},
            "stylegan2-ffhq-1024": {"source": f"{hub.url}/files"},
        }
        for name, values in changes.items():
            monkeypatch.setitem(MODELS, name, replace(MODELS[name], **values))
        yield hub


def asked(hub: Hub) -> list[str]:
    """The weights that were sent, whole or in part."""
    names = [path.rsplit("/")[-1] for method, path, _ in hub.asked if method == "GET"]
    return sorted({name for name in names if name.endswith((".ckpt", ".pkl", ".bin"))})


WEIGHTS = sorted((f"{PRIOR}.ckpt", GENERATOR, "pytorch_model.bin"))


def test_licences_are_shown_before_anything_is_sent(
    run: Run, capsys: Capture, hub: Hub, tmp_path: Path
) -> None:
    assert run("generate", "old man", "--model", NAME, "-o", tmp_path / "out") == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "licences of clip2latent-ffhq have not been accepted" in error
    assert "non-commercial" in error
    assert "models download clip2latent-ffhq" in error
    assert "--accept-licence" in error
    assert asked(hub) == []
    with pytest.raises(CheckpointError, match="have not been accepted"):
        TextToFace.from_pretrained(NAME)


def test_a_bad_prompt_costs_no_download(
    run: Run, capsys: Capture, hub: Hub, tmp_path: Path
) -> None:
    options = ("--model", NAME, "--accept-licence", "-o", tmp_path / "out")
    assert run("generate", "(old man:99", *options) == 2
    assert asked(hub) == []


def test_from_words_to_faces_in_one_command(
    run: Run, capsys: Capture, hub: Hub, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    drawing = ("generate", "old man", "-n", 3, "--seed", 4, "--model", NAME)
    assert run(*drawing, "--accept-licence", "-o", out) == 0
    error = capsys.readouterr().err
    assert error.count("non-commercial") == 1
    assert "downloading 1,378 MB for clip2latent-ffhq: clip2latent (391 MB)" in error
    assert asked(hub) == WEIGHTS
    # Everything is here, and nothing is asked again.
    hub.asked.clear()
    again = tmp_path / "again"
    assert run(*drawing, "--offline", "-o", again) == 0
    assert "non-commercial" not in capsys.readouterr().err
    assert asked(hub) == []
    for seed in (4, 5, 6):
        name = f"seed{seed:04d}.png"
        assert (out / name).read_bytes() == (again / name).read_bytes()
    assert run("info", out / "seed0004.png") == 0
    described = capsys.readouterr().out
    assert NAME in described
    source = out / "seed0005.png"
    assert run("generate", "--from-image", source, "--model", NAME, "-o", again / "b") == 0
    assert (again / "b" / "seed0005.png").read_bytes() == source.read_bytes()
    edited = tmp_path / "edited.png"
    edit = ("edit", source, "old woman", "--method", "channels", "--model", NAME, "-o", edited)
    assert run(*edit) == 0, capsys.readouterr().err
    assert run("info", edited) == 0
    assert "old woman" in capsys.readouterr().out


def test_the_pipeline_is_that_of_its_parts(hub: Hub) -> None:
    pipe = TextToFace.from_pretrained(NAME, accept_licence=True)
    assert (pipe.config.name, pipe.config.truncation, pipe.config.condition) == (NAME, 1.0, "text")
    assert isinstance(pipe.sampler, Clip2LatentSampler)
    length = pipe.encoder.encode_text(["a face"]).norm()
    assert 0.3 < pipe.sampler.config.embedding_norm / float(length) < 3
    again = TextToFace.from_pretrained(NAME)  # accepted once
    assert pipe.weights == again.weights
    assert pipe.weights is not None
    assert len(pipe.weights) == 16
    one, two = (p("old man", seed=3).latents for p in (pipe, again))
    assert torch.equal(one, two)
    several = pipe("old man", num_images=5, seed=1, batch_size=3)
    assert torch.equal(several.latents[2], one[0])
    alone = np.asarray(pipe("old man", seed=3).images[0], int)
    assert np.abs(np.asarray(several.images[2], int) - alone).max() <= 1
    # z holds the noise of all steps, and the prior takes four.
    text = torch.nn.functional.normalize(pipe.encoder.encode_text(["old man"]))
    text = text * pipe.sampler.config.embedding_norm
    z = torch.from_numpy(np.random.RandomState(3).randn(pipe.sampler.z_dim)).float()
    noise = torch.cat([z.view(4, 1, 32), torch.zeros(1, 1, 32)])
    torch.testing.assert_close(pipe.sampler.sample_from(text, noise), one, rtol=1e-4, atol=1e-4)


def test_it_is_served(hub: Hub) -> None:
    pytest.importorskip("fastapi")
    from tests.serving.conftest import running

    pipe = TextToFace.from_pretrained(NAME, accept_licence=True)
    with running(pipe) as server:
        wanted = {"prompt": "old man", "seed": 3, "response_format": "b64_json"}
        request = Request(
            f"{server.url}/v1/images/generations",
            json.dumps(wanted).encode(),
            {"Content-Type": "application/json"},
        )
        with urlopen(request, timeout=60) as response:
            answer = json.load(response)
    picture = Image.open(io.BytesIO(base64.b64decode(answer["data"][0]["b64_json"])))
    drawn = pipe("old man", seed=3).images[0]
    assert np.array_equal(np.asarray(picture), np.asarray(drawn))


def test_a_download_beforehand_accepts(run: Run, capsys: Capture, hub: Hub, tmp_path: Path) -> None:
    assert run("models", "download", NAME, "-q") == 0
    shown, error = capsys.readouterr()
    assert len(shown.splitlines()) == 3
    assert "stylegan2-ffhq-1024: NVIDIA" in error
    hub.shutdown()
    assert run("generate", "old man", "--model", NAME, "-o", tmp_path / "out", "-q") == 0
    assert run("models", "info", NAME) == 0
    shown = capsys.readouterr().out
    assert "size: 1,378 MB" in shown
    assert "not in the cache" not in shown


def test_an_interrupted_download_goes_on_and_is_never_taken_for_whole(
    run: Run, capsys: Capture, hub: Hub, tmp_path: Path
) -> None:
    hub.stop_after[GENERATOR] = 50_000
    assert run("models", "download", NAME, "-q") == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert "it stopped at 50000 bytes" in error
    assert "run it again to go on" in error
    assert run("generate", "old man", "--model", NAME, "--offline", "-o", tmp_path / "out") == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "lacks stylegan2-ffhq-1024, clip-vit-b-32 in the cache" in error
    hub.asked.clear()
    assert run("generate", "old man", "--model", NAME, "-o", tmp_path / "out") == 0
    ranges = [wanted for _, path, wanted in hub.asked if path.endswith(GENERATOR)]
    assert ranges == ["bytes=50000-"]
    assert f"{PRIOR}.ckpt" not in asked(hub)


def test_another_file_than_the_published_one_is_refused(
    run: Run, capsys: Capture, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODELS, "clip2latent", replace(MODELS["clip2latent"], sha256="0" * 64))
    for _ in range(2):
        options = ("--accept-licence", "-o", tmp_path / "out")
        assert run("generate", "old man", "--model", NAME, *options) == 1
        error = capsys.readouterr().err.splitlines()[-1]
        assert f"{PRIOR}.ckpt is not the file that was published" in error


@pytest.mark.parametrize("damage", ["byte", "shorter", "gone"])
@pytest.mark.parametrize("part", ["prior", "generator", "encoder"])
def test_a_file_damaged_in_the_cache_is_refused(
    run: Run, capsys: Capture, hub: Hub, tmp_path: Path, part: str, damage: str
) -> None:
    assert run("models", "download", NAME, "-q") == 0
    places = [Path(line) for line in capsys.readouterr().out.splitlines()]
    prior, generator, encoder = places
    path = {
        "prior": prior / f"{PRIOR}.ckpt",
        "generator": generator,
        "encoder": encoder / "pytorch_model.bin",
    }[part].resolve()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    if damage != "gone":
        path.write_bytes(content if damage == "byte" else content[:-1000])
    options = ("--model", NAME, "--offline", "-o", tmp_path / "out")
    assert run("generate", "old man", *options) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    expected = "in the cache" if damage == "gone" else "its SHA-256 is"
    assert expected in error
    path.unlink(missing_ok=True)  # as the message says
    assert run("generate", "old man", "--model", NAME, "-o", tmp_path / "out", "-q") == 0


def test_what_goes_wrong_is_told_in_one_line(
    run: Run, capsys: Capture, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = ("-o", tmp_path / "out")

    def last() -> str:
        error = capsys.readouterr().err
        assert error.startswith("text2face: ") or "\ntext2face: " in error
        return error.splitlines()[-1]

    assert run("generate", "old man", "--model", "clip2latent-fhq", *out) == 1
    assert "did you mean clip2latent-ffhq?" in last()
    assert run("models", "download", "clip2latent-fhq") == 2
    assert "did you mean" in last()
    options = ("--model", NAME, "--accept-licence", *out)
    assert run("generate", "old man", *options, "--offline") == 1
    assert "lacks clip2latent, stylegan2-ffhq-1024, clip-vit-b-32 in the cache" in last()
    (hub.repository("lambdalabs/clip2latent") / f"{PRIOR}.ckpt").unlink()
    assert run("generate", "old man", *options, "-q") == 1
    assert f"has no {PRIOR}.ckpt any more" in last()
    shutil.rmtree(hub.repository("lambdalabs/clip2latent"))
    assert run("generate", "old man", *options, "-q") == 1
    assert "lambdalabs/clip2latent" in last()
    hub.shutdown()
    hub.server_close()
    assert run("generate", "old man", *options, "-q") == 1
    assert "check the network" in last()
    monkeypatch.setattr(named.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 5, 5))
    with pytest.raises(OutputError, match="0 MB are free, expected 1,378 MB"):
        named.fetch(NAME, accept_licence=True)


def test_what_has_no_address_is_fetched_by_hand(run: Run, capsys: Capture, hub: Hub) -> None:
    name = "fast-text2stylegan"
    assert run("models", "download", name) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    folder = catalogue.path_of(MODELS[name])
    assert "fetch it by hand from https://github.com/duxiaodan/Fast_text2StyleGAN" in error
    assert str(folder) in error
    assert asked(hub) == []
    assert catalogue.cached(MODELS[name]) is None
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "iteration_500000.pt").write_bytes(b"weights")
    assert catalogue.cached(MODELS[name]) == folder / "iteration_500000.pt"


def test_every_pipeline_is_made_of_models_that_are_known() -> None:
    for name, pipeline in named.PIPELINES.items():
        assert name == pipeline.name
        kinds = [model.kind for model in pipeline.models]
        assert kinds in (["sampler", "generator", "encoder"], ["sampler", "encoder"])
        assert all(model.answered for model in pipeline.models)
