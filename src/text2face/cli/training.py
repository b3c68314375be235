"""The commands `pairs` and `train`."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

import click
import torch
from torch import Tensor
from tqdm import tqdm

from text2face.checkpoints import load_generator
from text2face.cli.errors import note
from text2face.encoders.base import TextImageEncoder
from text2face.errors import ArgumentError, CheckpointError
from text2face.generators.mapping import rgb
from text2face.loading import BUNDLED, load_encoder
from text2face.pipeline import PipelineConfig, TextToFace
from text2face.precision import number_type
from text2face.printing import printable, three_digits
from text2face.storage.folders import make_config, read_json
from text2face.storage.texts import read_prompts
from text2face.training import runs
from text2face.training.bank import PHRASES
from text2face.training.config import TrainingConfig, preset
from text2face.training.cost import pairs_cost
from text2face.training.distributed import (
    barrier,
    hold_together,
    join,
    local_device,
    rank,
    world_size,
)
from text2face.training.initialisation import make_sampler
from text2face.training.loop import CHECKPOINT, Progress, Recorder, Stopped, train
from text2face.training.pairs import SHARD_SIZE, Mixing, read_pairs, stored_quality, write_pairs
from text2face.training.photos import Inverter, find_photos, write_photo_pairs
from text2face.training.quality import Quality, batch_size_for, choose_quality

_INTERRUPTED: Final = 130
_FEW: Final = 64
"""Fewer pairs are drawn whole: to find a cheaper way would take longer."""


def make_pairs_command(
    *,
    generator_source: str | None,
    encoder_source: str | None,
    photos: Path | None,
    invert: str | None,
    folder: Path,
    count: int,
    seed: int,
    batch_size: int | None,
    resolution: int | None,
    mix: int,
    crossovers: str | None,
    size: int,
    max_skipped: int,
    device: str,
    dtype: str | None,
    dry_run: bool,
    quiet: bool,
) -> None:
    """Run `text2face pairs`."""
    place = local_device(device)
    with join(place):
        if photos is not None:
            count = len(find_photos(photos))
        mixing = Mixing(mix, _numbers(crossovers))
        encoder = _to(load_any_encoder(encoder_source), place)
        inverter = _inverter(invert, place) if invert else None
        generator: Any = None
        if photos is None:
            generator = _to(rgb(load_generator(generator_source or str(BUNDLED))), place)
            mixing.layer_groups(generator.num_ws)
        how = Drawn()
        if generator is not None:
            how = _choose(generator, encoder, folder, count, place, dtype, resolution, quiet)
            how = how if batch_size is None else dataclasses.replace(how, batch_size=batch_size)
            _say(_cost(generator, encoder, folder, count, place, how), quiet)
        if dry_run:
            shards = math.ceil(count / SHARD_SIZE)
            _say(f"{count} pairs in {shards} shards of {SHARD_SIZE}, {folder}", quiet)
            return
        with hold_together(folder), _bar(_own_count(count), "pairs", quiet) as report:
            if photos is not None:
                skipped = write_photo_pairs(
                    encoder,
                    photos,
                    folder,
                    size=size,
                    batch_size=batch_size or how.batch_size,
                    max_skipped=max_skipped,
                    inverter=inverter,
                    device=place,
                    on_batch=report,
                )
            else:
                skipped = []
                write_pairs(
                    generator,
                    encoder,
                    folder,
                    count,
                    seed,
                    how.batch_size,
                    mixing=mixing,
                    quality=how.quality,
                    device=place,
                    on_batch=report,
                )
        for line in skipped:
            _say(f"skipped {line}", quiet)
        _say(f"{folder}: {count - len(skipped)} pairs", quiet)


def train_command(
    *,
    preset_name: str,
    changes: Mapping[str, Any],
    generator_source: str | None,
    encoder_source: str | None,
    folder: Path | None,
    count: int,
    out: Path,
    resume: str,
    texts: Path | None,
    sample_prompts: Path | None,
    no_samples: bool,
    sample_size: int,
    name: str,
    device: str,
    dtype: str | None,
    tensorboard: bool,
    dry_run: bool,
    quiet: bool,
) -> None:
    """Run `text2face train`."""
    place = local_device(device)
    config = preset(preset_name, **changes)
    if tensorboard:
        runs.need_tensorboard()
    if config.steps is None and config.minutes is None:
        config = dataclasses.replace(config, minutes=5.0)
    with join(place):
        generator = _to(rgb(load_generator(generator_source or str(BUNDLED))), place)
        encoder = _to(load_any_encoder(encoder_source), place)
        known = read_prompts(texts) if texts else PHRASES
        shown = read_prompts(sample_prompts) if sample_prompts else runs.SAMPLE_PROMPTS
        if folder is None:
            folder = out / "pairs"
            # The measured time is that of the pairs; training stops by its own clock.
            limit = f"{config.steps} steps" if config.steps else f"{config.minutes:g} min"
            limits = f"then training for {limit}, sample grids included; saving comes on top"
            how = _choose(generator, encoder, folder, count, place, dtype, None, quiet)
            _say(f"{_cost(generator, encoder, folder, count, place, how)}, {limits}", quiet)
            if not dry_run:
                with _bar(_own_count(count), "pairs", quiet) as report:
                    write_pairs(
                        generator,
                        encoder,
                        folder,
                        count,
                        batch_size=how.batch_size,
                        quality=how.quality,
                        device=place,
                        on_batch=report,
                    )
            elif not folder.is_dir():
                _say(f"would make {count} pairs in {folder}, then train {config}", quiet)
                return
        pairs = read_pairs(folder)
        runs.check_series(pairs, generator, encoder)
        facts = {
            "preset": preset_name,
            "training": config.to_json(),
            "pairs": {**pairs.series, "count": len(pairs)},
            "processes": world_size(),
        }
        sampler = make_sampler(config, pairs, generator)  # raises before a run is made
        if dry_run:
            size = sum(p.numel() for p in sampler.parameters())
            _say(json.dumps(facts, indent=2), quiet)
            _say(f"{type(sampler).__name__} with {size:,} parameters; nothing was written", quiet)
            return
        run = _choose_run(out, preset_name, facts, resume)
        with hold_together(run):
            _say(f"{run}{', resumed' if (run / CHECKPOINT).exists() else ''}", quiet)
            recorders: list[Recorder] = []
            if rank() == 0:
                if not no_samples:
                    grids = runs.SampleGrids(
                        run / "samples", generator, encoder, shown, sample_size, dtype=dtype
                    )
                    recorders.append(grids)
                if tensorboard:
                    recorders.append(runs.TensorBoard(run / "tensorboard"))
            try:
                with show_training(quiet) as on_step:
                    sampler = train(
                        config,
                        generator,
                        encoder,
                        pairs,
                        run,
                        device=place,
                        on_step=on_step,
                        recorders=recorders,
                    )
            except Stopped as error:
                if rank() == 0:
                    note(str(error))
                raise click.exceptions.Exit(_INTERRUPTED) from None
            if rank() == 0:
                runs.save_model(
                    run / runs.MODEL,
                    sampler,
                    pairs,
                    generator.cpu(),
                    encoder.cpu(),
                    config,
                    base=_base(encoder_source),
                    name=name,
                    texts=known,
                )
            barrier()
            _say(f"{run / runs.MODEL}: use it with --model", quiet)


@dataclasses.dataclass(frozen=True)
class Drawn:
    """How the images of pairs are drawn."""

    quality: Quality = dataclasses.field(default_factory=Quality)
    batch_size: int = 32


def _choose(
    generator: Any,
    encoder: TextImageEncoder,
    folder: Path,
    count: int,
    place: torch.device,
    dtype: str | None,
    resolution: int | None,
    quiet: bool,
) -> Drawn:
    """How to draw the images of pairs: as asked for, as the pairs that are there, or as agrees."""
    asked = dtype is not None or resolution is not None
    chosen: list[Any] = [None]
    if rank() == 0:
        quality = None if asked else stored_quality(folder)
        if quality is None and count < _FEW and not asked:
            quality = Quality()
        if quality is None:
            kind = number_type(dtype) if dtype else None
            quality, agreement = choose_quality(
                generator, encoder, place, dtype=kind, resolution=resolution
            )
            if agreement is not None:
                _say(
                    f"images are drawn in {quality}: the encoder sees the same with a cosine of "
                    f"{agreement:.4f} or more",
                    quiet,
                )
        chosen[0] = str(quality)
    if world_size() > 1:
        torch.distributed.broadcast_object_list(chosen)
    quality = Quality.parse(chosen[0])
    return Drawn(quality, batch_size_for(quality.resolution or generator.img_resolution, place))


def _cost(
    generator: Any,
    encoder: TextImageEncoder,
    folder: Path,
    count: int,
    place: torch.device,
    how: Drawn,
) -> str:
    """How long pairs will take, measured by the process that says it."""
    if rank() != 0:
        return ""
    return pairs_cost(
        generator,
        encoder,
        folder,
        count,
        processes=world_size(),
        device=place,
        quality=how.quality,
        batch_size=min(how.batch_size, count),
    )


def show_settings(preset_name: str) -> None:
    """Print every field of `TrainingConfig`, its value in a preset, and what it is."""
    values = preset(preset_name).to_json()
    for field, about in _about(TrainingConfig).items():
        click.echo(f"{field} = {json.dumps(values[field])}\n    {about}")


def parse_changes(settings: Sequence[str], **given: Any) -> dict[str, Any]:
    """Fields to change, from `name=value` and from options that were given.

    Raises:
        ArgumentError: One is not of this form, or names no field.
    """
    changes: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name:
            raise ArgumentError(f"--set {setting} is not of the form name=value, such as ema=0.99")
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = text
        outer, dot, inner = name.partition(".")
        if dot:
            inside = changes.setdefault(outer, {})
            if not isinstance(inside, dict):
                raise ArgumentError(f"--set {outer} is given as a whole and by {name}; give one")
            inside[inner] = value
        else:
            changes[name] = value
    for outer in [key for key, value in changes.items() if isinstance(value, dict)]:
        if outer not in ("shape", "pseudo_text"):
            raise ArgumentError(f"{outer} has no fields; expected shape.NAME or pseudo_text.NAME")
    return changes | {name: value for name, value in given.items() if value is not None}


def _choose_run(out: Path, name: str, facts: Mapping[str, Any], resume: str) -> Path:
    """The run folder, the same in all processes."""
    chosen: list[Path | None] = [None]
    if resume not in ("none", "auto"):
        chosen[0] = run = Path(resume)
        held = read_json(run / runs.CONFIG)
        differing = [key for key, value in facts.items() if held.get(key) != _plain(value)]
        if differing:
            raise CheckpointError(
                f"{run} is another training: its {differing[0]} is "
                f"{json.dumps(held.get(differing[0]))}, expected {json.dumps(facts[differing[0]])}"
                "; give the options it was started with"
            )
        return run
    if rank() == 0:
        found = runs.find_run(out, name, facts) if resume == "auto" else None
        chosen[0] = found or runs.new_run(out, name, facts)
    if world_size() > 1:
        torch.distributed.broadcast_object_list(chosen)
    return cast("Path", chosen[0])


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _inverter(model: str, device: torch.device) -> Inverter:
    """The inversion encoder of a model.

    Raises:
        ArgumentError: It has none.
    """
    pipe = TextToFace.from_pretrained(model).to(device)
    encode: Callable[[Tensor], Tensor] | None = getattr(pipe, "encode", None)
    if encode is None or getattr(pipe, "inverter", None) is None:
        raise ArgumentError(
            f"the model {model} has no inversion encoder; train one first, or leave out --invert: "
            "the preset 'cvae' learns from photos without latents"
        )
    return lambda images: torch.cat([encode(image[None]) for image in images])


def load_any_encoder(name: str | None) -> TextImageEncoder:
    """The encoder of a name, a folder or a whole model; None = the bundled one."""
    folder = Path(name) if name else BUNDLED
    if (folder / "pipeline.json").is_file():
        folder /= "encoder"
    return load_encoder(folder if folder.is_dir() else cast("str", name))


def _base(encoder: str | None) -> PipelineConfig:
    """The pipeline that an encoder comes from, which knows its neutral prompt."""
    path = (Path(encoder) if encoder else BUNDLED) / "pipeline.json"
    if not path.is_file():
        path = path.parent.parent / "pipeline.json"
    if not path.is_file():
        return PipelineConfig()
    return make_config(PipelineConfig, read_json(path), path)


def _to(model: Any, device: torch.device) -> Any:
    return model.to(device) if isinstance(model, torch.nn.Module) else model


def _own_count(count: int) -> int:
    """How many pairs this process makes."""
    starts = range(0, count, SHARD_SIZE)
    mine = [start for i, start in enumerate(starts) if i % world_size() == rank()]
    return sum(min(SHARD_SIZE, count - start) for start in mine)


def _numbers(text: str | None) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise ArgumentError(f"--crossovers is {text!r}, expected layers such as 4,8") from None


@contextmanager
def _bar(total: int, what: str, quiet: bool) -> Iterator[Callable[[int], object]]:
    """A progress bar in the first process."""
    hidden = quiet or rank() > 0
    with tqdm(total=total, desc=what, unit="pair", smoothing=0.05, disable=hidden) as bar:
        yield lambda made: bar.update(made - bar.n)


@contextmanager
def show_training(quiet: bool = False) -> Iterator[Callable[[Progress], object]]:
    """A progress bar of a training, in the first process."""
    hidden = quiet or rank() > 0
    layout = "{l_bar}{bar}| {elapsed} {postfix}"
    with tqdm(total=100, desc="train", bar_format=layout, disable=hidden) as bar:

        def report(progress: Progress) -> None:
            bar.n = round(100 * progress.share)
            if progress.step % 20 == 0 or progress.share == 1:
                parts = ", ".join(
                    f"{name} {three_digits(value)}" for name, value in progress.parts.items()
                )
                speed = f"{progress.pairs_per_second:.0f} pairs/s"
                bar.set_postfix_str(f"step {progress.step}, {parts}, {speed}")

        yield report


def _about(cls: type) -> dict[str, str]:
    """What stands in the strings under a dataclass's fields."""
    import ast
    import inspect

    body = cast("ast.ClassDef", ast.parse(inspect.getsource(cls)).body[0]).body
    about = {}
    for field, text in itertools.pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            about[field.target.id] = " ".join(str(text.value.value).split())
    return about


def _say(line: str, quiet: bool) -> None:
    if not quiet and rank() == 0:
        click.echo(printable(line), err=True)
