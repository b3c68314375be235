from __future__ import annotations

import hashlib
import json
import os
import tarfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from tests import tiny
from text2face import TextToFace, provenance
from text2face.bulk import BulkJob
from text2face.errors import ArgumentError, OutputError, PromptError, Text2FaceError
from text2face.table import read_rows

Run = Callable[..., int]
ROWS = 11


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "big.csv"
    rows = [
        f"an old man {'with a hat' * (i % 2)},{'' if i % 3 else 7 + i},x{i}" for i in range(ROWS)
    ]
    path.write_text("prompt,seed,hair\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def job(table: Path, outdir: Path, **settings: Any) -> BulkJob:
    return BulkJob(table, outdir, **{"seed": 100, "shard_size": 4, **settings})


@pytest.mark.parametrize("tar", [False, True])
def test_files_are_the_same_for_any_number_of_processes_and_after_a_stop(
    pipe: TextToFace, table: Path, tmp_path: Path, tar: bool
) -> None:
    counts: list[int] = []
    manifest = job(table, tmp_path / "one", tar=tar, duplicates=0.9999).run(pipe, counts.append)
    assert manifest is not None
    assert counts[-1] == ROWS
    expected = files(tmp_path / "one")
    assert not [name for name in expected if "part" in name]

    first = job(table, tmp_path / "two", tar=tar, duplicates=0.9999, rank=1, processes=2)
    assert first.run(pipe) is None
    second = job(table, tmp_path / "two", tar=tar, duplicates=0.9999, rank=0, processes=2)
    assert second.run(pipe) is not None
    assert files(tmp_path / "two") == expected

    for stop in (2, 5, 9):
        drawn = 0

        def interrupt(count: int, stop: int = stop) -> None:
            if count == stop:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            job(table, tmp_path / "three", tar=tar, duplicates=0.9999).run(pipe, interrupt)
        drawn += 1
    for part in (tmp_path / "three").glob("*.part"):  # a power cut in the middle of a write
        with part.open("ab") as file:
            file.write(b'{"index": 9, "fi' if part.name.count(".") == 1 else b"rubbish")
    job(table, tmp_path / "three", tar=tar, duplicates=0.9999).run(pipe)
    assert files(tmp_path / "three") == expected


def test_the_manifest_says_what_was_drawn(pipe: TextToFace, table: Path, tmp_path: Path) -> None:
    job(table, tmp_path / "out").run(pipe)
    lines = (tmp_path / "out/manifest.jsonl").read_text(encoding="utf-8").splitlines()
    facts = [json.loads(line) for line in lines]
    assert [fact["index"] for fact in facts] == list(range(ROWS))
    assert [fact["seed"] for fact in facts[:4]] == [7, 101, 102, 10]
    assert facts[3]["attributes"] == {"hair": "x3"}
    for fact in facts:
        path = tmp_path / "out" / fact["file"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == fact["sha256"]
        (record,) = provenance.read(path)
        assert (record.prompt, record.seed) == (fact["prompt"], fact["seed"])
    single = pipe(facts[5]["prompt"], seed=facts[5]["seed"])
    assert Image.open(tmp_path / "out" / facts[5]["file"]).tobytes() == single.images[0].tobytes()


def test_tar_files_are_those_of_webdataset(pipe: TextToFace, table: Path, tmp_path: Path) -> None:
    job(table, tmp_path / "out", tar=True).run(pipe)
    with tarfile.open(tmp_path / "out/shard-00002.tar") as tar:
        assert tar.getnames() == [
            f"{i:09d}.{suffix}" for i in range(8, ROWS) for suffix in ("png", "json")
        ]
        told = tar.extractfile("000000009.json")
        assert told is not None
        assert json.load(told)["index"] == 9


def test_duplicates_are_named(pipe: TextToFace, tmp_path: Path) -> None:
    table = tmp_path / "twins.csv"
    table.write_text("prompt,seed\nold man,1\nold man,2\nold man,1\nold man,1\n", encoding="utf-8")
    job(table, tmp_path / "out", shard_size=2, duplicates=0.99999).run(pipe)
    lines = (tmp_path / "out/manifest.jsonl").read_text(encoding="utf-8").splitlines()
    twins = [json.loads(line).get("duplicate_of") for line in lines]
    assert twins == [None, None, 0, 0]


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("words\nold man\n", ArgumentError, "expected one named prompt"),
        ("prompt\n", PromptError, "no rows"),
        ("prompt,seed\nold man,-3\n", ArgumentError, "row 1 .* seed '-3'"),
        ("prompt,seed\nold man,1\n ,2\n", PromptError, "row 2 .* no prompt"),
        ("prompt\nold man\nzyxw\n", PromptError, "row 2"),
    ],
)
def test_a_bad_table_is_named(
    pipe: TextToFace, tmp_path: Path, content: str, error: type[Exception], message: str
) -> None:
    table = tmp_path / "bad.csv"
    table.write_text(content, encoding="utf-8")
    with pytest.raises(error, match=message):
        job(table, tmp_path / "out").run(pipe)


def test_a_folder_belongs_to_one_job(pipe: TextToFace, table: Path, tmp_path: Path) -> None:
    job(table, tmp_path / "out").run(pipe)
    with pytest.raises(ArgumentError, match="another table, model or settings"):
        job(table, tmp_path / "out", seed=1).run(pipe)
    with pytest.raises(ArgumentError, match="cosine of duplicates"):
        job(table, tmp_path / "out", duplicates=2.0)
    with pytest.raises(ArgumentError, match="cannot read"):
        list(read_rows(tmp_path / "missing.csv"))


def test_the_command_draws_a_table(run: Run, model: Path, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ("generate", "--prompts", table, "-o", out, "--model", model, "--shard-size", 5)
    assert run(*arguments, "-q") == 0
    assert len(list(out.rglob("*.png"))) == ROWS
    assert run(*arguments, "-q") == 0
    assert run(*arguments, "--grid", "2x2") == 2


@pytest.mark.parametrize("tar", [False, True])
@pytest.mark.parametrize("damage", [b"rubbish\n", b"{}\n", b"[1]\n", b"\xff\xfe\n", b"\n", b""])
def test_a_damaged_line_is_made_again(
    pipe: TextToFace, table: Path, tmp_path: Path, tar: bool, damage: bytes
) -> None:
    job(table, tmp_path / "right", tar=tar).run(pipe)
    expected = files(tmp_path / "right")
    out = tmp_path / "out"

    def interrupt(count: int) -> None:
        if count == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        job(table, out, tar=tar).run(pipe, interrupt)
    part = out / "shard-00000.part"
    lines = part.read_bytes().splitlines(keepends=True)
    part.write_bytes(lines[0] + damage + lines[2])
    assert job(table, out, tar=tar).run(pipe) is not None
    assert files(out) == expected

    finished = out / "shard-00001.jsonl"  # of a shard that is whole
    lines = finished.read_bytes().splitlines(keepends=True)
    finished.write_bytes(b"".join([lines[0], damage, *lines[2:]]))
    assert job(table, out, tar=tar).run(pipe) is not None
    assert files(out) == expected


@pytest.mark.parametrize("tar", [False, True])
def test_a_damaged_image_is_made_again(
    pipe: TextToFace, table: Path, tmp_path: Path, tar: bool
) -> None:
    job(table, tmp_path / "right", tar=tar).run(pipe)

    def interrupt(count: int) -> None:
        if count == 3:
            raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        job(table, out, tar=tar).run(pipe, interrupt)
    path = out / ("shard-00000.tar.part" if tar else "shard-00000/000000001.png")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    job(table, out, tar=tar).run(pipe)
    assert files(out) == files(tmp_path / "right")


@pytest.mark.parametrize("tar", [False, True])
def test_duplicates_may_change_between_runs(
    pipe: TextToFace, table: Path, tmp_path: Path, tar: bool
) -> None:
    job(table, tmp_path / "right", tar=tar, duplicates=0.9).run(pipe)
    expected = files(tmp_path / "right")
    out = tmp_path / "out"

    def interrupt(count: int) -> None:
        if count == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        job(table, out, tar=tar).run(pipe, interrupt)
    job(table, out, tar=tar, duplicates=0.99).run(pipe)
    job(table, out, tar=tar).run(pipe)
    assert b"duplicate_of" not in (out / "manifest.jsonl").read_bytes()
    job(table, out, tar=tar, duplicates=0.9).run(pipe)
    assert files(out) == expected


def test_a_job_says_what_differs(pipe: TextToFace, table: Path, tmp_path: Path) -> None:
    job(table, tmp_path / "out").run(pipe)
    other = tiny.make_pipe().to("cpu", torch.float64)
    with pytest.raises(ArgumentError, match='its dtype is "float32", now "float64"'):
        job(table, tmp_path / "out").run(other)
    (tmp_path / "out/job.json").write_text("{")
    with pytest.raises(ArgumentError, match=r"job\.json is damaged"):
        job(table, tmp_path / "out").run(pipe)


def test_two_do_not_write_one_shard(pipe: TextToFace, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told: list[str] = []

    def start_again(count: int) -> None:
        # As another process: a thread has a hold of its own.
        def second() -> None:
            try:
                job(table, out).run(pipe)
            except OutputError as error:
                told.append(str(error))

        thread = threading.Thread(target=second)
        thread.start()
        thread.join()

    job(table, out).run(pipe, start_again)
    assert len(told) == ROWS + 3  # at the beginning of each of 3 shards too
    assert "shard-00000 is being written by another process" in told[0]
    assert not [name for name in files(out) if "lock" in name or "part" in name]


@pytest.mark.parametrize("tar", [False, True])
@pytest.mark.parametrize(
    "name",
    ["shard-00000.part", "shard-00000.tar.part", "shard-00000.embeddings", "shard-00000",
     "job.json", "manifest.jsonl", "shard-00000.jsonl", "shard-00000.tar",
     ".text2face.lock", ".shard-00000.lock"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["link", "dangling", "hard", "folder", "pipe"])
def test_what_is_planted_is_not_followed(
    pipe: TextToFace, table: Path, tmp_path: Path, tar: bool, name: str, kind: str
) -> None:
    out, victim, folder = tmp_path / "out", tmp_path / "victim", tmp_path / "theirs"
    out.mkdir()
    folder.mkdir()
    victim.write_bytes(b"precious\n")
    if kind == "link":
        (out / name).symlink_to(victim)
    elif kind == "dangling":
        (out / name).symlink_to(tmp_path / "new")
    elif kind == "hard":
        (out / name).hardlink_to(victim)
    elif kind == "folder":
        (out / name).symlink_to(folder)
    else:
        os.mkfifo(out / name)
    with suppress(Text2FaceError):
        job(table, out, tar=tar, duplicates=0.9).run(pipe)
    assert victim.read_bytes() == b"precious\n"
    assert list(folder.iterdir()) == []
    assert not (tmp_path / "new").exists()
