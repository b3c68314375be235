"""Trainings in processes of their own, forked before autograd has run: `processes OUT`."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from tests.tiny import TinyConfig, TinyEncoder, TinyGenerator
from text2face.training import Pairs, pairs, preset, train, write_pairs
from text2face.training.distributed import join
from text2face.training.loop import CHECKPOINT
from text2face.training.pseudo_text import PseudoTextConfig

STEPS = 40
KILLS = 4
SMALL = {"width": 16, "depth": 1, "surrogate_width": 16}
NOISE = PseudoTextConfig(0.3, 0.5, 16, 0.1)
CONFIGS = {
    "compact": preset(
        "compact", steps=STEPS, batch_size=64, pseudo_text=NOISE, shape={**SMALL, "code_dim": 4}
    ),
    "flow": preset("flow", steps=STEPS, batch_size=64, shape=SMALL, generator_consistency=0.1),
    "cvae": preset("cvae", steps=6, shape={"code_dim": 4}),
}
NETWORKS = TinyConfig(num_ws=10)


def fork(work: Callable[[], object], **environment: str) -> int:
    """Start some work in a child and return its number."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.environ.update(environment)
        work()
        status = 0
    except KeyboardInterrupt:
        status = 2
    finally:
        sys.stderr.flush()
        os._exit(status)


def make_pairs() -> Pairs:
    generator, encoder = TinyGenerator(NETWORKS), TinyEncoder(NETWORKS)
    latents = generator.map(torch.randn(300, 6, generator=torch.Generator().manual_seed(0)))
    seen = encoder.encode_image(generator.synthesize(latents).clamp(-1, 1))
    return Pairs(latents[:, 0].half(), F.normalize(seen, dim=1).half(), num_ws=10)


def run(name: str, out: Path, **options: Any) -> None:
    """Train, and keep the losses and the weights."""
    losses: list[float] = []

    def note(progress: Any) -> None:
        losses.append(progress.loss)
        time.sleep(0.002)

    with join(torch.device("cpu")):
        sampler = train(
            CONFIGS[name],
            TinyGenerator(NETWORKS),
            TinyEncoder(NETWORKS),
            make_pairs(),
            out,
            features=lambda a, b: (a - b).abs().flatten(1).mean(dim=1),
            on_step=note,
            **options,
        )
        if os.environ.get("RANK", "0") == "0":
            torch.save(sampler.state_dict(), out / "final.pt")
            (out / "losses.json").write_text(json.dumps(losses))


def kill_at_random(out: Path) -> int:
    """Train, killed now and then, until it is done; gives how often it was interrupted."""
    dice = random.Random(int.from_bytes(os.urandom(4)))
    killed = 0
    while not (out / "final.pt").exists():
        before = _changed(out / CHECKPOINT)
        pid = fork(lambda: run("compact", out, save_minutes=1e-9))
        if killed < KILLS:
            while _changed(out / CHECKPOINT) == before:
                time.sleep(0.001)
            time.sleep(dice.uniform(0, 0.02))
            os.kill(pid, dice.choice([signal.SIGKILL, signal.SIGTERM]))
            killed += 1
        os.waitpid(pid, 0)
    return killed


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def together(work: Callable[[], object], count: int) -> None:
    """The same work in so many processes that know of each other."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(count)}
    children = [fork(work, RANK=str(i), LOCAL_RANK=str(i), **where) for i in range(count)]
    for pid in children:
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if status:
            raise RuntimeError(f"a process failed with {status}")


def write(folder: Path) -> None:
    pairs.SHARD_SIZE = 16
    with join(torch.device("cpu")):
        write_pairs(TinyGenerator(NETWORKS), TinyEncoder(NETWORKS), folder, 100, batch_size=5)


def main(out: Path) -> None:
    torch.set_num_threads(1)
    for name in CONFIGS:
        for count in (1, 2):
            together(lambda name=name, count=count: run(name, out / f"{name}-{count}"), count)
    for count in (1, 3):
        together(lambda count=count: write(out / f"pairs-{count}"), count)
    (out / "kills.json").write_text(json.dumps(kill_at_random(out / "killed")))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
