from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.tiny import TinyConfig, TinyEncoder, TinyGenerator
from text2face.errors import ArgumentError, CheckpointError
from text2face.training import pairs as module
from text2face.training.pairs import Mixing, make_pairs, normal_rows, read_pairs, write_pairs


def test_pairs_depend_on_seed_and_number_alone() -> None:
    generator, encoder = TinyGenerator(), TinyEncoder()
    pairs = make_pairs(generator, encoder, 10, seed=3, batch_size=4)
    part = make_pairs(generator, encoder, 5, seed=3, batch_size=5, start=5)
    assert pairs.latents is not None
    assert part.latents is not None
    assert pairs.latents.shape == (10, 12)
    assert pairs.embeddings.shape == (10, 16)
    assert pairs.latents.dtype == pairs.embeddings.dtype == torch.float16
    assert torch.equal(pairs.latents[5:], part.latents)
    torch.testing.assert_close(pairs.embeddings[5:], part.embeddings, rtol=1e-2, atol=1e-3)
    other = make_pairs(generator, encoder, 10, seed=4)
    assert not torch.equal(pairs.latents, other.latents)


def test_embeddings_are_those_of_the_images() -> None:
    generator, encoder = TinyGenerator(), TinyEncoder()
    pairs = make_pairs(generator, encoder, 3)
    w = generator.map(normal_rows(0, 3, generator.z_dim, seed=0))
    expected = encoder.encode_image(generator.synthesize(w).clamp(-1, 1))
    cosine = torch.nn.functional.cosine_similarity(expected, pairs.embeddings.float())
    torch.testing.assert_close(cosine, torch.ones(3), rtol=1e-3, atol=1e-3)
    assert torch.equal(pairs.codes(slice(0, 3), 4)[:, 3], pairs.latents.float())


def test_mixed_latents_have_one_code_a_layer() -> None:
    generator, encoder = TinyGenerator(), TinyEncoder()
    mixing = Mixing(latents=3, crossovers=(2,))
    pairs = make_pairs(generator, encoder, 60, mixing=mixing)
    assert pairs.latents.shape == (60, 4, 12)
    assert pairs.layer_groups == (2, 2)
    assert torch.equal(pairs.latents[:, 0], pairs.latents[:, 1])
    mixed = (pairs.latents[:, 0] != pairs.latents[:, 2]).any(dim=1)
    assert 0.3 < mixed.float().mean() < 0.9
    assert torch.equal(
        make_pairs(generator, encoder, 3, mixing=mixing, start=57).latents, pairs.latents[57:]
    )
    seen = encoder.encode_image(generator.synthesize(pairs.latents.float()).clamp(-1, 1))
    cosine = torch.nn.functional.cosine_similarity(seen, pairs.embeddings.float())
    assert cosine.min() > 0.99
    assert make_pairs(generator, encoder, 2, mixing=Mixing(2)).layer_groups == (1, 1, 1, 1)


def test_shards_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHARD_SIZE", 4)
    generator, encoder = TinyGenerator(), TinyEncoder()
    write_pairs(generator, encoder, tmp_path, 6, batch_size=3)
    first = tmp_path / "pairs-000000.safetensors"
    written = first.stat().st_mtime_ns
    made: list[int] = []
    write_pairs(generator, encoder, tmp_path, 10, batch_size=3, on_batch=made.append)
    assert made == [4, 7, 8, 8, 10, 10]
    assert first.stat().st_mtime_ns == written
    pairs = read_pairs(tmp_path)
    assert len(pairs) == 10
    assert pairs.num_ws == 4
    assert torch.equal(pairs.latents, make_pairs(generator, encoder, 10).latents)
    assert len(read_pairs(tmp_path, 5)) == 5
    content = first.read_bytes()
    first.write_bytes(b"broken")
    with pytest.raises(CheckpointError, match="damaged file"):
        read_pairs(tmp_path)
    write_pairs(generator, encoder, tmp_path, 10, batch_size=3)
    assert first.read_bytes() == content
    first.unlink()
    with pytest.raises(CheckpointError, match="begins with pair 4, expected 0"):
        read_pairs(tmp_path)


def test_processes_share_out_the_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHARD_SIZE", 4)
    generator, encoder = TinyGenerator(), TinyEncoder()
    write_pairs(generator, encoder, tmp_path / "alone", 18, batch_size=3)
    monkeypatch.setattr(module, "world_size", lambda: 2)
    for rank in (1, 0):
        monkeypatch.setattr(module, "rank", lambda rank=rank: rank)
        write_pairs(generator, encoder, tmp_path / "shared", 18, batch_size=3)
    for path in (tmp_path / "alone").iterdir():
        assert path.read_bytes() == (tmp_path / "shared" / path.name).read_bytes()


def test_shards_of_another_series_are_refused(tmp_path: Path) -> None:
    generator, encoder = TinyGenerator(), TinyEncoder()
    write_pairs(generator, encoder, tmp_path, 3)
    with pytest.raises(CheckpointError, match="another seed"):
        write_pairs(generator, encoder, tmp_path, 3, seed=1)
    with pytest.raises(CheckpointError, match="another layer_groups and mixing"):
        write_pairs(generator, encoder, tmp_path, 3, mixing=Mixing(2))
    changed = TinyEncoder(TinyConfig())
    changed.pixels.add_(1)
    with pytest.raises(CheckpointError, match="another encoder"):
        write_pairs(generator, changed, tmp_path, 3)


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="count is 0"):
        make_pairs(TinyGenerator(), TinyEncoder(), 0)
    with pytest.raises(ArgumentError, match="crossovers are"):
        make_pairs(TinyGenerator(), TinyEncoder(), 2, mixing=Mixing(2, (4,)))
    with pytest.raises(ArgumentError, match="needs one of 7 classes"):
        make_pairs(TinyGenerator(TinyConfig(c_dim=7)), TinyEncoder(), 2)
    with pytest.raises(CheckpointError, match="holds 0 pairs"):
        read_pairs(tmp_path)
