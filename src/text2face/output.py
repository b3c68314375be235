"""The faces of one call: a list that shows and saves itself."""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, overload

import torch
from PIL import Image
from torch import Tensor

from text2face import prompts, provenance
from text2face.checks import check_count
from text2face.errors import ArgumentError, OutputError
from text2face.faces import Face
from text2face.model import FaceModel
from text2face.pictures import resized
from text2face.provenance import Record, Signer
from text2face.settings import Settings
from text2face.sheet import contact_sheet
from text2face.storage.folders import check_writable, make_folder, prompt_folders

__all__ = ["Drawing", "Output"]

_SHOWN: Final = 24  # faces in a notebook
_COLUMNS: Final = 8


@dataclass(frozen=True)
class Drawing:
    """How faces were drawn, for their records."""

    model: FaceModel
    settings: Settings
    dtype: str
    device: str
    threads: int

    @classmethod
    def now(cls, model: FaceModel, settings: Settings) -> Drawing:
        """How a model draws in this thread, at present."""
        dtype = str(model.dtype).removeprefix("torch.")
        return cls(model, settings, dtype, model.device.type, torch.get_num_threads())

    def record(self, face: Face) -> Record:
        """The record of one of the faces."""
        made = provenance.make_record(self.model, self.settings, face)
        return replace(made, dtype=self.dtype, device=self.device, threads=self.threads)


class Output(Sequence[Face]):
    """The faces that `TextToFace` returns: prompt by prompt, seed by seed (or best first).

    ```python
    out = pipe(["an old man", "a young woman"], num_images=4, seed=7)
    out[0].image.show()
    out[-1].score, out.seeds, out.unknown_words
    out[:4].grid(columns=2).save("sheet.png")  # a picture alone, without records
    out.save("faces")                          # files that say how they were made
    ```
    """

    def __init__(
        self,
        faces: Iterable[Face],
        *,
        unknown_words: Sequence[str] = (),
        corrected_words: Mapping[str, str] | None = None,
        drawing: Drawing | None = None,
    ) -> None:
        """Hold faces.

        Args:
            faces: In order.
            unknown_words: The words of the prompts that the encoder does not know.
            corrected_words: The words of the prompts that are taken for typing errors, and what
                they are read as.
            drawing: How they were drawn; None = not known, and they cannot be saved with records.
        """
        self.faces = list(faces)
        self.unknown_words = list(unknown_words)
        self.corrected_words = dict(corrected_words or {})
        self.drawing = drawing

    @overload
    def __getitem__(self, index: int) -> Face: ...
    @overload
    def __getitem__(self, index: slice) -> Output: ...

    def __getitem__(self, index: int | slice) -> Face | Output:
        """One face, or an `Output` of some."""
        if isinstance(index, slice):
            return Output(
                self.faces[index],
                unknown_words=self.unknown_words,
                corrected_words=self.corrected_words,
                drawing=self.drawing,
            )
        return self.faces[index]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.faces)

    def __repr__(self) -> str:
        """The seeds and prompts, in one line."""
        asked = ", ".join(repr(prompts.shorten(text)) for text in self._texts[:3])
        more = ", …" if len(self._texts) > 3 else ""
        return f"<Output of {len(self)} faces: {asked}{more}>"

    @property
    def images(self) -> list[Image.Image]:
        """The pictures."""
        return [face.image for face in self.faces]

    @property
    def latents(self) -> Tensor:
        """Their latents w [N, num_ws, w_dim]."""
        return torch.stack([face.latent for face in self.faces])

    @property
    def embeddings(self) -> Tensor:
        """The prompts' embeddings [N, D], L2-normalised."""
        return torch.stack([face.embedding for face in self.faces])

    @property
    def seeds(self) -> list[int]:
        """Their seeds."""
        return [face.seed for face in self.faces]

    @property
    def scores(self) -> list[float]:
        """The cosine between each image's embedding and its prompt's."""
        return [face.score for face in self.faces]

    @property
    def records(self) -> list[Record]:
        """All it takes to draw each of them again.

        Raises:
            ArgumentError: It is not known how they were drawn.
        """
        if self.drawing is None:
            raise ArgumentError(
                "it is not known how these faces were drawn; expected what TextToFace returned, or "
                "a slice of it"
            )
        return [self.drawing.record(face) for face in self.faces]

    def grid(self, columns: int | None = None, *, captions: bool = False) -> Image.Image:
        """All of them on one contact sheet.

        Args:
            columns: How many side by side; None = as many as make it about square, or one row for
                each prompt with captions.
            captions: Whether each row has its prompt above it; there must be a row for each.

        Raises:
            ArgumentError: There are no faces, or not as many of each prompt with captions.
        """
        rows = self._texts if captions else None
        if columns is None:
            even = math.ceil(math.sqrt(len(self)))
            columns = math.ceil(len(self) / len(rows)) if rows else min(even, _COLUMNS)
        return contact_sheet(self.images, max(columns, 1), rows)

    def save(
        self,
        folder: str | Path,
        *,
        format: str = "png",
        size: int | None = None,
        overwrite: bool = False,
        sign: Signer | None = None,
    ) -> list[Path]:
        """Save each face with its record and the mark of generated images.

        Args:
            folder: Made if it is missing. The files are `seed0042.png`, in a folder for each prompt
                if there are several, as `text2face generate` names them.
            format: "png", "jpeg" or "webp".
            size: The side of the files in pixels; a larger one than the model's is enlarged by
                Lanczos, which adds no detail; None = as drawn.
            overwrite: Replace files that exist.
            sign: Adds Content Credentials, see `text2face.provenance.load_signer`.

        Returns:
            The files, in order.

        Raises:
            ArgumentError: The format is unknown, two faces have the same prompt and seed, or it is
                not known how they were drawn.
            OutputError: A file exists, or cannot be written.
        """
        if format not in provenance.FORMATS:
            known = ", ".join(provenance.FORMATS)
            raise ArgumentError(f"format is {format!r}, expected one of {known}")
        if size is not None:
            check_count("size", size, least=16, most=4096)
        folders = prompt_folders(Path(folder), self._texts)
        paths = [folders[face.asked] / f"seed{face.seed:04d}.{format}" for face in self.faces]
        if len(set(paths)) < len(paths):
            raise ArgumentError("two faces have the same prompt and seed; expected each once")
        existing = [] if overwrite else [path for path in paths if path.exists()]
        if existing:
            raise OutputError(
                f"{existing[0]} would be overwritten; choose another folder, or pass overwrite=True"
            )
        records = self.records
        check_writable(Path(folder))
        for path, face, record in zip(paths, self.faces, records, strict=True):
            make_folder(path.parent)
            own = face.image.width
            image = resized(face.image, size or own)
            made = record.at(image.width, drawn=own)
            provenance.write(path, image, made, sign=sign, overwrite=overwrite)
        return paths

    def _repr_png_(self) -> bytes | None:
        """What a notebook shows: the contact sheet."""
        if not self.faces:
            return None
        shown = self[:_SHOWN]
        if self.drawing is not None:
            return provenance.encode_file(shown.grid(), shown.records)
        file = io.BytesIO()
        shown.grid().save(file, format="PNG")
        return file.getvalue()

    def _repr_html_(self) -> str:
        """What a notebook shows: the faces with seeds and scores, and words without effect."""
        notes = [f"“{word}” is not known" for word in self.unknown_words]
        notes += [f"“{word}” is read as “{known}”" for word, known in self.corrected_words.items()]
        if len(self) > _SHOWN:
            notes.append(f"{len(self) - _SHOWN} more faces are not shown")
        figures = "".join(self[i : i + 1]._figure() for i in range(min(len(self), _SHOWN)))
        said = f"<p>{html.escape('; '.join(notes))}</p>" if notes else ""
        return f'<div style="display: flex; flex-wrap: wrap; gap: 8px">{figures}</div>{said}'

    def _figure(self) -> str:
        """The only face as HTML."""
        (face,) = self.faces
        if self.drawing is not None:
            file = provenance.encode_file(face.image, self.records[0])
        else:
            file = self._repr_png_() or b""
        data = base64.b64encode(file).decode()
        prompt = html.escape(face.prompt, quote=True)
        return (
            f'<figure style="margin: 0"><img alt="{prompt}" title="{prompt}" '
            f'src="data:image/png;base64,{data}">'
            f"<figcaption>seed {face.seed} · {face.score:.3f}</figcaption></figure>"
        )

    @property
    def _texts(self) -> list[str]:
        """The prompts, once each."""
        return list(dict.fromkeys(face.asked for face in self.faces))
