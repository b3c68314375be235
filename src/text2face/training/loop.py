"""The training loop, from the first step to the last, on one process or many under torchrun.

Nothing random has a state: every number belongs to its step and its item (`training.random`), so a
checkpoint need only say how far the training is, and several processes share a batch without
changing it. Gradients are averaged by DistributedDataParallel.
"""

from __future__ import annotations

import copy
import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from text2face.encoders.base import TextImageEncoder
from text2face.errors import ArgumentError, CheckpointError, TrainingError
from text2face.generators.base import Generator
from text2face.generators.mapping import rgb
from text2face.precision import autocast
from text2face.samplers.base import LatentSampler
from text2face.samplers.saved import SavedSampler
from text2face.storage.folders import atomic_file, make_folder
from text2face.training.checkpoint import load_training_state, save_training_state
from text2face.training.config import TrainingConfig
from text2face.training.distributed import hold_together, rank, share_of, sum_over_ranks, world_size
from text2face.training.initialisation import make_sampler
from text2face.training.objectives import Batch, Frozen, Objective, make_objective
from text2face.training.pairs import Pairs
from text2face.training.random import Draws, permutation

__all__ = ["CHECKPOINT", "LOG", "Progress", "Recorder", "Stopped", "Trainer", "train"]

CHECKPOINT: Final = "checkpoint.pt"
LOG: Final = "log.jsonl"
_POOL: Final = 8192  # pairs that pseudo-texts and the residual's axes are made of
_SURROGATE_RATE: Final = 1e-3


@dataclass(frozen=True)
class Progress:
    """What is reported after a step, means over all processes."""

    step: int
    share: float
    """How much of the training is done, 0 to 1."""
    loss: float
    parts: dict[str, float]
    """What the loss is made of: "error" is the mean square of what is not reconstructed, "kl" the
    nats in the code, "miss" by how much samples miss their condition, as a cosine, and so on."""
    learning_rate: float
    seconds: float
    """Of training so far, over all runs."""
    pairs_per_second: float


class Recorder(Protocol):
    """Something that follows a training, such as a TensorBoard writer."""

    def __call__(self, trainer: Trainer, progress: Progress) -> object:
        """Called after each step."""
        ...


class Stopped(KeyboardInterrupt):
    """The training was stopped by SIGTERM or Ctrl-C, after its state was saved."""


class Trainer:
    """A sampler in training, with everything that a checkpoint must hold to go on from it."""

    def __init__(
        self,
        config: TrainingConfig,
        pairs: Pairs,
        frozen: Frozen | None = None,
        *,
        device: torch.device | str = "cpu",
    ) -> None:
        """Make ready for the first step.

        Args:
            config: What and how.
            pairs: What to learn from.
            frozen: The networks to look through, already on the device; what the objective or the
                consistency does not need may be left out.
            device: Where the sampler is trained.

        Raises:
            ArgumentError: The sampler does not fit the pairs, a network is missing, or the batch
                cannot be shared out evenly.
        """
        if config.steps is None and config.minutes is None:
            raise ArgumentError("neither steps nor minutes are given; say how long to train")
        if config.batch_size % world_size():
            raise ArgumentError(
                f"batch_size is {config.batch_size}, expected a multiple of the "
                f"{world_size()} processes"
            )
        self.config, self.pairs, self.device = config, pairs, torch.device(device)
        self.frozen = frozen or Frozen()
        self.sampler = make_sampler(config, pairs, self.frozen.generator).to(self.device)
        self._num_ws = cast("LatentSampler", self.sampler).num_ws
        pool = pairs.seen(slice(0, _POOL)).to(self.device)
        self.objective: Objective = make_objective(self.sampler, config, pool, self.frozen)
        self.average = copy.deepcopy(self.sampler).eval().requires_grad_(False)
        main = [p for p in self.objective.main_parameters if p.requires_grad]
        groups = [{"params": main}]
        if surrogate := self.objective.surrogate_parameters:
            groups.append({"params": surrogate})
        self.optimiser = torch.optim.Adam(groups, lr=config.learning_rate, betas=config.adam_betas)
        self._parallel: nn.Module = self.objective
        if world_size() > 1:
            self._parallel = DistributedDataParallel(self.objective)
        self.step = 0
        self.seconds = 0.0
        self.pause = 0.0
        """Seconds since the last step that count as training too: sample grids and saving."""
        self._order = (-1, torch.empty(0, dtype=torch.long))

    @property
    def share(self) -> float:
        """How much of the training is done, 0 to 1."""
        config = self.config
        by_steps = self.step / config.steps if config.steps else 0.0
        by_time = self.seconds / (60 * config.minutes) if config.minutes else 0.0
        return min(max(by_steps, by_time), 1.0)

    def rows(self) -> Tensor:
        """Which pairs this process takes in this step: epoch after epoch, each in a new order."""
        first, last = share_of(self.config.batch_size)
        start, count = self.step * self.config.batch_size, len(self.pairs)
        item, end = start + first, start + last
        chosen = []
        while item < end:
            epoch, place = divmod(item, count)
            if self._order[0] != epoch:
                self._order = (epoch, permutation(self.config.seed, epoch, count))
            chosen.append(self._order[1][place : place + end - item])
            item += len(chosen[-1])
        return torch.cat(chosen)

    def batch(self) -> Batch:
        """This process's items of this step."""
        first, last = share_of(self.config.batch_size)
        rows, pairs = self.rows(), self.pairs
        latents, images = None, None
        if pairs.latents is not None:
            latents = pairs.codes(rows, self._num_ws).to(self.device)
        if pairs.images is not None:
            images = pairs.images[rows].to(self.device).float() / 127.5 - 1
        draws = Draws(self.config.seed, self.step, first, last - first)
        embeddings = pairs.seen(rows).to(self.device)
        return Batch(embeddings, latents, images, draws, self.share)

    def train_step(self, failed: Path | None = None) -> Progress:
        """Take one step.

        Args:
            failed: A folder for the batch if the loss is not finite; None = it is lost.

        Raises:
            TrainingError: The loss or a gradient is not finite.
        """
        began = time.monotonic()
        rate = self._set_rates()
        batch = self.batch()
        self.sampler.train()
        with autocast(self.device, self.config.bfloat16):
            loss, report = self._parallel(batch)
        names = ["loss", *sorted(report)]
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        parameters = self.optimiser.param_groups[0]["params"]
        norm = nn.utils.clip_grad_norm_(parameters, self.config.clip or math.inf)
        own = [loss, *(report[name] for name in names[1:]), norm]
        parts = torch.stack([value.detach().float() for value in own])
        values = (sum_over_ranks(parts) / world_size()).tolist()
        if not all(map(math.isfinite, values)):
            self._give_up(batch, dict(zip([*names, "gradient"], values, strict=True)), failed)
        self.optimiser.step()
        self._follow()
        self.step += 1
        spent = torch.tensor([time.monotonic() - began + self.pause], dtype=torch.float64)
        self.pause = 0.0
        self.seconds += float(sum_over_ranks(spent)) / world_size()  # all ranks keep the same time
        return Progress(
            step=self.step,
            share=self.share,
            loss=values[0],
            parts=dict(zip([*names[1:], "gradient"], values[1:], strict=True)),
            learning_rate=rate,
            seconds=self.seconds,
            pairs_per_second=self.step * self.config.batch_size / max(self.seconds, 1e-9),
        )

    def finish(self) -> SavedSampler:
        """The averaged weights in evaluation mode, without gradients, ready for use."""
        final = self.average if self.config.ema else copy.deepcopy(self.sampler)
        return final.eval().requires_grad_(False)

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all.

        Raises:
            OutputError: It cannot be written.
        """
        state: dict[str, Any] = {
            name: part.state_dict() for name, part in self._parts().items()
        } | self._identity()
        state |= {"step": self.step, "seconds": self.seconds, "rng": torch.get_rng_state()}
        save_training_state(path, state)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint.

        Raises:
            CheckpointError: It is damaged, or of another training.
        """
        state = load_training_state(path, self._identity())
        for name, expected in self._identity().items():
            if state[name] != expected:
                raise CheckpointError(
                    f"{path} is of another training: its {name} is {state[name]}, expected "
                    f"{expected}; choose another folder, or delete it to start afresh"
                )
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        torch.set_rng_state(state["rng"])
        self.step, self.seconds = state["step"], state["seconds"]

    def _identity(self) -> dict[str, str]:
        """What must be the same for a training to go on."""
        return {
            "config": json.dumps(self.config.to_json(), sort_keys=True),
            "sampler_config": repr(self.sampler.config),
            "pairs": json.dumps({**self.pairs.series, "count": len(self.pairs)}, sort_keys=True),
        }

    def _parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        return {"sampler": self.sampler, "average": self.average, "optimiser": self.optimiser}

    def _set_rates(self) -> float:
        """The learning rate of this step."""
        config, share = self.config, self.share
        falling = 0.5 * (1 + math.cos(math.pi * share))
        cycle = min(share / 0.05 + 0.01, 1.0) * falling
        rate = config.learning_rate * (cycle if config.schedule == "one-cycle" else 1.0)
        self.optimiser.param_groups[0]["lr"] = rate
        for group in self.optimiser.param_groups[1:]:
            group["lr"] = _SURROGATE_RATE * (falling + 0.01)
        return rate

    @torch.no_grad()
    def _follow(self) -> None:
        """Let the average follow the weights."""
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step))
        for kept, new in zip(self.average.parameters(), self.sampler.parameters(), strict=True):
            kept.lerp_(new, 1 - decay)
        for old, now in zip(self.average.buffers(), self.sampler.buffers(), strict=True):
            old.copy_(now)

    def _give_up(self, batch: Batch, values: dict[str, float], folder: Path | None) -> None:
        """Save the batch that broke the training.

        Raises:
            TrainingError: Always.
        """
        where = "no folder was given, and the batch is lost"
        if folder is not None:
            from safetensors.torch import save

            path = folder / f"failed-step{self.step:06d}-rank{rank()}.safetensors"
            kept = {"rows": self.rows(), "embeddings": batch.embeddings}
            kept |= {} if batch.latents is None else {"latents": batch.latents}
            kept |= {} if batch.images is None else {"images": batch.images}
            make_folder(folder)
            with atomic_file(path) as file:
                file.write(save({name: x.cpu().contiguous() for name, x in kept.items()}))
            where = f"the batch is in {path}"
        said = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        raise TrainingError(
            f"the training has diverged at step {self.step}: {said}; expected finite numbers; "
            f"lower the learning rate, or clip gradients; {where}"
        )


def train(
    config: TrainingConfig,
    generator: Generator | None,
    encoder: TextImageEncoder | None,
    pairs: Pairs,
    out: Path | None = None,
    *,
    features: Callable[[Tensor, Tensor], Tensor] | None = None,
    device: torch.device | str = "cpu",
    save_minutes: float = 1.0,
    log_every: int = 50,
    on_step: Callable[[Progress], object] = lambda progress: None,
    recorders: list[Recorder] | None = None,
) -> SavedSampler:
    """Train a sampler, or go on with one whose training was interrupted.

    ```python
    sampler = train(preset("flow", minutes=5), generator, encoder, read_pairs(folder))
    pipe = TextToFace(encoder, sampler.with_bank(make_bank(pairs, encoder)), generator)
    ```

    Args:
        config: What and how; see `training.config.preset`.
        generator: The pairs' generator, on the device; None where only latents are learnt.
        encoder: The pairs' encoder, on the device; None where only latents are learnt.
        pairs: What to learn from.
        out: A folder for checkpoints and statistics (`log.jsonl`), and to go on from if there is a
            checkpoint in it; None = none of it.
        features: A distance of images such as LPIPS, for the objective "images"; None = one of the
            encoder's own activations.
        device: Where to train.
        save_minutes: Time between checkpoints.
        log_every: Steps between lines of statistics.
        on_step: Called after each step, in every process.
        recorders: Called after each step, in the first process only.

    Returns:
        The trained sampler, in evaluation mode and without gradients; its bank is empty.

    Raises:
        ArgumentError: The sampler does not fit the pairs, or a network is missing.
        CheckpointError: The checkpoint is damaged or of another training.
        TrainingError: The loss or a gradient is not finite.
        OutputError: The folder cannot be written, or another process trains there.
        Stopped: SIGTERM or Ctrl-C came; the checkpoint is saved.
    """
    generator = None if generator is None else rgb(generator)
    with nullcontext() if out is None else hold_together(out):
        trainer = Trainer(config, pairs, Frozen(generator, encoder, features), device=device)
        checkpoint = None if out is None else out / CHECKPOINT
        if checkpoint is not None and checkpoint.exists():
            trainer.load(checkpoint)
        first = rank() == 0
        log = _Log(None if out is None or not first else out / LOG, trainer.step, log_every)
        saved = trainer.seconds
        with _stop_signals() as stop:
            while trainer.share < 1:
                progress = trainer.train_step(out)
                began = time.monotonic()
                log(progress)
                on_step(progress)
                for recorder in (recorders or []) if first else []:
                    recorder(trainer, progress)
                stopping = bool(sum_over_ranks(torch.tensor(float(stop.is_set()))))
                late = trainer.seconds - saved > 60 * save_minutes or stopping
                if checkpoint is not None and (late or trainer.share >= 1):
                    if first:
                        trainer.save(checkpoint)
                    saved = trainer.seconds
                if stopping:
                    raise Stopped(
                        f"stopped at step {trainer.step}"
                        + (f"; {checkpoint} is saved, resume from it" if checkpoint else "")
                    )
                trainer.pause = time.monotonic() - began  # others have waited for the first
        return trainer.finish()


class _Log:
    """Statistics, one JSON object a line; lines beyond a checkpoint are taken back."""

    def __init__(self, path: Path | None, step: int, every: int) -> None:
        self._path, self._every = path, every
        if path is None:
            return
        make_folder(path.parent)
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        kept = [line for line in lines if _step_of(line) <= step]
        with atomic_file(path) as file:
            file.write("".join(line + "\n" for line in kept).encode())

    def __call__(self, progress: Progress) -> None:
        if self._path is None or (progress.step % self._every and progress.share < 1):
            return
        entry = {
            "step": progress.step,
            "share": progress.share,
            "loss": progress.loss,
            **progress.parts,
            "learning_rate": progress.learning_rate,
            "seconds": round(progress.seconds, 3),
            "pairs_per_second": round(progress.pairs_per_second, 1),
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


def _step_of(line: str) -> float:
    try:
        return cast("float", json.loads(line)["step"])
    except (ValueError, LookupError, TypeError):  # a line that a sudden end cut short
        return math.inf


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """An event that SIGTERM and Ctrl-C set, so that a step is finished and saved first."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    signals = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.getsignal(number) for number in signals}

    def tell(number: int, frame: object) -> None:
        if stop.is_set() and number == signal.SIGINT:  # Ctrl-C again: at once
            raise KeyboardInterrupt
        stop.set()

    for number in signals:
        signal.signal(number, tell)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
