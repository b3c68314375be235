from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from click.testing import CliRunner

from recipes import train_reader
from recipes.faces.attributes import DETAILS, JUDGED, LABELS
from text2face.evaluation.judge import Judge, JudgeConfig
from text2face.evaluation.reader import Reader


def test_one_command_trains_and_measures_a_reader(tmp_path: Path) -> None:
    random = np.random.RandomState(0)
    records = []
    for _ in range(20):
        drawn = {name: classes[random.randint(len(classes))] for name, classes in LABELS.items()}
        records.append({**dict.fromkeys(DETAILS), **drawn, "hair_style": "long"})
    (tmp_path / "records.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    np.save(tmp_path / "images.npy", random.randint(0, 256, (20, 32, 32, 3)).astype(np.uint8))
    judge = Judge(JudgeConfig(JUDGED, resolution=32, width=4, feature_dim=8)).eval()
    judge.save_pretrained(tmp_path / "judge")
    options = ["--data", tmp_path, "--test", tmp_path, "--judge", tmp_path / "judge"]
    options += ["--out", tmp_path / "reader", "--minutes", 0.01, "--captions", 200]
    done = CliRunner().invoke(train_reader.main, list(map(str, options)))
    assert done.exit_code == 0, done.output
    assert "text→image R@1" in done.output
    reader = Reader.from_pretrained(tmp_path / "reader", judge)
    assert reader.unknown_words("an old man with a zyzzyva") == ["zyzzyva"]
