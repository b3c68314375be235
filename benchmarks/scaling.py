"""What a second process brings: pairs and training steps per second by one and by two, in one run.

Every process has one thread. "Same batch" trainings split one batch among the processes, as
`torchrun -m text2face train` does; gradients travel over gloo on this machine.

    python -m benchmarks.scaling
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import torch
from torch.nn import functional as F

from text2face.loading import BUNDLED, load_component
from text2face.training import Pairs, make_pairs, preset
from text2face.training.distributed import barrier, join, rank, sum_over_ranks, world_size
from text2face.training.loop import Trainer
from text2face.training.objectives import Frozen

# What is measured: None for pairs, or a preset and its batch size.
JOBS: dict[str, tuple[str, int] | None] = {
    "pairs": None,
    "compact, batch 256": ("compact", 256),
    "compact, batch 2048": ("compact", 2048),
    "flow, batch 256": ("flow", 256),
    "flow, batch 2048": ("flow", 2048),
    "cvae (through the generator), batch 16": ("cvae", 16),
}
_PAIRS = 64  # pairs at a time; training goes round and round 4096 drawn at random


def measure(job: str, seconds: float) -> float:
    """Items per second of all processes together."""
    torch.set_num_threads(1)
    generator = load_component("generator", BUNDLED / "generator")
    encoder = load_component("encoder", BUNDLED / "encoder")
    made = JOBS[job]
    work: Callable[[], object]
    if made is None:
        items = _PAIRS * world_size()

        def work() -> object:
            return make_pairs(generator, encoder, _PAIRS, seed=rank(), batch_size=32)
    else:
        name, items = made
        random = torch.Generator().manual_seed(0)
        w = generator.map(torch.randn(4096, generator.z_dim, generator=random))[:, 0]
        e = torch.randn(4096, encoder.embedding_dim, generator=random)
        pairs = Pairs(w.half(), F.normalize(e, dim=1).half(), num_ws=generator.num_ws)
        config = preset(name, steps=10**6, batch_size=items, consistency_from=0.0)
        work = Trainer(config, pairs, Frozen(generator, encoder)).train_step
    for _ in range(2):
        work()
    barrier()
    began = time.monotonic()
    work()
    one = float(sum_over_ranks(torch.tensor(time.monotonic() - began))) / world_size()
    rounds = max(2, round(seconds / one))
    barrier()
    began = time.monotonic()
    for _ in range(rounds):
        work()
    barrier()
    return rounds * items / (time.monotonic() - began)


def launch(job: str, processes: int, seconds: float) -> float:
    """Measure in so many new processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(processes)}
    command = [sys.executable, "-m", "benchmarks.scaling", "--worker", job]
    command += ["--seconds", str(seconds)]
    started = [
        subprocess.Popen(
            command,
            env={
                **os.environ,
                "OMP_NUM_THREADS": "1",
                "RANK": str(i),
                "LOCAL_RANK": str(i),
                **where,
            },
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[1],
        )
        for i in range(processes)
    ]
    outputs = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise RuntimeError(f"{job}: a process failed")
    return float(json.loads(outputs[0]))


@click.command(help=__doc__)
@click.option("--jobs", default=";".join(JOBS), show_default=True, help="Separated by ;")
@click.option("--rounds", type=int, default=3, show_default=True)
@click.option("--seconds", type=float, default=8.0, show_default=True, help="Of each measurement.")
@click.option("--worker", hidden=True)
def main(jobs: str, rounds: int, seconds: float, worker: str | None) -> None:
    if worker is not None:
        with join(torch.device("cpu")):
            click.echo(json.dumps(measure(worker, seconds)))
        return
    click.echo("| what | 1 process, items/s | 2 processes, items/s | ratio |\n|---|---|---|---|")
    for job in jobs.split(";"):
        # In turns, so that a busy spell of the machine meets both.
        taken = [[launch(job, count, seconds) for count in (1, 2)] for _ in range(rounds)]
        one, two = (statistics.median(pair[i] for pair in taken) for i in (0, 1))
        click.echo(f"| {job} | {one:.1f} | {two:.1f} | {two / one:.2f} |")


if __name__ == "__main__":
    main()
