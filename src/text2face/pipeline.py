"""The pipeline: text → embedding → latent → image."""

from __future__ import annotations

import heapq
import json
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from text2face import loading, named, prompts, templates
from text2face.editing import operations
from text2face.encoders.base import TextImageEncoder, WordEncoder
from text2face.errors import ArgumentError, CheckpointError, PromptError
from text2face.faces import Face, Noise, noise, to_pil
from text2face.generators.axes import LatentAxes, latent_axes
from text2face.generators.base import Generator
from text2face.generators.mapping import rgb
from text2face.inversion.base import LatentEncoder
from text2face.lists import NO_LISTS
from text2face.output import Drawing, Output
from text2face.prompts import Prompt
from text2face.samplers.base import LatentCritic, LatentSampler
from text2face.samplers.conditions import check_condition, make_condition
from text2face.settings import (
    CallArguments,
    NoiseMode,
    PipelineConfig,
    Settings,
    check_count,
    choose_seeds,
    keywords,
    options,
)
from text2face.storage.folders import atomic_file, make_config, make_folder, read_json

__all__ = ["Face", "Output", "PipelineConfig", "TextToFace", "noise", "to_pil"]

_KINDS: Final = ("encoder", "sampler", "generator")
_ROWS: Final = 16  # rows of the products in which latents are drawn
_LOADING: Final = threading.Lock()
_RANDOM: Final = threading.Lock()  # the random numbers of "random" noise are the process's

_Asked = TypeVar("_Asked")


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
            generator: Latent → image; a StyleGAN of grey pictures becomes one of RGB pictures.
            inverter: Image → latent; None if faces come from words alone.
            config: Defaults and the model's name.
            folder: The folder or file that the components were loaded from, if they were.

        Raises:
            CheckpointError: The components do not fit together.
            ArgumentError: The generator's pictures are not RGB.
        """
        generator = rgb(generator)
        dimensions = ("embedding_dim", sampler.embedding_dim, encoder.embedding_dim)
        _check_fit("sampler", [dimensions, *_latent_sizes(sampler, generator)])
        if inverter is not None:
            _check_fit("inversion encoder", _latent_sizes(inverter, generator))
        self.encoder = encoder
        self.sampler = sampler
        self.generator = generator
        self._inverter = inverter
        self._inversion: Path | None = None
        self.config = config or PipelineConfig()
        self.folder = folder
        self.library = NO_LISTS
        """The lists and styles that templates name."""
        self._loaded = (encoder, sampler, generator)
        self._named: str | None = None
        self._axes: tuple[Generator, torch.device, LatentAxes] | None = None
        self.device = torch.device("cpu")
        self.dtype = torch.float32

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path | None = None,
        *,
        encoder: TextImageEncoder | None = None,
        accept_licence: bool = False,
    ) -> Self:
        """Load a model.

        Args:
            source: A folder; a hub id such as "owner/name"; the name of a published pipeline, such
                as "clip2latent-ffhq"; the official checkpoint file of Fast text2StyleGAN, here or
                in a hub repository, "owner/name:file.pt"; or None for the model that comes with
                the package.
            encoder: Take this encoder instead of the model's own, which is then not loaded.
            accept_licence: The licences of a published pipeline are known and accepted; once is
                enough.

        Raises:
            CheckpointError: It is missing, damaged or out of reach, or its licences were not
                accepted.
        """
        inversion = None
        if isinstance(source, str) and named.is_named(source):
            parts = named.load(source, encoder=encoder, accept_licence=accept_licence)
            config = PipelineConfig(**parts.defaults)
            pipe = cls(parts.encoder, parts.sampler, parts.generator, config=config)
            pipe._named = None if encoder else parts.fingerprint
            return pipe
        file = loading.find_file(source)
        if file is not None:
            from text2face.checkpoints import fast_text2stylegan

            folder, config = file, PipelineConfig(**fast_text2stylegan.DEFAULTS)
            components: tuple[Any, ...] = fast_text2stylegan.load_pipeline(folder, encoder)
        else:
            folder = loading.find_model(source)
            path = folder / "pipeline.json"
            config = make_config(PipelineConfig, read_json(path), path)
            own = encoder or loading.load_component("encoder", folder / "encoder")
            others = (loading.load_component(kind, folder / kind) for kind in _KINDS[1:])
            components = (own, *others)
            if (folder / "inversion").is_dir():
                inversion = folder / "inversion"
        # With another encoder, the files no longer name all the weights.
        kept = None if encoder else folder
        pipe = cls(*components, config=config, folder=kept)
        pipe._inversion = inversion
        return pipe

    @property
    def inverter(self) -> LatentEncoder | None:
        """Image → latent; that of a model's folder is loaded when it is first asked for.

        Raises:
            CheckpointError: It is damaged, or does not fit the generator.
        """
        with _LOADING:
            if self._inversion is not None:
                found = loading.load_component("inversion", self._inversion)
                _check_fit("inversion encoder", _latent_sizes(found, self.generator))
                if isinstance(found, nn.Module):
                    found.to(self.device)
                self._inverter = found
                self._inversion = None
        return self._inverter

    @inverter.setter
    def inverter(self, inverter: LatentEncoder | None) -> None:
        self._inverter, self._inversion = inverter, None

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

    def push_to_hub(
        self,
        hub_id: str,
        *,
        private: bool = False,
        licence: str | None = None,
        evaluation: str | Path | None = None,
    ) -> str:
        """Upload the model to the Hugging Face Hub with a model card.

        Args:
            hub_id: "owner/name"; `from_pretrained` reads it from there.
            private: Whether a new repository is private.
            licence: The licence of what is yours, such as "mit"; needed unless all parts come from
                the catalogue, whose licences the card repeats.
            evaluation: The `evaluation.json` of `text2face evaluate`, for the card's figures.

        Returns:
            The address of the upload.

        Raises:
            ArgumentError: The hub id is none, a licence is not known, or the figures are those of
                another model.
            OutputError: The hub refuses it or cannot be reached.
        """
        from text2face.cards import card
        from text2face.storage.hub import is_hub_id, push

        if not is_hub_id(hub_id):
            raise ArgumentError(f"the hub id is {hub_id!r}, expected owner/name")
        figures = None if evaluation is None else read_json(Path(evaluation))
        text = card(self, hub_id, licence=licence, evaluation=figures)
        with tempfile.TemporaryDirectory(prefix="text2face-") as name:
            folder = Path(name)
            self.save_pretrained(folder)
            with atomic_file(folder / "README.md") as file:
                file.write(text.encode())
            return push(folder, hub_id, private=private)

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
        for component in (self.encoder, self.sampler, self.generator, self._inverter):
            if isinstance(component, nn.Module):
                component.to(
                    self.device, self._weights_dtype if component is self.generator else None
                )
        return self

    @property
    def _weights_dtype(self) -> torch.dtype:
        """The number type of the generator's weights: 16-bit types are left to autocast."""
        return torch.float32 if self.dtype.itemsize < 4 else self.dtype

    @property
    def weights(self) -> str | None:
        """16 hexadecimal digits that name the weights.

        None if they were never in a folder, or if a component was replaced after loading.
        """
        now = (self.encoder, self.sampler, self.generator)
        if any(part is not loaded for part, loaded in zip(now, self._loaded, strict=True)):
            return None
        if self._named is None and self.folder is not None:
            self._named = loading.fingerprint(self.folder)
        return self._named

    @keywords(CallArguments)
    def __call__(  # noqa: D417 (`CallArguments` documents them)
        self,
        prompt: str | Prompt | Sequence[str | Prompt],
        *,
        num_images: int = 1,
        seed: int | Sequence[int] | None = None,
        candidates: int | None = None,
        keep: int | None = None,
        batch_size: int = 1,
        **settings: Any,
    ) -> Output:
        """Draw faces.

        Args:
            {arguments}

        Raises:
            PromptError: A prompt cannot be read, or the encoder knows no word of it.
            ArgumentError: A setting is out of range.
        """
        chosen = self.settings(**settings)
        seeds, keep = choose_seeds(seed, num_images, candidates, keep)
        asked = [prompt] if isinstance(prompt, str | Prompt) else prompt
        resolved = [self.resolve(one, seeds, chosen) for one in _several(asked)]
        faces = self.draw(resolved, seeds, chosen, keep=keep, batch_size=batch_size)
        read = [prompt for each in resolved for prompt in dict.fromkeys(each)]
        drawing = Drawing.now(self, chosen)
        corrected = {word: known for one in read for word, known in one.corrected_words}
        return Output(
            faces, unknown_words=_unknown(read), corrected_words=corrected, drawing=drawing
        )

    def settings(self, **given: Any) -> Settings:
        """Settings with this model's defaults where nothing, or None, is given.

        Args:
            **given: The fields of `Settings`.

        Raises:
            ArgumentError: There is no such setting, or a value is out of range.
        """
        names = [option.name for option in options()]
        if unknown := [name for name in given if name not in names]:
            raise ArgumentError(
                f"unknown setting {unknown[0]!r}, expected one of {', '.join(names)}"
            )
        values = {name: value for name, value in given.items() if value is not None}
        for option in options():
            if option.from_model:
                values.setdefault(option.name, getattr(self.config, option.name))
        settings = Settings(**values)
        check_condition(settings.condition)
        return settings

    def draw(
        self,
        texts: Sequence[str | Prompt | Sequence[Prompt]],
        seeds: Sequence[int],
        settings: Settings,
        *,
        keep: int | None = None,
        batch_size: int = 1,
        on_face: Callable[[], object] = lambda: None,
    ) -> Iterator[Face]:
        """Draw faces one by one: for every prompt, every seed, or the `keep` best of them.

        Args:
            texts: The prompts, at least one, see `resolve`; all are read before the first face is
                drawn.
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
        read = [self.resolve(text, seeds, settings) for text in _several(texts)]
        for each in read:
            faces = self.draw_together(
                each,
                self.embed_all(each),
                seeds,
                settings,
                batch_size=batch_size,
                on_face=on_face,
            )
            if keep is None:
                yield from faces
            else:
                yield from heapq.nlargest(keep, faces, key=lambda face: face.score)

    @torch.no_grad()
    def draw_together(
        self,
        texts: Sequence[str | Prompt],
        embeddings: Tensor,
        seeds: Sequence[int],
        settings: Settings,
        *,
        batch_size: int | None = None,
        on_face: Callable[[], object] = lambda: None,
    ) -> Iterator[Face]:
        """Draw one face for each of several prompts, as a server does.

        On a CPU each image is, bit for bit, what `draw` makes of its prompt and seed alone.

        Args:
            texts: N prompts, as they are.
            embeddings: Their embeddings [N, D], from `embed` with the same settings.
            seeds: N seeds.
            settings: See `settings`.
            batch_size: Images at once; None = 1 on a CPU, else all.
            on_face: Called after each face drawn.

        Raises:
            ArgumentError: A setting is out of range, or the numbers differ.
        """
        if not texts or not len(texts) == len(embeddings) == len(seeds):
            raise ArgumentError(
                f"{len(texts)} prompts, {len(embeddings)} embeddings and {len(seeds)} seeds; "
                "expected as many of each, and at least one"
            )
        if batch_size is None:
            batch_size = 1 if self.device.type == "cpu" else len(seeds)
        if settings.noise_mode == "random":
            batch_size = 1  # the noise of each face comes from its own seed
        # On a CPU, the latents of some faces cost as much as those of one.
        block = batch_size * max(1, self._rows(settings) // batch_size)
        for start in range(0, len(seeds), block):
            stop = start + block
            latents = self.latents(embeddings[start:stop], seeds[start:stop], settings)
            for i in range(start, start + len(latents), batch_size):
                w = latents[i - start : i - start + batch_size]
                images = self.decode(w, settings.noise_mode, seed=seeds[i])
                seen = self.encoder.encode_image(images).float()
                wanted = embeddings[i : i + len(w)]
                scores = F.cosine_similarity(seen, wanted.to(seen))
                parts = zip(to_pil(images), w.cpu(), wanted.cpu(), scores.tolist(), strict=True)
                for j, (image, latent, embedding, score) in enumerate(parts, i):
                    on_face()
                    noise_of = Noise(settings.noise_mode, seeds[j])
                    text = texts[j]
                    face = Face(image, latent, embedding, "", seeds[j], score, noise_of, len(w))
                    if isinstance(text, Prompt):
                        yield replace(
                            face,
                            prompt=text.text,
                            template=text.template,
                            negative_prompt=text.negative_prompt,
                        )
                    else:
                        yield replace(face, prompt=text)

    def resolve(
        self, text: str | Prompt | Sequence[Prompt], seeds: Sequence[int], settings: Settings
    ) -> list[Prompt]:
        """The prompt of each seed, read: where a text has choices, each seed decides its own.

        Args:
            text: The prompt or template; or a prompt that was parsed, or one for each seed.
            seeds: At least one.
            settings: As for `read`.

        Raises:
            PromptError: It cannot be read, or the encoder knows no word of what comes out.
        """
        if isinstance(text, Prompt):
            return [self.read(text)] * len(seeds)
        if isinstance(text, Sequence) and not isinstance(text, str):
            made = list(text)
        else:
            made = templates.prompts_of(text, seeds, settings, self.library)
        known = {prompt: self.read(prompt) for prompt in dict.fromkeys(made)}
        return [known[prompt] for prompt in made]

    def read(self, text: str | Prompt, settings: Settings | None = None) -> Prompt:
        """Parse a prompt without choices, and see that the encoder knows something of it.

        Args:
            text: The prompt; one that was read already stays as it is.
            settings: `literal`, `negative_prompt` and `styles` are read; None = none of them.

        Raises:
            PromptError: It cannot be read, or the encoder knows no word of it.
        """
        if isinstance(text, Prompt):
            prompt = text
        else:
            prompt = templates.read(text, settings or Settings(), self.library)
        if prompt.unknown_words is not None:
            return prompt
        found: list[str] = []
        corrected: dict[str, str] = {}
        for blend in prompt.wanted + prompt.unwanted:
            unknown = self.encoder.unknown_words(blend.text)
            if isinstance(self.encoder, WordEncoder):
                prompts.check_about_a_face(blend.text, self.encoder.speaks_of_a_face(blend.text))
                corrected |= self.encoder.corrected_words(blend.text)
            else:
                prompts.check_known(blend.text, unknown)
            found += unknown
        return replace(
            prompt,
            unknown_words=tuple(dict.fromkeys(found)),
            corrected_words=tuple(corrected.items()),
        )

    @torch.no_grad()
    def embed(self, text: str | Prompt, settings: Settings | None = None) -> Tensor:
        """Embed one prompt with its weights, blends and negatives.

        Args:
            text: The prompt.
            settings: As for `read`.

        Returns:
            The embedding [D], L2-normalised.

        Raises:
            PromptError: It cannot be read, or the encoder knows no word of it.
        """
        prompt = self.read(text, settings)
        weights = prompts.weigh(
            prompt.wanted,
            prompt.unwanted,
            negative_weight=self.config.negative_weight,
            neutral=self.config.neutral_prompt,
        )
        # One text at a time: in a batch, the last bits would depend on the other texts.
        total = sum(
            weight * F.normalize(self.encoder.encode_text([sentence]).float(), dim=-1)[0]
            for sentence, weight in weights.items()
        )
        return F.normalize(torch.as_tensor(total), dim=-1)

    def embed_all(self, read: Sequence[Prompt]) -> Tensor:
        """Embed prompts, equal ones once: [N, D], L2-normalised.

        Raises:
            PromptError: As `embed`.
        """
        known = {prompt: self.embed(prompt) for prompt in dict.fromkeys(read)}
        return torch.stack([known[prompt] for prompt in read])

    def unknown_words(self, texts: Sequence[str | Prompt], settings: Settings) -> list[str]:
        """The words of prompts, and of the negative prompt, that the encoder does not know.

        Of a template, those of all its choices; lists are left out.
        """
        return list(
            dict.fromkeys(word for text in texts for word in self._words(text, settings)[0])
        )

    def corrected_words(self, texts: Sequence[str | Prompt], settings: Settings) -> dict[str, str]:
        """The words of prompts that are taken for typing errors, and what they are read as."""
        return {
            word: known for text in texts for word, known in self._words(text, settings)[1].items()
        }

    def _words(
        self, text: str | Prompt, settings: Settings
    ) -> tuple[Sequence[str], dict[str, str]]:
        """The words that are not known, and those that are corrected."""
        if isinstance(text, str) and not settings.literal and templates.has_choices(text):
            words = templates.plain(text, self.library)
            encoder = self.encoder
            corrected = encoder.corrected_words(words) if isinstance(encoder, WordEncoder) else {}
            return encoder.unknown_words(words), dict(corrected)
        prompt = self.read(text, settings)
        return prompt.unknown_words or (), dict(prompt.corrected_words)

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
        draws, z_dim = self._draws(settings), self.sampler.z_dim
        # On a CPU every product has the same number of rows, filled up with copies of the first:
        # with another number, sums are taken in another order, and the last bits of a latent would
        # depend on how many are drawn together.
        rows = self._rows(settings) if self.device.type == "cpu" else len(seeds)
        parts = []
        for start in range(0, len(seeds), rows):
            some, texts = list(seeds[start : start + rows]), embeddings[start : start + rows]
            count = len(some)
            some += some[:1] * (rows - count)
            texts = torch.cat([texts, texts[:1].expand(rows - count, -1)])
            condition = make_condition(
                settings.condition,
                texts,
                bank=getattr(self.sampler, "bank", None),
                seeds=some,
                draws=draws,
            )
            z = torch.cat([noise(seed, draws * z_dim).view(draws, z_dim) for seed in some])
            w = self.sampler.sample(condition, z.to(self.device) * settings.diversity).float()
            if isinstance(self.sampler, LatentCritic) and draws > 1:
                looks = self.sampler.estimate(w).view(rows, draws, -1)
                best = (looks @ texts[:, :, None]).argmax(dim=1)[:, 0]
                w = w.view(rows, draws, *w.shape[1:])[torch.arange(rows, device=w.device), best]
            layers = w[:, : settings.truncation_cutoff]
            # lerp, because it changes no bit at ψ = 1.
            pulled = torch.lerp(self.generator.mean_latent.to(w), layers, settings.truncation)
            parts.append(torch.cat([pulled, w[:, layers.shape[1] :]], dim=1)[:count])
        return torch.cat(parts)

    def _rows(self, settings: Settings) -> int:
        """How many latents are drawn together: a large sampler may ask for fewer than usual."""
        rows: int = getattr(self.sampler, "rows", _ROWS)
        return max(1, rows // self._draws(settings))

    def _draws(self, settings: Settings) -> int:
        """How many latents are drawn for a face."""
        return settings.shortlist if isinstance(self.sampler, LatentCritic) else 1

    @torch.no_grad()
    def decode(
        self, latents: Tensor, noise_mode: NoiseMode = "const", *, seed: int | None = None
    ) -> Tensor:
        """Synthesise images [N, 3, H, W] in [-1, 1], float32, from latents [N, num_ws, w_dim].

        Args:
            latents: w.
            noise_mode: The generator's noise inputs.
            seed: What "random" noise is drawn from; None = torch's random numbers as they are.

        Raises:
            ArgumentError: The latents are of another shape.
        """
        latents = self.checked_latents(latents).to(self.device, self._weights_dtype)
        half = self.dtype != self._weights_dtype
        with ExitStack() as stack:
            if noise_mode == "random" and seed is not None:
                stack.enter_context(_RANDOM)
                stack.enter_context(torch.random.fork_rng())
                torch.manual_seed(seed)
            stack.enter_context(torch.autocast(self.device.type, self.dtype, enabled=half))
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

    @property
    def latent_axes(self) -> LatentAxes:
        """The axes along which the generator's latents vary."""
        found = self._axes
        if found is None or found[0] is not self.generator or found[1] != self.device:
            found = (self.generator, self.device, latent_axes(self.generator, self.device))
            self._axes = found
        return found[2]

    encode = operations.encode
    edit = operations.edit
    sweep = operations.sweep
    interpolate = operations.interpolate
    mix = operations.mix
    vary = operations.vary


def _latent_sizes(
    part: LatentSampler | LatentEncoder, generator: Generator
) -> list[tuple[str, int, int]]:
    """What must be the same: its name, that of the part, and that of the generator."""
    return [
        ("num_ws", part.num_ws, generator.num_ws),
        ("w_dim", part.w_dim, generator.w_dim),
    ]


def _check_fit(kind: str, sizes: Sequence[tuple[str, int, int]]) -> None:
    """See that a part fits the others.

    Raises:
        CheckpointError: It does not.
    """
    for what, got, expected in sizes:
        if got != expected:
            raise CheckpointError(
                f"the {kind}'s {what} is {got}, expected {expected} from the other "
                f"components; use a {kind} trained for this encoder and generator"
            )


def _several(texts: Sequence[_Asked]) -> Sequence[_Asked]:
    """Prompts as they came.

    Raises:
        PromptError: They are no list, or there are none.
    """
    if isinstance(texts, str) or not isinstance(texts, Sequence) or not texts:
        raise PromptError(f"the prompts are {texts!r}, expected a string or a list of at least one")
    return texts


def _unknown(read: Sequence[Prompt]) -> list[str]:
    """The words of prompts that the encoder does not know, once each."""
    return list(dict.fromkeys(word for prompt in read for word in prompt.unknown_words or ()))
