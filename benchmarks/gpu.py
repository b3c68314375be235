"""What a GPU does with every part, beside the processor, a yardstick and the limit of the machine.

    python -m benchmarks.gpu                              # some minutes on one GPU
    python -m benchmarks.gpu --device cpu --resolution 64 --seconds 0.2    # does it run?

Networks have their full size and random weights; words → image is the bundled model. The yardstick
is the paper's formulation with grouped convolutions (`benchmarks.synthesis`), and the limit one
large plain convolution in the same number type. It has not been run on a GPU yet.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import click
import torch
from torch import Tensor
from torch.nn import functional as F

import text2face
from benchmarks.synthesis import TorchReference, gigaflops, random_generator, relative_error
from text2face.loading import BUNDLED, choose_device, load_component
from text2face.training import Pairs, make_pairs, preset
from text2face.training.cost import peak_memory
from text2face.training.loop import Trainer
from text2face.training.objectives import Frozen
from text2face.training.quality import Quality, batch_size_for

DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def finish(device: torch.device) -> None:
    """Wait for all that was asked of a device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def rate(call: Callable[[], object], device: torch.device, seconds: float) -> float:
    """Calls a second, after a warm-up."""
    for _ in range(2):
        call()
    finish(device)
    calls, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        call()
        finish(device)
        calls += 1
    return calls / (time.perf_counter() - began)


def limit(dtype: torch.dtype, device: torch.device, seconds: float) -> float:
    """TFLOP/s of one large plain convolution."""
    channels, size = (512, 128) if device.type != "cpu" else (128, 64)
    order = torch.channels_last
    x = torch.randn(4, channels, size, size, device=device, dtype=dtype)
    x = x.contiguous(memory_format=order)
    weight = torch.randn(channels, channels, 3, 3, device=device, dtype=dtype)
    weight = weight.contiguous(memory_format=order)
    calls = rate(lambda: F.conv2d(x, weight, padding=1), device, seconds)
    return calls * 4 * 2 * 9 * (channels * size) ** 2 / 1e12


@torch.no_grad()
def synthesis(device: torch.device, resolution: int, seconds: float) -> Iterator[str]:
    """Images a second by number type and batch."""
    model = random_generator(resolution)
    z = torch.randn(16, model.z_dim, generator=torch.Generator().manual_seed(1))
    expected = model.synthesize(model.map(z[:1]))
    model.to(device)
    w = model.map(z.to(device))
    reference = TorchReference(model)
    work = gigaflops(model.config) / 1e3
    yield "| images of a StyleGAN2 | batch | images/s | yardstick | ratio | of the limit | error |"
    yield "|---|---|---|---|---|---|---|"
    for dtype in DTYPES:
        most = limit(dtype, device, seconds)
        for batch in (1, 16):
            some = w[:batch]

            def draw(some: Tensor = some, dtype: torch.dtype = dtype) -> Tensor:
                with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                    return model.synthesize(some)

            def yardstick(some: Tensor = some) -> object:
                return reference(some)

            ours = batch * rate(draw, device, seconds)
            theirs = batch * rate(yardstick, device, seconds)
            error = relative_error(draw()[:1].float().cpu(), expected)
            name = str(dtype).removeprefix("torch.")
            yield (
                f"| {resolution} px, {name} | {batch} | {ours:.2f} | {theirs:.2f} (float32) | "
                f"{ours / theirs:.1f} | {ours * work / most:.0%} of {most:.1f} TFLOP/s | "
                f"{error:.1e} of the processor's maximum |"
            )


def others(device: torch.device, resolution: int, seconds: float) -> Iterator[str]:
    """Words to image, pairs and training steps a second."""
    yield "| what | a second |"
    yield "|---|---|"
    pipe = text2face.TextToFace.from_pretrained()
    alone = pipe("an old man", seed=1, num_images=2).images
    pipe.to(device)
    together = pipe("an old man", seed=1, num_images=2, batch_size=2).images
    pixels = [torch.tensor(list(image.getdata())).float() for image in (alone[1], together[1])]
    for batch in (1, 16):

        def words(batch: int = batch) -> object:
            return pipe("a man", seed=1, num_images=batch, batch_size=batch)

        yield f"| words → image, batch {batch} | {batch * rate(words, device, seconds):.1f} |"
    encoder = load_component("encoder", BUNDLED / "encoder").to(device)
    model = random_generator(resolution).to(device)
    lower = [side for side in (128, 256, None) if side is None or side < resolution]
    for quality in (Quality(torch.bfloat16, side) for side in lower):
        size = batch_size_for(quality.resolution or resolution, device)

        def pairs(quality: Quality = quality, size: int = size) -> object:
            return make_pairs(model, encoder, size, batch_size=size, quality=quality, device=device)

        yield f"| pairs, {quality}, batch {size} | {size * rate(pairs, device, seconds):.1f} |"
    w = model.map(torch.randn(4096, model.z_dim).to(device))[:, 0].half().cpu()
    seen = F.normalize(torch.randn(4096, encoder.embedding_dim), dim=1).half()
    for batch in (256, 4096):
        config = preset("flow", steps=10**6, batch_size=batch, consistency_from=0.0)
        trainer = Trainer(config, Pairs(w, seen, num_ws=model.num_ws), Frozen(), device=device)
        steps = rate(trainer.train_step, device, seconds)
        yield f"| training steps of flow, batch {batch} | {steps:.1f} |"
    yield f"\nThe largest difference of a pixel to the processor's: {_most(*pixels):.0f} of 255."
    if (memory := peak_memory(device)) is not None:
        yield f"Peak memory: {memory / 1e9:.1f} GB."


def _most(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max())


@click.command(help=__doc__)
@click.option("--device", default="cuda", show_default=True)
@click.option("--resolution", type=int, default=1024, show_default=True)
@click.option("--seconds", type=float, default=5.0, show_default=True, help="Of each line.")
def main(device: str, resolution: int, seconds: float) -> None:
    place = choose_device(device)
    name = torch.cuda.get_device_name(place) if place.type == "cuda" else str(place)
    click.echo(f"{name}, torch {torch.__version__}\n")
    for line in synthesis(place, resolution, seconds):
        click.echo(line)
    click.echo()
    for line in others(place, resolution, seconds):
        click.echo(line)


if __name__ == "__main__":
    main()
