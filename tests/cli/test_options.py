"""Every option of every command is honoured or refused: none is taken in vain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from text2face import provenance
from text2face.cli import cli
from text2face.cli.options import Command

Run = Callable[..., int]
Capture = pytest.CaptureFixture[str]

SETTINGS = """truncation truncation_cutoff diversity condition shortlist noise_mode negative_prompt
    styles literal"""
FACE = "refine align points"
MODEL = "quiet overwrite device threads dtype model c2pa"
EDIT = "lock source method"

# What each command honours, and in which cases it refuses an option. A new option is in neither,
# and the test fails until somebody has decided.
DECIDED: dict[str, str] = {
    "generate": f"""texts file from_image num_images seed seeds {SETTINGS} candidates keep size grid
        wildcards styles_file dry_run outdir overwrite format c2pa save_latents model
        accept_licence offline device threads dtype batch_size tar shard_size duplicates as_json
        quiet""",
    "info": "image as_json",
    "models list": "kind as_json",
    "models info": "name as_json",
    "models download": "names offline quiet",
    "convert": "source folder half overwrite",
    "pairs": """generator_source encoder_source photos invert
        count folder seed batch_size mix crossovers size
        max_skipped resolution dtype device threads dry_run quiet""",
    "train": """task model preset_name generator_source encoder_source
        folder count out steps minutes
        batch_size learning_rate seed changes settings resume texts sample_prompts no_samples
        sample_size name
        device threads dtype tensorboard dry_run quiet""",
    "push": "model hub_id private licence evaluation only_card",
    "describe": "image encoder phrases count samples strength seed out threads as_json",
    "words": "encoder about as_json",
    "completion": "shell",
    "encode": f"image out {FACE} {MODEL}",
    "edit": f"image words out strength as_json {EDIT} {FACE} {MODEL}",
    "mix": f"a b out layers {MODEL}",
    "interpolate": f"a b out steps fps {MODEL}",
    "sweep": f"image prompt out first last steps other fps {EDIT} {FACE} {MODEL}",
    "evaluate": """model outdir assets reference prompts second_encoder sections prompt_count
        image_count edit_count diversity_count seed condition truncation shortlist device
        threads dtype batch_size fresh plots quiet""",
}

PHOTOS = ["pairs", "--photos", "photos", "-o", "p"]
INVERSION = ["train", "--task", "inversion"]
TABLE = ["generate", "--prompts", "table.csv"]
REFUSED: list[tuple[list[str], str]] = [
    *((TABLE, option) for option in (
        "--from-image x.png", "-n 2", "--seeds 1,2", "--candidates 3", "--keep 1", "--grid 1x1",
        "--overwrite", "--format jpeg", "--format webp", "--c2pa cert.pem key.pem",
        "--save-latents npz", "--batch-size 8", "--size 64", "--json", "-o face.png", "--threads 2",
    )),
    *((["generate", "a man"], option) for option in (
        "--tar", "--duplicates 0.9", "--shard-size 10", "--keep 2", "--seed 1 --seeds 2",
        "-o face.gif", "-n 2 -o face.png", "--grid 1x1 -o face.png",
        "--format webp -o face.png", "--size 8", "--size 4097", "--device meta",
        "--condition magic",
    )),
    *((PHOTOS, option) for option in (
        "--generator x", "--count 9", "--seed 3", "--mix 2", "--crossovers 4", "--resolution 256",
        "--dtype bfloat16",
    )),
    *((["pairs", "-o", "p"], option) for option in (
        "--invert x", "--size 64", "--max-skipped 3", "--crossovers 4",
    )),
    *((INVERSION, option) for option in (
        "--preset cvae", "--generator x", "--encoder x", "--pairs x", "--set ema=0", "--settings",
        "--resume auto", "--texts x", "--sample-prompts x", "--name x", "--tensorboard",
        "--no-samples", "--sample-size 64", "--dtype bfloat16",
        "--device cuda:9", "--device meta",
    )),
    (["train"], "--model x"),
    (["push", "model", "you/it", "--card"], "--private"),
    (["train", "--pairs", "x"], "--count 9"),
    *((["train", "--no-samples"], option) for option in (
        "--sample-size 64", "--sample-prompts x",
    )),
    *((["describe", "x.png"], option) for option in ("--strength 1", "--seed 3", "-o x.npz")),
    *(([command, *more], option)
      for command, more in (
          ("encode", ["x.npz", "-o", "y.png"]),
          ("edit", ["x.safetensors", "smiling"]),
          ("sweep", ["x.npz", "smiling", "-o", "y.png"]),
      )
      for option in ("--align", "--points 1,2", "--refine 3")),
    (["edit", "x.png", "smiling", "--align"], "--points 1,2"),
    (["interpolate", "a.png", "b.png", "-o", "x.png"], "--fps 3"),
    (["sweep", "a.png", "smiling", "-o", "x.png"], "--fps 3"),
    (["sweep", "a.png", "smiling", "-o", "x.gif"], "--and x"),
]  # fmt: skip


def commands(group: click.Group = cli, before: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{before}{name} ")
        else:
            yield before + name, command


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("table.csv").write_text("prompt\nan old man\n", encoding="utf-8")
    return tmp_path


def test_every_option_is_decided_about() -> None:
    for name, command in commands():
        if name in ("serve", "ui"):  # tests/serving/test_command.py
            continue
        declared = {parameter.name for parameter in command.params}
        assert declared == set(DECIDED[name].split()), name


@pytest.mark.parametrize(("command", "option"), REFUSED, ids=lambda one: " ".join(one)[:40])
def test_what_would_not_be_honoured_is_refused(
    run: Run, capsys: Capture, command: list[str], option: str
) -> None:
    before = sorted(Path().rglob("*"))
    assert run(*command, *option.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    told = [word for word in option.split() if word.startswith("-")]
    full = {"-n": "--num-images", "-o": "--out", "--json": "--json"}
    assert any(full.get(word, word).lstrip("-") in err for word in told)
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_an_option_that_counts_once_is_not_given_twice(
    run: Run, capsys: Capture, name: str
) -> None:
    command = dict(commands())[name]
    assert isinstance(command, Command)
    for option in command.params:
        if not isinstance(option, click.Option) or option.multiple or option.is_eager:
            continue
        flag = max(option.opts, key=len)
        values = [] if option.is_flag else [_value(option)] * option.nargs
        if option.is_flag and not option.secondary_opts:
            continue  # says the same twice
        other = option.secondary_opts[0] if option.secondary_opts else flag
        needed = ["x"] * sum(isinstance(p, click.Argument) for p in command.params)
        code = run(*name.split(), *needed, flag, *values, other, *values)
        assert code == 2, flag
        assert f"{flag} is given 2 times" in capsys.readouterr().err


def _value(option: click.Option) -> str:
    if isinstance(option.type, click.Choice):
        return str(option.type.choices[0])
    return "1"


def test_one_face_goes_into_the_file_that_is_named(run: Run, model: Path, capsys: Capture) -> None:
    command = ["generate", "an old man", "--seed", 3, "--model", model]
    for name in ("face.png", "new/face.jpg", "FACE.JPG", "face.webp"):
        assert run(*command, "-o", name) == 0
        assert capsys.readouterr().out.split()[0] == name
        assert provenance.read(Path(name))[0].seed == 3
    assert run(*command, "-o", "face.png") == 1
    assert "would be overwritten" in capsys.readouterr().err
    assert run(*command, "-o", "face.png", "--overwrite", "--save-latents", "npz") == 0
    assert Path("face.npz").is_file()
    assert run(*command, "-o", "best.png", "--candidates", 4) == 0
    Path("v1.png").mkdir()  # a folder is one, whatever its name
    assert run(*command, "-o", "v1.png", "-n", 2) == 0
    assert len(list(Path("v1.png").iterdir())) == 2


@pytest.mark.parametrize(("given", "suffix"), [("jpg", "jpeg"), ("PNG", "png"), ("JPEG", "jpeg")])
def test_a_format_by_any_of_its_names(run: Run, model: Path, given: str, suffix: str) -> None:
    command = ["generate", "an old man", "--seed", 3, "--model", model, "--format", given]
    assert run(*command) == 0
    assert [path.name for path in Path("out").iterdir()] == [f"seed0003.{suffix}"]


def test_forgotten_quotes_are_told(run: Run, capsys: Capture) -> None:
    assert run("generate", "a", "smiling", "woman") == 2
    err = capsys.readouterr().err
    assert "expected quotes round a prompt: text2face generate 'a smiling woman'" in err
    assert not Path("out").exists()


def test_a_failure_leaves_no_folder(run: Run, model: Path, capsys: Capture) -> None:
    for more in (
        ["--model", "none"],
        ["--condition", "magic"],
        ["--device", "cuda:77"],
        ["--trunc", "9"],
        ["--negative", "("],
    ):
        for start in (["an old man"], ["--prompts", "table.csv"]):
            assert run("generate", *start, *more, "-o", "new/er", "-q") != 0
            assert not Path("new").exists()
            assert capsys.readouterr().err.count("\n") == 1
    assert run("generate", "zyxw", "--model", model, "-o", "new/er") == 2
    assert not Path("new").exists()
