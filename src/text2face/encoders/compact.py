"""The bundled text-image encoder: two small towers trained on rendered faces and captions.

Contrastive as CLIP (Radford et al., 2021, arXiv 2103.00020), but with a vocabulary of whole words,
so that it can say which words it does not know, and with an image tower of a few convolutions:
milliseconds on one CPU thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from text2face.checks import check_images
from text2face.convolution import Residual
from text2face.encoders.vocabulary import FIRST_WORD, PADDING, UNKNOWN, Vocabulary
from text2face.errors import ArgumentError, quoted
from text2face.registry import register
from text2face.storage.saved import SavedModule


@dataclass(frozen=True)
class CompactConfig:
    """The shape of a `CompactEncoder`, and its words."""

    words: tuple[str, ...]
    """The known words, in the order of their ids."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Further words, or several in a row, each with the known words that it is read as."""
    roles: tuple[str, ...] = ()
    """Words for somebody that tell nothing of looks: read as "person", and named as unknown."""
    real_words: tuple[str, ...] = ()
    """Words that are never taken for typing errors of known ones."""
    known: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The words that say something, by what they speak of; {} = all of `words` do."""
    embedding_dim: int = 256
    text_width: int = 128
    text_layers: int = 2
    text_heads: int = 4
    context: int = 80
    """Words read; the rest of a longer text is left out."""
    image_size: int = 128
    """Pictures are resized to this side."""
    image_patch: int = 4
    """Side of the patches that the first layer reads."""
    image_widths: tuple[int, ...] = (32, 64, 128, 256)
    """Channels at 1/patch of the side, and at each half of that."""
    image_depths: tuple[int, ...] = ()
    """Residual blocks at each of these; () = one at each but the first."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ArgumentError: A value is out of range.
        """
        known = {name: tuple(words) for name, words in self.known.items()}
        object.__setattr__(self, "known", known)
        sizes = (self.embedding_dim, self.text_width, self.text_heads, self.context)
        if (
            min(*sizes, self.image_size, self.image_patch, *self.image_widths) < 1
            or self.text_layers < 0
        ):
            raise ArgumentError(f"bad sizes: got {quoted(self)}, expected whole numbers from 1")
        if self.text_width % self.text_heads:
            raise ArgumentError(
                f"bad text_heads: got {self.text_heads}, expected a number that divides "
                f"text_width = {self.text_width}"
            )
        if self.image_depths and len(self.image_depths) != len(self.image_widths):
            raise ArgumentError(
                f"bad image_depths: got {list(self.image_depths)}, expected one for each of "
                f"{len(self.image_widths)} image_widths"
            )
        reduced = self.image_patch << max(len(self.image_widths) - 1, 0)
        if not self.image_widths or self.image_size % reduced:
            raise ArgumentError(
                f"bad image_size: got {self.image_size}, expected a multiple of {reduced} for "
                f"patches of {self.image_patch} and {len(self.image_widths)} image_widths"
            )


@register("encoder", "compact")
class CompactEncoder(SavedModule):
    """Words or pictures → unit vectors [N, embedding_dim] (see `TextImageEncoder`)."""

    config_class = CompactConfig
    config: CompactConfig

    def __init__(self, config: CompactConfig) -> None:
        """Build an untrained encoder."""
        super().__init__()
        self.config = config
        self.embedding_dim = config.embedding_dim
        self.vocabulary = Vocabulary(
            config.words, config.aliases, roles=config.roles, real=config.real_words
        )
        self._telling = frozenset(word for words in config.known.values() for word in words)
        self.text = TextTower(config, len(self.vocabulary))
        self.image = ImageTower(config)

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """N texts → embeddings [N, embedding_dim]."""
        return self.encode_tokens(self.tokenize(texts))

    def encode_tokens(self, tokens: Tensor) -> Tensor:
        """Word ids [N, L], padded with `PADDING` behind → embeddings [N, embedding_dim]."""
        return F.normalize(self.text(tokens).float(), dim=1)

    def encode_image(self, images: Tensor) -> Tensor:
        """Images [N, 3, H, W] in [-1, 1], any size → embeddings [N, embedding_dim]; differentiable.

        Raises:
            ArgumentError: The images have another shape.
        """
        check_images(images)
        size = self.config.image_size
        if images.shape[2:] != (size, size):
            images = F.interpolate(
                images, (size, size), mode="bilinear", antialias=True, align_corners=False
            )
        return F.normalize(self.image(images).float(), dim=1)

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """N texts → word ids [N, L], padded behind, cut off after `config.context` words."""
        if isinstance(texts, str):
            raise ArgumentError(f"got one text, expected a list of texts; write [{texts[:40]!r}]")
        rows = [self.vocabulary.encode(text)[: self.config.context] or [UNKNOWN] for text in texts]
        tokens = torch.full((len(rows), max(map(len, rows), default=1)), PADDING)
        for row, ids in zip(tokens, rows, strict=True):
            row[: len(ids)] = torch.tensor(ids)
        return tokens.to(self.text.positions.device)

    def unknown_words(self, text: str) -> list[str]:
        """The words of `text` that say nothing to the encoder, in order, once each."""
        return self.vocabulary.unknown_words(text)

    def corrected_words(self, text: str) -> dict[str, str]:
        """The words of `text` that are taken for typing errors, and what they are read as."""
        return self.vocabulary.corrections(text)

    def known_words(self) -> dict[str, tuple[str, ...]]:
        """The words that say something about a face, by what they speak of."""
        return {name: tuple(words) for name, words in self.config.known.items()}

    def speaks_of_a_face(self, text: str) -> bool:
        """Whether any word of `text` says something about a face, or names somebody."""
        said = {self.vocabulary.words[i - FIRST_WORD] for i in self.vocabulary.encode(text)}
        return bool(said & self._telling) if self._telling else bool(said)


class TextTower(nn.Module):
    """A pre-norm transformer over words; the mean of its outputs, projected.

    Texts differ much in length, so all but attention runs over the words alone, without padding.
    """

    def __init__(self, config: CompactConfig, vocabulary_size: int) -> None:
        """Build an untrained tower for word ids below `vocabulary_size`."""
        super().__init__()
        width = config.text_width
        self.words = nn.Embedding(vocabulary_size, width)
        self.positions = nn.Parameter(torch.randn(config.context, width).mul_(0.02))
        self.layers = nn.ModuleList(
            _TransformerLayer(width, config.text_heads) for _ in range(config.text_layers)
        )
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, config.embedding_dim)
        nn.init.normal_(self.words.weight, std=0.05)

    def forward(self, tokens: Tensor) -> Tensor:
        """Word ids [N, L] → [N, embedding_dim], not normalised."""
        mask = tokens != PADDING
        rows, places = mask.nonzero(as_tuple=True)
        x = self.words(tokens[mask]) + self.positions[places]
        for layer in self.layers:
            x = layer(x, mask)
        x = self.norm(x)
        total = x.new_zeros(len(tokens), x.shape[1]).index_add(0, rows, x)
        mean = total / mask.sum(1, keepdim=True).clamp(min=1)
        return self.out(mean)  # type: ignore[no-any-return]


class _TransformerLayer(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.feed_norm = nn.LayerNorm(width)
        self.feed_in = nn.Linear(width, 2 * width)
        self.feed_out = nn.Linear(2 * width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Words x [W, width] of the places that are True in mask [N, L] → [W, width]."""
        qkv = self.qkv(self.attention_norm(x))
        padded = qkv.new_zeros(*mask.shape, qkv.shape[1])
        padded[mask] = qkv
        q, k, v = padded.unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])
        x = x + self.attention_out(mixed.transpose(1, 2).flatten(2)[mask])
        fed: Tensor = self.feed_out(F.gelu(self.feed_in(self.feed_norm(x))))
        return x + fed


class ImageTower(nn.Module):
    """A residual network (He et al., 2015, arXiv 1512.03385) on patches.

    The last map is flattened, not pooled, since a hat and a beard differ by their place.
    """

    def __init__(self, config: CompactConfig) -> None:
        """Build an untrained tower."""
        super().__init__()
        patch = config.image_patch
        stages: list[nn.Module] = [nn.PixelUnshuffle(patch)]
        before = 3 * patch * patch
        depths = config.image_depths or (0, *(1 for _ in config.image_widths[1:]))
        for level, (width, depth) in enumerate(zip(config.image_widths, depths, strict=True)):
            stages.append(_Down(before, width) if level else nn.Conv2d(before, width, 1))
            stages += [Residual(width) for _ in range(depth)]
            before = width
        self.trunk = nn.Sequential(*stages)
        side = config.image_size // (patch << (len(config.image_widths) - 1))
        self.out = nn.Linear(before * side * side, config.embedding_dim)

    def forward(self, images: Tensor) -> Tensor:
        """Images [N, 3, image_size, image_size] → [N, embedding_dim], not normalised."""
        return self.out(self.trunk(images.clamp(-1, 1)).flatten(1))  # type: ignore[no-any-return]


class _Down(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.convolution(x)))
