"""A fuzzer: real files with a few wrong bytes either load or are refused, and nothing runs.

Ten thousand mutations by default, half a minute on one core; `TEXT2FACE_MUTATIONS` sets another
number.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.checkpoints.audit import audited
from tests.checkpoints.writers import LAYOUTS
from text2face import load_generator
from text2face.errors import CheckpointError

FIXTURES = Path(__file__).parents[1] / "fixtures" / "checkpoints"
# Files that the reference implementations have written, and small ones that load fast.
SEEDS: dict[str, Callable[[], bytes]] = {
    **LAYOUTS,
    "tensorflow": (FIXTURES / "stylegan2-tensorflow-32.pkl").read_bytes,
    "reference-stylegan3": (FIXTURES / "stylegan3-r-128.pkl").read_bytes,
}
SHARES = {"reference-stylegan3": 0.05, "tensorflow": 0.1}
COUNT = int(os.environ.get("TEXT2FACE_MUTATIONS", "10000"))
OPCODES = bytes(range(0x80, 0x99)) + b"().0123FINKMLJUTSXBCGVRbcdeghijlopqrstuaPQ]}"
EXTREMES = (b"\0", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0")


def mutate(content: bytes, chance: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        place = chance.randrange(len(data))
        length = min(chance.choice((1, 2, 4, 8, 64)), len(data) - place)
        other = chance.randrange(len(data))
        match chance.randrange(8):
            case 0:
                data[place] ^= 1 << chance.randrange(8)
            case 1:
                data[place] = chance.choice(OPCODES)
            case 2:
                extreme = chance.choice(EXTREMES)
                data[place : place + len(extreme)] = extreme
            case 3:
                data[place : place + length] = chance.randbytes(length)
            case 4:
                del data[place : place + length]
            case 5:
                data[place:place] = data[other : other + length]
            case 6:
                data[place : place + length] = data[other : other + length]
            case 7:
                del data[max(place, 1) :]
        if not data:
            break
    return bytes(data)


@pytest.mark.parametrize("layout", SEEDS)
def test_a_mutated_file_loads_or_is_refused(tmp_path: Path, layout: str) -> None:
    small = (1 - sum(SHARES.values())) / len(LAYOUTS)
    content, path = SEEDS[layout](), tmp_path / "network"
    path.write_bytes(content)
    load_generator(path)  # it is whole, and imports are done
    refused = 0
    for seed in range(round(COUNT * SHARES.get(layout, small))):
        path.write_bytes(mutate(content, random.Random(seed)))
        try:
            with audited():
                load_generator(path)
        except CheckpointError:
            refused += 1
        except Exception as error:
            raise AssertionError(f"mutation {seed} of {layout}") from error
    assert refused > 0
