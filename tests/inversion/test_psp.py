"""pSp and e4e against the official code, and against a second writing for smaller images."""

from __future__ import annotations

import argparse
import resource
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.checkpoints import writers
from text2face.checkpoints import psp
from text2face.errors import ArgumentError, CheckpointError
from text2face.inversion.psp import PSPConfig, PSPEncoder
from text2face.storage.saved import saved_state

State = dict[str, Tensor]
GOLDEN = Path(__file__).parents[1] / "fixtures" / "psp" / "codes.npz"


def norm(x: Tensor, s: State, name: str) -> Tensor:
    scale = s[f"{name}.weight"] / (s[f"{name}.running_var"] + 1e-5).sqrt()
    shift = s[f"{name}.bias"] - s[f"{name}.running_mean"] * scale
    return x * scale[:, None, None] + shift[:, None, None]


def prelu(x: Tensor, slope: Tensor) -> Tensor:
    return torch.where(x > 0, x, x * slope[:, None, None])


def reference(s: State, images: Tensor, kind: str, count: int) -> Tensor:
    x = F.conv2d(images, s["input_layer.0.weight"], padding=1)
    x = prelu(norm(x, s, "input_layer.1"), s["input_layer.2.weight"])
    units = [(64, 2)] + [(64, 1)] * 2 + [(128, 2)] + [(128, 1)] * 3
    units += [(256, 2)] + [(256, 1)] * 13 + [(512, 2)] + [(512, 1)] * 2
    kept = {}
    for i, (channels, stride) in enumerate(units):
        name = f"body.{i}"
        if x.shape[1] == channels:
            shortcut = F.max_pool2d(x, 1, stride)
        else:
            shortcut = F.conv2d(x, s[f"{name}.shortcut_layer.0.weight"], stride=stride)
            shortcut = norm(shortcut, s, f"{name}.shortcut_layer.1")
        r = norm(x, s, f"{name}.res_layer.0")
        r = prelu(F.conv2d(r, s[f"{name}.res_layer.1.weight"], padding=1),
                  s[f"{name}.res_layer.2.weight"])  # fmt: skip
        r = F.conv2d(r, s[f"{name}.res_layer.3.weight"], stride=stride, padding=1)
        r = norm(r, s, f"{name}.res_layer.4")
        gate = F.relu(F.conv2d(F.adaptive_avg_pool2d(r, 1), s[f"{name}.res_layer.5.fc1.weight"]))
        x = shortcut + r * torch.sigmoid(F.conv2d(gate, s[f"{name}.res_layer.5.fc2.weight"]))
        kept[i] = x
    c1, c2, c3 = kept[6], kept[20], kept[23]

    def up(a: Tensor, b: Tensor, name: str) -> Tensor:
        b = F.conv2d(b, s[f"{name}.weight"], s[f"{name}.bias"])
        return F.interpolate(a, size=b.shape[2:], mode="bilinear", align_corners=True) + b

    p2 = up(c3, c2, "latlayer1")
    p1 = up(p2, c1, "latlayer2")
    codes: list[Tensor] = []
    for j in range(count):
        f = c3 if j < 3 else p2 if j < 7 else p1
        layer = 0
        while f"styles.{j}.convs.{layer}.weight" in s:
            w, b = (s[f"styles.{j}.convs.{layer}.{part}"] for part in ("weight", "bias"))
            f = F.leaky_relu(F.conv2d(f, w, b, stride=2, padding=1))
            layer += 2
        assert f.shape[2:] == (1, 1)
        weight = s[f"styles.{j}.linear.weight"] / f.shape[1] ** 0.5
        code = F.linear(f.flatten(1), weight, s[f"styles.{j}.linear.bias"])
        codes.append(code if kind == "psp" or j == 0 else codes[0] + code)
    return torch.stack(codes, dim=1)


def filled(config: PSPConfig) -> PSPEncoder:
    encoder = PSPEncoder(config).eval()
    random = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, tensor in encoder.state_dict().items():
            if tensor.is_floating_point() and tensor.ndim == 1:
                drawn = torch.rand(tensor.shape, generator=random)
                tensor.copy_(drawn * 0.5 + (0.5 if "bias" not in name else -0.25))
    return encoder.requires_grad_(False)


@pytest.mark.parametrize("kind", ["psp", "e4e"])
def test_the_encoder_equals_a_second_writing(kind: Any) -> None:
    config = PSPConfig(kind, num_ws=9, image_size=32)
    encoder = filled(config)
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    expected = reference(encoder.state_dict(), images, kind, 9) + encoder.latent_mean
    got = encoder.encode(images)
    assert got.shape == (2, 9, 512)
    assert float((got - expected).abs().max()) <= 1e-4 * float(expected.abs().max())


def tensor_of(name: str, shape: torch.Size) -> Tensor:
    """The same numbers for the same name, of the size that keeps activations near 1."""
    drawn = np.random.default_rng(zlib.crc32(name.encode())).random(shape, dtype=np.float32) * 2 - 1
    if len(shape) > 1:
        drawn *= 1 if "linear" in name else (3 / np.prod(shape[1:])) ** 0.5
    elif name.endswith(("bias", "running_mean")):
        drawn *= 0.1
    else:  # slopes of PReLU, and scales and variances of batch normalisation
        drawn = 0.25 + 0.1 * drawn if name.endswith("2.weight") else 1 + 0.5 * drawn
    return torch.from_numpy(np.asarray(drawn, dtype=np.float32))


@pytest.mark.parametrize("kind", ["psp", "e4e"])
def test_the_encoder_equals_the_official_code(kind: Any) -> None:
    """Codes of eladrich/pixel2style2pixel and omertov/encoder4editing with these same weights.

    Their encoders for an image of 256 pixels and a generator of 32, "ir_se", 50 layers.
    """
    with torch.device("meta"):
        encoder = PSPEncoder(PSPConfig(kind, num_ws=8)).eval()
    state = {
        n: tensor_of(n, t.shape) for n, t in saved_state(encoder).items() if n != "latent_mean"
    }
    counters = {n: torch.tensor(0) for n in encoder.state_dict() if n.endswith("batches_tracked")}
    mean = {"latent_mean": torch.zeros(8, 512)}
    encoder.load_state_dict({**state, **counters, **mean}, assign=True)
    pixels = np.random.default_rng(0).random((1, 3, 256, 256), dtype=np.float32) * 2 - 1
    expected = torch.from_numpy(np.load(GOLDEN)[kind])
    with torch.no_grad():
        got = encoder.encode(torch.from_numpy(pixels))[0]
    assert got.shape == expected.shape
    assert float((got - expected).abs().max()) <= 1e-5 * float(expected.abs().max())


def test_a_checkpoint_becomes_generator_and_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = PSPConfig("e4e", num_ws=4, image_size=256)
    encoder = filled(config)
    state = {f"encoder.{k}": v for k, v in encoder.state_dict().items() if k != "latent_mean"}
    mean = torch.randn(4, 512)

    class Small:
        num_ws, w_dim, mean_latent = 4, 512, torch.zeros(512)

    monkeypatch.setattr(psp, "load_rosinality", lambda tree, source, size: Small())
    options = argparse.Namespace(encoder_type="Encoder4Editing", start_from_latent_avg=True)
    path = tmp_path / "e4e.pt"
    torch.save({"state_dict": state, "latent_avg": mean, "opts": options}, path)
    _, loaded = psp.load_psp(path)
    assert loaded.config == config
    assert torch.equal(loaded.latent_mean, mean)
    for name, tensor in saved_state(encoder).items():
        if name != "latent_mean":
            assert torch.equal(loaded.state_dict()[name], tensor)

    torch.save({"state_dict": {"decoder.input.input": mean}}, path)
    with pytest.raises(CheckpointError, match="no inversion encoder"):
        psp.load_psp(path)
    odd = argparse.Namespace(encoder_type="BackboneEncoderUsingLastLayerIntoW")
    torch.save({"state_dict": state, "opts": odd}, path)
    with pytest.raises(CheckpointError, match="unsupported network"):
        psp.load_psp(path)


def test_the_old_name_of_the_loader_warns() -> None:
    import text2face.inversion.psp as old

    with pytest.warns(DeprecationWarning, match=r"checkpoints\.psp\.load_psp"):
        assert old.load_psp is psp.load_psp


def twice(depth: int) -> list[Any]:
    """A list of two of the same list, and so on: as text it has 2^depth parts."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value, value]
    return value


def within(depth: int) -> Any:
    """Dicts, one in the other."""
    value: Any = "psp"
    for _ in range(depth):
        value = {"type": value}
    return value


def around_itself() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


BOMBS: dict[str, Any] = {
    "a list in a list twice, 40 deep": lambda: {"opts": {"encoder_type": twice(40)}},
    "the same as a Namespace": lambda: {"opts": argparse.Namespace(encoder_type=twice(40))},
    "a list in itself": lambda: {"opts": {"encoder_type": around_itself()}},
    "dicts 150 deep": lambda: {"opts": {"encoder_type": within(150)}},
    "a name of 3 MB": lambda: {"opts": {"encoder_type": "A" * 3_000_000}},
    "a name with escapes": lambda: {"opts": {"encoder_type": "\x1b[2J\nall is well"}},
    "a number of 10,000 digits": lambda: {"opts": {"encoder_type": 1 << 33_000}},
    "a tensor as a name": lambda: {"opts": {"encoder_type": torch.zeros(1).expand(10**9)}},
    "a mean of 10⁹ numbers": lambda: {"latent_avg": torch.zeros(1).expand(10**9)},
    "a mean that is a list": lambda: {"latent_avg": twice(40)},
    "views of one number": lambda: {"state_dict": encoder_views(lambda shape: shape)},
    "a tensor of 10¹² numbers": lambda: {"state_dict": encoder_views(lambda shape: (10**6,) * 2)},
    "lists for tensors": lambda: {"state_dict": dict.fromkeys(encoder_views(tuple), twice(40))},
}


def encoder_views(shape: Any) -> dict[str, Tensor]:
    """The names of an encoder, each with a view of a single number."""
    with torch.device("meta"):
        encoder = PSPEncoder(PSPConfig("psp", num_ws=4, w_dim=8))
    return {
        f"encoder.{name}": torch.zeros(1).expand(shape(tuple(tensor.shape)))
        for name, tensor in saved_state(encoder).items()
        if tensor.ndim and name != "latent_mean"
    }


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_hostile_checkpoint_is_refused_at_once(tmp_path: Path, bomb: str) -> None:
    decoder = writers.rosinality_tree(writers.small2())["g_ema"]
    state = {f"decoder.{name}": tensor for name, tensor in decoder.items()}
    changes = BOMBS[bomb]()
    state |= changes.pop("state_dict", {"encoder.styles.0.linear.weight": torch.zeros(8, 8)})
    tree = {"state_dict": state, "opts": {"encoder_type": "GradualStyleEncoder"}, **changes}
    torch.save(tree, tmp_path / "psp.pt")
    start, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError) as caught:
        psp.load_psp(tmp_path / "psp.pt")
    assert time.process_time() - start < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # KB
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


def test_bad_values_are_named() -> None:
    with pytest.raises(ArgumentError, match="configuration"):
        PSPConfig(image_size=100)
    with pytest.raises(ArgumentError, match="images have shape"):
        PSPEncoder(PSPConfig(num_ws=1, image_size=16)).encode(torch.zeros(3, 16, 16))
