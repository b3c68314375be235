"""Tokenizers that are missing, of another model, or that ask for too much."""

from __future__ import annotations

import base64
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_clip import save_clip, save_siglip
from text2face import load_encoder
from text2face.encoders.tokenizer_files import check_steps
from text2face.encoders.tokens import TextTokenizer
from text2face.errors import CheckpointError


def read(folder: Path) -> TextTokenizer:
    encoder: Any = load_encoder(folder)
    tokenizer: TextTokenizer = encoder.tokenizer
    return tokenizer


def edit(path: Path, change: Callable[[Any], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP, the same with a `tokenizer.json` as newer ones are published, and a SigLIP."""
    folder = tmp_path_factory.mktemp("made")
    encoder: Any = load_encoder(save_clip(folder / "clip"))
    encoder.save_pretrained(folder / "saved")
    (folder / "saved" / "model").rename(folder / "json")
    save_siglip(folder / "siglip")
    return folder


@pytest.fixture
def clip(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "clip", tmp_path / "clip"))


@pytest.fixture
def clip_json(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "json", tmp_path / "json"))


@pytest.fixture
def siglip(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "siglip", tmp_path / "siglip"))


def refused(folder: Path, said: str) -> None:
    with pytest.raises(CheckpointError, match=said) as caught:
        load_encoder(folder)
    assert "cannot read the tokenizer in" in str(caught.value)
    assert str(caught.value).isprintable()


def test_the_same_from_both_kinds_of_files(clip: Path, clip_json: Path) -> None:
    texts = ["an old man", "Woman, 3 hats; it's  É", ""]
    assert read(clip)(texts) == read(clip_json)(texts)


def test_a_folder_without_tokenizer_is_refused(clip: Path) -> None:
    (clip / "vocab.json").unlink()
    refused(clip, r"merges.txt alone; expected tokenizer\.json")
    (clip / "merges.txt").unlink()
    refused(clip, r"no tokenizer\.json, no vocab\.json and merges\.txt; expected")


def test_a_folder_with_half_a_tokenizer_is_refused(clip: Path) -> None:
    (clip / "merges.txt").unlink()
    refused(clip, r"vocab\.json alone; expected tokenizer\.json")


def test_merges_that_are_cut_off_are_told(clip: Path) -> None:
    merges = clip / "merges.txt"
    lines = merges.read_text().splitlines()
    for kept in (1, 2, len(lines) - 1):
        merges.write_text("\n".join(lines[:kept]) + "\n")
        refused(clip, "tokens are made by none of its merges")
    merges.write_text(lines[0] + "\na b c\n")
    refused(clip, "a merge is .* expected a pair")
    merges.write_bytes(b"#version: 0.2\n\xff\xfe")
    refused(clip, "cannot read the tokenizer")


def test_a_vocabulary_of_another_model_is_told(clip: Path, siglip: Path) -> None:
    original = (clip / "vocab.json").read_text()
    for change, said in (
        (lambda ids: ids.update({f"more{i}": 520 + i for i in range(300)}), "ids up to 819"),
        (lambda ids: [ids.pop(key) for key in list(ids)[:100]], "cannot read the tokenizer"),
        (lambda ids: [ids.pop(key) for key in list(ids)[400:512]], "cannot read the tokenizer"),
        (lambda ids: ids.clear(), "cannot read the tokenizer"),
        (lambda ids: ids.update({"<|startoftext|>": 519, "<|endoftext|>": 518}), "start mark 518"),
        (lambda ids: ids.update({"a": -1}), "other things than tokens and their ids"),
        (lambda ids: ids.update({"a": "0"}), "other things than tokens and their ids"),
        (lambda ids: ids.pop("<|endoftext|>"), "has no <|endoftext|>".replace("|", r"\|")),
    ):
        (clip / "vocab.json").write_text(original)
        edit(clip / "vocab.json", change)
        refused(clip, said)
    (siglip / "tokenizer.json").write_bytes(
        (siglip / "tokenizer.json").read_bytes().replace(b"\xe2\x96\x81old", b"old")
    )
    load_encoder(siglip)


def test_marks_have_the_ids_that_the_network_looks_for(clip: Path) -> None:
    path = clip / "config.json"
    edit(path, lambda config: config["text_config"].update(bos_token_id=0, eos_token_id=2))
    load_encoder(clip)  # as OpenAI's own files have it
    edit(path, lambda config: config["text_config"].update(bos_token_id=0, eos_token_id=7))
    refused(clip, "the end mark 7 that the configuration of the network names")
    edit(path, lambda config: config["text_config"].update(bos_token_id=5, eos_token_id=519))
    refused(clip, "the start mark 5")


def test_siglip_says_how_it_pads_and_takes_punctuation(siglip: Path) -> None:
    config = siglip / "tokenizer_config.json"
    original = config.read_text()
    for change, said in (
        (lambda c: c.pop("tokenizer_class"), "names no tokenizer_class"),
        (lambda c: c.update(tokenizer_class=None), "names no tokenizer_class"),
        (lambda c: c.pop("pad_token"), "the padding token is None"),
        (lambda c: c.update(pad_token="<nothing>"), "the padding token is '<nothing>'"),
    ):
        config.write_text(original)
        edit(config, change)
        refused(siglip, said)
    config.unlink()
    refused(siglip, "tokenizer_config.json is missing")


def test_a_processor_says_what_its_network_was_trained_on(clip: Path) -> None:
    path = clip / "preprocessor_config.json"
    original = path.read_text()
    for change, said in (
        (lambda c: c.pop("image_mean"), "has no 'image_mean'"),
        (lambda c: c.pop("image_std"), "has no 'image_std'"),
        (lambda c: c.pop("size"), "has no 'size'"),
        (lambda c: c.pop("crop_size"), "has no 'crop_size'"),
        (lambda c: c.update(do_center_crop=False), "expected pictures of one size"),
        (lambda c: c.update(do_resize=False), "do_resize is False"),
        (lambda c: c.update(crop_size={"height": 16, "width": 16}), r"come out as \(16, 16\)"),
        (lambda c: c.update(size=64, crop_size=64), r"come out as \(64, 64\)"),
        (lambda c: c.update(resample=[2]), r"resample is \[2\]"),
        (lambda c: c.update(rescale_factor="x"), "rescale_factor is 'x'"),
    ):
        path.write_text(original)
        edit(path, change)
        with pytest.raises(CheckpointError, match=said):
            load_encoder(clip)
    path.unlink()
    with pytest.raises(CheckpointError, match="missing file"):
        load_encoder(clip)


def table(*entries: bytes) -> str:
    return base64.b64encode((0).to_bytes(4, "little") + b"\0".join(entries)).decode()


def regex(text: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"Regex": text}, "content": " "}


DOUBLE = {"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}
MULTIPLY: dict[str, dict[str, Any]] = {
    "a doubles": {"normalizer": DOUBLE},
    "doubles 40 times": {"normalizer": {"type": "Sequence", "normalizers": [DOUBLE] * 40}},
    "between all": {"normalizer": {**DOUBLE, "pattern": {"String": ""}, "content": "a"}},
    "matches nothing": {"normalizer": regex("x*")},
    "matches the start": {"normalizer": regex("^")},
    "an empty alternative": {"normalizer": regex("a||b")},
    "many steps": {"normalizer": {"type": "Sequence", "normalizers": [regex("a")] * 17}},
    "nested": {"normalizer": {"type": "Sequence", "normalizers": []}},
    "exponential": {"normalizer": regex("(a+)+$")},
    "polynomial": {"normalizer": regex("a*a*a*a*a*b")},
    "back reference": {"normalizer": regex(r"a\1+")},
    "splits slowly": {
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(.*)*x"}, "behavior": "Isolated"}
    },
    "bytes of bytes": {
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"}] * 9}
    },
    "a long beginning": {"normalizer": {"type": "Prepend", "prepend": "a" * 10**6}},
    "a table that multiplies": {
        "normalizer": {"type": "Precompiled", "precompiled_charsmap": table(b"x" * 10**5)}
    },
    "a damaged table": {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AA"}},
    "the text twice": {
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"Sequence": {"id": "A", "type_id": 0}}] * 2,
            "pair": [],
            "special_tokens": {},
        }
    },
    "a mark of many": {
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [],
            "special_tokens": {"x": {"id": "x", "ids": [1] * 10**6, "tokens": ["x"] * 10**6}},
        }
    },
    "an unknown step": {"normalizer": {"type": "\x1b[2J\nRun"}},
    "no step": {"normalizer": [1]},
    "an empty token": {"added_tokens": [{"id": 1, "content": ""}]},
}


@pytest.mark.parametrize("case", sorted(MULTIPLY))
def test_a_tokenizer_that_makes_texts_longer_or_takes_long_is_refused(
    clip_json: Path, case: str
) -> None:
    nested: dict[str, Any] = {"type": "Sequence", "normalizers": []}
    for _ in range(60):
        nested = {"type": "Sequence", "normalizers": [nested, nested]}
    change = {"normalizer": nested["normalizers"][0]} if case == "nested" else MULTIPLY[case]
    if case == "nested":  # written once: it has 2**60 parts
        with pytest.raises(ValueError, match="more than 16 steps"):
            check_steps({**change, "model": {"type": "BPE"}})
        return
    edit(clip_json / "tokenizer.json", lambda content: content.update(change))
    start = time.process_time()
    refused(clip_json, "cannot read the tokenizer")
    assert time.process_time() - start < 3


def test_a_tokenizer_that_draws_random_numbers_is_refused(clip_json: Path) -> None:
    edit(clip_json / "tokenizer.json", lambda content: content["model"].update(dropout=0.5))
    refused(clip_json, "dropout is 0.5")


@pytest.mark.parametrize(
    "pattern",
    [
        r"\s+",
        " {2,}",
        r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
        r"<\|startoftext\|>|<\|endoftext\|>|[\p{L}]+",
        r"[!\"\#\$%\&'\(\)\*\+,\-\.:;=\?@\[\\\]\^_`\{\|\}\~]",
    ],
)
def test_the_patterns_of_the_field_are_known(pattern: str) -> None:
    step = {"type": "Replace", "pattern": {"Regex": pattern}, "content": " "}
    check_steps({"normalizer": step, "model": {"type": "Unigram"}})
