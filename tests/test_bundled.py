"""The model that comes with the package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from text2face import TextToFace
from text2face.errors import PromptError
from text2face.loading import BUNDLED

PROMPT = "an old man with a white beard and round glasses"


@pytest.mark.parametrize(("part", "most"), [("encoder", 20), ("generator", 40), ("sampler", 25)])
def test_the_weights_are_small(part: str, most: int) -> None:
    assert (BUNDLED / part / "model.safetensors").stat().st_size <= most * 1e6


def test_four_faces_come_out(bundled: TextToFace) -> None:
    out = bundled(PROMPT, num_images=4, seed=7, truncation=0.8)
    resolution = bundled.generator.img_resolution
    assert resolution >= 128
    assert [image.size for image in out.images] == [(resolution, resolution)] * 4
    assert out.latents.shape == (4, bundled.generator.num_ws, bundled.generator.w_dim)
    assert out.embeddings.shape == (4, bundled.encoder.embedding_dim)
    assert out.unknown_words == []
    assert all(
        low < 100 < high for low, high in (image.convert("L").getextrema() for image in out.images)
    )


def test_a_seed_is_one_face_alone_or_among_others(bundled: TextToFace) -> None:
    among = bundled(["a woman", PROMPT], num_images=3, seed=7)
    alone = bundled(PROMPT, seed=9)
    assert alone.images[0].tobytes() == among.images[5].tobytes()
    assert torch.equal(alone.latents[0], among.latents[5])


def test_faces_match_their_own_words_best(bundled: TextToFace) -> None:
    texts = [PROMPT, "a smiling young woman with long red hair", "a bald man with sunglasses"]
    out = bundled(texts, num_images=4, seed=1)
    images = bundled.encoder.encode_image(bundled.decode(out.latents))
    cosines = images @ bundled.encoder.encode_text(texts).T
    right = (cosines.argmax(dim=1) == torch.arange(3).repeat_interleave(4)).float().mean()
    assert right >= 0.75


def test_emphasis_and_negatives_pull_the_right_way(bundled: TextToFace) -> None:
    beard = bundled.embed("a man with a beard") - bundled.embed("a man without a beard")

    def bearded(prompt: str, negative: str | None = None) -> float:
        settings = bundled.settings(negative_prompt=negative)
        return float(bundled.embed(prompt, settings) @ beard)

    values = [bearded(f"an old man (with a beard:{w})") for w in (0.0, 0.5, 1.0, 1.5)]
    assert values == sorted(values)
    assert bearded("an old man", negative="a beard") < bearded("an old man")


@pytest.mark.parametrize(
    "prompt",
    ["un vieil homme barbu", "eine junge Frau", "戴眼镜的老人", "старик с бородой", "xyzzy qwrtp"],
)
def test_a_prompt_in_another_language_is_refused(bundled: TextToFace, prompt: str) -> None:
    with pytest.raises(PromptError, match="no known word"):
        bundled(prompt)


def test_the_neutral_prompt_is_known(bundled: TextToFace) -> None:
    assert bundled.encoder.unknown_words(bundled.config.neutral_prompt) == []


def test_a_face_is_drawn_again_in_another_process_bit_for_bit(tmp_path: Path) -> None:
    def text2face(*arguments: str, threads: int) -> None:
        subprocess.run(
            [sys.executable, "-m", "text2face", "generate", *arguments, "--quiet"],
            check=True,
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        )

    text2face(PROMPT, "--seed", "7", "-n", "2", threads=2)
    text2face("--from-image", "out/seed0008.png", "-o", "again", "--device", "cpu", threads=1)
    first, again = (tmp_path / folder / "seed0008.png" for folder in ("out", "again"))
    assert first.read_bytes() == again.read_bytes()
