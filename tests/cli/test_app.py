from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

from text2face import TextToFace, provenance
from text2face.cli.generate_job import parse_grid, parse_seeds
from text2face.errors import ArgumentError
from text2face.settings import Settings

Run = Callable[..., int]
Capture = pytest.CaptureFixture[str]
PROMPT = "an old man with a beard"


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def generate(run: Run, model: Path) -> Run:
    def call(*arguments: object) -> int:
        return run("generate", *arguments, "--model", model)

    return call


def files(folder: str = "out") -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in Path(folder).rglob("*") if p.is_file())


def test_a_prompt_becomes_files_named_by_seed(generate: Run, capsys: Capture) -> None:
    assert generate(PROMPT, "-n", 3, "--seed", 7) == 0
    assert files() == ["seed0007.png", "seed0008.png", "seed0009.png"]
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()] == [f"out/{name}" for name in files()]
    assert err == ""


def test_the_command_line_draws_what_the_library_draws(generate: Run, model: Path) -> None:
    generate(PROMPT, "--seed", 7, "--trunc", 0.7, "--negative", "a hat", "--diversity", 0.5)
    out = TextToFace.from_pretrained(model)(
        PROMPT, seed=7, truncation=0.7, negative_prompt="a hat", diversity=0.5
    )
    with Image.open("out/seed0007.png") as image:
        assert image.tobytes() == out.images[0].tobytes()


def test_several_prompts_have_a_folder_each(generate: Run) -> None:
    Path("prompts.txt").write_text("a man\n\n  a woman (with a hat:1.2)  \n", encoding="utf-8")
    assert generate("red hair", "--prompts", "prompts.txt", "--seeds", "1,4-5", "-o", "a/b") == 0
    names = ("01-red-hair", "02-a-man", "03-a-woman-with-a-hat-1-2")
    seeds = ("seed0001.png", "seed0004.png", "seed0005.png")
    assert files("a/b") == [f"{name}/{seed}" for name in names for seed in seeds]


@pytest.mark.parametrize("arguments", [["-"], ["--prompts", "-"]])
def test_prompts_come_from_stdin(
    generate: Run, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(b"a man\na woman\n"))
    monkeypatch.setattr("sys.stdin", stdin)
    assert generate(*arguments, "--seed", 1) == 0
    assert files() == ["01-a-man/seed0001.png", "02-a-woman/seed0001.png"]


def test_a_random_seed_is_told_and_kept(generate: Run, capsys: Capture) -> None:
    assert generate(PROMPT) == 0
    seed = int(capsys.readouterr().err.removeprefix("seed "))
    assert provenance.read(Path("out") / f"seed{seed:04d}.png")[0].seed == seed


def test_json_has_one_object_a_line(generate: Run, capsys: Capture) -> None:
    assert generate(PROMPT, "-n", 2, "--seed", 7, "--json", "--grid", "2x1") == 0
    first, _, sheet = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["path"] == "out/seed0007.png"
    assert first["seed"] == 7
    assert first["prompt"] == PROMPT
    assert first["settings"]["truncation"] == 0.9
    assert isinstance(first["score"], float)
    assert sheet == {"path": "out/grid.png", "contact_sheet": 2}


def test_quiet_says_nothing(generate: Run, capsys: Capture) -> None:
    assert generate(PROMPT, "--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_unknown_words_are_told_in_one_line(generate: Run, capsys: Capture) -> None:
    assert generate("a groovy old dude", "--seed", 1) == 0
    err = capsys.readouterr().err
    assert err == "text2face: words that the encoder does not know: groovy, dude\n"


def test_the_best_candidates_are_kept(generate: Run, capsys: Capture) -> None:
    assert generate(PROMPT, "--seed", 0, "--candidates", 8, "--keep", 3, "--json") == 0
    scores = [json.loads(line)["score"] for line in capsys.readouterr().out.splitlines()]
    assert len(scores) == len(files()) == 3
    assert scores == sorted(scores, reverse=True)


def test_a_grid_says_how_many_faces_there_are(generate: Run) -> None:
    assert generate("a man", "a woman", "--grid", "3x2", "--seed", 1) == 0
    assert len(files()) == 7
    records = provenance.read(Path("out/grid.png"))
    assert [(r.prompt, r.seed) for r in records] == [
        (prompt, seed) for prompt in ("a man", "a woman") for seed in (1, 2, 3)
    ]


def test_latents_are_saved_beside_the_images(generate: Run, model: Path) -> None:
    assert generate(PROMPT, "--seed", 7, "--save-latents", "npz") == 0
    assert generate(PROMPT, "--seed", 8, "--save-latents", "safetensors") == 0
    pipe = TextToFace.from_pretrained(model)
    with np.load("out/seed0007.npz") as saved:
        assert np.array_equal(saved["w"], pipe(PROMPT, seed=7).latents.numpy())
    saved = load_file("out/seed0008.safetensors")
    assert np.array_equal(saved["w"], pipe(PROMPT, seed=8).latents.numpy())


def test_a_face_is_drawn_again_from_its_own_image(generate: Run) -> None:
    settings = ["--trunc", 0.7, "--trunc-cutoff", 2, "--noise-mode", "random", "--literal"]
    assert generate("a (red) hat", "--seed", 5, "-n", 3, *settings) == 0
    assert generate("--from-image", "out/seed0006.png", "-o", "again") == 0
    assert files("again") == ["seed0006.png"]
    assert Path("again/seed0006.png").read_bytes() == Path("out/seed0006.png").read_bytes()


def test_options_vary_the_face_of_an_image(generate: Run) -> None:
    assert generate(PROMPT, "--seed", 5) == 0
    assert generate("--from-image", "out/seed0005.png", "-n", 2, "--trunc", 0.3, "-o", "new") == 0
    assert files("new") == ["seed0005.png", "seed0006.png"]
    (record,) = provenance.read(Path("new/seed0006.png"))
    assert (record.prompt, record.settings.truncation) == (PROMPT, 0.3)


def test_info_shows_the_settings(generate: Run, run: Run, capsys: Capture) -> None:
    generate(PROMPT, "--seed", 7, "--quiet")
    assert run("info", "out/seed0007.png") == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"prompt: {PROMPT}" in lines
    assert "seed: 7" in lines
    assert "truncation: 0.9" in lines
    assert run("info", "out/seed0007.png", "--json") == 0
    assert json.loads(capsys.readouterr().out)["model"] == "tiny"


def test_version_and_help(run: Run, capsys: Capture) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out.startswith("text2face 0.")
    for arguments in ([], ["--help"], ["generate", "--help"], ["info", "-h"]):
        assert run(*arguments) == 0
        assert capsys.readouterr().out.startswith("Usage: text2face")


def refused(capsys: Capture) -> str:
    """The one line that says what was wrong."""
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("text2face: ")
    return err.removeprefix("text2face: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no prompt"),
        ([""], "the prompt is empty"),
        (["(a man"], "unmatched ("),
        (["man " * 78], "78 words"),
        (["ein Mann"], "no known word in 'ein Mann'"),
        (["戴眼镜的老人"], "no known word in '戴眼镜的老人'"),
        (["a \udcff man"], "not Unicode text"),
        (["a man", "a man"], "a prompt is given twice"),
        (["a man", "--prompts", "none.txt"], "cannot read the prompts in none.txt"),
        (["a man", "--negative", ""], "the prompt is empty"),
        (["a man", "-n", "0"], "num_images is 0"),
        (["a man", "-n", "many"], "'many' is not a valid integer"),
        (["a man", "--seed", "-1"], "seed is -1"),
        (["a man", "--seed", "4294967296"], "seed is 4294967296"),
        (["a man", "--seeds", "1,1"], "a seed is given twice"),
        (["a man", "--seeds", "5-1"], "--seeds is '5-1'"),
        (["a man", "--seed", "1", "--seeds", "2"], "--seed and --seeds are both given"),
        (["a man", "--trunc", "3"], "truncation is 3.0"),
        (["a man", "--trunc", "nan"], "truncation is nan"),
        (["a man", "--diversity", "-1"], "diversity is -1.0"),
        (["a man", "--condition", "magic"], "unknown condition 'magic'"),
        (["a man", "--noise-mode", "loud"], "'loud' is not one of"),
        (["a man", "--keep", "2"], "keep is 2 without candidates"),
        (["a man", "--grid", "4"], "--grid is '4'"),
        (["a man", "--grid", "0x2"], "--grid is '0x2'"),
        (["a man", "-n", "9", "--grid", "4x2"], "no room for 9 faces"),
        (["a man", "--batch-size", "0"], "batch-size is 0"),
        (["a man", "--device", "warp"], "no device 'warp'"),
        (["a man", "--wings"], "No such option '--wings'"),
        (["--from-image", "none.png"], "cannot read none.png"),
    ],
)
def test_bad_input_is_one_line_and_code_2(
    generate: Run, capsys: Capture, arguments: list[str], message: str
) -> None:
    assert generate(*arguments) == 2
    assert message in refused(capsys)
    assert not Path("out").exists() or files() == []


def test_unreadable_prompt_files_are_one_line(generate: Run, capsys: Capture) -> None:
    Path("latin").write_bytes("café".encode("latin-1"))
    Path("blank").write_text("\n \n")
    assert generate("--prompts", "latin") == 2
    assert "are not UTF-8" in refused(capsys)
    assert generate("--prompts", "blank") == 2
    assert "no prompt in blank" in refused(capsys)


def test_nothing_is_overwritten_unless_asked(
    generate: Run, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("out").mkdir()
    Path("out/seed0009.png").write_text("mine")
    with monkeypatch.context() as patch:
        patch.setattr(TextToFace, "from_pretrained", None)  # found before any work
        assert generate(PROMPT, "--seed", 7, "-n", 4) == 1
    assert "out/seed0009.png would be overwritten" in refused(capsys)
    assert files() == ["seed0009.png"]
    assert generate(PROMPT, "--seed", 7, "-n", 4, "--overwrite") == 0
    assert len(files()) == 4
    assert Path("out/seed0009.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("outdir", ["file", "file/deeper", "/proc/none"])
def test_a_folder_that_cannot_be_written_is_one_line(
    generate: Run, capsys: Capture, outdir: str
) -> None:
    Path("file").touch()
    assert generate(PROMPT, "-o", outdir) in (1, 2)
    refused(capsys)


def test_a_full_disk_is_one_line_and_finished_files_stay(
    generate: Run, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_at_the_third(move: Any, source: Any, target: Any) -> None:
        if "seed0009" in str(target):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        move(source, target)

    for name in ("replace", "link"):
        monkeypatch.setattr(os, name, partial(full_at_the_third, getattr(os, name)))
    assert generate(PROMPT, "--seed", 7, "-n", 4, "--quiet") == 1
    assert "seed0009.png: no space left on device; free some space" in refused(capsys)
    assert files() == ["seed0007.png", "seed0008.png"]


@pytest.mark.parametrize("part", ["encoder", "sampler", "generator"])
def test_damaged_weights_are_one_line(
    generate: Run, capsys: Capture, model: Path, part: str
) -> None:
    path = model / part / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-7])
    assert generate(PROMPT) == 1
    assert f"{part}/model.safetensors is not a whole safetensors file" in refused(capsys)


def test_a_missing_model_is_one_line(run: Run, capsys: Capture) -> None:
    assert run("generate", PROMPT, "--model", "./none") == 1
    assert "no model folder ./none" in refused(capsys)


def test_an_image_of_other_weights_is_not_passed_off_as_the_same(
    generate: Run, capsys: Capture, model: Path
) -> None:
    generate(PROMPT, "--seed", 7, "--quiet")
    config = model / "pipeline.json"
    config.write_text(config.read_text().replace("tiny", "other"))
    assert generate("--from-image", "out/seed0007.png", "-o", "again") == 1
    assert "the image was made with the weights" in refused(capsys)


def test_a_contact_sheet_is_not_drawn_again(generate: Run, capsys: Capture) -> None:
    generate("a man", "a woman", "--grid", "1x2", "--quiet")
    assert generate("--from-image", "out/grid.png", "-o", "again") == 2
    assert "is a contact sheet" in refused(capsys)


@pytest.mark.parametrize("allocate", [lambda: bytearray(10**17), lambda: torch.empty(10**15)])
def test_running_out_of_memory_is_one_line(
    generate: Run,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    allocate: Callable[[], object],
) -> None:
    def starve(*arguments: object) -> None:
        allocate()

    monkeypatch.setattr(TextToFace, "embed", starve)
    assert generate(PROMPT, "--seed", 7) == 1
    assert "out of memory" in refused(capsys)


SLOW = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job inherits it ignored
from tests import tiny
tiny.register()
paint = tiny.TinyGenerator.synthesize
def slowly(*arguments):
    time.sleep(0.1)
    return paint(*arguments)
tiny.TinyGenerator.synthesize = slowly
from text2face.cli import main
main(sys.argv[1:])
"""


def test_ctrl_c_keeps_what_is_finished(model: Path) -> None:
    root = str(Path(__file__).parents[2])
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, "generate", PROMPT, "-n", "500", "--model", str(model)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([root, *sys.path])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 300
    while len(list(Path("out").glob("seed*.png"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130
    seed, message = err.splitlines()
    assert seed.startswith("seed ")
    assert message == f"text2face: interrupted: {len(files())} of 500 faces are finished, in out"
    for name in files():
        provenance.read(Path("out", name))
        with Image.open(Path("out", name)) as image:
            image.load()


@pytest.mark.parametrize(
    ("text", "seeds"), [("0", [0]), ("0,1,4-6", [0, 1, 4, 5, 6]), (" 3 - 3 , 9", [3, 9])]
)
def test_seed_lists(text: str, seeds: list[int]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "x", "1,", "-1", "4-2", "1..3", "0-999999999", "1-2-3"])
def test_bad_seed_lists_are_errors(text: str) -> None:
    with pytest.raises(ArgumentError):
        parse_seeds(text)


@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_a_sheet_too_large_is_refused_before_a_face_is_drawn(
    generate: Run, capsys: Capture, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    assert generate("a man", "--grid", "40x20", "--format", format) == 2
    assert f"the records of 800 faces do not fit into a {format} file" in capsys.readouterr().err
    monkeypatch.setattr("text2face.sheet.page_size", lambda *_: (70_000, 140))
    assert generate("a man", "--grid", "3x2", "--format", format) == 2
    assert f"a picture of 70000×140 as {format}, expected at most" in capsys.readouterr().err
    assert files() == []


def test_grids() -> None:
    assert parse_grid("4x2") == (4, 2)
    for text in ("", "x", "4", "4x", "0x1", "-1x2", "4x2x3", "9999x1"):
        with pytest.raises(ArgumentError):
            parse_grid(text)


def test_other_formats_say_the_same_and_are_drawn_again(
    generate: Run, run: Run, capsys: Capture
) -> None:
    assert generate(PROMPT, "--seed", 7, "--format", "jpeg", "--grid", "1x1") == 0
    assert files() == ["grid.jpeg", "seed0007.jpeg"]
    assert run("info", "out/seed0007.jpeg") == 0
    assert "digital_source_type: trainedAlgorithmicMedia" in capsys.readouterr().out
    assert generate("--from-image", "out/seed0007.jpeg", "--format", "jpeg", "-o", "again") == 0
    assert Path("again/seed0007.jpeg").read_bytes() == Path("out/seed0007.jpeg").read_bytes()


def test_a_signed_image_is_verified(generate: Run, run: Run, capsys: Capture) -> None:
    pytest.importorskip("c2pa")
    from tests.certificates import make_chain

    chain, key = make_chain(Path())
    assert generate(PROMPT, "--seed", 7, "--c2pa", chain, key, "--quiet") == 0
    assert run("info", "out/seed0007.png") == 0
    assert "content_credentials: intact, signed by Tester" in capsys.readouterr().out
    image = bytearray(Path("out/seed0007.png").read_bytes())
    image[image.index(b"IDAT") + 20] ^= 1
    Path("broken.png").write_bytes(image)
    assert run("info", "broken.png") == 1
    assert "not as signed by Tester" in capsys.readouterr().err
    assert generate(PROMPT, "--c2pa", "none.pem", key, "-o", "new") == 2
    assert "cannot read the certificate none.pem" in capsys.readouterr().err
    assert not Path("new").exists()


def test_an_image_made_by_more_than_words_is_not_drawn_again(
    generate: Run, capsys: Capture
) -> None:
    record = provenance.Record(PROMPT, 7, Settings(), "tiny", None, process="mixed with seed 9")
    provenance.write(Path("mixed.png"), Image.new("RGB", (8, 8)), record)
    assert generate("--from-image", "mixed.png") == 2
    assert "was made by more than words: mixed with seed 9" in refused(capsys)
