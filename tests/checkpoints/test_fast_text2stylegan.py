"""The official Fast text2StyleGAN checkpoint against the golden numbers of its own code."""

from __future__ import annotations

import argparse
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests import tiny
from text2face import TextToFace, registry
from text2face.errors import CheckpointError
from text2face.samplers.fast_text2stylegan import FastText2StyleGANSampler

FIXTURE = Path(__file__).parents[1] / "fixtures" / "fast-text2stylegan"
Tree = dict[str, Any]


class Encoder(tiny.TinyEncoder):
    """Embeddings of 512 numbers and a length of 10."""

    def __init__(self, config: tiny.TinyConfig | None = None) -> None:
        super().__init__(config or tiny.TinyConfig(embedding_dim=512))

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        return 10 * F.normalize(super().encode_text(texts), dim=1)


def values(key: str, entry: dict[str, Any]) -> Tensor:
    """One tensor of the fixture, by its formula."""
    if "values" in entry:
        return torch.tensor(entry["values"])
    if "value" in entry:
        return torch.tensor(entry["value"])
    normal = np.random.RandomState(zlib.crc32(key.encode())).standard_normal(entry["shape"])
    scaled = normal.astype(np.float32) * np.float32(entry["scale"])
    return torch.from_numpy(scaled + np.float32(entry.get("offset", 0)))


def normal(seed: int, *shape: int) -> Tensor:
    drawn = np.random.RandomState(seed).standard_normal(shape)
    return torch.from_numpy(drawn.astype(np.float32))


@pytest.fixture(scope="module")
def tree() -> Tree:
    """The checkpoint as its authors' code would save it."""
    facts = json.loads((FIXTURE / "fast-text2stylegan.json").read_text())
    average = facts["latent_avg"]
    return {
        "state_dict": {key: values(key, entry) for key, entry in facts["state_dict"].items()},
        "opts": facts["opts"],
        "iteration": facts["iteration"],
        "latent_avg": values(average["seed_key"], average),
    }


@pytest.fixture(scope="module")
def expected() -> dict[str, Tensor]:
    with np.load(FIXTURE / "fast-text2stylegan.npz") as file:
        return {key: torch.from_numpy(file[key]) for key in file}


@pytest.fixture(scope="module")
def pipe(tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> TextToFace:
    path = tmp_path_factory.mktemp("official") / "iteration_500000.pt"
    torch.save(tree, path)
    return TextToFace.from_pretrained(path, encoder=Encoder())


def load(tree: Tree, path: Path, **opts: Any) -> FastText2StyleGANSampler:
    torch.save({**tree, "opts": argparse.Namespace(**{**tree["opts"], **opts})}, path)
    sampler = TextToFace.from_pretrained(path, encoder=Encoder()).sampler
    assert isinstance(sampler, FastText2StyleGANSampler)
    return sampler


def difference(got: Tensor, expected: Tensor) -> float:
    assert got.shape == expected.shape
    return float((got - expected).abs().max() / expected.abs().max())


@torch.no_grad()
def test_it_equals_the_reference(pipe: TextToFace, expected: dict[str, Tensor]) -> None:
    sampler = pipe.sampler
    assert isinstance(sampler, FastText2StyleGANSampler)
    embedding, z = normal(11, 3, 512) * np.float32(0.45), normal(13, 3, 128)
    images = np.random.RandomState(12).uniform(-1, 1, (3, 3, 256, 256)).astype(np.float32)
    mean, log_variance = sampler.infer(torch.from_numpy(images), embedding)
    assert difference(mean, expected["mu"]) < 1e-5
    assert difference(log_variance, expected["log_var"]) < 1e-5
    w = sampler.decode(z, embedding)
    assert w.shape == (3, 8, 512)
    assert difference(w[:, 0], expected["w"]) < 1e-5
    assert torch.equal(w[:, 0], w[:, 7])
    w_from_z = pipe.generator.map(normal(14, 3, 512))[:, 0]
    assert difference(w_from_z, expected["generator_w_from_z"]) < 1e-5
    for psi in (1.0, 0.9):
        truncated = torch.lerp(pipe.generator.mean_latent, w, psi)
        images = pipe.generator.synthesize(truncated)
        assert difference(images, expected[f"image_truncation_{psi}"]) < 1e-4


def test_it_is_a_ready_pipeline(pipe: TextToFace, tmp_path: Path) -> None:
    assert (pipe.config.name, pipe.config.truncation) == ("fast-text2stylegan", 0.9)
    one, other = (pipe(text, seed=1).latents for text in ("an old man", "a woman with a hat"))
    assert not torch.allclose(one, other)
    sampler = pipe.sampler
    assert isinstance(sampler, FastText2StyleGANSampler)
    embedding = pipe.encoder.encode_text(["an old man"])
    z = torch.from_numpy(np.random.RandomState(1).randn(1, 128)).float()
    with torch.no_grad():
        w = torch.lerp(pipe.generator.mean_latent, sampler.decode(z, embedding), 0.9)
    torch.testing.assert_close(one, w, rtol=1e-5, atol=1e-5)
    assert pipe.weights is None  # the encoder is not that of the file


def test_it_is_saved_in_the_format_of_the_house(pipe: TextToFace, tmp_path: Path) -> None:
    registry.register("encoder", "tiny-512")(Encoder)
    try:
        pipe.save_pretrained(tmp_path)
        again = TextToFace.from_pretrained(tmp_path)
    finally:
        registry.unregister("encoder", "tiny-512")
    one, two = (np.asarray(p("an old man", seed=1).images[0], float) for p in (pipe, again))
    assert np.abs(one - two).max() <= 3  # half precision, of 255
    assert again.config == pipe.config


@torch.no_grad()
def test_w_plus_has_a_network_each_for_coarse_medium_and_fine_layers(
    tree: Tree, tmp_path: Path, expected: dict[str, Tensor]
) -> None:
    state = dict(tree["state_dict"])
    for name in [name for name in state if ".MLP2." in name]:
        tensor = state.pop(name)
        for i, factor in enumerate((1.0, -0.5, 0.25)):
            state[name.replace("MLP2.", f"MLP2.{i}.")] = tensor * factor
    average = tree["latent_avg"].repeat(8, 1)
    changed = {**tree, "state_dict": state, "latent_avg": average}
    sampler = load(changed, tmp_path / "w_plus.pt", learn_in_w=False)
    assert sampler.config.variant == "w+"
    w = sampler.decode(normal(13, 3, 128), normal(11, 3, 512) * np.float32(0.45))
    assert difference(w[:, 0], expected["w"]) < 1e-5
    assert torch.equal(w[:, 0], w[:, 3])
    assert torch.equal(w[:, 4], w[:, 7])
    assert not torch.allclose(w[:, 3], w[:, 4])


@torch.no_grad()
def test_double_w_sends_z_through_the_mapping_of_the_generator(tree: Tree, tmp_path: Path) -> None:
    def normalised(x: Tensor) -> Tensor:
        return x / (x.square().mean(dim=1, keepdim=True) + 1e-8).sqrt()

    def network(x: Tensor, name: str, depth: int = 4) -> Tensor:
        """PixelNorm and equalised layers, written out again."""
        x = normalised(x)
        for i in range(1, depth + 1):
            weight, bias = (state[f"{name}.mapping.{i}.{part}"] for part in ("weight", "bias"))
            x = x @ (weight * 0.01 / x.shape[1] ** 0.5).T + bias * 0.01
            x = torch.where(x > 0, x, 0.2 * x) * 2**0.5
        return x

    state = dict(tree["state_dict"])
    mapper = "encoder.mapper."
    for name, inputs, depth in (("MLP2", 512, 4), ("MLP3", 1024, 4), ("SGf", 512, 8)):
        for i in range(1, depth + 1):
            size = inputs if i == 1 else 512
            key = f"{mapper}{name}.mapping.{i}"
            state[f"{key}.weight"] = 100 * normal(i + inputs, 512, size)
            state[f"{key}.bias"] = normal(i, 512)
    for part in ("mu", "var"):
        state[f"{mapper}to_{part}.weight"] = normal(1, 512, 512)
        state[f"{mapper}to_{part}.bias"] = normal(1, 512)
    changed = {**tree, "state_dict": state}
    opts = {"mapper_type": "cVAEdoubleWMapper", "lr_mul": 0.01, "bottleNeck_dim": 512}
    sampler = load(changed, tmp_path / "double_w.pt", **opts)
    assert sampler.z_dim == 512
    z, embedding = normal(3, 2, 512), normal(4, 2, 512)
    hidden = torch.cat([network(z, f"{mapper}SGf", 8), network(embedding, f"{mapper}MLP2")], dim=1)
    reference = network(hidden, f"{mapper}MLP3") + tree["latent_avg"]
    w = sampler.decode(z, embedding)
    assert difference(w[:, 0], reference) < 1e-5
    assert torch.equal(w[:, 0], w[:, 7])


def test_training_options_are_heeded(tree: Tree, tmp_path: Path) -> None:
    sampler = load(tree, tmp_path / "a.pt")
    assert sampler.config.embedding_norm == pytest.approx(10)
    torch.testing.assert_close(sampler.latent_mean, tree["latent_avg"][0])
    sampler = load(tree, tmp_path / "b.pt", normalize_clip=True, start_from_latent_avg=False)
    assert sampler.config.embedding_norm == 1
    assert not sampler.latent_mean.any()


@pytest.mark.parametrize(
    ("opts", "message"),
    [
        ({"mapper_type": "VAEMapper"}, "mapper of type 'VAEMapper'"),
        ({"learn_in_z": True}, "learns in z"),
        ({"lr_mul": "fast"}, "lr_mul is 'fast'"),
        ({"lr_mul": 0.0}, r"lr_mul is 0\.0"),
    ],
)
def test_other_networks_are_refused(
    tree: Tree, tmp_path: Path, opts: dict[str, Any], message: str
) -> None:
    with pytest.raises(CheckpointError, match=message) as stop:
        load(tree, tmp_path / "a.pt", **opts)
    assert "\n" not in str(stop.value)


def test_damaged_files_are_refused(tree: Tree, tmp_path: Path) -> None:
    path, state = tmp_path / "a.pt", tree["state_dict"]

    def fails(changes: dict[str, Any], message: str) -> None:
        with pytest.raises(CheckpointError, match=message) as stop:
            load({**tree, "state_dict": {**state, **changes}}, path)
        assert "\n" not in str(stop.value)

    fails({"encoder.mapper.fc.bias": torch.zeros(3)}, "is .3., expected .512.")
    fails({"encoder.mapper.extra": torch.zeros(3)}, "unknown tensor 'extra'")
    fails({"encoder.mapper.to_mu.bias": torch.full((128,), torch.nan)}, "NaN or infinity")
    fails({"encoder.mapper.to_mu.weight": torch.zeros(128)}, "expected 2 dimensions")
    fails({"encoder.mapper.MLP1.mapping.3.weight": None}, "MLP1")
    fails({"encoder.mapper.fc.weight": torch.zeros(512, 100)}, "unsupported network")


def test_a_clip2latent_prior_is_not_supported(tmp_path: Path) -> None:
    key = "ema_diffusion_prior.ema_model.net.learned_query"
    torch.save({"state_dict": {key: torch.zeros(512)}}, tmp_path / "prior.ckpt")
    with pytest.raises(CheckpointError, match="is a prior of clip2latent and no whole pipeline"):
        TextToFace.from_pretrained(tmp_path / "prior.ckpt")


def test_another_file_is_no_pipeline(tmp_path: Path) -> None:
    torch.save({"g_ema": {}}, tmp_path / "generator.pt")
    with pytest.raises(CheckpointError, match="is no pipeline: expected a model folder"):
        TextToFace.from_pretrained(tmp_path / "generator.pt")
