"""Draw more faces than are wanted, and keep those that fit the words best."""

from text2face import TextToFace

pipe = TextToFace.from_pretrained()
best = pipe("a bald man with a moustache and sunglasses", candidates=16, keep=4, seed=0)
best.grid().save("best.png")
print("scores of the best:", ", ".join(f"{score:.2f}" for score in best.scores))
