from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import text2face
from tests import tiny, tiny_clip
from text2face import TextToFace
from text2face.encoders.base import TextImageEncoder
from text2face.encoders.clip import CLIPEncoder
from text2face.errors import ArgumentError, CheckpointError, PromptError

TEXTS = ["an old man", "A WOMAN, old!", ""]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_clip.save_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_clip.save_siglip(tmp_path_factory.mktemp("siglip"))


@pytest.fixture(params=["clip", "siglip"])
def folder(request: pytest.FixtureRequest) -> Path:
    path: Path = request.getfixturevalue(request.param)
    return path


@pytest.fixture
def broken(folder: Path, tmp_path: Path) -> Path:
    """A copy of the folder, to be damaged."""
    return Path(shutil.copytree(folder, tmp_path / "broken"))


def test_it_keeps_the_protocol(folder: Path) -> None:
    encoder = text2face.load_encoder(folder)
    assert isinstance(encoder, TextImageEncoder)
    assert encoder.encode_text(TEXTS).shape == (3, encoder.embedding_dim)
    assert encoder.encode_text([]).shape == (0, encoder.embedding_dim)
    assert encoder.encode_image(torch.zeros(2, 3, 50, 40)).shape == (2, encoder.embedding_dim)
    assert encoder.unknown_words("a zebra") == []


def test_texts_and_pictures_are_embedded_as_transformers_does(clip: Path) -> None:
    from transformers import CLIPModel, CLIPTokenizer
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    model = CLIPModel.from_pretrained(clip).eval()
    encoder = text2face.load_encoder(clip)
    tokens = CLIPTokenizer.from_pretrained(clip)(TEXTS, padding=True, return_tensors="pt")
    expected = model.get_text_features(**tokens).pooler_output
    torch.testing.assert_close(encoder.encode_text(TEXTS), expected)
    pixels = np.random.RandomState(0).randint(0, 256, (32, 32, 3), dtype=np.uint8)
    image = CLIPImageProcessorPil.from_pretrained(clip)(
        Image.fromarray(pixels), return_tensors="pt"
    )
    expected = model.get_image_features(**image).pooler_output
    got = encoder.encode_image(torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


def test_siglip_reads_texts_padded_to_its_context_and_without_punctuation(siglip: Path) -> None:
    from transformers import SiglipModel

    model = SiglipModel.from_pretrained(siglip).eval()
    encoder = text2face.load_encoder(siglip)
    assert isinstance(encoder, CLIPEncoder)
    tokens, mask = encoder.tokenize(["Old, MAN!"])
    assert mask is None
    assert tokens.tolist() == [[4, 3] + [1] * 8]
    expected = model.get_text_features(input_ids=tokens).pooler_output
    torch.testing.assert_close(encoder.encode_text(["Old, MAN!"]), expected)


def test_siglip_2_keeps_punctuation_and_may_pad_before_the_text(broken: Path) -> None:
    encoder = text2face.load_encoder(broken)
    assert isinstance(encoder, CLIPEncoder)
    if not encoder.is_siglip:
        return
    config = {"tokenizer_class": "GemmaTokenizer", "pad_token": "<pad>", "padding_side": "left"}
    (broken / "tokenizer_config.json").write_text(json.dumps(config))
    again = CLIPEncoder.from_folder(broken)
    tokens, _ = again.tokenize(["old man!"])
    assert tokens[0, -1] == 1
    assert tokens[0, 0] == 0
    assert (tokens[0] != 0).sum() == 4


def test_a_text_has_the_same_embedding_in_any_company(folder: Path) -> None:
    encoder = text2face.load_encoder(folder)
    alone = torch.cat([encoder.encode_text([text]) for text in TEXTS])
    torch.testing.assert_close(encoder.encode_text(TEXTS), alone, rtol=1e-4, atol=1e-5)


def test_a_text_beyond_the_context_is_an_error_with_the_count(folder: Path) -> None:
    encoder = text2face.load_encoder(folder)
    assert isinstance(encoder, CLIPEncoder)
    long = "man " * 40
    count = 40 + (1 if encoder.is_siglip else 2)
    with pytest.raises(PromptError, match=f"has {count} tokens .* at most {encoder.context}"):
        encoder.encode_text(["a man", long])
    cut = text2face.load_encoder(folder, truncate=True)
    fits = "man " * (encoder.context - (1 if encoder.is_siglip else 2))
    torch.testing.assert_close(cut.encode_text([long]), encoder.encode_text([fits]))


def test_pictures_can_be_improved_by_gradient(folder: Path) -> None:
    encoder = text2face.load_encoder(folder)
    image = (torch.rand(1, 3, 48, 48) - 0.5).requires_grad_()
    encoder.encode_image(image)[0, 0].backward()  # type: ignore[no-untyped-call]
    assert image.grad is not None
    assert image.grad.abs().sum() > 0


def test_bad_arguments_are_refused(folder: Path) -> None:
    encoder = text2face.load_encoder(folder)
    with pytest.raises(ArgumentError, match="expected a list of texts"):
        encoder.encode_text("a man")
    with pytest.raises(ArgumentError, match=r"expected \[N, 3, H, W\]"):
        encoder.encode_image(torch.zeros(3, 32, 32))


def test_it_survives_the_disk_exactly(folder: Path, tmp_path: Path) -> None:
    encoder = text2face.load_encoder(folder, truncate=True)
    assert isinstance(encoder, CLIPEncoder)
    encoder.save_pretrained(tmp_path)
    again = text2face.load_encoder(tmp_path)
    assert isinstance(again, CLIPEncoder)
    assert again.truncate
    assert not again.training
    assert not any(parameter.requires_grad for parameter in again.parameters())
    assert torch.equal(encoder.encode_text(TEXTS), again.encode_text(TEXTS))
    images = torch.rand(2, 3, 40, 40) * 2 - 1
    assert torch.equal(encoder.encode_image(images), again.encode_image(images))


def test_a_pipeline_can_have_such_an_encoder(clip: Path, tmp_path: Path) -> None:
    tiny.register()
    config = tiny.TinyConfig(embedding_dim=8)
    pipe = TextToFace(
        text2face.load_encoder(clip), tiny.TinySampler(config), tiny.TinyGenerator(config)
    )
    pipe.save_pretrained(tmp_path)
    again = TextToFace.from_pretrained(tmp_path)
    one, two = (p("an old man", seed=3, num_images=2) for p in (pipe, again))
    assert torch.equal(one.latents, two.latents)
    assert one.scores == pytest.approx(two.scores)


def test_a_hub_model_is_saved_by_name_and_commit(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    asked: list[object] = []

    def snapshot(hub_id: str, **options: Any) -> str:
        asked.append((hub_id, options["revision"]))
        target = tmp_path / commit
        if not target.exists():
            shutil.copytree(clip, target)
        return str(target)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    encoder = text2face.load_encoder("clip-vit-b-32")
    assert isinstance(encoder, CLIPEncoder)
    encoder.save_pretrained(tmp_path / "saved")
    assert [path.name for path in (tmp_path / "saved").iterdir()] == ["config.json"]
    again = text2face.load_encoder(tmp_path / "saved")
    assert torch.equal(encoder.encode_text(TEXTS), again.encode_text(TEXTS))
    name = "openai/clip-vit-base-patch32"
    assert asked == [(name, None), (name, commit)]


def test_weights_in_several_files(broken: Path) -> None:
    expected = text2face.load_encoder(broken).encode_text(TEXTS)
    tensors = load_file(broken / "model.safetensors")
    names = sorted(tensors)
    parts = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
    for file, chosen in parts.items():
        save_file({name: tensors[name] for name in chosen}, broken / file)
    (broken / "model.safetensors").unlink()
    weight_map = {name: file for file, chosen in parts.items() for name in chosen}
    index = broken / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))
    assert torch.equal(text2face.load_encoder(broken).encode_text(TEXTS), expected)
    index.write_text(json.dumps({"weight_map": {"x": "../model.safetensors"}}))
    with pytest.raises(CheckpointError, match="lists no files"):
        text2face.load_encoder(broken)


def test_weights_of_torch_are_read_without_running_anything(broken: Path) -> None:
    expected = text2face.load_encoder(broken).encode_text(TEXTS)
    tensors = load_file(broken / "model.safetensors")
    (broken / "model.safetensors").unlink()
    path = broken / "pytorch_model.bin"
    torch.save({**tensors, "text_model.embeddings.position_ids": torch.arange(12)[None]}, path)
    assert torch.equal(text2face.load_encoder(broken).encode_text(TEXTS), expected)
    torch.save(["a list"], path)
    with pytest.raises(CheckpointError, match="holds no tensors by name"):
        text2face.load_encoder(broken)
    torch.save({"x": Path("a")}, path)
    with pytest.raises(CheckpointError):
        text2face.load_encoder(broken)


def _change(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_damaged_folder_is_one_clear_line(broken: Path) -> None:
    tensors = load_file(broken / "model.safetensors")
    some = next(name for name in tensors if name.endswith("fc1.weight"))

    def fails(match: str) -> None:
        with pytest.raises(CheckpointError, match=match) as stop:
            text2face.load_encoder(broken)
        assert "\n" not in str(stop.value)

    save_file({**tensors, some: tensors[some].fill_(float("nan"))}, broken / "model.safetensors")
    fails("NaN or infinity")
    save_file({**tensors, some: torch.zeros(2, 2)}, broken / "model.safetensors")
    fails(r"of shape \[2, 2\], expected")
    save_file({k: v for k, v in tensors.items() if k != some}, broken / "model.safetensors")
    fails("lacks ")
    (broken / "model.safetensors").write_bytes(b"?" * 99)
    fails("not a whole safetensors file")
    (broken / "model.safetensors").unlink()
    fails("missing file")


def test_a_damaged_tokenizer_or_processor_is_one_clear_line(broken: Path) -> None:
    _change(broken / "preprocessor_config.json", resample=9)
    with pytest.raises(CheckpointError, match="resample is 9"):
        text2face.load_encoder(broken)
    (broken / "tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointError, match="cannot read the tokenizer"):
        text2face.load_encoder(broken)
    for path in (broken / "tokenizer.json", broken / "vocab.json"):
        path.unlink(missing_ok=True)
    with pytest.raises(CheckpointError, match="cannot read the tokenizer"):
        text2face.load_encoder(broken)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "siglip2"}, "not its NaFlex variant"),
        ({"model_type": "bert"}, "type 'bert'"),
        ({"text_config": {"hidden_size": "wide"}}, "cannot use .*config.json"),
        ({"vision_config": 3}, "cannot use .*config.json"),
    ],
)
def test_another_configuration_is_refused(
    broken: Path, changes: dict[str, Any], message: str
) -> None:
    _change(broken / "config.json", **changes)
    with pytest.raises(CheckpointError, match=message) as stop:
        text2face.load_encoder(broken)
    assert "\n" not in str(stop.value)


@pytest.mark.parametrize(
    "config",
    [
        {"type": "clip", "model": "../elsewhere"},
        {"type": "clip", "model": 3},
        {"type": "clip", "model": None, "truncate": "yes"},
        {"type": "clip", "model": "a/b", "revision": 3},
    ],
)
def test_a_component_folder_names_a_hub_model_or_holds_one(
    config: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="to be a hub id or null"):
        text2face.load_encoder(tmp_path)


def test_no_encoder_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckpointError, match="no encoder nothing; expected a hub id"):
        text2face.load_encoder("nothing")
    with pytest.raises(CheckpointError, match="missing file"):
        text2face.load_encoder(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(CheckpointError, match="cannot fetch owner/name"):
        text2face.load_encoder("owner/name")
