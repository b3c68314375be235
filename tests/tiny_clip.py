"""CLIP and SigLIP small enough to test with, saved by transformers itself."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from tokenizers.pre_tokenizers import ByteLevel

TOWER = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
MERGES = [("m", "a"), ("ma", "n</w>"), ("o", "l"), ("ol", "d</w>"), ("w", "o"), ("wo", "man</w>")]


def save_clip(folder: Path, embedding_dim: int = 8, context: int = 12) -> Path:
    """A CLIP with its two vocabulary files and an image processor."""
    from transformers import CLIPConfig, CLIPModel
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    alphabet = sorted(ByteLevel.alphabet())
    vocabulary = [
        *alphabet,
        *(letter + "</w>" for letter in alphabet),
        *("".join(pair) for pair in MERGES),
        "<|startoftext|>",
        "<|endoftext|>",
    ]
    size = len(vocabulary)
    config = CLIPConfig(
        text_config={
            **TOWER,
            "vocab_size": size,
            "max_position_embeddings": context,
            "bos_token_id": size - 2,
            "eos_token_id": size - 1,
            "pad_token_id": size - 1,
        },
        vision_config={**TOWER, "image_size": 32, "patch_size": 8},
        projection_dim=embedding_dim,
    )
    _save_model(CLIPModel, config, folder)
    CLIPImageProcessorPil(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    ).save_pretrained(folder)
    ids = {token: i for i, token in enumerate(vocabulary)}
    (folder / "vocab.json").write_text(json.dumps(ids), encoding="utf-8")
    merges = "\n".join(" ".join(pair) for pair in MERGES)
    (folder / "merges.txt").write_text(f"#version: 0.2\n{merges}\n", encoding="utf-8")
    return folder


def save_siglip(folder: Path, context: int = 10) -> Path:
    """A SigLIP with a `tokenizer.json` and an image processor."""
    from transformers import SiglipConfig, SiglipModel
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -20.0), ("▁man", -1.0), ("▁old", -1.0)]
    pieces += [(letter, -5.0) for letter in "▁abcdefghijklmnopqrstuvwxyz!"]
    config = SiglipConfig(
        text_config={
            **TOWER,
            "vocab_size": len(pieces),
            "max_position_embeddings": context,
            "projection_size": 16,
            "bos_token_id": None,
            "eos_token_id": 1,
            "pad_token_id": 1,
        },
        vision_config={**TOWER, "image_size": 32, "patch_size": 8},
    )
    _save_model(SiglipModel, config, folder)
    SiglipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "SiglipTokenizer", "pad_token": "</s>"})
    )
    return folder


def _save_model(cls: type, config: object, folder: Path) -> None:
    torch.manual_seed(0)
    model = cls(config)
    for parameter in model.parameters():  # livelier than their initialisation
        parameter.data += 0.1 * torch.randn_like(parameter)
    model.save_pretrained(folder)
