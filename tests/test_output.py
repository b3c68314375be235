from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from text2face import ArgumentError, Output, OutputError, TextToFace, provenance
from text2face.cli import main
from text2face.faces import Face

PROMPT = "an old man with a beard"


@pytest.fixture
def out(pipe: TextToFace) -> Output:
    return pipe([PROMPT, "a woman <b> & a groovy hat"], num_images=3, seed=7)


def test_it_is_a_list_of_faces(out: Output) -> None:
    assert len(out) == 6
    assert isinstance(out[0], Face)
    assert [face.seed for face in out] == out.seeds == [7, 8, 9] * 2
    assert out[-1].image is out.images[-1]
    assert out[1] in out
    assert torch.equal(out.latents[4], out[4].latent)
    with pytest.raises(IndexError):
        out[6]
    assert repr(out) == f"<Output of 6 faces: {PROMPT!r}, 'a woman <b> & a groovy hat'>"


def test_a_slice_is_an_output(out: Output, tmp_path: Path) -> None:
    some = out[2:4]
    assert isinstance(some, Output)
    assert (some.seeds, some.unknown_words) == ([9, 7], out.unknown_words)
    assert len(some.save(tmp_path)) == 2
    assert list(out[5:2]) == []


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_files_say_how_they_were_made(out: Output, format: str, tmp_path: Path) -> None:
    paths = out.save(tmp_path / "new", format=format)
    assert [path.relative_to(tmp_path).as_posix() for path in paths[::3]] == [
        f"new/01-an-old-man-with-a-beard/seed0007.{format}",
        f"new/02-a-woman-b-a-groovy-hat/seed0007.{format}",
    ]
    for path, face, record in zip(paths, out, out.records, strict=True):
        report = provenance.inspect(path)
        assert report.records == [record]
        assert report.problems == []
        assert (record.prompt, record.seed, record.score) == (face.prompt, face.seed, face.score)


def test_a_file_is_that_of_the_command_line(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = TextToFace.from_pretrained(model)
    (path,) = pipe(PROMPT, seed=3, truncation=0.7).save(tmp_path / "python")
    command = ["generate", PROMPT, "--seed", "3", "--trunc", "0.7", "-q"]
    with pytest.raises(SystemExit) as stop:
        main([*command, "--model", str(model), "-o", str(tmp_path / "command")])
    assert stop.value.code == 0
    assert path.read_bytes() == (tmp_path / "command" / "seed0003.png").read_bytes()


def test_the_record_is_of_the_time_of_drawing(pipe: TextToFace) -> None:
    threads = torch.get_num_threads()
    out = pipe(PROMPT, seed=1)
    torch.set_num_threads(threads + 1)
    try:
        assert out.records[0].threads == threads
    finally:
        torch.set_num_threads(threads)


def test_nothing_is_overwritten_unasked(out: Output, tmp_path: Path) -> None:
    paths = out[:2].save(tmp_path)
    paths[0].write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"seed0007\.png would be overwritten"):
        out[:1].save(tmp_path)
    assert paths[0].read_bytes() == b"mine"
    out[:1].save(tmp_path, overwrite=True)
    assert provenance.read(paths[0])[0].seed == 7


def test_what_cannot_be_saved_is_an_error(out: Output, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="format is 'gif', expected one of png"):
        out.save(tmp_path, format="gif")
    with pytest.raises(ArgumentError, match="the same prompt and seed"):
        Output([out[0], out[0]], drawing=out.drawing).save(tmp_path)
    with pytest.raises(ArgumentError, match="not known how these faces were drawn"):
        Output(list(out)).save(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_grid_has_a_row_for_each_prompt(out: Output) -> None:
    side = 8 + 4
    assert out.grid().size == (3 * side + 4, 2 * side + 4)
    assert out.grid(columns=2).size == (2 * side + 4, 3 * side + 4)
    captioned = out.grid(captions=True)
    assert captioned.width == 3 * side + 4
    assert captioned.height > 2 * side + 4
    with pytest.raises(ArgumentError, match="captions"):
        out[:4].grid(1, captions=True)


def test_a_notebook_shows_marked_faces(out: Output) -> None:
    shown = out._repr_png_()
    assert shown is not None
    assert [record.seed for record in provenance.read(shown)] == out.seeds
    page = out._repr_html_()
    assert page.count("<figure") == 6
    assert "a woman &lt;b&gt; &amp; a groovy hat" in page
    assert "<b>" not in page
    assert "“groovy” is not known" in page
    assert re.search(r"seed 9 · -?\d\.\d{3}", page)


def test_a_notebook_is_not_flooded(out: Output) -> None:
    page = Output(list(out) * 10, corrected_words={"beerd": "beard"})._repr_html_()
    assert page.count("<figure") == 24
    assert "36 more faces are not shown" in page
    assert "“beerd” is read as “beard”" in page


def test_nothing_is_shown_of_nothing(out: Output) -> None:
    assert out[6:]._repr_png_() is None
    assert "<figure" not in out[6:]._repr_html_()
    assert out[6:].seeds == []
