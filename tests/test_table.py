from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from text2face.errors import ArgumentError, Text2FaceError
from text2face.table import read_rows


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "table.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        b"prompt,seed,hair\na man,7,red\na woman,,\n",
        b"prompt,seed,hair\r\na man,7,red\r\na woman,,\r\n",
        b"prompt,seed,hair\ra man,7,red\ra woman,,\r",
        codecs.BOM_UTF8 + b"prompt,seed,hair\na man,7,red\na woman\n",
        "prompt,seed,hair\na man,7,red\na woman,\n".encode("utf-16"),
        b'"prompt", seed ,hair\n"a man",7,"red"\n\n"a woman",,\n',
        b"seed,prompt,hair,\n7,a man,red,\n,a woman,,\n",
    ],
)
def test_rows(tmp_path: Path, content: bytes) -> None:
    rows = list(read_rows(write(tmp_path, content), seed=10))
    assert [(row.index, row.prompt, row.seed) for row in rows] == [
        (0, "a man", 7),
        (1, "a woman", 11),
    ]
    assert rows[0].attributes == {"hair": "red"}
    assert [row.index for row in read_rows(tmp_path / "table.csv", start=1, stop=2)] == [1]


def test_odd_separators_are_part_of_a_prompt(tmp_path: Path) -> None:
    table = write(tmp_path, 'prompt\na man\u2028with a hat\n"a\x85man"\n"say ""hi"", old"\n')
    assert [row.prompt for row in read_rows(table)] == [
        "a man\u2028with a hat",
        "a\x85man",
        'say "hi", old',
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('prompt,seed\n"a man,1\na woman,2\nan old man,3\n', "unexpected end of data"),
        ('prompt,seed\n"a man,1\n"a woman",2\n', "is no CSV file: .* at line 3"),
        ('prompt,seed\n"a man,1\na woman",2\n', "row 1 .* several lines"),
        ('prompt\n"a "big" man"\n', "is no CSV file: .* at line 2"),
        ("prompt\na man, with a hat\n", "row 1 .* has 2 cells, expected at most 1"),
        ("prompt,seed\na man, with a hat, old,1\n", "row 1 .* has 4 cells"),
        ("prompt,prompt\na man,a woman\n", "two columns named 'prompt'"),
        ("prompt;seed\na man;1\n", "commas between columns"),
        ("prompt,seed\na man,1e3\n", "row 1 .* seed '1e3'"),
        ("prompt,seed\na man,4294967296\n", "row 1 .* seed is 4294967296"),
        ("prompt,seed\na man," + "9" * 5000 + "\n", "row 1 of"),
        ("prompt,seed\na man,1\n,2\n", "row 2 .* no prompt"),
        ("seed,prompt\n1\n", "row 1 .* no prompt"),
        ("", "has the columns"),
        ("prompt\n" + "x" * 200_000, "field larger than"),
        (b"prompt\nein Mann mit M\xfctze\n", "is not UTF-8"),
        ("prompt\na man\n".encode("utf-16-le"), "has the columns"),
    ],
)
def test_rows_are_never_swallowed(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(Text2FaceError, match=message):
        list(read_rows(write(tmp_path, content)))


def test_a_missing_table_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"cannot read .*: no such file"):
        list(read_rows(tmp_path / "missing.csv"))
