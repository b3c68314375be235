from __future__ import annotations

import pytest
import torch

from text2face import ArgumentError, TextToFace


@pytest.mark.parametrize("kind", ["bundled", "pipe"])
@pytest.mark.parametrize("count", [1, 3, 8, 11])
def test_a_face_is_the_same_alone_and_in_any_company(
    request: pytest.FixtureRequest, kind: str, count: int
) -> None:
    pipe: TextToFace = request.getfixturevalue(kind)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        settings = pipe.settings()
        texts = [
            ("an old man with a beard", "a woman with a green hat")[i % 2] for i in range(count)
        ]
        seeds = [(7 * i) % 5 for i in range(count)]
        embeddings = torch.stack([pipe.embed(text, settings) for text in texts])
        together = list(pipe.draw_together(texts, embeddings, seeds, settings))
        for face in (together[0], together[-1]):
            (alone,) = pipe.draw([face.prompt], [face.seed], settings)
            assert torch.equal(face.latent, alone.latent)
            assert face.image.tobytes() == alone.image.tobytes()
            assert face.score == pytest.approx(alone.score, abs=1e-5)
    finally:
        torch.set_num_threads(threads)


def test_random_noise_is_that_of_the_seed(pipe: TextToFace) -> None:
    settings = pipe.settings(noise_mode="random")
    embedding = pipe.embed("a man")
    together = list(pipe.draw_together(["a man"] * 3, embedding.expand(3, -1), [5, 6, 7], settings))
    (alone,) = pipe.draw(["a man"], [6], settings)
    assert together[1].image.tobytes() == alone.image.tobytes()


def test_numbers_that_differ_are_an_error(pipe: TextToFace) -> None:
    with pytest.raises(ArgumentError, match="expected as many of each"):
        list(pipe.draw_together(["a man"], pipe.embed("a man")[None], [1, 2], pipe.settings()))
