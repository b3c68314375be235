from __future__ import annotations

import re

import pytest
import torch
from click.testing import CliRunner

from benchmarks import synthesis
from text2face.generators.stylegan2 import StyleGAN2Config


@torch.inference_mode()
def test_the_yardstick_is_the_same_network() -> None:
    model = synthesis.random_generator(32, channel_max=16)
    w = torch.randn(2, model.num_ws, model.w_dim)
    expected = synthesis.TorchReference(model)(w)
    assert synthesis.relative_error(model.synthesize(w), expected) < 1e-4


def test_the_work_is_that_of_the_convolutions() -> None:
    config = StyleGAN2Config(img_resolution=8, channels=(5, 3))
    products = 9 * (16 * 5 * 5 + 16 * 5 * 3 + 64 * 3 * 3)
    assert synthesis.gigaflops(config) == pytest.approx(2 * products / 1e9)
    assert synthesis.gigaflops(StyleGAN2Config()) == pytest.approx(148, abs=0.5)


def test_all_figures_are_measured_and_shown() -> None:
    threads = str(torch.get_num_threads())
    run = CliRunner().invoke(synthesis.main, ["--quick", "--threads", threads])
    assert run.exit_code == 0, run.output
    assert "peak memory at batch 1" in run.output
    faces = re.search(r"bundled generator.*: ([\d.]+) dB", run.output)
    assert faces is not None
    assert float(faces[1]) > synthesis.TARGET_PSNR
    rows = [line for line in run.output.splitlines() if re.match(r"\| \d", line)]
    assert [line.split(" | ")[:2] for line in rows] == [
        [f"| {batch}", name] for batch in (1, 4) for name in ("reference", "float32", "bfloat16")
    ]
    assert all(
        float(error) < 1e-4 for error in re.findall(r"([\d.e-]+) of the maximum", run.output)
    )
    assert all(float(psnr) > 40 for psnr in re.findall(r"([\d.]+) dB to float32", run.output))
