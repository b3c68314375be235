from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from recipes.caption_bank import (
    KEYS,
    CaptionBank,
    aliases_for,
    build_words,
    make_bank,
    record_facts,
)
from recipes.faces.attributes import DETAILS, LABELS
from recipes.faces.sentences import Record
from recipes.train_encoder import (
    Settings,
    Trainer,
    augment_images,
    augment_tokens,
    contrastive_loss,
    encode_by_length,
    matches,
    save_checkpoint,
    train,
)
from text2face.encoders.compact import CompactConfig, CompactEncoder
from text2face.encoders.vocabulary import UNKNOWN, Vocabulary

WORDS = build_words()
RECORDS: list[Record] = [
    {key: values[i % len(values)] for key, values in {**LABELS, **DETAILS}.items()}
    | {"ethnicity": "mixed"}  # other words for it say something about the skin too
    for i in range(8)
]


@pytest.fixture
def encoder() -> CompactEncoder:
    torch.manual_seed(0)
    config = CompactConfig(
        words=WORDS,
        aliases=aliases_for(WORDS),
        embedding_dim=16,
        text_width=16,
        text_layers=1,
        text_heads=2,
        image_size=32,
        image_widths=(4, 8),
    )
    return CompactEncoder(config)


@pytest.fixture(scope="module")
def bank() -> CaptionBank:
    return make_bank(RECORDS, Vocabulary(WORDS), per_face=3, seed=0, processes=1)


def test_the_vocabulary_covers_the_captions(bank: CaptionBank) -> None:
    assert bank.tokens.shape[:3] == bank.facts.shape[:3] == (8, 3, 2)
    assert (bank.tokens[..., 0] > 0).all()
    assert not (bank.tokens == UNKNOWN).any()


def test_captions_match_their_face_and_negatives_do_not(bank: CaptionBank) -> None:
    seen = torch.from_numpy(record_facts(RECORDS))
    for turn in range(3):
        said = torch.from_numpy(bank.facts[:, turn])
        assert matches(seen, said[:, 0]).diagonal().all()
        assert not matches(seen, said[:, 1]).diagonal().any()


def test_hidden_values_match_no_caption() -> None:
    seen = torch.tensor([[-2, 1]])
    assert matches(seen, torch.tensor([[0, -1], [-1, 1], [-1, -1]])).tolist() == [
        [False, True, True]
    ]


def test_the_loss_is_nothing_for_perfect_pairs_and_knows_other_matches() -> None:
    e = torch.eye(3)
    images, texts = e[[0, 0, 1]], e[[0, 0, 1]]  # two faces that fit both of two captions
    match = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]]).bool()
    scale, negatives, false = torch.tensor(50.0), e[2:], torch.ones(3, 1, dtype=torch.bool)
    assert contrastive_loss(images, texts, negatives, scale, match, false).item() < 1e-6
    swapped = contrastive_loss(images, texts[[2, 1, 0]], negatives, scale, match, false)
    assert swapped.item() > 10


def test_grouping_by_length_changes_nothing(encoder: CompactEncoder) -> None:
    tokens = encoder.tokenize(
        ["a man", "an old woman with grey hair", "she", "hat", "a b c d e f"] * 3
    )
    encoder.eval()
    torch.testing.assert_close(encode_by_length(encoder, tokens), encoder.encode_tokens(tokens))


def test_augmented_pictures_stay_alike() -> None:
    rng = np.random.default_rng(0)
    smooth = F.interpolate(torch.rand(32, 3, 3, 3), (32, 32), mode="bilinear") * 255
    pictures = smooth.permute(0, 2, 3, 1).byte().numpy()
    images = augment_images(pictures, rng)
    assert images.shape == (32, 3, 32, 32)
    means = torch.from_numpy(pictures).float().mean((1, 2)) / 127.5 - 1
    assert (images.mean((2, 3)) - means).abs().max() < 0.25


def test_augmented_tokens_gain_at_most_a_word() -> None:
    tokens = np.zeros((50, 12), np.int16)
    tokens[:, :6] = np.arange(10, 16)
    longer = augment_tokens(tokens, np.array([5], np.int16), np.random.default_rng(0))
    assert longer.shape == (50, 7)
    kept = [[i for i in row if i >= 10] for row in longer.tolist()]
    assert kept == [list(range(10, 16))] * 50


def test_training_learns_and_resumes(
    encoder: CompactEncoder, bank: CaptionBank, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    seen = record_facts(RECORDS)
    trainer = Trainer(encoder, Settings(minutes=1.0, batch_size=8))
    trainer.seconds = 20.0
    batch = pictures, bank.tokens[:, 0], bank.facts[:, 0], seen, rng
    losses = [trainer.train_batch(*batch) for _ in range(40)]
    assert sum(losses[-5:]) < sum(losses[:5])
    trainer.seconds = 59.9
    train(pictures, seen, bank, trainer)
    assert trainer.seconds >= 60
    save_checkpoint(trainer, tmp_path / "encoder.pt")
    again = Trainer(CompactEncoder(encoder.config), trainer.settings)
    again.load_state_dict(torch.load(tmp_path / "encoder.pt", weights_only=True))
    assert again.step == trainer.step
    assert len(KEYS) == seen.shape[1]
