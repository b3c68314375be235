from __future__ import annotations

import os
import pty
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from PIL import Image

from text2face import TextToFace, provenance
from text2face.cli import cli
from text2face.cli.options import Command

Run = Callable[..., int]
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "line",
    [
        "'an old man' --seed 3",
        "--seed 3 'an old man'",
        "--seed=3 -n 1 'an old man'",
        "man --seed 3",
    ],
)
def test_words_alone_are_drawn(run: Run, model: Path, line: str) -> None:
    assert run(*shlex.split(line), "--model", model) == 0
    assert [path.name for path in Path("out").iterdir()] == ["seed0003.png"]


@pytest.mark.parametrize(
    ("word", "meant"),
    [("genrate", "generate"), ("gen", "generate"), ("Edit", "edit"), ("hairs", "pairs"),
     ("word", "words"), ("model", "models"), ("interpolat", "interpolate")],
)  # fmt: skip
def test_a_mistyped_command_is_told(run: Run, capsys: Capture, word: str, meant: str) -> None:
    assert run(word, "-n", 2) == 2
    err = capsys.readouterr().err
    assert f"no command '{word}'; did you mean {meant}?" in err
    assert f"text2face generate {word} -n 2" in err
    assert not Path("out").exists()


def test_a_file_is_no_prompt(run: Run, capsys: Capture) -> None:
    Path("a face").touch()
    for name in ("faces/seed0001.png", "photo.JPG", "a face"):
        assert run(name) == 2
        assert f"did you mean text2face info {shlex.quote(name)}?" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["smile", "beard", "woman", "hair", "old", "nurse", "young"])
def test_words_of_faces_are_near_no_command(run: Run, model: Path, word: str) -> None:
    code = run(word, "--model", model, "--seed", 1)
    assert code == (0 if Path("out").exists() else 2)  # the tiny encoder knows a few of them
    assert Path("out").exists() == (word in ("beard", "woman", "hair", "old", "young"))


def test_options_of_the_group_stay_its_own(run: Run, model: Path, capsys: Capture) -> None:
    Path("mine.py").write_text("print('plugged')\n")
    assert run("--plugin", "mine.py", "--seed", 3, "an old man", "--model", model) == 0
    assert capsys.readouterr().out.startswith("plugged\n")
    assert run("--wings") == 2
    assert "No such option '--wings'" in capsys.readouterr().err


def every_command() -> list[Command]:
    found = []
    for command in cli.commands.values():
        found += list(command.commands.values()) if isinstance(command, click.Group) else [command]
    assert all(isinstance(one, Command) for one in found)
    return [one for one in found if isinstance(one, Command)]


@pytest.mark.parametrize("command", every_command(), ids=lambda one: one.name)
def test_each_command_has_an_example_that_is_true(command: Command) -> None:
    words = shlex.split(command.example.partition(" > ")[0])
    assert words[0] == "text2face"
    named = cli.commands[words[1]]
    rest = words[2:]
    if isinstance(named, click.Group):
        named, rest = named.commands[rest[0]], rest[1:]
    assert named is command
    command.make_context(words[1], rest)
    assert command.example in command.get_help(click.Context(command))


def test_the_help_has_parts(run: Run, capsys: Capture) -> None:
    assert run("--help") == 0
    told = capsys.readouterr().out
    assert all(f"\n  {name}" in told for name in cli.commands)
    assert "..." not in told.partition("\n")[2]
    for part in ("Draw faces", "Change faces", "Look at pictures", "Serve", "Make models"):
        lines = told.split(f"{part}:\n")[1].split("\n\n")[0].splitlines()
        assert lines[-1].strip().startswith("$ text2face ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(run: Run, capsys: Capture, shell: str) -> None:
    assert run("completion", shell) == 0
    assert f"_TEXT2FACE_COMPLETE={shell}_complete" in capsys.readouterr().out


def test_bash_completes() -> None:
    def complete(line: str) -> list[str]:
        words = line.split(" ")
        done = subprocess.run(
            [sys.executable, "-m", "text2face"],
            env={**os.environ, "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1),
                 "_TEXT2FACE_COMPLETE": "bash_complete"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return [one.partition(",")[2] for one in done.stdout.splitlines()]

    assert complete("text2face ge") == ["generate"]
    assert complete("text2face generate --noise-m") == ["--noise-mode"]
    assert complete("text2face generate --noise-mode ") == ["const", "random", "none"]


LOADING = """
import sys
class Terminal:
    def isatty(self): return True
    def write(self, text):
        if "loading" in text:
            print("torch" in sys.modules, "PIL" in sys.modules)
            sys.stdout.flush()
            import os; os._exit(0)
    def flush(self): pass
sys.stderr = Terminal()
from text2face.cli import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    "line", ["'an old man'", "edit a.png smiling", "words", "describe a.png", "serve", "evaluate"]
)
def test_a_line_comes_before_anything_heavy_is_imported(line: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADING, *shlex.split(line)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "False False\n", done.stderr


def test_a_terminal_sees_it(model: Path) -> None:
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "text2face", "an old man", "--device", "warp"], stderr=child
    )
    os.close(child)
    assert process.wait() == 2
    assert os.read(parent, 1000).decode().startswith("loading …\r\ntext2face: no device 'warp'")
    os.close(parent)


def test_files_of_another_size(run: Run, model: Path, capsys: Capture) -> None:
    command = ["an old man", "--model", model, "--seed", 3]
    assert run(*command, "--size", 32, "--grid", "1x1") == 0
    out, err = capsys.readouterr()
    assert err == "enlarged from 8 to 32 pixels; no detail is added\n"
    assert out.splitlines()[0].startswith("out/seed0003.png  score ")
    face = TextToFace.from_pretrained(model)("an old man", seed=3)
    with Image.open("out/seed0003.png") as image:
        assert image.size == (32, 32)
        large = face.images[0].resize((32, 32), Image.Resampling.LANCZOS)
        assert image.tobytes() == large.tobytes()
    with Image.open("out/grid.png") as sheet:
        assert sheet.size == (40, 40)
    (record,) = provenance.read(Path("out/seed0003.png"))
    assert record.drawn_size == 8
    report = provenance.inspect(Path("out/seed0003.png"))
    assert report.problems == []
    assert "Size: 32x32" in str(report.parameters)
    assert "Drawn size: 8x8" in str(report.parameters)
    assert run("generate", "--from-image", "out/seed0003.png", "-o", "again", "--model", model) == 0
    assert Path("again/seed0003.png").read_bytes() == Path("out/seed0003.png").read_bytes()
    (path,) = face.save("saved", size=32)
    assert path.read_bytes() == Path("out/seed0003.png").read_bytes()


def test_errors_of_device_and_condition_come_before_the_model(
    run: Run, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TextToFace, "from_pretrained", None)
    Path("table.csv").write_text("prompt\nan old man\n")
    for line in (
        "generate 'a man'", "generate --prompts table.csv", "edit a.png smiling",
        "mix a b -o c.png", "evaluate", "serve --port 0", "pairs -o p", "train -o r",
    ):  # fmt: skip
        assert run(*shlex.split(line), "--device", "warp") == 2
        assert "no device 'warp' on this machine" in capsys.readouterr().err
    for line in ("generate 'a man'", "generate --prompts table.csv", "evaluate"):
        assert run(*shlex.split(line), "--condition", "magic") == 2
        assert "unknown condition 'magic'" in capsys.readouterr().err
    assert [path.name for path in Path().iterdir()] == ["table.csv"]
