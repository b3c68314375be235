from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from tests.tiny import TinyEncoder
from text2face.errors import ArgumentError
from text2face.training import Pairs
from text2face.training.bank import PHRASES, make_bank


def test_a_bank_knows_images_and_where_both_modalities_lie() -> None:
    encoder = TinyEncoder()
    embeddings = torch.randn(30, 16) + 1
    bank = make_bank(Pairs(None, embeddings), encoder, ["an old man", "a young woman"], size=20)
    unit = F.normalize(embeddings, dim=1)
    torch.testing.assert_close(bank.embeddings, unit[:20])
    torch.testing.assert_close(bank.image_mean, unit.mean(dim=0))
    texts = F.normalize(encoder.encode_text(["an old man", "a young woman"]), dim=1)
    torch.testing.assert_close(bank.text_mean, texts.mean(dim=0))
    assert len(make_bank(Pairs(None, embeddings), encoder).embeddings) == 30
    with pytest.raises(ArgumentError, match="no texts"):
        make_bank(Pairs(None, embeddings), encoder, [])


def test_the_phrases_are_all_different() -> None:
    assert len(set(PHRASES)) == len(PHRASES) == 96
