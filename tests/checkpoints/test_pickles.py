"""The pickle machine against `pickle`, on what it may read; and tensors that are views."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
import torch

from tests.checkpoints.writers import torch_saved
from text2face.errors import CheckpointError
from text2face.foreign.files import read_checkpoint, read_pickle
from text2face.foreign.pickles import Budget, PickleMachine
from text2face.foreign.tensors import ALLOWED, as_tensor

SHARED = ["shared", 1.5]
PLAIN = {
    "numbers": [0, 1, -1, 255, 65536, -(1 << 31), 1 << 60, -(1 << 100), 0.5, 1e300, True, False],
    "texts": ["", "a", "x" * 200, None],
    "tuples": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
    "shared": [SHARED, SHARED],
    7: OrderedDict(a=1),
}


def plain(value: Any) -> Any:
    """The same with bytes where the machine leaves views of the file."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(plain(item) for item in value)
    return bytes(value) if isinstance(value, memoryview) else value


@pytest.mark.parametrize("protocol", range(6))
def test_plain_data_are_read(protocol: int) -> None:
    tree = dict(PLAIN)
    if protocol >= 1:
        tree["accents"] = "ÄΩ\U0001f600" * 100
    if protocol >= 3:
        tree["bytes"] = [b"", b"abc", bytes(300)]
    if protocol >= 4:
        tree |= {"sets": {"a", 1}, "frozen": frozenset({"b"})}
    if protocol >= 5:
        tree["array"] = bytearray(b"abc")
    read = plain(read_pickle(memoryview(pickle.dumps(tree, protocol)), "file"))
    assert read == {key: plain(value) for key, value in tree.items()}
    assert read["shared"][0] == read["shared"][1]


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("protocol", [3, 5])
def test_arrays_are_read(dtype: str, order: Any, protocol: int) -> None:
    array = np.asarray(np.arange(24).reshape(2, 3, 4) % 3, dtype=dtype, order=order)
    read = read_pickle(memoryview(pickle.dumps([array, array.ravel()[1]], protocol)), "file")
    stored = as_tensor(read[0])
    assert stored is not None
    assert np.array_equal(stored.tensor().numpy(), array)
    assert read[1] == array.ravel()[1]


@pytest.mark.parametrize("array", [np.array([None]), np.array(["a"]), np.array([1.0], ">f4")])
def test_other_arrays_are_refused(array: np.ndarray) -> None:
    with pytest.raises(CheckpointError):
        as_tensor(read_pickle(memoryview(pickle.dumps(array, 4)), "file"))


@pytest.mark.parametrize("legacy", [False, True])
def test_tensors_are_read(tmp_path: Any, legacy: bool) -> None:
    base = torch.arange(24.0).view(4, 6)
    tree = {
        "base": base,
        "view": base[1:3, ::2],
        "transposed": base.t(),
        "repeated": torch.ones(3).expand(2, 3)[:1],
        "half": base.half(),
        "brain": base.bfloat16(),
        "steps": torch.tensor(7),
        "mask": base > 3,
        "empty": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(base.clone()),
    }
    path = tmp_path / "file.pt"
    path.write_bytes(torch_saved(tree, legacy=legacy))
    read = read_checkpoint(path)
    for name, tensor in tree.items():
        got = read[name].tensor()
        assert got.dtype == tensor.dtype, name
        assert torch.equal(got, tensor), name


def test_the_machine_stops_behind_its_pickle() -> None:
    data = pickle.dumps(1) + pickle.dumps(2)
    machine = PickleMachine(memoryview(data), ALLOWED, "file")
    assert machine.load() == 1
    assert machine.load() == 2
    assert machine.position == len(data)


def test_steps_are_shared_and_limited() -> None:
    content, budget = memoryview(pickle.dumps([1, 2, 3], 2)), Budget(20)
    PickleMachine(content, ALLOWED, "file", budget).load()
    assert 0 < budget.steps < 20
    budget.steps = 3
    with pytest.raises(CheckpointError, match="more than 1000000 steps"):
        PickleMachine(content, ALLOWED, "file", budget).load()


def test_a_stride_of_zero_does_not_make_numbers(tmp_path: Any) -> None:
    path = tmp_path / "file.pt"
    path.write_bytes(torch_saved({"x": torch.zeros(1).expand(1000, 1000, 1000, 1000)}))
    with pytest.raises(CheckpointError, match="in 1 stored numbers"):
        read_checkpoint(path)["x"].tensor()
