"""Folders of transformers whose `config.json` asks for more than their weights have."""

from __future__ import annotations

import json
import sys
import time
import types
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.tiny_clip import save_clip, save_siglip
from text2face.encoders.towers import read_model
from text2face.errors import CheckpointError

SECONDS = 2.0
"""Of processor time for any `config.json`."""


@pytest.fixture(scope="module", params=[save_clip, save_siglip])
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = request.param(tmp_path_factory.mktemp("encoder"))
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    for path in saved.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def change(folder: Path, part: str, **values: Any) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    (config[part] if part else config).update(values)
    path.write_text(json.dumps(config))


HUGE = (10**5, 10**9, 10**300, 0, 1.5, "x\x1b[2J\n", [[[1]]] * 100)


@pytest.mark.parametrize("part", ["text_config", "vision_config"])
def test_sizes_are_held_against_the_weights_first(folder: Path, part: str) -> None:
    original = json.loads((folder / "config.json").read_text())
    sizes = [name for name, value in original[part].items() if type(value) is int]
    sizes = [name for name in sizes if not name.endswith(("token_id", "projection_dim"))]
    assert len(sizes) > 5
    for name in sizes:
        for value in HUGE:
            (folder / "config.json").write_text(json.dumps(original))
            change(folder, part, **{name: value})
            start = time.process_time()
            with pytest.raises(CheckpointError) as caught:
                read_model(folder)
            assert time.process_time() - start < SECONDS, (name, value)
            assert str(caught.value).isprintable()
            assert len(str(caught.value)) < 2000


@pytest.mark.parametrize(
    ("part", "values"),
    [
        ("", {"num_labels": 10**9}),
        ("text_config", {"num_labels": 10**9, "id2label": {"0": "x"}}),
        ("vision_config", {"num_labels": 10**9}),
        ("", {"attn_implementation": "someone/kernel"}),
        ("", {"_attn_implementation": "someone/kernel:run"}),
        ("text_config", {"attn_implementation": "someone/kernel"}),
        ("vision_config", {"_attn_implementation_internal": "someone/kernel"}),
        ("", {"auto_map": {"AutoModel": "someone/code--model.Model"}, "trust_remote_code": True}),
        ("", {"quantization_config": {"quant_method": "someone"}}),
        ("", {"dtype": "float64", "torch_dtype": "int8"}),
        ("", {"return_dict": False, "output_hidden_states": True}),
        ("text_config", {"dtype": "bfloat16", "use_kernels": True}),
    ],
)
def test_what_is_no_size_is_passed_over(
    folder: Path, part: str, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    kernels = types.ModuleType("kernels")
    vars(kernels)["get_kernel"] = lambda *names, **options: asked.append(names)
    monkeypatch.setitem(sys.modules, "kernels", kernels)
    monkeypatch.setattr("socket.socket.connect", lambda *to: asked.append(to))
    expected = read_model(folder)
    change(folder, part, **values)
    start = time.process_time()
    model = read_model(folder)
    assert time.process_time() - start < SECONDS
    assert not asked
    assert model.config._attn_implementation == expected.config._attn_implementation
    ids = torch.tensor([[5, 4, 3]])
    got, wanted = (one.get_text_features(input_ids=ids) for one in (model, expected))
    assert torch.equal(got.pooler_output, wanted.pooler_output)


def test_the_values_that_old_configurations_of_clip_repeat_count(tmp_path: Path) -> None:
    read_model(save_clip(tmp_path))
    config = json.loads((tmp_path / "config.json").read_text())
    right = config["text_config"]
    change(tmp_path, "", text_config={**right, "num_hidden_layers": 7}, text_config_dict=right)
    assert read_model(tmp_path).config.text_config.num_hidden_layers == 2
    change(tmp_path, "", text_config=right, text_config_dict={**right, "num_hidden_layers": 10**9})
    with pytest.raises(CheckpointError, match="far more parts"):
        read_model(tmp_path)


def test_other_tensors_are_refused_before_they_are_read(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    name = next(name for name in tensors if name.endswith("fc1.weight"))
    for changed, said in (
        ({name: tensors[name].to(torch.int8)}, "torch.int8, expected floating-point"),
        ({"\x1b[2J\nx" * 40: torch.zeros(1)}, "has unknown"),
        ({name: torch.zeros(10**6)}, r"\[1000000\], expected"),
    ):
        save_file({**tensors, **changed}, path)
        with pytest.raises(CheckpointError, match=said) as caught:
            read_model(folder)
        assert str(caught.value).isprintable()
    torch.save({**tensors, name: tensors[name].to(torch.int8)}, folder / "pytorch_model.bin")
    path.unlink()
    with pytest.raises(CheckpointError, match=r"torch\.int8, expected"):
        read_model(folder)
