from __future__ import annotations

import subprocess
import sys

import pytest

import text2face


def python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout


def test_importing_the_package_brings_in_neither_torch_nor_the_pipeline() -> None:
    heavy = ["torch", "numpy", "PIL", "safetensors", "huggingface_hub", "text2face.pipeline"]
    code = f"import sys, text2face, text2face.cli; print([m for m in {heavy} if m in sys.modules])"
    assert python(code).strip() == "[]"


# Processor time, so that a busy machine does not fail the two tests below.


def test_importing_the_package_takes_less_than_a_tenth_of_a_second() -> None:
    code = (
        "import time; start = time.process_time(); import text2face; "
        "print(time.process_time() - start)"
    )
    assert min(float(python(code)) for _ in range(3)) < 0.1


def test_help_takes_less_than_three_tenths_of_a_second() -> None:
    code = (
        "import atexit, time; from text2face.cli import main; "
        "atexit.register(lambda: print('seconds', time.process_time())); main(['--help'])"
    )
    assert min(float(python(code).split("seconds")[-1]) for _ in range(3)) < 0.3


def test_every_public_name_is_there() -> None:
    assert dir(text2face) == sorted(text2face.__all__)
    for name in text2face.__all__:
        assert getattr(text2face, name) is not None


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'face'"):
        text2face.face  # noqa: B018
