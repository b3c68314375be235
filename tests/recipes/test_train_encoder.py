from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from recipes.caption_bank import (
    COLUMNS,
    KEYS,
    CaptionBank,
    Describer,
    fits,
    make_bank,
    seen_values,
)
from recipes.faces.attributes import DETAILS, LABELS
from recipes.faces.identity import identity
from recipes.faces.record import record
from recipes.faces.sentences import Record
from recipes.match_words import Matching, encode_by_length, match_loss, train_words
from recipes.train_encoder import (
    Settings,
    Trainer,
    augment_images,
    fold,
    read_features,
    reading_loss,
    save_checkpoint,
    train_pictures,
    value_weights,
)
from recipes.vocabulary import aliases_for, build_words, make_words
from text2face.encoders.compact import CompactConfig, CompactEncoder
from text2face.encoders.vocabulary import Vocabulary

WORDS = build_words()
RECORDS: list[Record] = [record(identity(i)) for i in range(300)]
SEEN = seen_values(RECORDS)


@pytest.fixture
def encoder() -> CompactEncoder:
    torch.manual_seed(0)
    config = CompactConfig(
        **make_words(),
        embedding_dim=32,
        text_width=32,
        text_layers=1,
        text_heads=2,
        image_size=32,
        image_widths=(4, 8),
    )
    return CompactEncoder(config)


@pytest.fixture(scope="module")
def bank() -> CaptionBank:
    return make_bank(RECORDS, Vocabulary(WORDS, aliases_for(WORDS)), count=600, seed=0, processes=1)


def test_every_caption_is_true_of_its_face_and_says_something(bank: CaptionBank) -> None:
    seen, allowed = (torch.from_numpy(x).float() for x in (SEEN, bank.allowed))
    true = fits(seen, allowed, torch.from_numpy(bank.named))
    assert true[bank.faces.astype(np.int64), np.arange(len(bank))].all()
    assert 0.001 < true.float().mean() < 0.3
    assert (bank.named > 0).all()
    assert (bank.tokens[:, 0] > 0).all()


def test_hidden_values_fit_no_caption_that_names_them() -> None:
    seen = torch.tensor([[0.0, 0.0, 1.0, 0.0]])  # the first attribute of two values is hidden
    allowed = torch.tensor([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1], [0, 1, 1, 0]])
    assert fits(seen, allowed, torch.tensor([1, 1, 1, 2])).tolist() == [[False, True, True, False]]


def test_rare_values_are_named_as_often_as_common_ones() -> None:
    describer, rng = Describer(RECORDS), np.random.default_rng(0)
    named: dict[str, int] = {}
    for _ in range(3000):
        said, _ = describer.describe(rng)
        for value in said.claims.get("expression", ()):
            if len(said.claims["expression"]) == 1:
                named[value] = named.get(value, 0) + 1
    shown = {value for record in RECORDS if (value := record["expression"]) is not None}
    assert named.keys() >= shown - {"smile"}
    assert max(named.values()) < 12 * min(named.values())


def test_the_vocabulary_covers_the_captions() -> None:
    vocabulary = CompactEncoder(CompactConfig(**make_words(), embedding_dim=8)).vocabulary
    describer, rng = Describer(RECORDS), np.random.default_rng(1)
    unknown: set[str] = set()
    for _ in range(2000):
        text = describer.describe(rng)[0].text
        unknown |= set(vocabulary.unknown_words(text))
        assert vocabulary.corrections(text) == {}
    assert not unknown


@pytest.mark.parametrize(
    ("text", "read", "unknown"),
    [
        ("a womn with glases", "a woman with glasses", []),
        ("a rich man", "a man", ["rich"]),
        ("a nurse", "a person", ["nurse"]),
        ("a Turkish man", "a man", ["turkish"]),
        ("heart-shaped face", "face", ["heart", "shaped"]),
        ("portly men", "chubby man", []),
        ("cat-eye glasses", "cateye glasses", []),
        ("remove the glasses", "no glasses", []),
        ("take the hat off", "no hat", []),
        ("w/o beard", "without beard", []),
        ("an older husband", "a older man", []),
        ("a cat", "a", ["cat"]),
        ("hello", "", []),
    ],
)
def test_words_are_read_as_people_mean_them(text: str, read: str, unknown: list[str]) -> None:
    encoder = CompactEncoder(CompactConfig(**make_words(), embedding_dim=8))
    ids = encoder.vocabulary.encode(text)
    assert " ".join(encoder.vocabulary.words[i - 2] for i in ids) == read
    assert encoder.unknown_words(text) == unknown
    assert encoder.speaks_of_a_face(text) == (read not in ("", "a"))


def test_known_words_are_listed_by_what_they_speak_of() -> None:
    known = make_words()["known"]
    assert "fedora" in known["hat"]
    assert "freckles" in known["freckles"]
    assert "with" not in {word for words in known.values() for word in words}
    assert all(set(words) <= set(WORDS) for words in known.values())


def test_the_loss_is_nothing_for_perfect_matches_and_much_for_wrong_ones() -> None:
    e = torch.eye(3)
    images, texts = e[[0, 0, 1]], e[[0, 1]]
    true = torch.tensor([[1, 0], [1, 0], [0, 1]]).bool()
    assert match_loss(texts, images, torch.tensor(50.0), true).item() == pytest.approx(0, abs=1e-5)
    assert match_loss(texts[[1, 0]], images, torch.tensor(50.0), true).item() > 10


def test_readings_weigh_rare_values_more_and_ignore_hidden_ones() -> None:
    weights = value_weights(SEEN)
    counts = SEEN.sum(axis=0)
    start = 0
    for key in KEYS:
        columns = [column for (name, _), column in COLUMNS.items() if name == key]
        shown = [column for column in columns if counts[column]]
        order = sorted(shown, key=lambda column: counts[column])
        assert weights[order[0]] >= weights[order[-1]]
        start += len(columns)
    assert start == SEEN.shape[1]
    nothing = torch.zeros(2, SEEN.shape[1])
    assert reading_loss(torch.randn(2, SEEN.shape[1]), nothing, weights).item() == 0


def test_grouping_by_length_changes_nothing(encoder: CompactEncoder) -> None:
    tokens = encoder.tokenize(
        ["a man", "an old woman with grey hair", "she", "hat", "a bald man in a red cap"] * 3
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


def test_pictures_are_learnt_and_the_training_resumes(
    encoder: CompactEncoder, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (32, 32, 32, 3), dtype=np.uint8)
    weights = value_weights(SEEN[:32])
    trainer = Trainer(encoder, weights, Settings(minutes=1.0, batch_size=32))
    trainer.step, trainer.seconds = 100, 20.0
    losses = [trainer.train_batch(pictures, SEEN[:32], rng) for _ in range(30)]
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])
    trainer.seconds = 59.9
    train_pictures(pictures, SEEN[:32], trainer)
    assert trainer.seconds >= 60
    save_checkpoint(trainer, tmp_path / "encoder.pt")
    again = Trainer(CompactEncoder(encoder.config), weights, trainer.settings)
    again.load_state_dict(torch.load(tmp_path / "encoder.pt", weights_only=True))
    assert again.step == trainer.step


def test_words_learn_to_find_faces(encoder: CompactEncoder, bank: CaptionBank) -> None:
    noise = torch.randn(len(SEEN), SEEN.shape[1], generator=torch.Generator().manual_seed(0))
    features = torch.from_numpy(SEEN).float() + 0.05 * noise
    seen = torch.from_numpy(SEEN).float()
    matching = train_words(encoder, features, SEEN, bank, minutes=1, outputs=32, steps=(150, 300))
    tokens = torch.from_numpy(bank.tokens[:200].astype(np.int64))
    with torch.inference_mode():
        nearest = (encoder.encode_tokens(tokens) @ matching(features).T).argmax(dim=1)
    allowed = torch.from_numpy(bank.allowed[:200]).float()
    true = fits(seen, allowed, torch.from_numpy(bank.named[:200]))
    found = true[nearest, torch.arange(200)].float().mean()
    assert found > 3 * true.float().mean()


def test_the_linear_map_is_folded_into_the_image_tower(encoder: CompactEncoder) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)
    encoder.eval()
    features = read_features(encoder.image, pictures)
    matching = Matching(features, 32)
    with torch.no_grad():
        matching.linear.bias.normal_()
    fold(encoder, matching)
    with torch.no_grad():
        images = torch.from_numpy(pictures / 127.5 - 1).float().permute(0, 3, 1, 2)
        torch.testing.assert_close(
            encoder.encode_image(images), matching(features), atol=0.03, rtol=0
        )


def test_records_name_every_key() -> None:
    assert set(KEYS) == (set(LABELS) | set(DETAILS) | {"beard_color"}) - {"hair_color"}
