from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from benchmarks import faces
from benchmarks import samplers as comparison
from recipes import train_sampler
from recipes.faces.attributes import DETAILS, JUDGED
from recipes.faces.parameters import names
from recipes.generator.known import Known
from recipes.generator.mapping import draw_parameters
from tests import tiny
from text2face.evaluation.drawing import embed_images
from text2face.evaluation.judge import Judge, JudgeConfig
from text2face.samplers.cvae import CVAESampler


@pytest.fixture
def model(tmp_path: Path) -> Path:
    tiny.register()
    tiny.TinyGenerator().save_pretrained(tmp_path / "model" / "generator")
    tiny.TinyEncoder().save_pretrained(tmp_path / "model" / "encoder")
    return tmp_path / "model"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    random = np.random.RandomState(0)
    records = []
    for _ in range(60):
        drawn = {name: classes[random.randint(len(classes))] for name, classes in JUDGED.items()}
        records.append(
            {**dict.fromkeys(DETAILS), **drawn, "hair_style": "long", "hair_cut": "long straight"}
        )
    (folder / "records.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    np.save(folder / "images.npy", random.randint(0, 255, (60, 32, 32, 3)).astype(np.uint8))
    return folder


def test_one_command_makes_pairs_trains_and_resumes(model: Path, data: Path) -> None:
    arguments = ["--generator", model / "generator", "--encoder", model / "encoder"]
    arguments += ["--out", model / "sampler", "--work", data / "work"]
    arguments += ["--records", data / "records.jsonl", "--pictures", data / "images.npy"]
    arguments += ["--count", 40, "--bank", 20]
    small = ["batch_size=8", "shape.width=16", "shape.depth=1", "shape.code_dim=4"]
    arguments += [part for setting in small for part in ("--set", setting)]
    for _ in range(2):
        run = CliRunner().invoke(train_sampler.main, [*map(str, arguments), "--minutes", "1e-4"])
        assert run.exit_code == 0, run.output
        assert "saved" in run.output
    sampler = CVAESampler.from_pretrained(model / "sampler")
    assert sampler.bank is not None
    assert sampler.bank.embeddings.shape == (20, 16)
    assert (data / "work" / "compact" / "checkpoint.pt").exists()


def test_identities_are_drawn_from_the_latents_of_their_parameters(tmp_path: Path) -> None:
    torch.manual_seed(0)
    generator, encoder = tiny.TinyGenerator(), tiny.TinyEncoder()
    known = Known(len(names()), generator.w_dim)
    pairs = train_sampler.pair_identities(generator, encoder, known, tmp_path, 40, thousand=20)
    assert pairs.latents is not None
    rows = torch.from_numpy(draw_parameters(20, 20).astype(np.float32))
    wanted = known(rows).detach()
    torch.testing.assert_close(pairs.latents[20:].float(), wanted, rtol=1e-2, atol=1e-2)
    image = generator.synthesize(wanted[:1, None].expand(-1, generator.num_ws, -1))
    seen = embed_images(encoder, [image])[0]
    assert torch.cosine_similarity(pairs.embeddings[20].float(), seen, dim=0) > 0.99
    kept = sorted(path.name for path in tmp_path.iterdir())
    again = train_sampler.pair_identities(generator, encoder, known, tmp_path, 40, thousand=20)
    assert kept == ["00000000.safetensors", "00000020.safetensors"]
    assert torch.equal(again.embeddings, pairs.embeddings)


def test_prompts_may_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text("an old man\n\n a woman \n")
    assert train_sampler.read_texts(path, tmp_path / "none") == ["an old man", "a woman"]


def test_variants_are_compared(model: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = [{"prompt": "old man with a hat", "labels": {"gender": "male", "age": "old"}}]
    (data / "prompts.json").write_text(json.dumps(prompts))
    monkeypatch.setattr(faces, "EVERYDAY", data / "prompts.json")
    judge = Judge(JudgeConfig(JUDGED, resolution=32, width=8, feature_dim=16))
    judge.save_pretrained(data / "judge")
    arguments = ["--model", model, "--judge", data / "judge", "--train", data, "--test", data]
    arguments += ["--work", data / "work", "--variants", "plain", "--conditions", "text,shift+pull"]
    arguments += ["--shortlists", "1,3"]
    arguments += ["--minutes", 1e-3, "--pairs", 40, "--bank", 20, "--prompts", 3, "--faces", 12]
    run = CliRunner().invoke(comparison.main, [*map(str, arguments), "--diverse", "1", "2"])
    assert run.exit_code == 0, run.output
    assert "| plain | text | 1 |" in run.output
    assert "| plain | shift+pull | 3 |" in run.output
