"""Change one face step by step; each step is undone exactly."""

from text2face import TextToFace
from text2face.editing import History

pipe = TextToFace.from_pretrained()
face = pipe("a young woman with long hair", seed=8)[0]

history = History(pipe, face)
history.edit("wearing glasses")
history.edit("smiling")
history.face.image.save("changed.png")

history.undo()
history.undo()
print("undone exactly:", history.face.image.tobytes() == face.image.tobytes())

for strength, step in zip((-1, 0, 1), pipe.sweep(face, "an old woman", [-1, 0, 1]), strict=True):
    step.image.save(f"age{strength:+d}.png")
