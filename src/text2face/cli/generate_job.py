"""`text2face generate`: plan, check, draw, save."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import text2face
from text2face import provenance
from text2face.cli.errors import note
from text2face.cli.models import prepare
from text2face.errors import ArgumentError, CheckpointError, OutputError
from text2face.lists import NO_LISTS, Library
from text2face.pictures import resized
from text2face.printing import printable
from text2face.prompts import Prompt
from text2face.provenance import Record
from text2face.settings import Settings, check_count
from text2face.storage.folders import (
    atomic_file,
    check_writable,
    make_folder,
    new_folder,
    prompt_folders,
)
from text2face.templates import prompts_of

if TYPE_CHECKING:
    from text2face.pipeline import Face, TextToFace

__all__ = ["GenerateJob", "parse_grid", "parse_seeds", "write_latent"]


@dataclass(frozen=True)
class GenerateJob:
    """What the command line asks for; None = not said."""

    texts: Sequence[str]
    source: Record | None
    """The record of the image to draw again; other settings given override it."""
    given: Mapping[str, Any]
    """The `Settings` that were given, by name."""
    seeds: Sequence[int]
    random_seed: bool
    """The seeds are random, so they are printed."""
    keep: int | None
    grid: tuple[int, int] | None
    """Columns and rows of the contact sheet."""
    outdir: Path
    overwrite: bool
    save_latents: str | None
    """The kind of file: "safetensors" or "npz"."""
    model: str | None
    device: str
    dtype: str
    batch_size: int
    as_json: bool
    quiet: bool
    library: Library = NO_LISTS
    """The lists and styles that templates name."""
    dry_run: bool = False
    accept_licence: bool = False
    offline: bool = False
    size: int | None = None
    """The side of the files in pixels; None = as they are drawn."""
    format: str = "png"
    """The kind of image file: "png", "jpeg" or "webp"."""
    c2pa: tuple[Path, Path] | None = None
    """The certificate and key to sign with."""
    file: Path | None = None
    """The file of the one face; None = files in `outdir` named by seed."""
    origin: Path | None = None
    """The image to draw again."""
    threads_chosen: bool = False
    """Whether the number of threads is the user's, rather than that of the image to draw again."""

    def run(self) -> None:
        """Check all that can be checked, load the model, then draw and save face by face.

        Raises:
            Text2FaceError: Something is wrong; faces that are finished stay.
            KeyboardInterrupt: With a message that says how many faces are finished.
        """
        self._check()
        if self.dry_run:
            self._show()
            return
        with new_folder(self.outdir):
            self._work()

    def _work(self) -> None:
        check_writable(self.outdir)
        pipe = self._load()
        settings = self._settings(pipe)
        self._check_sheet(pipe, settings)
        own = pipe.generator.img_resolution
        if self.size and self.size > own and not self.quiet:
            click.echo(f"enlarged from {own} to {self.size} pixels; no detail is added", err=True)
        read = [pipe.resolve(prompts, self.seeds, settings) for prompts in self.prompts]
        each = list(dict.fromkeys(prompt for prompts in read for prompt in prompts))
        if unknown := pipe.unknown_words(each, settings):
            note(f"words that the encoder does not know: {', '.join(unknown)}")
        for word, known in pipe.corrected_words(each, settings).items():
            note(f'read "{word}" as "{known}"')
        if self.random_seed and not self.quiet:
            click.echo(f"seed {self.seeds[0]}", err=True)
        self._draw(pipe, read, settings)

    @cached_property
    def prompts(self) -> list[list[Prompt]]:
        """The prompts of each text, one for each seed, made before the model is loaded."""
        drawn = asdict(self.source.settings) if self.source else {}
        settings = Settings(**{**drawn, **self.given})
        return [prompts_of(text, self.seeds, settings, self.library) for text in self.texts]

    def _show(self) -> None:
        """Say which prompts would be drawn."""
        negative = self.given.get("negative_prompt")
        for prompts in self.prompts:
            for seed, prompt in zip(self.seeds, prompts, strict=True):
                unwanted = prompt.negative_prompt if prompt.template else negative
                facts = {"seed": seed, "prompt": prompt.text, "negative_prompt": unwanted}
                if self.as_json:
                    click.echo(json.dumps(facts))
                else:
                    less = f"  (not: {printable(unwanted)})" if unwanted else ""
                    click.echo(f"seed {seed}  {printable(prompt.text)}{less}")

    @cached_property
    def kept(self) -> int:
        """How many faces of each prompt are kept."""
        return self.keep or len(self.seeds)

    @cached_property
    def folders(self) -> dict[str, Path]:
        """Where the faces of each prompt go."""
        return prompt_folders(self.outdir, self.texts)

    @cached_property
    def signer(self) -> provenance.Signer | None:
        """What signs the files."""
        return provenance.load_signer(*self.c2pa) if self.c2pa else None

    def _path(self, text: str, seed: int) -> Path:
        return self.file or self.folders[text] / f"seed{seed:04d}.{self.format}"

    def _check(self) -> None:
        """Find what is wrong before the slow part starts."""
        _ = self.prompts  # parses them
        check_count("batch-size", self.batch_size)
        if self.signer:
            self.signer(_probe(), "image/png")
        if len(set(self.texts)) < len(self.texts):
            raise ArgumentError(
                "a prompt is given twice; expected each once; raise -n for more faces"
            )
        if len(set(self.seeds)) < len(self.seeds):
            raise ArgumentError("a seed is given twice; expected each once")
        count = self.kept * len(self.texts)
        if self.grid and count > self.grid[0] * self.grid[1]:
            raise ArgumentError(
                f"--grid {self.grid[0]}x{self.grid[1]} has no room for {count} faces; "
                "expected columns x rows to hold them all"
            )
        planned = [self._path(text, seed) for text in self.texts for seed in self.seeds]
        if self.save_latents:
            planned += [path.with_suffix(f".{self.save_latents}") for path in planned]
        if self.grid:
            planned.append(self.outdir / f"grid.{self.format}")
        existing = [] if self.overwrite else [path for path in planned if path.exists()]
        if existing:
            more = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
            raise OutputError(
                f"{existing[0]}{more} would be overwritten; choose another --outdir or --seed, or "
                "pass --overwrite"
            )
        from text2face.loading import choose_device
        from text2face.samplers.conditions import check_condition

        choose_device(self.device)
        if "condition" in self.given:
            check_condition(self.given["condition"])

    def _load(self) -> TextToFace:
        import torch

        from text2face.pipeline import TextToFace
        from text2face.precision import number_type

        if self.model is not None:
            accepted, offline, quiet = self.accept_licence, self.offline, self.quiet
            prepare(self.model, accept_licence=accepted, offline=offline, quiet=quiet)
        pipe = TextToFace.from_pretrained(self.model)
        pipe.library = self.library
        pipe.to(self.device, number_type(self.dtype))
        if self.source:
            if not self.threads_chosen:
                torch.set_num_threads(self.source.threads)
            elif torch.get_num_threads() != self.source.threads:
                note(
                    f"the image was drawn with --threads {self.source.threads}: this is the same "
                    "face, but the last bits of its pixels may differ"
                )
            if self.source.batch > 1:
                note(
                    f"the image was drawn in a batch of {self.source.batch}: this is the same "
                    "face, but the last bits of its pixels may differ"
                )
        if self.source and self.source.weights != pipe.weights:
            raise CheckpointError(
                f"the image was made with the weights {self.source.weights} of "
                f"{self.source.model}, this model's are {pipe.weights}; expected the same for the "
                "same face; name the image's model with --model"
            )
        return pipe

    def _settings(self, pipe: TextToFace) -> Settings:
        if self.source:
            return replace(self.source.settings, **self.given)
        return pipe.settings(**self.given)

    def _draw(self, pipe: TextToFace, read: Sequence[Sequence[Prompt]], settings: Settings) -> None:
        from tqdm import tqdm

        faces: list[Face] = []
        records: list[Record] = []
        bar = tqdm(
            total=len(self.texts) * len(self.seeds),
            unit="face",
            leave=False,
            disable=True if self.quiet else None,  # None: only where stderr is a terminal
        )
        try:
            with bar:
                drawn = pipe.draw(
                    read,
                    self.seeds,
                    settings,
                    keep=self.keep,
                    batch_size=self.batch_size,
                    on_face=bar.update,
                )
                for face in drawn:
                    self._compare(face)
                    own = face.image.width
                    face = replace(face, image=resized(face.image, self.size or own))
                    made = provenance.make_record(pipe, settings, face)
                    record = made.at(face.image.width, drawn=own)
                    if self.source and self.source.template and face.prompt == self.source.prompt:
                        record = replace(record, template=self.source.template)
                    path = self._path(face.asked, face.seed)
                    make_folder(path.parent)
                    if self.save_latents:
                        beside = path.with_suffix(f".{self.save_latents}")
                        write_latent(beside, face, overwrite=self.overwrite)
                    provenance.write(
                        path, face.image, record, sign=self.signer, overwrite=self.overwrite
                    )
                    faces.append(face)
                    records.append(record)
                    self._tell(bar, path, f"score {face.score:.3f}", asdict(record))
            if self.grid:
                path = self.outdir / f"grid.{self.format}"
                self._write_sheet(path, self.grid[0], faces, records)
                self._tell(bar, path, "contact sheet", {"contact_sheet": len(faces)})
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"interrupted: {len(records)} of {self.kept * len(self.texts)} faces are finished, "
                f"in {self.outdir}"
            ) from None

    def _compare(self, face: Face) -> None:
        """Say if the image to draw again is another than the one drawn."""
        if self.origin is None or self.source is None or self.given:
            return
        from text2face.pictures import read_picture
        from text2face.provenance import pixels

        same_face = (face.prompt, face.seed) == (self.source.prompt, self.source.seed)
        if same_face and not pixels.same(face.image, read_picture(self.origin)):
            note(
                f"{self.origin} is not what its record draws: another program changed it, or it "
                "was drawn in another way than one by one"
            )

    def _tell(self, bar: Any, path: Path, about: str, facts: Mapping[str, Any]) -> None:
        """Say on stdout what was saved."""
        if self.as_json:
            bar.write(json.dumps({"path": str(path), **facts}), file=sys.stdout)
        elif not self.quiet:
            bar.write(f"{path}  {about}", file=sys.stdout)

    @cached_property
    def _captions(self) -> Sequence[str] | None:
        """The words above the rows of the contact sheet."""
        row_per_prompt = len(self.texts) > 1 and self.grid and self.kept == self.grid[0]
        return self.texts if row_per_prompt else None

    def _check_sheet(self, pipe: TextToFace, settings: Settings) -> None:
        """See that the contact sheet fits into its format, before a face is drawn."""
        if not self.grid:
            return
        from text2face.sheet import page_size

        # The longest that the records can be.
        record = Record(
            "", 0, settings, pipe.config.name, pipe.weights, "bfloat16", "cuda", 1024,
            version=text2face.__version__, score=-0.12345678901234567, drawn_size=1024,
        )  # fmt: skip
        seeds = sorted(self.seeds)[-self.kept :]
        records = [replace(record, prompt=text, seed=seed) for text in self.texts for seed in seeds]
        side = self.size or pipe.generator.img_resolution
        size = page_size(len(records), self.grid[0], side, self._captions)
        provenance.check_sheet(self.format, size, records)

    def _write_sheet(
        self, path: Path, columns: int, faces: Sequence[Face], records: Sequence[Record]
    ) -> None:
        from text2face.sheet import contact_sheet

        sheet = contact_sheet([face.image for face in faces], columns, self._captions)
        provenance.write_sheet(path, sheet, records, sign=self.signer, overwrite=self.overwrite)


def parse_seeds(text: str) -> list[int]:
    """Read a list of seeds such as "0,1,4-6"; ranges include both ends.

    Raises:
        ArgumentError: It is not such a list.
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,10})\s*(?:-\s*(\d{1,10})\s*)?", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last:
            raise ArgumentError(f"--seeds is {text!r}, expected numbers and ranges such as 0,1,4-6")
        check_count("the number of seeds", last - first + 1 + len(seeds))
        seeds += range(first, last + 1)
    return seeds


def parse_grid(text: str) -> tuple[int, int]:
    """Read columns and rows such as "4x2".

    Raises:
        ArgumentError: It is not such a pair.
    """
    match = re.fullmatch(r"(\d{1,3})[xX×](\d{1,3})", text)
    columns, rows = (int(match[1]), int(match[2])) if match else (0, 0)
    if not columns or not rows:
        raise ArgumentError(f"--grid is {text!r}, expected columns x rows such as 4x2")
    return columns, rows


def _probe() -> bytes:
    """A small picture, to see that the certificate signs."""
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, format="PNG")
    return file.getvalue()


def write_latent(path: Path, face: Face, *, overwrite: bool) -> None:
    """Save w [1, num_ws, w_dim] as NVIDIA's tools do, under the name "w".

    Raises:
        OutputError: It cannot be written, or is there already and may not be overwritten.
    """
    with atomic_file(path, overwrite=overwrite) as file:
        if path.suffix == ".npz":
            import numpy as np

            np.savez(file, w=face.latent[None].numpy())
        else:
            from safetensors.torch import save

            file.write(save({"w": face.latent[None].contiguous()}))
