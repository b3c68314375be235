from __future__ import annotations

import numpy as np
import torch

from text2face import TextToFace
from text2face.evaluation import baselines
from text2face.evaluation.drawing import draw, draw_at_random, embed, embed_images


def test_faces_in_batches_are_those_of_the_pipeline(pipe: TextToFace) -> None:
    texts = ["old man", "red hair", "a woman with glasses"]
    images = torch.cat(list(draw(pipe, embed(pipe.encoder, texts), [5, 6, 7], batch_size=2)))
    for i, text in enumerate(texts):
        face = pipe(text, seed=5 + i).images[0]
        pixels = ((images[i] + 1) * 127.5).round().permute(1, 2, 0).numpy()
        assert np.abs(pixels - np.asarray(face)).max() <= 1


def test_random_faces_depend_on_their_seeds(pipe: TextToFace) -> None:
    faces = torch.cat(list(draw_at_random(pipe, [4, 5, 6], batch_size=2)))
    torch.testing.assert_close(faces[1:2], next(draw_at_random(pipe, [5])))


def test_retrieval_finds_the_same_picture(pipe: TextToFace) -> None:
    faces = torch.cat(list(draw_at_random(pipe, range(20))))
    bank = embed_images(pipe.encoder, iter(faces.split(8)))
    assert baselines.retrieve(bank, bank[[7, 3]]) == [7, 3]


@torch.no_grad()  # of a caller
def test_optimisation_comes_nearer_to_the_text(pipe: TextToFace) -> None:
    wanted = embed(pipe.encoder, ["old man", "red hair"])
    cosines = [
        torch.cosine_similarity(
            pipe.encoder.encode_image(
                torch.cat(list(baselines.optimise(pipe, wanted, steps=steps, batch_size=2)))
            ),
            wanted,
        ).min()
        for steps in (1, 50)
    ]
    assert cosines[1] > cosines[0] + 0.1
