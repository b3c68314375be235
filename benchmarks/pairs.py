"""What pairs and a step through the generator cost at full size: time and memory.

    python -m benchmarks.pairs [--threads 2] [--step]

StyleGAN2 of 1024 px with random weights and the bundled encoder. Every line is measured in a
process of its own, whose peak of memory is printed; the time is that of the processor and that on
the clock. The ratio is the time of the first line over this one's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import click

_WHOLE = "float32"
QUALITIES = (_WHOLE, "bfloat16", "bfloat16 at 256 px", "bfloat16 at 128 px")
_STEP = "a step of cvae, a batch of 16"
_FACES = {_WHOLE: 6, "bfloat16": 6}  # of others, one batch


def measure(what: str, batch: int | None) -> dict[str, float]:
    """Seconds of the processor and on the clock for an item, and the most memory in GB."""
    import torch
    from torch.nn import functional as F

    from text2face.generators.stylegan2 import StyleGAN2, StyleGAN2Config
    from text2face.loading import BUNDLED, load_component
    from text2face.training import Pairs, make_pairs, preset
    from text2face.training.cost import peak_memory
    from text2face.training.loop import Trainer
    from text2face.training.objectives import Frozen
    from text2face.training.quality import Quality, batch_size_for

    torch.manual_seed(0)
    generator = StyleGAN2(StyleGAN2Config()).eval().requires_grad_(False)
    encoder = load_component("encoder", BUNDLED / "encoder")
    if what == _STEP:
        items = batch or 16
        w = generator.map(torch.randn(64, generator.z_dim))[:, 0]
        e = F.normalize(torch.randn(64, encoder.embedding_dim), dim=1)
        pairs = Pairs(w.half(), e.half(), num_ws=generator.num_ws)
        config = preset("cvae", steps=10, batch_size=items)
        work = Trainer(config, pairs, Frozen(generator, encoder)).train_step
    else:
        quality = Quality.parse(what)
        size = batch or batch_size_for(quality.resolution or generator.img_resolution)
        items = max(_FACES.get(what, 0), size)
        make_pairs(generator, encoder, 1, batch_size=1, quality=quality)

        def work() -> object:  # type: ignore[misc]
            return make_pairs(generator, encoder, items, batch_size=size, quality=quality)

    used, clock = time.process_time(), time.perf_counter()
    work()
    used, clock = time.process_time() - used, time.perf_counter() - clock
    return {
        "processor": used / items,
        "clock": clock / items,
        "memory": (peak_memory() or 0) / 1e9,
        "batch": items if what == _STEP else size,
    }


@click.command(help=__doc__)
@click.option("--threads", type=click.IntRange(1), default=os.cpu_count() or 1, show_default=True)
@click.option("--batch-size", type=click.IntRange(1), help="[default: that of text2face pairs]")
@click.option("--step", is_flag=True, help="Also a training step; some minutes.")
@click.option("--worker", hidden=True)
def main(threads: int, batch_size: int | None, step: bool, worker: str | None) -> None:
    if worker is not None:
        click.echo(json.dumps(measure(worker, batch_size)))
        return
    click.echo(f"{threads} threads, load {os.getloadavg()[0]:.1f} at the start\n")
    click.echo("| an item of | batch | processor, s | clock, s | ratio | memory, GB |")
    click.echo("|---|---|---|---|---|---|")
    first = None
    for what in (*QUALITIES, *([_STEP] if step else [])):
        command = [sys.executable, "-m", "benchmarks.pairs", "--worker", what]
        done = subprocess.run(
            command + ([] if batch_size is None else ["--batch-size", str(batch_size)]),
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
            cwd=Path(__file__).parents[1],
            stdout=subprocess.PIPE,
            check=True,
        )
        found = json.loads(done.stdout)
        first = first or found["clock"]
        name = what if what == _STEP else f"pairs, {what}"
        click.echo(
            f"| {name} | {found['batch']} | {found['processor']:.2f} | {found['clock']:.2f} | "
            f"{first / found['clock']:.1f} | {found['memory']:.1f} |"
        )


if __name__ == "__main__":
    main()
