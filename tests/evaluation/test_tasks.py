from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from text2face.errors import ArgumentError, Text2FaceError
from text2face.evaluation.judge import Predictions
from text2face.evaluation.tasks import Task, count_right, matching, read_tasks, share_right

LABELS = {"gender": ("male", "female"), "smile": ("no", "yes")}
FEATURES = np.zeros((2, 1), dtype=np.float32)


def test_each_named_attribute_is_counted() -> None:
    tasks = [Task("a", {"gender": "male", "smile": "yes"}), Task("b", {"gender": "female"})]
    reading = Predictions(FEATURES, {"gender": np.array([0, 0]), "smile": np.array([0, 0])})
    met = count_right(tasks, reading, LABELS)
    assert met["gender"].tolist() == [True, False]
    assert met["smile"].tolist() == [False]
    assert share_right(met) == pytest.approx(1 / 3)
    assert np.isnan(share_right(count_right([Task("c")], reading, LABELS)))


def test_matching_rows() -> None:
    classes = {"gender": np.array([0, 1, 0, 0]), "smile": np.array([1, 1, 0, 1])}
    assert matching(classes, {"gender": "male", "smile": "yes"}, LABELS).tolist() == [0, 3]


def test_prompts_from_files(tmp_path: Path) -> None:
    (tmp_path / "some.txt").write_text("an old man\n\n a woman \n")
    assert read_tasks(tmp_path / "some.txt") == [
        Task("an old man", {}, "some"),
        Task("a woman", {}, "some"),
    ]
    entries = [{"prompt": "he", "labels": {"gender": "male"}}, {"prompt": "x", "group": "y"}]
    (tmp_path / "everyday_prompts.json").write_text(json.dumps(entries))
    assert read_tasks(tmp_path / "everyday_prompts.json", LABELS) == [
        Task("he", {"gender": "male"}, "everyday"),
        Task("x", {}, "y"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", '[{"prompt": "x", "labels": {"gender": "old"}}]', "unknown label gender"),
        ("a.json", '[{"prompt": "x", "labels": {"mood": "old"}}]', "unknown label mood"),
        ("a.json", "{}{}", "holds no prompts"),
        ("a.json", '["x"]', "holds no prompts"),
        ("a.json", "[]", "no prompt in"),
        ("a.txt", "\n", "no prompt in"),
        ("a.txt", "# only a comment\n", "no prompt in"),
        ("a.json", '[{"prompt": 3}]', "holds no prompts"),
        ("a.json", '[{"prompt": "x", "labels": {"gender": [["male"]]}}]', "holds no prompts"),
        ("a.json", '[{"prompt": "x", "labels": 3}]', "holds no prompts"),
        ("a.json", '[{"prompt": "x", "group": []}]', "holds no prompts"),
    ],
)
def test_bad_files_are_told(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(Text2FaceError, match=message):
        read_tasks(tmp_path / name, LABELS)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="cannot read"):
        read_tasks(tmp_path / "none.json")
