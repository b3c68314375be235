from __future__ import annotations

import numpy as np
import pytest
import torch

from text2face import errors


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_is_a_text2face_error_and_stands_in_the_tree(name: str) -> None:
    assert issubclass(getattr(errors, name), errors.Text2FaceError)
    assert errors.__doc__ is not None
    assert name in errors.__doc__


def test_a_bad_argument_is_a_value_error_too() -> None:
    assert issubclass(errors.ArgumentError, ValueError)


def test_whatever_a_file_holds_is_quoted_in_one_short_line() -> None:
    bomb: list[object] = []
    for _ in range(60):
        bomb = [bomb, bomb]
    itself: list[object] = []
    itself.append(itself)
    deep: object = 0
    for _ in range(100_000):
        deep = {"a": (deep,)}
    values = [bomb, itself, deep, "x" * 10**7, list(range(10**6)), {"k": "v" * 10**6}, 10**9999]
    values += ["\x1b]0;owned\x07\nall is well", "\u2028\u202e\x9b2J\ud800", object(), {1, 2}]
    for value in values:
        line = errors.quoted(value)
        assert len(line) < 2000
        assert line.isprintable()
    del deep, values  # the interpreter frees it without recursion


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("skip", "'skip'"),
        ([1, 2], "[1, 2]"),
        (None, "None"),
        (float("nan"), "nan"),
        ({"a": True}, "{'a': True}"),
        ("a\nb", r"'a\nb'"),
        (list("abcdefgh"), "['a', 'b', 'c', 'd', 'e', 'f', ...]"),
    ],
)
def test_ordinary_values_are_quoted_as_in_python(value: object, line: str) -> None:
    assert errors.quoted(value) == line


@pytest.mark.parametrize("name", errors.__all__)
def test_no_message_leaves_its_line(name: str) -> None:
    message = str(getattr(errors, name)("a name\x1b[2J\nforged\u2028line: Jürgen 🙂 → …"))
    assert message == r"a name\x1b[2J\nforged\u2028line: Jürgen 🙂 → …"
    long = str(getattr(errors, name)("got " + "x" * 10**6 + "; shorten it"))
    assert len(long) < 2000
    assert long.endswith("; shorten it")


def test_running_out_of_memory_is_known_in_all_its_forms() -> None:
    for allocate in (
        lambda: torch.empty(10**15),
        lambda: np.empty(10**15),
        lambda: bytearray(10**17),
    ):
        with pytest.raises((MemoryError, RuntimeError)) as caught:
            allocate()
        assert errors.is_out_of_memory(caught.value)
    assert errors.is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert not errors.is_out_of_memory(RuntimeError("shapes do not fit"))
    assert not errors.is_out_of_memory(ValueError("can't allocate memory"))
