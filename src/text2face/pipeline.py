"""Words → embedding → latent → image: the whole trip."""

from __future__ import annotations

import heapq
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from text2face import loading, prompts
from text2face.editing import operations
from text2face.editing.axes import LatentAxes, latent_axes
from text2face.encoders.base import TextImageEncoder
from text2face.errors import ArgumentError, CheckpointError, PromptError
from text2face.faces import Face, Output, PipelineConfig, noise, to_pil
from text2face.generators.base import Generator
from text2face.inversion.base import LatentEncoder
from text2face.samplers.base import LatentCritic, LatentSampler
from text2face.samplers.conditions import check_condition, make_condition
from text2face.settings import NoiseMode, Settings, check_count, choose_seeds
from text2face.storage.folders import atomic_file, make_config, make_folder, read_json

__all__ = ["Face", "Output", "PipelineConfig", "TextToFace", "noise", "to_pil"]

_KINDS: Final = ("encoder", "sampler", "generator")
_ROWS: Final = 16  # rows of the products in which latents are drawn
_RANDOM: Final = threading.Lock()  # the random numbers of "random" noise are the process's


class TextToFace:
    """Draws faces that look like words.

    ```python
    pipe = TextToFace.from_pretrained()
    out = pipe("an old man with a white beard", num_images=4, seed=7, truncation=0.8)
    out.images[0].save("face.png")
    ```

    A seed means one face: on the CPU, the same prompt, seed and settings give the same image bit
    for bit, alone or among others.
    """

    def __init__(
        self,
        encoder: TextImageEncoder,
        sampler: LatentSampler,
        generator: Generator,
        *,
        inverter: LatentEncoder | None = None,
        config: PipelineConfig | None = None,
        folder: Path | None = None,
    ) -> None:
        """Put three components together.

        Args:
            encoder: Text and images → embeddings.
            sampler: Embedding → latent.
            generator: Latent → image.
            inverter: Image → latent; None if faces come from words alone.
            config: Defaults and the model's name.
            folder: The folder or file that the components were loaded from, if they were.

        Raises:
            CheckpointError: The components do not fit together.
        """
        fits = [("sampler", "embedding_dim", sampler.embedding_dim, encoder.embedding_dim)]
        for kind, part in (("sampler", sampler), ("inversion encoder", inverter)):
            if part is not None:
                fits.append((kind, "num_ws", part.num_ws, generator.num_ws))
                fits.append((kind, "w_dim", part.w_dim, generator.w_dim))
        for kind, what, got, expected in fits:
            if got != expected:
                raise CheckpointError(
                    f"the {kind}'s {what} is {got}, expected {expected} from the other "
                    f"components; use a {kind} trained for this encoder and generator"
                )
        self.encoder = encoder
        self.sampler = sampler
        self.generator = generator
        self.inverter = inverter
        self.config = config or PipelineConfig()
        self.folder = folder
        self.device = torch.device("cpu")
        self.dtype = torch.float32

    @classmethod
    def from_pretrained(
        cls, source: str | Path | None = None, *, encoder: TextImageEncoder | None = None
    ) -> Self:
        """Load a model.

        Args:
            source: A folder; a hub id such as "owner/name"; the official checkpoint file of Fast
                text2StyleGAN; or None for the model that comes with the package.
            encoder: Take this encoder instead of the model's own, which is then not loaded.

        Raises:
            CheckpointError: It is missing, damaged or out of reach.
        """
        inverter = None
        if source is not None and Path(source).is_file():
            from text2face.checkpoints import fast_text2stylegan

            folder, config = Path(source), PipelineConfig(**fast_text2stylegan.DEFAULTS)
            components: tuple[Any, ...] = fast_text2stylegan.load_checkpoint(folder, encoder)
        else:
            folder = loading.find_model(source)
            path = folder / "pipeline.json"
            config = make_config(PipelineConfig, read_json(path), path)
            own = encoder or loading.load_component("encoder", folder / "encoder")
            others = (loading.load_component(kind, folder / kind) for kind in _KINDS[1:])
            components = (own, *others)
            if (folder / "inversion").is_dir():
                inverter = loading.load_component("inversion", folder / "inversion")
        # With another encoder, the files no longer name all the weights.
        kept = None if encoder else folder
        return cls(*components, inverter=inverter, config=config, folder=kept)

    def save_pretrained(self, folder: str | Path) -> None:
        """Save the model: `pipeline.json` and a folder for each component.

        Raises:
            OutputError: The folder cannot be written.
        """
        target = Path(folder)
        make_folder(target)
        parts = {kind: getattr(self, kind) for kind in _KINDS}
        if self.inverter is not None:
            parts["inversion"] = self.inverter
        for kind, component in parts.items():
            if not isinstance(component, loading.Saveable):
                raise ArgumentError(f"the {kind} has no save_pretrained; expected one that has")
            component.save_pretrained(target / kind)
        with atomic_file(target / "pipeline.json") as file:
            text = json.dumps(asdict(self.config), indent=2, sort_keys=True, ensure_ascii=False)
            file.write(f"{text}\n".encode())

    def to(self, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32) -> Self:
        """Move the model.

        Args:
            device: Any that torch knows, or "auto": the GPU if there is one.
            dtype: The number type of the generator's convolutions, by far the largest part of the
                work. What is small and delicate, as styles, stays float32 in 16-bit types.

        Raises:
            ArgumentError: There is no such device, or the type is not floating point.
        """
        self.device = loading.choose_device(device)
        if not dtype.is_floating_point:
            raise ArgumentError(f"dtype is {dtype}, expected float32, float16 or bfloat16")
        self.dtype = dtype
        for component in (self.encoder, self.sampler, self.generator, self.inverter):
            if isinstance(component, nn.Module):
                component.to(self.device, self._stored if component is self.generator else None)
        return self

    @property
    def _stored(self) -> torch.dtype:
        """The number type of the generator's weights: 16-bit types are left to autocast."""
        return torch.float32 if self.dtype.itemsize < 4 else self.dtype

    @cached_property
    def weights(self) -> str | None:
        """16 hexadecimal digits that name the weights; None if they were never in a folder."""
        return loading.fingerprint(self.folder) if self.folder else None

    def __call__(
        self,
        prompt: str | Sequence[str],
        *,
        num_images: int = 1,
        seed: int | Sequence[int] | None = None,
        truncation: float | None = None,
        truncation_cutoff: int | None = None,
        diversity: float = 1.0,
        condition: str | None = None,
        shortlist: int | None = None,
        candidates: int | None = None,
        keep: int | None = None,
        noise_mode: NoiseMode = "const",
        negative_prompt: str | None = None,
        literal: bool = False,
        batch_size: int = 1,
    ) -> Output:
        """Draw faces.

        Args:
            prompt: What they look like, in the syntax of `text2face.prompts`; or several such.
            num_images: How many for each prompt.
            seed: Image i uses seed + i, the same for every prompt; or the seeds themselves; None
                draws one.
            truncation: ψ from 0 (the average face) to 2; None = the model's default.
            truncation_cutoff: Truncate only the first layers, this many; None = all.
            diversity: The scale of z, 0 to 5.
            condition: How the text conditions the sampler (`text2face.samplers.conditions`); None
                = the model's default.
            shortlist: Draw this many latents for each face and make only the one whose estimated
                look is nearest to the text; None = the model's default. It costs next to nothing,
                and some diversity. Samplers that cannot estimate draw one.
            candidates: Draw this many for each prompt and keep the best by score.
            keep: How many to keep of them; None = num_images.
            noise_mode: The generator's noise inputs, "const", "random" or "none".
            negative_prompt: What is not wanted.
            literal: Take the prompt's characters as they stand.
            batch_size: Images at once. More than 1 is faster on a GPU, and may change the last
                bits of an image.

        Raises:
            PromptError: A prompt cannot be read, or the encoder knows no word of it.
            ArgumentError: A setting is out of range.
        """
        settings = self.settings(
            truncation=truncation,
            truncation_cutoff=truncation_cutoff,
            diversity=diversity,
            condition=condition,
            shortlist=shortlist,
            noise_mode=noise_mode,
            negative_prompt=negative_prompt,
            literal=literal,
        )
        seeds, keep = choose_seeds(seed, num_images, candidates, keep)
        texts = [prompt] if isinstance(prompt, str) else prompt
        faces = list(self.draw(texts, seeds, settings, keep=keep, batch_size=batch_size))
        return Output(
            images=[face.image for face in faces],
            latents=torch.stack([face.latent for face in faces]),
            embeddings=torch.stack([face.embedding for face in faces]),
            seeds=[face.seed for face in faces],
            scores=[face.score for face in faces],
            unknown_words=self.unknown_words(texts, settings),
        )

    def settings(
        self,
        *,
        truncation: float | None = None,
        condition: str | None = None,
        shortlist: int | None = None,
        **others: Any,
    ) -> Settings:
        """Settings with this model's defaults where None is given; names as in `Settings`.

        Raises:
            ArgumentError: A value is out of range.
        """
        settings = Settings(
            truncation=self.config.truncation if truncation is None else truncation,
            condition=self.config.condition if condition is None else condition,
            shortlist=self.config.shortlist if shortlist is None else shortlist,
            **others,
        )
        check_condition(settings.condition)
        return settings

    def draw(
        self,
        texts: Sequence[str],
        seeds: Sequence[int],
        settings: Settings,
        *,
        keep: int | None = None,
        batch_size: int = 1,
        on_face: Callable[[], object] = lambda: None,
    ) -> Iterator[Face]:
        """Draw faces one by one: for every prompt, every seed, or the `keep` best of them.

        Args:
            texts: The prompts, at least one; all are checked before the first face is drawn.
            seeds: The seeds, the same for every prompt.
            settings: See `settings`.
            keep: Give only this many for each prompt, best first; None = all, in order.
            batch_size: Images at once.
            on_face: Called after each face drawn, kept or not.

        Raises:
            PromptError: A prompt cannot be read, or the encoder knows no word of it.
            ArgumentError: A setting is out of range.
        """
        check_count("batch_size", batch_size)
        if isinstance(texts, str) or not isinstance(texts, Sequence) or not texts:
            raise PromptError(
                f"the prompts are {texts!r}, expected a string or a list of at least one"
            )
        embeddings = [self.embed(text, settings) for text in texts]
        # On a CPU, the latents of some faces cost as much as those of one.
        together = batch_size * max(1, _ROWS // self._draws(settings) // batch_size)

        def drawn(text: str, embedding: Tensor) -> Iterator[Face]:
            for start in range(0, len(seeds), together):
                some = seeds[start : start + together]
                wanted = embedding.expand(len(some), -1)
                w = self.latents(wanted, some, settings)
                for i in range(0, len(some), batch_size):
                    part = slice(i, i + batch_size)
                    images = self._synthesise(w[part], some[i], settings)
                    texts = [text] * len(images)
                    for face in self._faces(texts, w[part], images, wanted[part], some[part]):
                        on_face()
                        yield face

        for text, embedding in zip(texts, embeddings, strict=True):
            faces = drawn(text, embedding)
            if keep is None:
                yield from faces
            else:
                yield from heapq.nlargest(keep, faces, key=lambda face: face.score)

    @torch.no_grad()
    def embed(self, text: str, settings: Settings | None = None) -> Tensor:
        """Embed one prompt with its weights, blends and negatives.

        Args:
            text: The prompt.
            settings: `literal` and `negative_prompt` are read; None = neither.

        Returns:
            The embedding [D], L2-normalised.

        Raises:
            PromptError: It cannot be read, or the encoder knows no word of it.
        """
        wanted, unwanted = self._parse(text, settings or self.settings())
        weights = prompts.weigh(
            wanted,
            unwanted,
            negative_weight=self.config.negative_weight,
            neutral=self.config.neutral_prompt,
        )
        # One text at a time: a batch would change the last bits with the company it keeps.
        total = sum(
            weight * F.normalize(self.encoder.encode_text([sentence]).float(), dim=-1)[0]
            for sentence, weight in weights.items()
        )
        return F.normalize(torch.as_tensor(total), dim=-1)

    def unknown_words(self, texts: Sequence[str], settings: Settings) -> list[str]:
        """The words of prompts, and of the negative prompt, that the encoder does not know."""
        blends = [blend for text in texts for side in self._parse(text, settings) for blend in side]
        unknown = [self.encoder.unknown_words(blend.text) for blend in blends]
        return list(dict.fromkeys(word for found in unknown for word in found))

    @torch.no_grad()
    def latents(self, embeddings: Tensor, seeds: Sequence[int], settings: Settings) -> Tensor:
        """Draw one latent for each of some text embeddings.

        Args:
            embeddings: [N, D].
            seeds: N seeds.
            settings: See `settings`.

        Returns:
            w [N, num_ws, w_dim], truncated, float32.
        """
        embeddings = embeddings.to(self.device)
        if self.device.type != "cpu":
            return self._latents(embeddings, seeds, settings)
        # Products of one shape, so that a latent does not depend on the company it keeps: their
        # sums are in another order for another number of rows, by which pixels change.
        parts = []
        count = max(1, _ROWS // self._draws(settings))
        for start in range(0, len(seeds), count):
            some, rows = list(seeds[start : start + count]), embeddings[start : start + count]
            spare = count - len(some)
            padded = torch.cat([rows, rows[:1].expand(spare, -1)])
            drawn = self._latents(padded, some + some[:1] * spare, settings)
            parts.append(drawn[: len(some)])
        return torch.cat(parts)

    def _draws(self, settings: Settings) -> int:
        """How many latents are drawn for a face."""
        return settings.shortlist if isinstance(self.sampler, LatentCritic) else 1

    def _latents(self, embeddings: Tensor, seeds: Sequence[int], settings: Settings) -> Tensor:
        draws = self._draws(settings)
        bank = getattr(self.sampler, "bank", None)
        condition = make_condition(
            settings.condition, embeddings, bank=bank, seeds=seeds, draws=draws
        )
        z_dim = self.sampler.z_dim
        z = torch.cat([noise(seed, draws * z_dim).view(draws, z_dim) for seed in seeds])
        w = self.sampler.sample(condition, z.to(self.device) * settings.diversity).float()
        if isinstance(self.sampler, LatentCritic) and draws > 1:
            seen = self.sampler.estimate(w).view(len(seeds), draws, -1)
            best = (seen @ embeddings[:, :, None]).argmax(dim=1)[:, 0]
            w = w.view(len(seeds), draws, *w.shape[1:])[
                torch.arange(len(seeds), device=w.device), best
            ]
        return self._truncate(w, settings)

    @torch.no_grad()
    def decode(self, latents: Tensor, noise_mode: NoiseMode = "const") -> Tensor:
        """Synthesise images [N, 3, H, W] in [-1, 1], float32, from latents [N, num_ws, w_dim].

        Raises:
            ArgumentError: The latents are of another shape.
        """
        latents = self.checked_latents(latents).to(self.device, self._stored)
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != self._stored):
            images = self.generator.synthesize(latents, noise_mode)
        return images.float().clamp(-1, 1)

    def checked_latents(self, latents: Tensor) -> Tensor:
        """Latents w [N, num_ws, w_dim] as they came.

        Raises:
            ArgumentError: They are those of another generator.
        """
        expected = (self.generator.num_ws, self.generator.w_dim)
        if latents.ndim != 3 or latents.shape[1:] != expected:
            raise ArgumentError(
                f"the latents are {list(latents.shape)}, expected [N, {expected[0]}, {expected[1]}]"
            )
        return latents

    @cached_property
    def latent_axes(self) -> LatentAxes:
        """The axes along which the generator's latents vary."""
        return latent_axes(self.generator, self.device)

    encode = operations.encode
    edit = operations.edit
    sweep = operations.sweep
    interpolate = operations.interpolate
    mix = operations.mix
    vary = operations.vary

    def draw_together(
        self,
        texts: Sequence[str],
        embeddings: Tensor,
        seeds: Sequence[int],
        settings: Settings,
    ) -> list[Face]:
        """Draw one face for each of several prompts, in one pass, as a server does.

        On a CPU each image is, bit for bit, what `draw` makes of its prompt and seed alone.

        Args:
            texts: N prompts.
            embeddings: Their embeddings [N, D], from `embed` with the same settings.
            seeds: N seeds.
            settings: See `settings`.

        Raises:
            ArgumentError: A setting is out of range, or the numbers differ.
        """
        if not texts or not len(texts) == len(embeddings) == len(seeds):
            raise ArgumentError(
                f"{len(texts)} prompts, {len(embeddings)} embeddings and {len(seeds)} seeds; "
                "expected as many of each, and at least one"
            )
        w = self.latents(embeddings, seeds, settings)
        step = 1 if self.device.type == "cpu" else len(seeds)
        images = torch.cat(
            [
                self._synthesise(w[i : i + step], seeds[i], settings)
                for i in range(0, len(seeds), step)
            ]
        )
        return self._faces(texts, w, images, embeddings, seeds)

    @torch.no_grad()
    def _faces(
        self,
        texts: Sequence[str],
        latents: Tensor,
        images: Tensor,
        embeddings: Tensor,
        seeds: Sequence[int],
    ) -> list[Face]:
        """What was drawn, with the score of each image [N, 3, H, W]."""
        seen = self.encoder.encode_image(images).float()
        scores = F.cosine_similarity(seen, embeddings.to(seen))
        made = zip(
            texts,
            to_pil(images),
            latents.cpu(),
            embeddings.cpu(),
            seeds,
            scores.tolist(),
            strict=True,
        )
        return [
            Face(image, latent, embedding, text, seed, score)
            for text, image, latent, embedding, seed, score in made
        ]

    def _synthesise(self, w: Tensor, seed: int, settings: Settings) -> Tensor:
        """Images of latents; the noise is drawn from the seed if it is random."""
        if settings.noise_mode != "random":
            return self.decode(w, settings.noise_mode)
        with _RANDOM, torch.random.fork_rng():
            torch.manual_seed(seed)
            return self.decode(w, "random")

    def _truncate(self, w: Tensor, settings: Settings) -> Tensor:
        """Pull the first layers of w [N, num_ws, w_dim] towards the average."""
        layers = w[:, : settings.truncation_cutoff]
        # lerp, because it changes no bit at ψ = 1.
        pulled = torch.lerp(self.generator.mean_latent.to(w), layers, settings.truncation)
        return torch.cat([pulled, w[:, layers.shape[1] :]], dim=1)

    def _parse(
        self, text: str, settings: Settings
    ) -> tuple[tuple[prompts.Blend, ...], tuple[prompts.Blend, ...]]:
        """Read a prompt and the negative prompt; the encoder must know something of each."""
        wanted = prompts.parse(text, literal=settings.literal)
        negative = settings.negative_prompt
        unwanted = () if negative is None else prompts.parse(negative, literal=settings.literal)
        for blend in wanted + unwanted:
            prompts.check_known(blend.text, self.encoder.unknown_words(blend.text))
        return wanted, unwanted
