"""Draw faces from words, and keep them with what made them.

python examples/words_to_faces.py "a smiling woman with long red hair"
"""

import sys

from text2face import TextToFace

prompt = sys.argv[1] if len(sys.argv) > 1 else "an old man with a white beard"

pipe = TextToFace.from_pretrained()
out = pipe(prompt, num_images=4, seed=7)
out.save("faces")
for face in out:
    print(f"seed {face.seed} fits the words by {face.score:.2f}")
if out.unknown_words:
    print("unknown words:", ", ".join(out.unknown_words))
