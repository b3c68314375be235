"""Run folders: numbered, with all that a training needs to go on, and the model it ends in."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, cast

import torch
from PIL import Image
from torch import nn

from text2face.encoders.base import TextImageEncoder
from text2face.errors import ArgumentError, CheckpointError, OutputError, PromptError
from text2face.generators.base import Generator, SkipGenerator
from text2face.generators.mapping import MappedGenerator
from text2face.pipeline import PipelineConfig, TextToFace
from text2face.precision import computes_in_bfloat16, number_type
from text2face.samplers.base import LatentSampler
from text2face.samplers.saved import SavedSampler
from text2face.sheet import contact_sheet
from text2face.storage.folders import atomic_file, cannot_write, make_folder, read_json
from text2face.storage.locks import hold
from text2face.training.bank import PHRASES, make_bank
from text2face.training.config import TrainingConfig
from text2face.training.loop import Progress, Trainer
from text2face.training.pairs import Pairs, weights_fingerprint
from text2face.training.quality import AtQuality, Quality

__all__ = ["SampleGrids", "TensorBoard", "check_series", "find_run", "new_run", "save_model"]

CONFIG: Final = "config.json"
MODEL: Final = "model"
SAMPLE_PROMPTS: Final = (
    "a young woman with long red hair",
    "an old man with a white beard and glasses",
    "a smiling man with a hat",
    "a woman with short black hair",
)
BANK_SIZE: Final = 16_384
_COLUMNS: Final = 6
_LARGE: Final = 128  # pixels
_PATIENCE: Final = 60.0  # seconds
_GRIDS: Final = 5
_MOST: Final = 0.1
"""Of the time of a training, what sample grids may take before the last one."""


def new_run(out: Path, name: str, facts: Mapping[str, Any]) -> Path:
    """Make the next numbered folder, such as `00003-flow`, and write its `config.json`.

    Trainings that start in the same moment get numbers of their own.

    Raises:
        OutputError: It cannot be made.
    """
    with hold(out, "numbers", wait=_PATIENCE):
        number = max((int(run.name[:5]) for run in _runs(out)), default=-1) + 1
        folder = out / f"{number:05d}-{name}"
        try:
            folder.mkdir()
        except OSError as error:
            raise OutputError(cannot_write(folder, error)) from None
    with atomic_file(folder / CONFIG) as file:
        file.write((json.dumps(facts, indent=2, sort_keys=True) + "\n").encode())
    return folder


def find_run(out: Path, name: str, facts: Mapping[str, Any]) -> Path | None:
    """The newest unfinished run of this name and exactly these facts; None if there is none."""
    wanted = json.loads(json.dumps(facts))
    for folder in reversed(_runs(out)):
        try:
            same = read_json(folder / CONFIG) == wanted
        except CheckpointError:
            continue
        if folder.name[6:] == name and same and not (folder / MODEL / "pipeline.json").exists():
            return folder
    return None


def _runs(out: Path) -> list[Path]:
    found = out.glob("[0-9][0-9][0-9][0-9][0-9]-*") if out.is_dir() else []
    return sorted(folder for folder in found if folder.is_dir())


def check_series(pairs: Pairs, generator: Generator, encoder: TextImageEncoder) -> None:
    """See that pairs were made with these networks.

    Raises:
        ArgumentError: They were made with others.
    """
    for name, model in (("generator", generator), ("encoder", encoder)):
        made, given = pairs.series.get(name), weights_fingerprint(model)
        if made is not None and made != given:
            raise ArgumentError(
                f"the pairs were made with another {name}: its weights have the fingerprint "
                f"{made}, those of the one given {given}; give the {name} that they were made "
                "with, or make pairs with this one"
            )
    dim = pairs.embeddings.shape[1]
    if dim != encoder.embedding_dim:
        raise ArgumentError(
            f"the pairs' embeddings have size {dim}, the encoder's {encoder.embedding_dim}; give "
            "the encoder that they were made with"
        )


def save_model(
    folder: Path,
    sampler: SavedSampler,
    pairs: Pairs,
    generator: Generator,
    encoder: TextImageEncoder,
    config: TrainingConfig,
    *,
    base: PipelineConfig | None = None,
    name: str = "unnamed",
    texts: Sequence[str] = PHRASES,
    bank_size: int | None = BANK_SIZE,
) -> None:
    """Write what `TextToFace.from_pretrained` reads: the networks, `pipeline.json` and a card.

    Args:
        folder: Where.
        sampler: Trained; it gets a bank of the pairs' embeddings.
        pairs: What it was trained on.
        generator: Stored number for number if its class can.
        encoder: Stored as its class does.
        config: The training, which says how words become conditions.
        base: Where `neutral_prompt` and `negative_weight` come from.
        name: The model's name.
        texts: Prompts of any faces, to find where texts lie.
        bank_size: Embeddings in the bank; None = all.

    Raises:
        OutputError: It cannot be written.
    """
    base = base or PipelineConfig()
    made = PipelineConfig(
        name=name,
        truncation=config.truncation,
        condition=config.condition,
        shortlist=config.shortlist,
        neutral_prompt=base.neutral_prompt,
        negative_weight=base.negative_weight,
    )
    bank = make_bank(pairs, encoder, texts, bank_size)
    banked = cast("LatentSampler", sampler.cpu().with_bank(bank))
    pipe = TextToFace(encoder, banked, generator, config=made)
    pipe.save_pretrained(folder)
    if isinstance(generator, MappedGenerator) and not _fits_half(generator):
        generator.save_pretrained(folder / "generator", half=False)


def _fits_half(model: nn.Module) -> bool:
    tensors = [t for t in model.state_dict().values() if t.is_floating_point()]
    return all(torch.equal(t.half().to(t.dtype), t) for t in tensors)


class SampleGrids:
    """Faces of fixed prompts and seeds, five times in a training (a `Recorder`).

    Grids before the last one are left out where they would take more than a tenth of the time.
    """

    def __init__(
        self,
        folder: Path,
        generator: Generator,
        encoder: TextImageEncoder,
        prompts: Sequence[str] = SAMPLE_PROMPTS,
        size: int = 256,
        *,
        dtype: str | None = None,
    ) -> None:
        """Save grids `step-000100.jpg` in a folder; prompts that the encoder cannot read are left.

        Args:
            folder: Made if it is missing.
            generator: Draws the faces.
            encoder: Reads the prompts.
            prompts: One for each row.
            size: Side of a face at most, in pixels.
            dtype: The generator's number type; None = bfloat16 where it is fast, for faces of more
                than 128 pixels.
        """
        self._folder, self._parts, self._size = folder, (encoder, generator), size
        self._dtype = dtype
        self._spent = self._last = 0.0
        self._prompts = list(prompts)
        self._done: int | None = None

    def __call__(self, trainer: Trainer, progress: Progress) -> None:
        """Save a grid if another fifth of the training is done."""
        reached = int(_GRIDS * progress.share)
        if self._done is None:  # the first step of this run, resumed or not
            self._done = reached if progress.step > 1 else 0
        if reached <= self._done:
            return
        self._done = reached
        if progress.share < 1 and self._spent + self._last > _MOST * progress.seconds:
            return
        began = time.monotonic()
        self._draw(trainer)
        self._last = time.monotonic() - began
        self._spent += self._last

    def _draw(self, trainer: Trainer) -> None:
        encoder, generator = self._parts
        large = generator.img_resolution > _LARGE
        fast = large and computes_in_bfloat16(trainer.device)
        lower = generator.skip_resolutions if isinstance(generator, SkipGenerator) else ()
        side = min((s for s in lower if s >= self._size), default=None)
        dtype = number_type(self._dtype or ("bfloat16" if fast else None))
        drawer = AtQuality(generator, Quality(dtype, side))
        sampler = trainer.average.with_bank(make_bank(trainer.pairs, encoder, size=4096))
        sampler = sampler.to(trainer.device)
        pipe = TextToFace(encoder, cast("LatentSampler", sampler), drawer)
        pipe.device = trainer.device
        settings = pipe.settings(
            condition=trainer.config.condition, truncation=trainer.config.truncation
        )
        rows: list[Image.Image] = []
        known: list[str] = []
        for prompt in self._prompts:
            try:
                faces = pipe.draw([prompt], range(_COLUMNS), settings)
                rows += [_at_most(face.image, self._size) for face in faces]
            except PromptError:
                continue
            known.append(prompt)
        if not known:
            return
        make_folder(self._folder)
        with atomic_file(self._folder / f"step-{trainer.step:06d}.jpg") as file:
            contact_sheet(rows, _COLUMNS, known).save(file, "JPEG", quality=90)


def _at_most(picture: Image.Image, side: int) -> Image.Image:
    """A square picture of so many pixels or less."""
    if picture.width <= side:
        return picture
    return picture.resize((side, side), Image.Resampling.LANCZOS)


def need_tensorboard() -> None:
    """See that TensorBoard is there.

    Raises:
        ArgumentError: It is not installed.
    """
    if find_spec("tensorboard") is None:
        raise ArgumentError("tensorboard is not installed; pip install 'text2face[train]'")


@dataclass
class TensorBoard:
    """Writes what `log.jsonl` holds for TensorBoard too (a `Recorder`)."""

    folder: Path
    every: int = 50

    def __post_init__(self) -> None:
        """Open the writer.

        Raises:
            ArgumentError: TensorBoard is not installed.
        """
        need_tensorboard()
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(self.folder))

    def __call__(self, trainer: Trainer, progress: Progress) -> None:
        """Write the numbers of a step."""
        if progress.step % self.every and progress.share < 1:
            return
        values = {"loss": progress.loss, **progress.parts, "rate": progress.learning_rate}
        for name, value in values.items():
            self._writer.add_scalar(name, value, progress.step)
        self._writer.flush()
