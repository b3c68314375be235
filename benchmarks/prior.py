"""The prior of clip2latent at full size, beside dalle2-pytorch's own code: time, memory, latents.

    python -m benchmarks.prior [--threads 2] [--repeats 5] [--work FOLDER]

48.8 M parameters with random weights, saved by dalle2-pytorch 0.2.38; four steps with guidance 2
on the CPU, one text and sixteen. Beside the time on the clock stands that of the processor, which
other work on the machine hardly changes. The yardstick is installed into an environment of its own
below the work folder, which borrows this environment's torch. Each side runs in its own process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

PACKAGES = (
    "dalle2-pytorch==0.2.38",
    "rotary-embedding-torch==0.1.5",
    "einops==0.8.2",
    "einops-exts==0.0.4",
)
SETTINGS = """\
model:
  network: {dim: 512, num_timesteps: 1000, depth: 12, dim_head: 64, heads: 12}
  diffusion:
    image_embed_dim: ${model.network.dim}
    timesteps: ${model.network.num_timesteps}
    cond_drop_prob: 0.2
    image_embed_scale: 1.0
    text_embed_scale: 1.0
    beta_schedule: cosine
    predict_x_start: true
data: {n_latents: 1, latent_dim: 512, latent_repeats: [18], clip_variant: ViT-B/32}
train: {znorm_embed: false, znorm_latent: true}
"""
BATCHES = (1, 16)


def reference_python(work: Path) -> Path:
    """The interpreter of an environment with the yardstick in it; made if it is missing."""
    folder = work / "reference"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*install, "--no-deps", *PACKAGES], check=True)
        site = subprocess.run(
            [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        borrowed = Path(site) / "borrowed.pth"
        borrowed.write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
        (folder / "ready").touch()
    return python


def checkpoint(work: Path) -> Path:
    """A full-size prior as its authors' code saves it, with its YAML file; made if missing."""
    path = work / "prior.ckpt"
    if not path.exists():
        _reference(work, "save", path)
        path.with_suffix(".yaml").write_text(SETTINGS, encoding="utf-8")
    return path


def _reference(work: Path, *arguments: object) -> str:
    """Run the yardstick: what it prints."""
    script = Path(__file__).with_name("reference_prior.py")
    command = [str(reference_python(work)), "-W", "ignore", str(script), *map(str, arguments)]
    variables = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=variables)
    return done.stdout


def ours(file: Path, inputs: Path, outputs: Path, threads: int, repeats: int) -> None:
    """The same work by text2face, in this process."""
    import text2face
    from text2face.samplers.clip2latent import Clip2LatentSampler

    torch.set_num_threads(threads)
    start = time.perf_counter()
    sampler = text2face.load_sampler(file)
    loading = time.perf_counter() - start
    assert isinstance(sampler, Clip2LatentSampler)
    seconds = {}
    with np.load(inputs) as content:
        for batch in BATCHES:
            text = torch.from_numpy(content["text"][:batch])
            noise = torch.from_numpy(content["noise"][:, :batch])
            taken = []
            for _ in range(repeats + 1):
                start, used = time.perf_counter(), time.process_time()
                w = sampler.sample_from(text, noise, skip=250, guidance=2.0)
                taken.append((time.perf_counter() - start, time.process_time() - used))
            seconds[batch] = [statistics.median(kind) for kind in zip(*taken[1:], strict=True)]
            np.save(outputs / f"ours-{batch}.npy", w.numpy())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mb": peak, "loading": loading}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--work", type=Path, default=Path("benchmark-prior"))
    parser.add_argument("--ours", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    work: Path = options.work
    work.mkdir(parents=True, exist_ok=True)
    file, inputs = work / "prior.ckpt", work / "inputs.npz"
    if options.ours:
        return ours(file, inputs, work, options.threads, options.repeats)
    checkpoint(work)
    random = np.random.RandomState(0)
    text = random.randn(16, 512).astype(np.float32) * np.float32(0.45)
    np.savez(inputs, text=text, noise=random.randn(5, 16, 512).astype(np.float32))
    common: tuple[Any, ...] = (options.threads, options.repeats)
    theirs = json.loads(_reference(work, "run", file, inputs, work, *common))
    command = [sys.executable, "-m", "benchmarks.prior", "--ours", "--work", str(work)]
    command += ["--threads", str(options.threads), "--repeats", str(options.repeats)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    mine = json.loads(done.stdout)
    print(f"{options.threads} threads, load average {os.getloadavg()[0]:.1f}")
    for name, facts in (("dalle2-pytorch", theirs), ("text2face", mine)):
        for batch in BATCHES:
            wall, processor = facts["seconds"][str(batch)]
            summary = f"{wall:.3f} s, {processor:.3f} s of the processor"
            print(f"{name:15} batch {batch:2}: {summary}, peak {facts['peak_mb']:.0f} MB")
    print(f"text2face loads the file in {mine['loading']:.2f} s")
    for batch in BATCHES:
        a, b = (np.load(work / f"{side}-{batch}.npy") for side in ("ours", "theirs"))
        print(f"batch {batch}: largest difference of w {abs(a - b).max() / abs(b).max():.1e}")
    return None


if __name__ == "__main__":
    main()
