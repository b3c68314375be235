"""What dalle2-pytorch does, run by `benchmarks.prior` in an environment of its own.

python reference_prior.py save FILE.ckpt
python reference_prior.py run FILE.ckpt INPUTS.npz FOLDER THREADS REPEATS
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import json
import resource
import statistics
import sys
import time
from collections.abc import Sequence
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import torch

_UNUSED = {
    "clip",
    "coca_pytorch",
    "embedding_reader",
    "ftfy",
    "kornia",
    "resize_right",
    "torchvision",
    "vector_quantize_pytorch",
    "webdataset",
    "x_clip",
    "youtokentome",
}
"""What the package imports at its top, and no prior uses."""
SIZE = {"dim": 512, "num_timesteps": 1000, "depth": 12, "dim_head": 64, "heads": 12}
SKIP = 250


class _Nothing(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        used = name.split(".")[0] not in _UNUSED
        return None if used else importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> Any:
        module = MagicMock(name=spec.name)
        module.__path__, module.__spec__, module.__name__ = [], spec, spec.name
        return module

    def exec_module(self, module: ModuleType) -> None:
        pass


def make_trainer() -> Any:
    """A full-size prior in its trainer, with the statistics of latents that clip2latent adds."""
    sys.meta_path.insert(0, _Nothing())
    from dalle2_pytorch import DiffusionPrior, DiffusionPriorNetwork
    from dalle2_pytorch.train import DiffusionPriorTrainer

    torch.manual_seed(0)
    prior = DiffusionPrior(
        DiffusionPriorNetwork(**SIZE),
        image_embed_dim=SIZE["dim"],
        timesteps=SIZE["num_timesteps"],
        cond_drop_prob=0.2,
        image_embed_scale=1.0,
        beta_schedule="cosine",
        predict_x_start=True,
    )
    prior.register_buffer("latent_mean", torch.randn(SIZE["dim"]) * 0.1)
    prior.register_buffer("latent_std", torch.rand(SIZE["dim"]) + 0.5)
    prior.register_buffer("latent_repeats", torch.tensor([18]))
    return DiffusionPriorTrainer(prior, ema_beta=0.99999, ema_update_every=1)


def respace(prior: Any) -> None:
    """The coefficients of every `SKIP`-th time."""
    signal = prior.alphas_cumprod[::SKIP]
    beta = 1 - signal / torch.cat([torch.ones(1), signal[:-1]])
    alpha = 1 - beta
    total = alpha.cumprod(0)
    before = torch.cat([torch.ones(1), total[:-1]])
    prior.posterior_mean_coef1[::SKIP] = beta * before.sqrt() / (1 - total)
    prior.posterior_mean_coef2[::SKIP] = (1 - before) * alpha.sqrt() / (1 - total)


def sample(prior: Any, text: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Four steps with guidance 2, and the noise of each given."""
    code = sys.modules["dalle2_pytorch.dalle2_pytorch"]
    drawn = iter(noise[1:])
    code.noise_like = lambda *_: next(drawn)  # type: ignore[attr-defined]
    x = noise[0]
    for time_ in range(SIZE["num_timesteps"] - SKIP, -1, -SKIP):
        times = torch.full((len(x),), time_)
        x = prior.p_sample(x, times, text_cond={"text_embed": text}, cond_scale=2.0)
    w: torch.Tensor = x * prior.latent_std + prior.latent_mean
    return w[:, None].expand(-1, 18, -1)


def main() -> None:
    if sys.argv[1] == "save":
        torch.save({"state_dict": make_trainer().state_dict()}, sys.argv[2])
        return
    file, inputs, outputs, threads, repeats = sys.argv[2:]
    torch.set_num_threads(int(threads))
    trainer = make_trainer()
    trainer.load_state_dict(torch.load(file, weights_only=True)["state_dict"])
    prior = trainer.ema_diffusion_prior.ema_model.eval()
    respace(prior)
    seconds = {}
    with np.load(inputs) as content:
        for batch in (1, 16):
            text = torch.from_numpy(content["text"][:batch])
            noise = torch.from_numpy(content["noise"][:, :batch])
            taken = []
            for _ in range(int(repeats) + 1):
                start, used = time.perf_counter(), time.process_time()
                w = sample(prior, text, noise)
                taken.append((time.perf_counter() - start, time.process_time() - used))
            seconds[batch] = [statistics.median(kind) for kind in zip(*taken[1:], strict=True)]
            np.save(f"{outputs}/theirs-{batch}.npy", w.numpy())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mb": peak}))


if __name__ == "__main__":
    main()
