"""What an option of `generate` and of the edits is honoured in: its effect is seen."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.cli.test_options import commands
from text2face import TextToFace, provenance
from text2face.provenance import Record

Run = Callable[..., int]
PROMPT = "an old (man) with a beard"


@dataclass(frozen=True)
class Made:
    """What a command left behind."""

    files: dict[str, bytes]
    out: str

    @property
    def record(self) -> Record:
        return self._first("record")

    @property
    def pixels(self) -> np.ndarray[Any, Any]:
        return self._first("pixels")

    def _first(self, what: str) -> Any:
        name = min(name for name in self.files if name.endswith((".png", ".webp", ".gif")))
        path = Path("seen")
        path = path.with_suffix(Path(name).suffix)
        path.write_bytes(self.files[name])
        if what == "record":
            return provenance.read(path)[0]
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))

    def frames(self) -> tuple[int, int]:
        """How many there are, and the milliseconds of one."""
        (content,) = self.files.values()
        Path("seen.gif").write_bytes(content)
        with Image.open("seen.gif") as image:
            return image.n_frames, image.info["duration"]  # type: ignore[attr-defined]

    def end(self) -> np.ndarray[Any, Any]:
        """The second frame."""
        self.frames()
        with Image.open("seen.gif") as image:
            image.seek(1)
            return np.asarray(image.convert("RGB"))


def drawn_with(**settings: object) -> Callable[[Made, Made], bool]:
    """Another picture, whose record says why."""

    def check(plain: Made, made: Made) -> bool:
        kept = vars(made.record.settings)
        assert kept.items() >= settings.items()
        return not np.array_equal(plain.pixels, made.pixels)

    return check


def other_pixels(plain: Made, made: Made) -> bool:
    return plain.pixels.shape != made.pixels.shape or not np.array_equal(plain.pixels, made.pixels)


def names(*expected: str) -> Callable[[Made, Made], bool]:
    return lambda plain, made: sorted(made.files) == sorted(expected)


GENERATE: dict[str, tuple[list[str], Callable[[Made, Made], bool]]] = {
    "num_images": (["-n", "2"], names("out/seed0003.png", "out/seed0004.png")),
    "seed": (
        ["--seed", "9"],
        lambda plain, made: made.record.seed == 9 and other_pixels(plain, made),
    ),
    "seeds": (["--seeds", "4-5"], names("out/seed0004.png", "out/seed0005.png")),
    "truncation": (["--trunc", "0.3"], drawn_with(truncation=0.3)),
    "truncation_cutoff": (["--trunc-cutoff", "1"], drawn_with(truncation_cutoff=1)),
    "diversity": (["--diversity", "0.2"], drawn_with(diversity=0.2)),
    "noise_mode": (["--noise-mode", "random"], drawn_with(noise_mode="random")),
    "negative_prompt": (["--negative", "a hat"], drawn_with(negative_prompt="a hat")),
    "literal": (["--literal"], lambda plain, made: made.record.settings.literal),
    "shortlist": (["--shortlist", "7"], lambda plain, made: made.record.settings.shortlist == 7),
    "condition": (
        ["--condition", "text"], lambda plain, made: made.record.settings.condition == "text",
    ),
    "candidates": (
        ["--candidates", "9"], lambda plain, made: made.record.score > plain.record.score,
    ),
    "keep": (["--candidates", "5", "--keep", "2"], lambda plain, made: len(made.files) == 2),
    "size": (["--size", "24"], lambda plain, made: made.pixels.shape == (24, 24, 3)),
    "grid": (["--grid", "2x1"], lambda plain, made: "out/grid.png" in made.files),
    "outdir": (["-o", "new/face.png"], names("new/face.png")),
    "format": (["--format", "webp"], names("out/seed0003.webp")),
    "save_latents": (["--save-latents", "npz"], names("out/seed0003.npz", "out/seed0003.png")),
    "threads": (["--threads", "2"], lambda plain, made: made.record.threads == 2),
    "dtype": (["--dtype", "bfloat16"], lambda plain, made: made.record.dtype == "bfloat16"),
    "device": (["--device", "cpu"], lambda plain, made: made.record.device == "cpu"),
    "batch_size": (["-n", "2", "--batch-size", "2"], lambda plain, made: made.record.batch == 2),
    "as_json": (["--json"], lambda plain, made: json.loads(made.out)["seed"] == 3),
    "quiet": (["-q"], lambda plain, made: plain.out != "" and made.out == ""),
    "dry_run": (["--dry-run"], lambda plain, made: not made.files and PROMPT in made.out),
}  # fmt: skip
ELSEWHERE = {
    "generate": """texts file from_image overwrite c2pa model accept_licence offline tar shard_size
        duplicates styles wildcards styles_file""",
    "edit": "image words out refine align points model device threads dtype c2pa overwrite",
    "mix": "a b out model device threads dtype c2pa overwrite quiet",
    "interpolate": "a b out model device threads dtype c2pa overwrite quiet",
    "sweep": """image prompt out refine align points model device threads dtype c2pa overwrite
        quiet source method""",
}
"""Options whose effect other tests see: test_app.py, test_edit.py, test_overwriting.py,
test_bulk.py, test_templates.py, and those of names, licences, signatures and number types."""

EDITS: dict[str, dict[str, tuple[list[str], Callable[[Made, Made], bool]]]] = {
    "edit": {
        "strength": (["--strength", "0.2"], other_pixels),
        "method": (["--method", "direction"], other_pixels),
        "source": (["--source", "a young woman with long hair"], other_pixels),
        "lock": (["--lock", "0.9"], other_pixels),
        "as_json": (["--json"], lambda plain, made: json.loads(made.out)["path"] == "made.png"),
        "quiet": (["-q"], lambda plain, made: plain.out != "" and made.out == ""),
    },
    "mix": {"layers": (["--layers", "fine"], other_pixels)},
    "interpolate": {
        "steps": (["--steps", "4"], lambda plain, made: made.frames()[0] == 6),
        "fps": (["--fps", "5"], lambda plain, made: made.frames()[1] == 200),
    },
    "sweep": {
        "first": (["--from", "0.2"], other_pixels),
        "last": (
            ["--to", "0.4"],
            lambda plain, made: (
                not np.array_equal(plain.end(), made.end()) and not other_pixels(plain, made)
            ),
        ),
        "steps": (["--steps", "4"], lambda plain, made: made.frames()[0] == 6),
        "fps": (["--fps", "5"], lambda plain, made: made.frames()[1] == 200),
        "lock": (["--lock", "0.9"], other_pixels),
        "other": (["--and", "smiling", "-o", "made.png"], other_pixels),
    },
}


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def left(before: set[Path], out: str) -> Made:
    """What is new, which is taken away."""
    new = [path for path in Path().rglob("*") if path.is_file() and path not in before]
    files = {path.as_posix(): path.read_bytes() for path in new}
    for path in new:
        path.unlink()
    return Made(files, out)


def test_every_option_has_an_effect_that_a_test_sees() -> None:
    tables = {"generate": GENERATE, **EDITS}
    for name, command in commands():
        if name in tables:
            seen = {*tables[name], *ELSEWHERE[name].split()}
            assert {parameter.name for parameter in command.params} == seen, name


@pytest.fixture
def plain(run: Run, model: Path, capsys: Any) -> Made:
    before = set(Path().rglob("*"))
    assert run("generate", PROMPT, "--seed", 3, "--model", model) == 0
    return left(before, capsys.readouterr().out)


@pytest.mark.parametrize("option", GENERATE)
def test_an_option_of_generate_is_honoured(
    run: Run, model: Path, capsys: Any, plain: Made, option: str
) -> None:
    given, check = GENERATE[option]
    seed = [] if "seed" in option else ["--seed", "3"]
    before = set(Path().rglob("*"))
    assert run("generate", PROMPT, *seed, "--model", model, *given) == 0
    assert check(plain, left(before, capsys.readouterr().out))


@pytest.fixture(scope="module")
def faces(bundled: TextToFace, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("faces")
    return [str(path) for path in bundled("a young woman", seed=1, num_images=2).save(folder)]


@pytest.mark.parametrize(
    ("command", "option"), [(command, option) for command in EDITS for option in EDITS[command]]
)
def test_an_option_of_an_edit_is_honoured(
    run: Run, bundled: TextToFace, faces: list[str], capsys: Any, command: str, option: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(TextToFace, "from_pretrained", lambda *_, **__: bundled)
    start = {
        "edit": ["edit", faces[0], "an old man", "-o", "made.png"],
        "mix": ["mix", *faces, "-o", "made.png"],
        "interpolate": ["interpolate", *faces, "--steps", "2", "-o", "made.gif"],
        "sweep": ["sweep", faces[0], "an old man", "--steps", "2", "-o", "made.gif"],
    }[command]
    given, check = EDITS[command][option]
    replaced = {given[i] for i in range(0, len(given), 2)} & set(start)
    kept = [word for i, word in enumerate(start) if not {word, start[i - 1]} & replaced]
    made = []
    for arguments in (start, kept + given):
        assert run(*arguments) == 0
        made.append(left(set(), capsys.readouterr().out))
    assert check(*made)
