"""The priors of clip2latent against the golden numbers of its own code."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor

import text2face
from text2face.checkpoints.settings import read_yaml
from text2face.errors import ArgumentError, CheckpointError
from text2face.samplers.clip2latent import Clip2LatentSampler
from text2face.samplers.clip2latent_network import rotated

FIXTURES = Path(__file__).parents[1] / "fixtures" / "clip2latent"
PUBLISHED = ("a-ffhq-sg2", "b-lhq-sg3")
OTHERS = ("three", "eighteen-noise", "noise-scales")
TOLERANCE = 2e-5
CANCELLED = 3e-4
"""For coefficients that cancel in float32: 1,000 steps of `a`."""

Arrays = dict[str, Tensor]
Tree = dict[str, Any]


def load(name: str) -> Clip2LatentSampler:
    sampler = text2face.load_sampler(FIXTURES / f"{name}.ckpt", config=FIXTURES / f"{name}.yaml")
    assert isinstance(sampler, Clip2LatentSampler)
    return sampler


def arrays(name: str) -> Arrays:
    with np.load(FIXTURES / f"{name}.npz") as file:
        return {key: torch.from_numpy(file[key]) for key in file}


def facts(name: str) -> Tree:
    content: Tree = json.loads((FIXTURES / f"{name}.json").read_text())
    return content


def difference(got: Tensor, expected: Tensor) -> float:
    assert got.shape == expected.shape
    return float((got - expected).abs().max() / expected.abs().max().clamp(min=1e-12))


@pytest.fixture(params=PUBLISHED)
def name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_predictions_and_guidance(name: str) -> None:
    sampler, expected = load(name), arrays(name)
    x, t, text = expected["x"][:, None], expected["t"], expected["text"]
    kept = torch.ones(len(x), dtype=torch.bool)
    for key, keep in (("pred_keep", kept), ("pred_drop", ~kept)):
        assert difference(sampler.network(x, t, text, keep)[:, 0], expected[key]) < TOLERANCE
    mixed = torch.tensor([True, False, True, False])
    both = torch.where(mixed[:, None], expected["pred_keep"], expected["pred_drop"])
    assert difference(sampler.network(x, t, text, mixed)[:, 0], both) < TOLERANCE
    for key, guidance in (("0", 0), ("1p05", 1.05), ("2", 2), ("3p5", 3.5), ("10", 10)):
        got = sampler.predict(x, t, text, guidance)[:, 0]
        assert difference(got, expected[f"guided_{key}"]) < TOLERANCE
    # The weights that are not averaged are others.
    assert difference(expected["online_pred_keep"], expected["pred_keep"]) > 0.1


def test_every_term_of_the_network(name: str) -> None:
    sampler, expected = load(name), arrays(name)
    network = sampler.network
    x, t, text = expected["x"][:, None], expected["t"], expected["text"]
    tokens = expected["keep/tokens"]
    assert torch.equal(network.tokens(x, t, text), tokens)
    count = tokens.shape[1]
    assert torch.equal(network.bias(count), expected["keep/bias"])
    angles = torch.arange(count)[:, None] * network.frequencies
    size = sampler.config.head_dim
    turned = rotated(torch.arange(1.0, size + 1).expand(count, size), angles)
    assert difference(turned, expected["rotary_of_1_to_dim_head"]) < TOLERANCE

    seen: dict[str, Tensor] = {}

    def keep(key: str) -> Callable[..., None]:
        return lambda module, inputs, output: seen.setdefault(key, output)

    weigh = network.layers[0].attention.attend
    for index, layer in enumerate(network.layers):
        layer.attention.register_forward_hook(keep(f"attn_out_{index}"))
        layer.feed_forward.register_forward_hook(keep(f"ff_out_{index}"))
    network.norm.register_forward_hook(keep("final_norm"))
    kept = torch.ones(len(x), dtype=torch.bool)
    for mode, mask in (("keep", kept), ("drop", ~kept)):
        seen.clear()
        network(x, t, text, mask)
        for key, got in seen.items():
            if f"{mode}/{key}" in expected:
                wanted = expected[f"{mode}/{key}"]
                wanted = wanted[:, -1:] if key == "final_norm" else wanted
                assert difference(got, wanted) < TOLERANCE, key
        hides = torch.ones(count, count + 1, dtype=torch.bool).triu(2)
        hides[:, 1] |= mode == "drop"
        bias = network.bias(count).masked_fill(hides, -3.4e38)
        normed = network.layers[0].attention.norm(tokens)
        weights = weigh(normed, angles, bias)[0]
        assert difference(weights, expected[f"{mode}/attn_weights_0"]) < TOLERANCE


def test_the_schedule_is_the_stored_one_respaced(name: str) -> None:
    sampler, expected = load(name), arrays(name)
    skips = {int(key[4:].split("/")[0]) for key in expected if key.startswith("skip")}
    assert len(skips) == 5
    for skip in skips:
        limit = CANCELLED if name == PUBLISHED[0] and skip == 1 else TOLERANCE
        for key, got in zip(
            ("coef_x0", "coef_xt", "noise_std"), sampler.respaced(skip), strict=True
        ):
            assert difference(got, expected[f"skip{skip}/{key}"]) < limit, (skip, key)


def test_one_step(name: str) -> None:
    sampler, expected, step = load(name), arrays(name), facts(name)["step"]
    t, x = expected["step/t"], expected["x"]
    from_clean, from_x, spread = (
        values[t // step["skip"], None] for values in sampler.respaced(step["skip"])
    )
    clean = sampler.denoise(x[:, None], t, expected["text"], step["cond_scale"])[:, 0]
    noise = spread * expected["step/noise"] * (t > 0)[:, None]
    assert (t == 0).any()
    got = from_clean * clean + from_x * x + noise
    assert difference(got, expected["step/x_next"]) < TOLERANCE


def test_whole_runs(name: str) -> None:
    sampler, expected = load(name), arrays(name)
    runs = facts(name)["runs"]
    assert len(runs) >= 6
    for run in runs:
        text, noise = expected["text"][: run["rows_of_text"]], expected[f"{run['name']}/noise"]
        w = sampler.sample_from(text, noise, run["skip"], run["cond_scale"], run["truncation"])
        assert torch.equal(w, w[:, :1].expand_as(w))
        wanted = expected[f"{run['name']}/w"]
        assert difference(w[:, : wanted.shape[1]], wanted) < TOLERANCE, run["name"]


@pytest.mark.parametrize("name", OTHERS)
def test_other_networks_of_the_same_code(name: str) -> None:
    sampler, expected = load(name), arrays(name)
    for index, (skip, guidance, psi) in enumerate(expected["runs"].tolist()):
        noise = expected[f"{index}/noise"]
        w = sampler.sample_from(expected["text"], noise, int(skip), guidance, psi)
        assert difference(w, expected[f"{index}/w"]) < TOLERANCE
    assert len(w.unique(dim=1)[0]) == sampler.config.num_latents


def test_it_is_saved_in_the_format_of_the_house(tmp_path: Path) -> None:
    for name in (*PUBLISHED, *OTHERS):
        sampler, expected = load(name), arrays(name)
        sampler.save_pretrained(tmp_path / name)
        again = text2face.load_sampler(tmp_path / name)
        assert isinstance(again, Clip2LatentSampler)
        assert again.config == sampler.config
        z = torch.randn(2, sampler.z_dim)
        one, two = (each.sample(expected["text"][:2], z) for each in (sampler, again))
        assert torch.equal(one, two)


def changed(tmp_path: Path, name: str = "three", **changes: Any) -> Path:
    """A copy of a fixture whose YAML file has other values (a__b stands for a.b)."""
    shutil.copy(FIXTURES / f"{name}.ckpt", tmp_path / f"{name}.ckpt")
    tree = yaml.safe_load((FIXTURES / f"{name}.yaml").read_text())
    for key, value in changes.items():
        place = tree
        *parts, last = key.split("__")
        for part in parts:
            place = place[part]
        place[last] = value
    (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(tree))
    return tmp_path / f"{name}.ckpt"


def test_the_configuration_is_the_one_beside_the_file(tmp_path: Path) -> None:
    path = changed(tmp_path, data__latent_repeats=[1, 1, 12])
    assert text2face.load_sampler(path).num_ws == 14
    path.with_suffix(".yaml").unlink()
    with pytest.raises(CheckpointError, match=r"no three\.yaml beside it; .* pass config=PATH"):
        text2face.load_sampler(path)


def test_a_prior_trained_with_all_its_conditions_cannot_be_guided(tmp_path: Path) -> None:
    sampler = text2face.load_sampler(changed(tmp_path, model__diffusion__cond_drop_prob=0))
    assert isinstance(sampler, Clip2LatentSampler)
    assert sampler.config.guidance == 1
    expected = arrays("three")
    with pytest.raises(ArgumentError, match="guidance is 2, expected 1"):
        sampler.sample_from(expected["text"], expected["0/noise"], 10)
    assert sampler.sample(expected["text"], torch.randn(2, sampler.z_dim)).shape == (2, 18, 24)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model__network__dim": 32}, r"model\.network\.dim' is 32, expected 24, as in"),
        ({"model__network__heads": 6}, r"heads' is 6, expected 3"),
        ({"model__diffusion__timesteps": 60}, r"timesteps' is 60, expected 40"),
        ({"data__n_latents": 1}, r"n_latents' is 1, expected 3"),
        (
            {"model__diffusion__init_image_embed_l2norm": True},
            "expected False, as in the published",
        ),
        ({"model__diffusion__temperature": 2}, "temperature' is 2, expected a setting that"),
        ({"model__diffusion__predict_x_start": "yes, sir"}, "expected true or false"),
        ({"model__diffusion__text_embed_scale": "loud"}, "'loud', expected a number"),
        ({"model__diffusion__image_embed_scale": 0}, "latent_scale: got 0.0, expected a positive"),
        ({"model__diffusion__image_embed_scale": float("nan")}, "expected a finite number"),
        ({"data__latent_repeats": [4, 14]}, r"latent_repeats: got \[4, 14\], expected 3"),
        ({"data__latent_repeats": [0, 4, 14]}, r"got \[0, 4, 14\]"),
        ({"data__latent_repeats": [4, 4, 10**6]}, "expected a whole number from 1 to 8192"),
        ({"data__latent_repeats": "all"}, "expected a list of whole numbers"),
        (
            {"data__n_latents": "${data.latent_dim}", "data__latent_dim": "${data.n_latents}"},
            "circle",
        ),
        ({"data__n_latents": "${no.such}"}, "the setting that it stands for is missing"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(
    tmp_path: Path, changes: Tree, message: str
) -> None:
    with pytest.raises(CheckpointError, match=message) as caught:
        text2face.load_sampler(changed(tmp_path, **changes))
    assert "\n" not in str(caught.value)


def test_numbers_as_yaml_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: 1e-1\nb: {c: '${a}', d: 2}\n")
    options = read_yaml(path)
    assert options.number("a", 1.0) == options.number("b.c", 1.0) == 0.1
    assert options.number("b.d", 1.0) == 2
    assert options.number("b.e", 3.0) == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [1, 2", "is no YAML at line"),
        (b"a: \xff", "is no YAML"),
        (b"", "holds None, expected settings"),
        (b"- 1", r"holds \[1\], expected settings"),
        (b"a: !!python/object/apply:os.system ['true']", "is no YAML at line 1"),
        (b"a: &x [1]\nb: *x", "has an alias"),
        (b"a: &x [*x]", "has an alias"),
        (b"a: " + b"[" * 5000 + b"]" * 5000, "nested deeper"),
        (b"a: " + b"9" * 5000, "is no YAML"),
        (b"a: 2022-13-45", "is no YAML"),
        (b"#" * 70_000, "longer than 64 KiB"),
    ],
)
def test_a_hostile_or_damaged_configuration_is_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "three.yaml"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        text2face.load_sampler(FIXTURES / "three.ckpt", config=path)
    with pytest.raises(CheckpointError, match="no such file"):
        text2face.load_sampler(FIXTURES / "three.ckpt", config=tmp_path / "other.yaml")


Change = Callable[[Tree], object]
MODEL = "ema_diffusion_prior.ema_model."
LAYER = f"{MODEL}net.causal_transformer.layers.0."


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: [s.pop(k) for k in list(s) if k.startswith(MODEL)], "lacks the averaged prior"),
        (lambda s: s.pop(f"{LAYER}0.null_kv"), "lacks tensor"),
        (lambda s: s.pop(f"{MODEL}latent_mean"), "lacks latent_mean"),
        (lambda s: s.pop(f"{MODEL}alphas_cumprod"), "lacks tensor alphas_cumprod"),
        (lambda s: s.update({f"{MODEL}net.more": torch.ones(3)}), r"unknown tensor 'net\.more'"),
        (lambda s: s.update({f"{LAYER}0.to_out.1.gamma": torch.ones(3)}), r"is \[3\], expected"),
        (lambda s: s.update({f"{MODEL}latent_std": torch.ones(3)}), r"latent_std is \[3\]"),
        (lambda s: s.update({f"{MODEL}latent_std": torch.full((3, 24), torch.nan)}), "NaN"),
    ],
)
def test_a_damaged_prior_is_refused(tmp_path: Path, change: Change, message: str) -> None:
    tree = torch.load(FIXTURES / "three.ckpt", weights_only=True)
    state = dict(tree["state_dict"])
    change(state)
    path = tmp_path / "three.ckpt"
    torch.save({"state_dict": state}, path)
    with pytest.raises(CheckpointError, match=message):
        text2face.load_sampler(path, config=FIXTURES / "three.yaml")


def test_what_is_no_prior_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no file .*none\.ckpt"):
        text2face.load_sampler(tmp_path / "none.ckpt")
    torch.save({"state_dict": {"weight": torch.ones(2)}}, tmp_path / "other.ckpt")
    with pytest.raises(
        CheckpointError, match="holds no sampler that stands alone, but a dict of 1"
    ):
        text2face.load_sampler(tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match=r"load it with text2face\.load_sampler"):
        text2face.TextToFace.from_pretrained(FIXTURES / "three.ckpt")
