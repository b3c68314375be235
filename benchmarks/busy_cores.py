"""How much slower work becomes while other programs use the cores, by how threads wait.

    python -m benchmarks.busy_cores [--neighbours 2] [--rounds 3]

Each piece of work runs in a process of its own, alone and beside neighbours that compute without
end. The share is what fair cores leave to it: with C cores, T threads and N neighbours, the time
may grow by (T + N) / C. "Excess" is by how much more it grows; the aim is at most 2.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

# What the environment says; GNU OpenMP asks 300,000 times where nothing is said.
POLICIES = {
    "torch alone": {"GOMP_SPINCOUNT": "300000"},
    "text2face": {},
    "GOMP_SPINCOUNT=1000": {"GOMP_SPINCOUNT": "1000"},
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
WORK = {
    "training step": 30,
    "32 pairs": 1,
    "4 faces": 1,
}
"""What is measured, and how often in one process; the median counts."""


def measure(work: str) -> float:
    """Seconds of one round."""
    import text2face  # before torch, as in every command

    import torch  # isort: skip
    from torch.nn import functional as F

    from text2face.loading import BUNDLED, load_component
    from text2face.training import Pairs, make_pairs, preset
    from text2face.training.loop import Trainer
    from text2face.training.objectives import Frozen

    generator = load_component("generator", BUNDLED / "generator")
    encoder = load_component("encoder", BUNDLED / "encoder")
    if work == "training step":
        random = torch.Generator().manual_seed(0)
        w = generator.map(torch.randn(4096, generator.z_dim, generator=random))[:, 0]
        e = torch.randn(4096, encoder.embedding_dim, generator=random)
        pairs = Pairs(w.half(), F.normalize(e, dim=1).half(), num_ws=generator.num_ws)
        step = Trainer(preset("flow", steps=10**6), pairs, Frozen(generator, encoder)).train_step
    elif work == "32 pairs":

        def step() -> object:  # type: ignore[misc]
            return make_pairs(generator, encoder, 32, batch_size=32)
    else:
        pipe = text2face.TextToFace.from_pretrained()

        def step() -> object:  # type: ignore[misc]
            return pipe("an old man with a beard", num_images=4, seed=1)

    step()
    taken = []
    for _ in range(WORK[work]):
        start = time.perf_counter()
        step()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def launch(work: str, policy: str) -> float:
    """Measure in a new process."""
    names = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS")
    clean = {name: value for name, value in os.environ.items() if name not in names}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.busy_cores", "--worker", work],
        env={**clean, **POLICIES[policy]},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        check=True,
    )
    return float(json.loads(done.stdout))


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """So many processes that use a core each."""
    started = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


@click.command(help=__doc__)
@click.option("--neighbours", "others", type=click.IntRange(1), default=2, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--policies", default=";".join(POLICIES), show_default=True, help="Separated by ;")
@click.option("--worker", hidden=True)
def main(others: int, rounds: int, policies: str, worker: str | None) -> None:
    if worker is not None:
        click.echo(json.dumps(measure(worker)))
        return
    cores = len(os.sched_getaffinity(0))
    click.echo(f"{cores} cores, {others} neighbours, load {os.getloadavg()[0]:.1f} at the start\n")
    click.echo("| what | threads wait | idle, ms | busy, ms | slower | share | excess |")
    click.echo("|---|---|---|---|---|---|---|")
    for work in WORK:
        for policy in policies.split(";"):
            idle, busy = [], []
            for _ in range(rounds):  # in turns, so that a slow spell meets both
                idle.append(launch(work, policy))
                with neighbours(others):
                    busy.append(launch(work, policy))
            alone, beside = statistics.median(idle), statistics.median(busy)
            threads = 1 if policy == "one thread" else cores
            share = max(1.0, (threads + others) / cores)
            click.echo(
                f"| {work} | {policy} | {1e3 * alone:.0f} | {1e3 * beside:.0f} | "
                f"{beside / alone:.1f} × | {share:.1f} × | {beside / alone / share:.1f} × |"
            )


if __name__ == "__main__":
    main()
