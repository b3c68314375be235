from __future__ import annotations

import numpy as np

from benchmarks.bulk import digest, write_table
from benchmarks.editing import Edit, choose_edits, compare, visible
from benchmarks.measures import NAMES
from recipes.faces.attributes import JUDGED
from recipes.faces.identity import identity
from recipes.faces.record import record
from text2face.table import read_rows


def labels_of(**shown: str) -> np.ndarray:
    plain = {"gender": "male", "age": "young", "hair_style": "short", "hat": "none"}
    plain |= {"glasses": "glasses", "frame_shape": "round"} if "hat" not in shown else {}
    return np.array(
        [JUDGED[name].index({**plain, **shown}.get(name, JUDGED[name][0])) for name in NAMES]
    )


def test_what_is_hidden_is_not_counted() -> None:
    plain, capped, bald, girl = (
        visible(labels_of(**shown)[None])[0]
        for shown in ({}, {"hat": "cap"}, {"hair_style": "bald"}, {"gender": "female"})
    )
    hidden = [{name for name, seen in zip(NAMES, row, strict=True) if not seen}
              for row in (plain, capped, bald, girl)]  # fmt: skip
    hair, colours = {"hair_style", "hair_cut", "bangs"}, {"hair_color", "hair_shade"}
    frames = {"frame_shape", "frame_color"}
    assert hidden == [
        {"hat_color"},
        hair | colours | frames,
        {"hat_color"} | colours,
        {"hat_color", "facial_hair", "beard_length"},
    ]


def test_edits_ask_for_what_is_not_shown_and_are_counted() -> None:
    records = [record(identity(i)) for i in range(300)]
    before = np.stack([labels_of(), labels_of(hat="cap"), labels_of(gender="female")] * 5)
    edits = choose_edits(before, records, np.random.default_rng(0))
    for row, edit in zip(before, edits, strict=True):
        assert row[edit.attribute] not in edit.wanted
        assert edit.attribute in edit.named
        assert edit.words
        if row[NAMES.index("hat")]:
            assert NAMES[edit.attribute] not in ("hair_color", "hair_style")

    about = NAMES.index("smile"), NAMES.index("expression")
    smile = Edit("smiling", about[0], (JUDGED["smile"].index("yes"),), about)
    done, lost = labels_of(smile="yes"), labels_of(background="blue")
    figures = compare(np.stack([labels_of()] * 2), np.stack([done, lost]), [smile, smile])
    assert figures["named"] == 0.5
    counted = int(visible(labels_of()[None]).sum()) - len(about)
    assert figures["kept"] == 1 - 1 / (2 * counted)
    assert figures["kept by attribute"]["background"] == 0.5


def test_a_table_of_prompts_is_written(tmp_path_factory: object) -> None:
    folder = tmp_path_factory.mktemp("bulk")  # type: ignore[attr-defined]
    write_table(folder / "prompts.csv", 5)
    assert len(list(read_rows(folder / "prompts.csv"))) == 5
    before = digest(folder)
    (folder / "more").write_text("x", encoding="utf-8")
    assert digest(folder) != before
