from __future__ import annotations

import io
from pathlib import Path

import pytest

from text2face.errors import ArgumentError, PromptError
from text2face.storage.texts import read_prompts, read_text


@pytest.mark.parametrize(
    ("content", "prompts"),
    [
        (b"a man\na woman\n", ["a man", "a woman"]),
        (b"a man\r\na woman\r\n\r\n", ["a man", "a woman"]),
        (b"a man\ra woman\r", ["a man", "a woman"]),
        (b"a man\na woman", ["a man", "a woman"]),
        (b"\xef\xbb\xbfa man\n", ["a man"]),
        (b"\xef\xbb\xbfa man\n\xef\xbb\xbfa woman\n", ["a man", "a woman"]),  # joined files
        ("a man\nmit Brille ü\n".encode("utf-16"), ["a man", "mit Brille ü"]),
        (b"\xfe\xff" + "a man\n".encode("utf-16-be"), ["a man"]),
        ("a man\n".encode("utf-32"), ["a man"]),
        (b"# faces\na man\n  # more\n#a woman\na boy # 1\n", ["a man", "a boy # 1"]),
        ("a man\u2028with a hat\na woman".encode(), ["a man\u2028with a hat", "a woman"]),
        ("a man\u2029with a hat".encode(), ["a man\u2029with a hat"]),
        ("a man\x85with a hat".encode(), ["a man\x85with a hat"]),
        (b"a man\x0bwith a hat", ["a man\x0bwith a hat"]),
        (b"a man\x0cwith a hat", ["a man\x0cwith a hat"]),
        (b"a man\x1cwith\x1da\x1ehat", ["a man\x1cwith\x1da\x1ehat"]),
    ],
)
def test_prompts_are_neither_split_nor_swallowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, prompts: list[str]
) -> None:
    (tmp_path / "prompts.txt").write_bytes(content)
    assert read_prompts(tmp_path / "prompts.txt") == prompts
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert read_prompts("-") == prompts


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("ein Mann mit Mütze".encode("latin-1"), r"not UTF-8 \(byte 14\); .*; save it as UTF-8"),
        ("a man\na woman\n".encode("utf-16-le"), "zero byte in line 1 of"),
        (b"a man\na wo\0man\n", "zero byte in line 2"),
        ("a man\n".encode("utf-16") + b"x", "not UTF-16"),
        (b"\x89PNG\r\n\x1a\n\0\0", "not UTF-8"),
    ],
)
def test_what_is_no_text_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str
) -> None:
    (tmp_path / "prompts.txt").write_bytes(content)
    with pytest.raises(ArgumentError, match=message):
        read_prompts(tmp_path / "prompts.txt")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    with pytest.raises(ArgumentError, match=message):
        read_prompts("-")


def test_nothing_to_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ArgumentError, match=r"cannot read .*: is a directory"):
        read_text(tmp_path)
    with pytest.raises(ArgumentError, match=r"cannot read .*: no such file"):
        read_text(tmp_path / "missing")
    (tmp_path / "empty.txt").write_text("\n# nothing\n \n")
    with pytest.raises(PromptError, match="no prompt in"):
        read_prompts(tmp_path / "empty.txt")
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(ArgumentError, match=r"cannot read the standard input"):
        read_text("-")
