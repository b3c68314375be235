from __future__ import annotations

import pytest

from text2face import errors


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_is_a_text2face_error_and_stands_in_the_tree(name: str) -> None:
    assert issubclass(getattr(errors, name), errors.Text2FaceError)
    assert errors.__doc__ is not None
    assert name in errors.__doc__


def test_a_bad_argument_is_a_value_error_too() -> None:
    assert issubclass(errors.ArgumentError, ValueError)
