"""A model goes to a server in the hub's layout with its card, and comes back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests import hub as hubs
from tests import tiny
from tests.hub import Hub
from text2face import TextToFace
from text2face.cards import card
from text2face.errors import ArgumentError, OutputError

Run = Callable[..., int]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with hubs.serve(tmp_path / "server") as hub:
        hubs.point_at(hub, tmp_path / "hub", monkeypatch.setattr)
        monkeypatch.setenv("HF_TOKEN", hub.token)
        yield hub


def front(text: str) -> dict[str, object]:
    """What the hub reads of a card."""
    content: dict[str, object] = yaml.safe_load(text.split("---\n")[1])
    return content


def test_a_model_travels(run: Run, capsys: Capture, hub: Hub, model: Path, tmp_path: Path) -> None:
    pipe = TextToFace.from_pretrained(model)
    figures = tmp_path / "evaluation.json"
    results = {
        "model": pipe.config.name,
        "weights": pipe.weights,
        "settings": {"seed": 0},
        "sections": {"diversity": {"spread": 0.25}},
        "not available": {},
    }
    figures.write_text(json.dumps(results))
    options = ("--licence", "mit", "--evaluation", figures)
    assert run("push", model, "me/faces", *options) == 0
    assert capsys.readouterr().out.startswith(f"{hub.url}/me/faces")
    text = (hub.repository("me/faces") / "README.md").read_text()
    assert front(text)["license"] == "mit"
    assert front(text)["pipeline_tag"] == "text-to-image"
    assert "| encoder | TinyEncoder |" in text
    assert "| spread | 25.0% |" in text
    assert 'TextToFace.from_pretrained("me/faces")' in text
    again = TextToFace.from_pretrained("me/faces")
    assert again.weights == pipe.weights
    one, two = (np.asarray(p("an old man", seed=1).images[0]) for p in (pipe, again))
    assert np.array_equal(one, two)
    # Others may push too, over what is there.
    assert pipe.push_to_hub("me/faces", licence="cc-by-4.0").startswith(hub.url)
    assert "cc-by-4.0" in (hub.repository("me/faces") / "README.md").read_text()


def test_the_card_repeats_the_licences_of_published_parts(pipe: TextToFace) -> None:
    named = TextToFace(
        pipe.encoder,
        pipe.sampler,
        pipe.generator,
        config=type(pipe.config)(name="clip2latent-ffhq"),
    )
    text = card(named, "me/faces")
    assert front(text)["license"] == "other"
    assert "- **stylegan2-ffhq-1024:** NVIDIA Source Code License: non-commercial" in text
    assert "None yet: `text2face evaluate` measures them." in text


def test_what_cannot_be_pushed_is_told_in_one_line(
    run: Run,
    capsys: Capture,
    hub: Hub,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def last() -> str:
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return error

    assert run("push", model, "me/faces") == 2
    assert "the licence of 'tiny' is not known; expected --licence, such as mit" in last()
    assert run("push", model, "faces", "--licence", "mit") == 2
    assert "the hub id is 'faces', expected owner/name" in last()
    other = tmp_path / "evaluation.json"
    other.write_text(json.dumps({"weights": "0123456789abcdef"}))
    assert run("push", model, "me/faces", "--licence", "mit", "--evaluation", other) == 2
    assert "the figures are those of the weights 0123456789abcdef" in last()
    assert not hub.repository("me/faces").exists()
    pipe = TextToFace.from_pretrained(model)
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    with pytest.raises(OutputError, match=r"the hub says 401; .* run `hf auth login`"):
        pipe.push_to_hub("me/faces", licence="mit")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(OutputError, match="the hub cannot be reached"):
        pipe.push_to_hub("me/faces", licence="mit")
    with pytest.raises(ArgumentError, match="expected owner/name"):
        pipe.push_to_hub("../faces", licence="mit")


def test_the_card_can_be_read_beforehand(run: Run, capsys: Capture, model: Path) -> None:
    tiny.register()
    assert run("push", model, "me/faces", "--licence", "mine, ask me", "--card") == 0
    text = capsys.readouterr().out
    assert front(text)["license"] == "other"
    assert "- **this model:** mine, ask me" in text
