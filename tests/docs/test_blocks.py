from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import tiny_clip
from tests.docs.blocks import ROOT, Block, Reader, check_names, read_blocks

TempPaths = pytest.TempPathFactory
FIXTURES = ROOT / "tests" / "fixtures"
PAGES = ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]
# Files that a reader of the page has from elsewhere; small ones of the same kind stand for them.
OWN_FILES: dict[str, str] = {
    "network-snapshot-025000.pkl": "checkpoints/stylegan2-64.pkl",
    "stylegan2-ffhq-1024x1024.pkl": "checkpoints/stylegan2-64.pkl",
}


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    monkeypatch.chdir(tmp_path)
    reader = Reader(tmp_path)
    yield reader
    reader.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", [page for page in PAGES if read_blocks(ROOT / page)])
def test_every_block_of_a_page_runs(
    name: str, reader: Reader, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: TempPaths
) -> None:
    blocks = read_blocks(ROOT / name)
    text = "\n".join(block.text for block in blocks)
    for own, fixture in OWN_FILES.items():
        if own in text:
            shutil.copy(FIXTURES / fixture, own)
    if "openai/clip" in text:
        clip = tmp_path_factory.mktemp("hub") / ("0" * 40)
        clip.mkdir()
        tiny_clip.save_clip(clip, context=77)
        monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: str(clip))
    for block in blocks:
        reader.run(block)


def test_the_reader_fails_where_a_block_does(reader: Reader) -> None:
    with pytest.raises(AssertionError, match="info none"):
        reader.run(Block("sh", "text2face info none.png", 3))
    with pytest.raises(NameError):
        reader.run(Block("python", "unknown_name", 1))
    with pytest.raises(AssertionError):
        reader.run(Block("sh", "false", 1))


def test_commands_are_those_of_this_environment(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.defpath)
    scripts = Path(sys.executable).parent
    for command in ("text2face", "torchrun", "python"):
        reader.run(Block("sh", f"test $(command -v {command}) = {scripts / command}", 1))


def test_names_in_lines_that_are_not_run_are_checked() -> None:
    check_names(["pip", "install", ".[ui]"])
    for line in (["pip", "install", "text2face[ui]"], ["pip", "install", ".[none]"]):
        with pytest.raises(AssertionError):
            check_names(line)
    with pytest.raises(AssertionError):
        check_names(["make", "none"])
