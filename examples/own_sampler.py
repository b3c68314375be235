"""Train a sampler for a generator and an encoder, without a text: here in seconds, and so badly.

Any other generator and encoder work the same way: `load_generator`, `load_encoder`.
"""

from text2face import TextToFace
from text2face.training import make_bank, make_pairs, preset, train

base = TextToFace.from_pretrained()
pairs = make_pairs(base.generator, base.encoder, 256, seed=0)
sampler = train(preset("flow", steps=20), base.generator, base.encoder, pairs)

pipe = TextToFace(base.encoder, sampler.with_bank(make_bank(pairs, base.encoder)), base.generator)
pipe.save_pretrained("my-model")
TextToFace.from_pretrained("my-model")("a man with a beard", seed=1)[0].image.save("trained.png")
