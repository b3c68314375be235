"""Every block of docs/extending.md is a file that works at the first try."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

PAGE = Path(__file__).parent.parent / "docs" / "extending.md"

Command = Callable[..., str]


def blocks() -> dict[str, str]:
    found = re.findall(r'```python title="([\w.]+)"\n(.*?)```', PAGE.read_text(), flags=re.DOTALL)
    return dict(found)


@pytest.fixture
def command(tmp_path: Path) -> Command:
    for name, content in blocks().items():
        (tmp_path / name).write_text(content)

    def run(*arguments: object, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    return run


def text2face(*arguments: object) -> list[object]:
    return ["-m", "text2face", *arguments]


def test_every_addition_is_one_file_and_one_line() -> None:
    files = [content for name, content in blocks().items() if not name.startswith("use_")]
    kinds = [re.findall(r'register\("(\w+)"', content) for content in files]
    assert sorted(kinds, key=str) == [
        ["condition"],
        ["encoder"],
        ["metric"],
        ["preset"],
        ["sampler"],
        [],  # the generator, by `wrap`
    ]


def test_a_condition(command: Command, tmp_path: Path) -> None:
    draw = ("generate", "an old man", "--seed", 1, "-q", "--condition", "draw+rounded")
    command(*text2face("--plugin", "rounded.py", *draw, "-o", "out"))
    said = command(*text2face("info", "out/seed0001.png"))
    assert "draw+rounded" in said
    assert "unknown condition 'rounded'" in command(*text2face(*draw, "-o", "not"), code=2)


def test_a_preset(command: Command) -> None:
    said = command(*text2face("--plugin", "quick.py", "train", "--preset", "quick", "--settings"))
    assert "batch_size = 64\n" in said
    assert "quick" in command(*text2face("--plugin", "quick.py", "train", "--help"))


def test_a_metric(command: Command, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("an old man\na woman\n")
    evaluate = ("evaluate", "--only", "sharpness", "--prompts", "prompts.txt", "--no-plots", "-q")
    command(*text2face("--plugin", "sharpness.py", *evaluate, "-o", "out"))
    report = (tmp_path / "out" / "evaluation.md").read_text()
    assert "## Sharpness" in report
    assert re.search(r"\| sharpness \| 0\.\d+ \|", report)


def test_a_sampler(command: Command, tmp_path: Path) -> None:
    command("use_linear.py")
    draw = ("generate", "an old man", "--seed", 1, "-q", "--model", "linear-model")
    command(*text2face("--plugin", "linear.py", *draw, "-o", "out"))
    with Image.open(tmp_path / "out" / "seed0001.png") as image:
        assert image.mode == "RGB"
    assert "unknown sampler type 'linear'" in command(*text2face(*draw, "-o", "not"), code=1)


def test_an_encoder(command: Command) -> None:
    said = command(
        "-c",
        "from letters import Letters, LettersConfig\n"
        "from text2face import load_encoder, loading\n"
        "from text2face.encoders.base import TextImageEncoder\n"
        "Letters(LettersConfig()).save_pretrained('letters')\n"
        "loaded = load_encoder('letters')\n"
        "assert isinstance(loaded, TextImageEncoder)\n"
        "print(type(loaded).__name__, list(loaded.encode_text(['ab', 'c']).shape))\n",
    )
    assert said.strip() == "Letters [2, 128]"


def test_a_generator(command: Command, tmp_path: Path) -> None:
    train = ("train", "--generator", "stripes.py:faces", "--steps", 3, "--count", 64, "-q")
    command(*text2face(*train, "--batch-size", 32, "-o", "runs"))
    (model,) = (tmp_path / "runs").glob("*/model")
    draw = ("generate", "an old man", "--seed", 1, "-q", "--model", model)
    command(*text2face("--plugin", "stripes.py", *draw, "-o", "out"))
    with Image.open(tmp_path / "out" / "seed0001.png") as image:
        assert image.size == (64, 64)
    assert "--plugin 'stripes'" in command(*text2face(*draw, "-o", "not"), code=1)
