"""One field of `Settings` is an option everywhere."""

from __future__ import annotations

import inspect
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import text2face
from text2face import TextToFace
from text2face.settings import Settings, field_docs, options

FIELD = '''
    glow: Annotated[float, OptionInfo(0, 3, served=2)] = 0.5
    """How much it glows."""

    def __post_init__'''

EVERYWHERE = """
import inspect, sys
from pathlib import Path
from click.testing import CliRunner
from text2face import ArgumentError, TextToFace, provenance
from text2face.cli import cli
from text2face.serving.api import make_app
from text2face.serving.controls import controls, differing, read_controls
from text2face.serving.engine import Engine

shown = CliRunner().invoke(cli, ["generate", "--help"]).output
assert "--glow FLOAT" in shown and "How much it glows.  [default: 0.5]" in shown, shown
signature = inspect.signature(TextToFace.__call__)
assert signature.parameters["glow"].default == 0.5
assert "glow: How much it glows." in TextToFace.__call__.__doc__

pipe = TextToFace.from_pretrained()
assert pipe.settings().glow == 0.5
for wrong in (4, "much"):
    try:
        pipe("a man", seed=1, glow=wrong)
    except ArgumentError as error:
        assert str(error) == f"glow is {wrong!r}, expected a number from 0 to 3", error
    else:
        raise SystemExit("nothing was raised")

settings = pipe.settings(glow=1.25)
(face,) = pipe.draw(["a man"], [1], settings)
path = Path(sys.argv[1], "face.png")
provenance.write(path, face.image, provenance.make_record(pipe, settings, face))
assert provenance.read(path)[0].settings.glow == 1.25
report = provenance.inspect(path)
assert "Glow: 1.25" in report.parameters and not report.problems
assert provenance.parameters.read(report.parameters).settings == settings

paths = make_app(Engine(pipe)).openapi()["paths"]
body = paths["/v1/images/generations"]["post"]["requestBody"]["content"]["application/json"]
glow = body["schema"]["properties"]["glow"]
assert glow["description"] == "How much it glows."
assert glow["anyOf"][0] == {"type": "number", "maximum": 2, "minimum": 0}, glow

(control,) = [one for one in controls(pipe.config) if one["name"] == "glow"]
shown = [control[name] for name in ("label", "low", "high", "default", "help")]
assert shown == ["Glow", 0, 2, 0.5, "How much it glows."], shown
assert read_controls(differing(settings, pipe.config)) == {"glow": 1.25}
print("everywhere")
"""


def test_an_option_is_one_field(tmp_path: Path) -> None:
    source, copy = Path(text2face.__file__).parent, tmp_path / "text2face"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("bundled", "__pycache__"))
    (copy / "bundled").symlink_to(source / "bundled")
    declared = (copy / "settings.py").read_text()
    rest = '(self) -> None:\n        """Check every value'  # of Settings, not of another class
    end = f"\n\n    def __post_init__{rest}"
    assert declared.count(end) == 1
    added = declared.replace(end, f"\n{FIELD.strip(chr(10))}{rest}")
    (copy / "settings.py").write_text(added)
    done = subprocess.run(
        [sys.executable, "-c", EVERYWHERE, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "everywhere", done.stderr


def test_every_option_says_what_it_is() -> None:
    assert [option.name for option in options() if not option.help] == []
    assert field_docs(Settings)["literal"].startswith("Take the prompt's characters")


def test_the_signature_is_that_of_the_settings() -> None:
    parameters = inspect.signature(TextToFace.__call__).parameters
    for option in options():
        default = None if option.from_model else option.default
        assert parameters[option.name].default == default
        assert parameters[option.name].kind is inspect.Parameter.KEYWORD_ONLY
    assert list(parameters)[:3] == ["self", "prompt", "num_images"]
    assert "{arguments}" not in (TextToFace.__call__.__doc__ or "{arguments}")


def test_a_type_checker_sees_the_keywords(tmp_path: Path) -> None:
    caller = """
        from text2face import TextToFace

        pipe = TextToFace.from_pretrained()
        pipe("a man", truncation=0.8, noise_mode="none", seed=[1, 2]).images[0].save("a.png")
        pipe(prompt="a man")
        pipe("a man", truncaton=0.8)
        pipe("a man", truncation="much")
        pipe("a man", noise_mode="loud")
    """
    path = tmp_path / "caller.py"
    path.write_text(textwrap.dedent(caller).lstrip())
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    found = {line.split(":")[1] for line in done.stdout.splitlines() if ": error:" in line}
    assert found == {"6", "7", "8"}, done.stdout
