from __future__ import annotations

import builtins
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests import tiny
from text2face import TextToFace, pipeline
from text2face.dense import Dense
from text2face.encoders.base import TextImageEncoder
from text2face.errors import ArgumentError, CheckpointError, PromptError
from text2face.generators.base import Generator
from text2face.generators.layers import StyledConv
from text2face.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from text2face.samplers.base import LatentSampler
from text2face.settings import NoiseMode

PROMPT = "an old man with a beard"


def test_the_tiny_components_keep_the_protocols(pipe: TextToFace) -> None:
    assert isinstance(pipe.encoder, TextImageEncoder)
    assert isinstance(pipe.sampler, LatentSampler)
    assert isinstance(pipe.generator, Generator)


def test_words_become_faces(pipe: TextToFace) -> None:
    out = pipe(PROMPT, num_images=4, seed=7, truncation=0.8)
    assert [image.size for image in out.images] == [(8, 8)] * 4
    assert {image.mode for image in out.images} == {"RGB"}
    assert out.latents.shape == (4, 4, 12)
    assert out.embeddings.shape == (4, 16)
    assert torch.allclose(out.embeddings.norm(dim=1), torch.ones(4))
    assert out.seeds == [7, 8, 9, 10]
    assert out.unknown_words == []
    assert len({image.tobytes() for image in out.images}) == 4


def test_scores_are_cosines_between_image_and_prompt(pipe: TextToFace) -> None:
    out = pipe(PROMPT, num_images=2, seed=7)
    embeddings = pipe.encoder.encode_image(pipe.decode(out.latents))
    expected = F.cosine_similarity(embeddings, out.embeddings)
    assert out.scores == pytest.approx(expected.tolist(), abs=1e-6)


def test_a_seed_is_drawn_by_numpy() -> None:
    expected = np.random.RandomState(7).randn(5).astype(np.float32)
    assert pipeline.noise(7, 5).tolist() == expected.tolist()


def test_latents_are_truncated_towards_the_average(pipe: TextToFace) -> None:
    mean = pipe.generator.mean_latent
    full = pipe(PROMPT, seed=7, truncation=1.0).latents
    half = pipe(PROMPT, seed=7, truncation=0.5).latents
    assert torch.allclose(half, mean + 0.5 * (full - mean))
    first = pipe(PROMPT, seed=7, truncation=0.5, truncation_cutoff=1).latents
    assert torch.equal(first[:, :1], half[:, :1])
    assert torch.equal(first[:, 1:], full[:, 1:])
    none = pipe(PROMPT, seed=7, truncation=0.5, truncation_cutoff=0).latents
    assert torch.equal(none, full)


def test_the_model_sets_the_default_truncation(pipe: TextToFace) -> None:
    assert torch.equal(pipe(PROMPT, seed=7).latents, pipe(PROMPT, seed=7, truncation=0.9).latents)


def test_without_diversity_every_seed_is_the_typical_face(pipe: TextToFace) -> None:
    out = pipe(PROMPT, seed=7, num_images=2, diversity=0)
    assert torch.equal(out.latents[0], out.latents[1])


class Critic(tiny.TinySampler):
    """Sees the norm of a latent and nothing else."""

    def estimate(self, latents: Tensor) -> Tensor:
        return F.pad(latents.flatten(1).norm(dim=1, keepdim=True), (0, self.embedding_dim - 1))


def test_the_nearest_of_a_shortlist_is_made(pipe: TextToFace) -> None:
    critic = TextToFace(pipe.encoder, Critic(), pipe.generator, config=pipe.config)
    wanted = critic.embed(PROMPT)
    sign = float(wanted[0].sign())
    settings = critic.settings(truncation=1.0, shortlist=5)
    (kept,) = critic.latents(wanted[None], [7], settings)
    z = pipeline.noise(7, 5 * critic.sampler.z_dim).view(5, -1)
    drawn = critic.sampler.sample(wanted.expand(5, -1), z)
    best = (sign * drawn.flatten(1).norm(dim=1)).argmax()
    assert torch.equal(kept, drawn[best])
    assert torch.equal(critic(PROMPT, seed=[3, 7], truncation=1.0, shortlist=5).latents[1], kept)


def test_a_sampler_without_a_critic_draws_one(pipe: TextToFace) -> None:
    one, five = (pipe(PROMPT, seed=7, shortlist=count).latents for count in (1, 5))
    assert torch.equal(one, five)


def same(one: Any, other: Any) -> bool:
    return bool(one.tobytes() == other.tobytes())


@pytest.mark.parametrize("noise_mode", ["const", "random", "none"])
def test_a_seed_is_one_face_alone_or_among_others(pipe: TextToFace, noise_mode: Any) -> None:
    among = pipe([PROMPT, "a woman"], num_images=5, seed=3, noise_mode=noise_mode)
    alone = pipe("a woman", seed=6, noise_mode=noise_mode)
    assert among.seeds == [3, 4, 5, 6, 7] * 2
    assert same(among.images[8], alone.images[0])
    assert torch.equal(among.latents[8], alone.latents[0])
    assert among.scores[8] == alone.scores[0]


def test_drawing_leaves_the_random_state_alone(pipe: TextToFace) -> None:
    state = torch.random.get_rng_state()
    pipe(PROMPT, seed=3, noise_mode="random")
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_batch_gives_the_same_faces_but_for_rounding(pipe: TextToFace) -> None:
    one = pipe(PROMPT, num_images=5, seed=3)
    batch = pipe(PROMPT, num_images=5, seed=3, batch_size=2)
    assert torch.allclose(one.latents, batch.latents, atol=1e-5)


def test_seeds_can_be_listed(pipe: TextToFace) -> None:
    listed = pipe(PROMPT, seed=[9, 7])
    assert listed.seeds == [9, 7]
    assert same(listed.images[1], pipe(PROMPT, seed=7).images[0])


def test_a_random_seed_is_reported(pipe: TextToFace) -> None:
    out = pipe(PROMPT, num_images=2)
    assert same(out.images[1], pipe(PROMPT, seed=out.seeds[1]).images[0])


def test_the_best_candidates_are_kept(pipe: TextToFace) -> None:
    everything = pipe(PROMPT, num_images=9, seed=1)
    best = pipe([PROMPT, "a woman"], seed=1, candidates=9, keep=3)
    assert best.scores[:3] == sorted(everything.scores, reverse=True)[:3]
    assert len(best.images) == 6
    assert same(best.images[0], pipe(PROMPT, seed=best.seeds[0]).images[0])


def test_emphasis_moves_the_embedding_the_way_the_words_point(pipe: TextToFace) -> None:
    hat = pipe.embed("a hat")

    def towards_hat(prompt: str) -> float:
        return float(pipe.embed(prompt) @ hat)

    values = [towards_hat(f"a young man with (a hat:{w})") for w in (0.0, 0.5, 1.0, 2.0)]
    assert values == sorted(values)
    assert torch.allclose(
        pipe.embed("a young man (with a hat:0)"), pipe.embed("a young man"), atol=1e-6
    )
    settings = pipe.settings(negative_prompt="a hat")
    assert pipe.embed("a young man", settings) @ hat < pipe.embed("a young man") @ hat


def test_a_literal_prompt_has_no_syntax(pipe: TextToFace) -> None:
    weighted = pipe("a man with a (hat:3)", seed=1)
    literal = pipe("a man with a (hat:3)", seed=1, literal=True)
    assert not torch.equal(weighted.embeddings, literal.embeddings)


def test_unknown_words_are_reported_once(pipe: TextToFace) -> None:
    out = pipe(["a groovy man", "a groovy (funky:1.2) woman"], seed=1, negative_prompt="a zany hat")
    assert out.unknown_words == ["groovy", "zany", "funky"]


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("", "is empty"),
        (7, "expected a string or a list"),
        ([], "expected a string or a list"),
        (["a man", 7], "of type int"),
        (["a man", ""], "is empty"),
        ("ein Mann", "no known word in 'ein Mann'"),
        ("a man AND ein Mann", "no known word in 'ein Mann'"),
    ],
)
def test_a_bad_prompt_is_refused_before_any_work(
    pipe: TextToFace, prompt: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TextToFace, "latents", None)
    with pytest.raises(PromptError, match=message):
        pipe(prompt)


@pytest.mark.parametrize(
    "arguments",
    [
        {"num_images": 0},
        {"seed": -1},
        {"truncation": 3},
        {"truncation_cutoff": -2},
        {"diversity": -1},
        {"condition": "magic"},
        {"condition": "neighbours"},
        {"noise_mode": "loud"},
        {"keep": 2},
        {"batch_size": 0},
    ],
)
def test_an_argument_out_of_range_is_an_error(pipe: TextToFace, arguments: Any) -> None:
    with pytest.raises(ArgumentError):
        pipe(PROMPT, **arguments)


@pytest.mark.parametrize("prompt", ["", "ein Mann", "(a man"])
def test_a_bad_negative_prompt_is_an_error(pipe: TextToFace, prompt: str) -> None:
    with pytest.raises(PromptError):
        pipe(PROMPT, negative_prompt=prompt)


def test_latents_of_another_shape_are_an_error(pipe: TextToFace) -> None:
    with pytest.raises(ArgumentError, match=r"latents are \[1, 3, 12\], expected \[N, 4, 12\]"):
        pipe.decode(torch.zeros(1, 3, 12))


def test_a_saved_model_comes_back_bit_for_bit(
    pipe: TextToFace, model: Path, tmp_path: Path
) -> None:
    loaded = TextToFace.from_pretrained(model)
    assert loaded.config == pipe.config
    assert same(loaded(PROMPT, seed=1).images[0], pipe(PROMPT, seed=1).images[0])
    loaded.save_pretrained(tmp_path / "again")
    assert TextToFace.from_pretrained(str(tmp_path / "again")).weights == loaded.weights
    assert re.fullmatch("[0-9a-f]{16}", loaded.weights or "")
    assert pipe.weights is None


def test_other_weights_have_another_fingerprint(model: Path) -> None:
    before = TextToFace.from_pretrained(model).weights
    sampler = tiny.TinySampler()
    sampler.from_z *= 2
    sampler.save_pretrained(model / "sampler")
    assert TextToFace.from_pretrained(model).weights != before


def test_a_component_that_is_replaced_is_not_named_by_the_old_weights(model: Path) -> None:
    pipe = TextToFace.from_pretrained(model)
    before, axes = pipe.weights, pipe.latent_axes
    own, pipe.sampler = pipe.sampler, tiny.TinySampler()
    assert pipe.weights is None
    pipe.sampler = own
    assert pipe.weights == before is not None
    assert pipe.latent_axes is axes
    pipe.generator = tiny.TinyGenerator()
    assert pipe.latent_axes is not axes


@pytest.mark.parametrize("part", ["pipeline.json", "sampler", "generator/model.safetensors"])
def test_a_missing_part_is_named(model: Path, part: str) -> None:
    (model / part).rename(model / "moved")
    with pytest.raises(CheckpointError, match=f"missing (file|folder): .*{part}"):
        TextToFace.from_pretrained(model)


@pytest.mark.parametrize(
    ("part", "values", "message"),
    [
        ("pipeline.json", {"colour": 1}, "unknown colour in .*pipeline.json"),
        ("pipeline.json", {"negative_weight": 1e308}, r"pipeline.json: negative_weight is 1e\+308"),
        (
            "pipeline.json",
            {"negative_weight": -0.1},
            "negative_weight is -0.1, expected .* 0 to 10",
        ),
        ("pipeline.json", {"shortlist": 10**9}, "pipeline.json: shortlist is 1000000000, expected"),
        ("pipeline.json", {"shortlist": -1}, "pipeline.json: shortlist is -1"),
        ("pipeline.json", {"truncation": 1e300}, r"pipeline.json: truncation is 1e\+300"),
        ("pipeline.json", {"truncation": -1}, "pipeline.json: truncation is -1"),
        ("pipeline.json", {"neutral_prompt": " "}, "pipeline.json: neutral_prompt is ' '"),
        ("pipeline.json", {"neutral_prompt": "x" * 10**5}, "neutral_prompt is 'xxx.*1 to 2000"),
        ("encoder/config.json", {"type": "huge"}, "unknown encoder type 'huge'"),
        ("sampler/config.json", {"w_dim": 5}, r"expected \[20, 16\]"),
    ],
)
def test_a_damaged_part_is_named(
    model: Path, part: str, values: dict[str, Any], message: str
) -> None:
    path = model / part
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    with pytest.raises(CheckpointError, match=message):
        TextToFace.from_pretrained(model)


def test_components_that_do_not_fit_are_an_error(pipe: TextToFace) -> None:
    sampler = tiny.TinySampler(tiny.TinyConfig(num_ws=5))
    with pytest.raises(CheckpointError, match="the sampler's num_ws is 5, expected 4"):
        TextToFace(pipe.encoder, sampler, pipe.generator)


@pytest.mark.parametrize("source", ["none", "./a/b", "a/b/c", "", "~", "a b/c"])
def test_a_folder_that_is_not_there_is_an_error(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match=r"no model folder|missing file"):
        TextToFace.from_pretrained(source)


def test_an_empty_file_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model").touch()
    with pytest.raises(CheckpointError, match="is empty"):
        TextToFace.from_pretrained(tmp_path / "model")


def test_another_encoder_can_take_the_place_of_the_models_own(model: Path) -> None:
    loaded = TextToFace.from_pretrained(model)
    (model / "encoder" / "config.json").unlink()  # it is not even read
    encoder = tiny.TinyEncoder()
    again = TextToFace.from_pretrained(model, encoder=encoder)
    assert again.encoder is encoder
    assert again.weights is None
    assert torch.equal(again(PROMPT, seed=1).latents, loaded(PROMPT, seed=1).latents)


def test_a_hub_model_is_fetched(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def snapshot(hub_id: str, **options: object) -> str:
        asked.append(hub_id)
        return str(model)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    assert TextToFace.from_pretrained("owner/name").config.name == "tiny"
    assert asked == ["owner/name"]


def test_a_hub_that_is_out_of_reach_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(CheckpointError, match="cannot fetch owner/name from the model hub") as stop:
        TextToFace.from_pretrained("owner/name")
    assert "\n" not in str(stop.value)


def test_a_component_that_cannot_be_saved_is_an_error(tmp_path: Path) -> None:
    class Sampler:
        embedding_dim, z_dim, num_ws, w_dim = 16, 6, 4, 12

        def sample(self, condition: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
            return z

    pipe = TextToFace(tiny.TinyEncoder(), Sampler(), tiny.TinyGenerator())
    with pytest.raises(ArgumentError, match="the sampler has no save_pretrained"):
        pipe.save_pretrained(tmp_path)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_the_generator_runs_in_other_number_types(dtype: torch.dtype) -> None:
    pipe = tiny.make_pipe().to("auto", dtype)
    out = pipe(PROMPT, seed=1)
    assert out.latents.dtype == torch.float32
    assert torch.allclose(out.latents, tiny.make_pipe()(PROMPT, seed=1).latents, atol=0.05)


def test_stylegan2_in_bfloat16_keeps_its_styles_in_float32() -> None:
    torch.manual_seed(0)
    config = StyleGAN2Config(z_dim=6, w_dim=12, img_resolution=8, channel_max=8, mapping_layers=1)
    generator = StyleGAN2(config).eval()
    pipe = TextToFace(tiny.TinyEncoder(), tiny.TinySampler(), generator)
    w = torch.randn(2, 4, 12)
    expected = pipe.decode(w)
    types = set()
    for layer in (generator.synthesis.blocks[1].up, generator.synthesis.blocks[1].up.affine):
        layer.register_forward_hook(lambda module, args, out: types.add((type(module), out.dtype)))
    image = pipe.to(dtype=torch.bfloat16).decode(w)
    assert types == {(StyledConv, torch.bfloat16), (Dense, torch.float32)}
    assert image.dtype == torch.float32
    assert 0 < float((image - expected).square().mean().sqrt()) < 0.02
    assert torch.allclose(pipe.to(dtype=torch.float64).decode(w), expected, atol=1e-4)


def test_a_device_or_number_type_that_is_not_there_is_an_error(pipe: TextToFace) -> None:
    for device in ("xpu:9", "warp"):
        with pytest.raises(ArgumentError, match="no device"):
            pipe.to(device)
    with pytest.raises(ArgumentError, match=r"dtype is torch\.int8"):
        pipe.to("cpu", torch.int8)


def test_loading_never_unpickles(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.load", None)
    monkeypatch.setattr("pickle.load", None)
    monkeypatch.setattr("pickle.loads", None)
    assert TextToFace.from_pretrained(model)(PROMPT, seed=1).images


def test_the_hub_is_not_needed_for_a_folder(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *arguments: Any, **options: Any) -> Any:
        if name.startswith("huggingface_hub"):
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.delitem(sys.modules, "huggingface_hub", raising=False)
    monkeypatch.setattr(builtins, "__import__", refuse)
    assert TextToFace.from_pretrained(model).config.name == "tiny"


@pytest.mark.parametrize("mode", ["const", "random", "none"])
def test_a_face_does_not_depend_on_the_batch(bundled: TextToFace, mode: NoiseMode) -> None:
    seeds = [3, 1, 7, 7, 2]
    together = bundled("an old man", seed=seeds, noise_mode=mode, batch_size=4)
    for face, seed in zip(together, seeds, strict=True):
        alone = bundled("an old man", seed=seed, noise_mode=mode)
        a, b = (np.asarray(one.image, np.int16) for one in (face, alone[0]))
        assert np.abs(a - b).max() <= (0 if mode == "random" else 2)


@pytest.mark.parametrize("mode", ["const", "random", "none"])
def test_strength_0_is_the_original_whatever_its_noise(
    bundled: TextToFace, mode: NoiseMode
) -> None:
    (face,) = bundled("an old man", seed=5, noise_mode=mode)
    for start in (face, bundled.edit(face, "smiling", strength=0)):
        assert bundled.edit(start, "a hat", strength=0).image.tobytes() == face.image.tobytes()
    assert bundled.vary(face, 1, 0).image.tobytes() == face.image.tobytes()
    assert bundled.mix(face, face).image.tobytes() == face.image.tobytes()
    assert bundled.interpolate(face, face, 2)[1].image.tobytes() == face.image.tobytes()


@pytest.mark.parametrize("lock", [None, "x", float("nan"), 2, -0.1, True])
def test_a_lock_that_is_none_is_refused(bundled: TextToFace, lock: Any) -> None:
    (face,) = bundled("an old man", seed=5)
    with pytest.raises(ArgumentError, match="lock is"):
        bundled.edit(face, "smiling", lock=lock)
