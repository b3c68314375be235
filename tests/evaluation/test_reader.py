from __future__ import annotations

from pathlib import Path

import pytest
import torch

from text2face.encoders.base import TextImageEncoder
from text2face.errors import CheckpointError
from text2face.evaluation.judge import Judge, JudgeConfig
from text2face.evaluation.reader import Reader, ReaderConfig

LABELS = {"hat": ("none", "cap")}
CONFIG = ReaderConfig(("a", "cap", "man"), {"boy": "man"}, 6, 8, width=8, heads=2)


@pytest.fixture
def judge() -> Judge:
    torch.manual_seed(0)
    return Judge(JudgeConfig(LABELS, resolution=32, width=4, feature_dim=6)).eval()


def test_it_is_an_encoder_that_saves_no_judge(judge: Judge, tmp_path: Path) -> None:
    reader = Reader(CONFIG, judge).eval()
    assert isinstance(reader, TextImageEncoder)
    reader.load_state_dict({k: v.half().float() for k, v in reader.state_dict().items()})
    assert not any("trunk" in name for name in reader.state_dict())
    reader.save_pretrained(tmp_path)
    loaded = Reader.from_pretrained(tmp_path, judge)
    texts = ["a man", "a cap on a man and a word", "zebra"]
    torch.testing.assert_close(loaded.encode_text(texts), reader.encode_text(texts))
    torch.testing.assert_close(loaded.encode_text(texts[:1]), loaded.encode_text(texts)[:1])
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    assert loaded.encode_image(images).shape == (2, 8)
    assert torch.equal(loaded.encode_text(["a boy"]), loaded.encode_text(["a man"]))
    assert loaded.unknown_words("a zebra cap") == ["zebra"]


def test_a_reader_of_another_judge_is_refused(judge: Judge, tmp_path: Path) -> None:
    Reader(CONFIG, judge).save_pretrained(tmp_path)
    other = Judge(JudgeConfig(LABELS, resolution=32, width=4, feature_dim=7))
    with pytest.raises(CheckpointError, match="for 6 features, expected a reader for the judge's"):
        Reader.from_pretrained(tmp_path, other)
