from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from tests import tiny
from text2face import TextToFace, provenance
from text2face.editing import History
from text2face.editing.base import EditRequest
from text2face.editing.channels import style_layers
from text2face.editing.directions import LatentPairs
from text2face.editing.files import read_latent, read_picture
from text2face.editing.operations import default_method, parse_layers
from text2face.editing.records import pack, recorded_latent, unpack, write_edited
from text2face.editing.targets import target_embedding
from text2face.errors import ArgumentError, CheckpointError, InversionError, PromptError
from text2face.faces import Face, to_tensor
from text2face.generators.stylegan2 import StyleGAN2
from text2face.samplers.conditions import ConditionBank

PROMPT = "an old man with a beard"


class Inverter:
    num_ws, w_dim = 4, 12

    def encode(self, images: Tensor) -> Tensor:
        return images.mean(dim=(1, 2, 3))[:, None, None].expand(-1, 4, 12)


@pytest.fixture(scope="module")
def face(bundled: TextToFace) -> Face:
    return next(bundled.draw(["a young woman with long hair"], [3], bundled.settings()))


@pytest.mark.parametrize("method", ["posterior", "direction", "channels", "optimise"])
def test_an_edit_goes_through_the_original_and_towards_the_words(
    bundled: TextToFace, face: Face, method: str
) -> None:
    settings = {"steps": 2} if method == "optimise" else {}
    low, none, high = bundled.sweep(face, "with glasses", [-1, 0, 1], method=method, **settings)
    assert torch.equal(none.latent, face.latent)
    assert none.image.tobytes() == face.image.tobytes()
    assert high.score > none.score
    assert high.prompt == "with glasses"
    assert torch.allclose(low.latent + high.latent, 2 * face.latent, atol=1e-4)
    one = bundled.edit(face, "with glasses", method=method, **settings)
    assert torch.allclose(one.latent, high.latent, atol=1e-5)


def test_a_lock_leaves_small_changes_out(bundled: TextToFace, face: Face) -> None:
    axes = bundled.latent_axes
    changes = [
        (bundled.edit(face, "smiling", lock=lock).latent - face.latent)[0] @ axes.down
        for lock in (0.0, 0.5)
    ]
    free, locked = ((change.abs() > 1e-3).sum() for change in changes)
    assert 0 < int(locked) < int(free)


def test_edits_in_sequence_are_undone_exactly(bundled: TextToFace, face: Face) -> None:
    history = History(bundled, face)
    first = history.edit("with glasses")
    second = history.edit("smiling", strength=0.5)
    assert history.undo() is first
    assert history.redo() is second
    history.undo()
    assert history.undo() is face
    with pytest.raises(ArgumentError, match="nothing to undo"):
        history.undo()
    other = history.edit("old")
    assert history.faces == [face, other]
    with pytest.raises(ArgumentError, match="nothing to do again"):
        history.redo()


def test_a_picture_of_our_own_is_taken_up_where_it_was(
    bundled: TextToFace, face: Face, tmp_path: Path
) -> None:

    drawn, edited = tmp_path / "drawn.png", tmp_path / "edited.png"
    provenance.write(drawn, face.image, provenance.make_record(bundled, bundled.settings(), face))
    picture = read_picture(drawn)
    assert torch.allclose(bundled.encode(picture)[0], face.latent, atol=1e-5)
    changed = bundled.edit(picture, "with glasses")
    write_edited(edited, changed.image, bundled, [{"prompt": "with glasses"}], changed.latent)
    assert torch.equal(bundled.encode(read_picture(edited))[0], changed.latent)
    with pytest.raises(ArgumentError, match="was edited"):
        provenance.read(edited)


def test_other_pictures_need_an_encoder(pipe: TextToFace) -> None:
    picture = Image.new("RGB", (20, 20), "white")
    if pipe.inverter is None:
        with pytest.raises(InversionError, match="no inversion encoder"):
            pipe.encode(picture)
    made = TextToFace(pipe.encoder, pipe.sampler, pipe.generator, inverter=Inverter())
    assert torch.equal(made.encode(picture), torch.ones(1, 4, 12))
    assert torch.equal(made.encode(to_tensor(picture)), torch.ones(1, 4, 12))
    assert recorded_latent(made, picture) is None
    with pytest.raises(ArgumentError, match="the image is"):
        made.encode(torch.zeros(2, 3, 8, 8))


def test_a_latent_is_packed_and_unpacked_bit_for_bit() -> None:
    for latent in (torch.randn(4, 12), torch.randn(1, 12).expand(4, 12)):
        assert torch.equal(unpack(pack(latent)), latent)
    assert len(pack(torch.zeros(4, 12))["float32"]) == 64
    for damaged in ({}, {"shape": [4, 12], "float32": "?"}, {"shape": [4, 5], "float32": "AAAA"}):
        with pytest.raises(ArgumentError, match="damaged"):
            unpack(damaged)


def test_faces_are_mixed_joined_and_varied(pipe: TextToFace) -> None:
    a, b = (next(pipe.draw([PROMPT], [seed], pipe.settings())) for seed in (1, 2))
    mixed = pipe.mix(a, b, "0-1,3").latent
    assert torch.equal(mixed[[0, 1, 3]], b.latent[[0, 1, 3]])
    assert torch.equal(mixed[2], a.latent[2])
    way = pipe.interpolate(a, b, 3)
    assert torch.equal(way[0].latent, a.latent)
    assert torch.allclose(way[1].latent, (a.latent + b.latent) / 2, atol=1e-6)
    assert torch.equal(way[2].latent, b.latent)
    assert torch.equal(pipe.vary(a, 5, 0.0).latent, a.latent)
    near, far = (pipe.vary(a, 5, amount).latent for amount in (0.1, 0.5))
    assert 0 < float((near - a.latent).norm()) < float((far - a.latent).norm())


def test_layers_have_names_and_numbers() -> None:
    assert parse_layers("coarse", 12) == [0, 1, 2, 3]
    assert parse_layers("middle,fine", 12) == list(range(4, 12))
    assert parse_layers([5, 1], 12) == [1, 5]
    for layers in ("", "up", "3-12", [12], "5-4"):
        with pytest.raises(ArgumentError, match="layers is"):
            parse_layers(layers, 12)


def test_a_target_is_where_the_face_is_if_the_words_fit_already() -> None:
    random = torch.Generator().manual_seed(0)
    images = F.normalize(torch.randn(400, 8, generator=random), dim=1)
    bank = ConditionBank(images, images.mean(dim=0), images.mean(dim=0))
    seen = images[:1]
    words = F.normalize(torch.eye(8)[:1], dim=1)
    aimed = target_embedding(EditRequest(torch.zeros(1, 4, 12), seen, words, None), bank)
    assert float(aimed @ words[0]) > float(seen @ words[0])
    there = F.normalize(images[images[:, 0] > 0.7].mean(dim=0), dim=0)[None]
    moved = target_embedding(EditRequest(torch.zeros(1, 4, 12), there, words, None), bank)
    assert float((moved * there).sum()) > float((aimed * seen).sum())
    assert target_embedding(EditRequest(torch.zeros(1, 4, 12), seen, words, seen), None).shape == (
        1,
        8,
    )


def test_directions_come_from_pairs(bundled: TextToFace, face: Face) -> None:
    axes = bundled.latent_axes
    latents = axes.mean + torch.randn(2000, axes.up.shape[0]) @ axes.up
    seen = bundled.sampler.estimate(latents[:, None].expand(-1, 12, -1))  # type: ignore[attr-defined]
    pairs = LatentPairs(latents, seen)
    changed = bundled.edit(face, "a bald old man", method="direction", pairs=pairs)
    assert changed.score > bundled.edit(face, "a bald old man", strength=0).score
    with pytest.raises(ArgumentError, match="as many of each"):
        LatentPairs(latents, seen[:3])


def test_style_layers_read_the_codes_in_order(bundled: TextToFace) -> None:
    generator = bundled.generator
    assert isinstance(generator, StyleGAN2)
    layers = style_layers(generator)
    assert len(layers) == generator.num_ws - 1
    read: list[Tensor] = []
    hooks = [
        layer.affine.register_forward_hook(lambda m, inputs, out: read.append(inputs[0]))
        for layer in layers
    ]
    latent = torch.arange(generator.num_ws).float()[None, :, None].expand(-1, -1, 512)
    generator.synthesize(latent)
    for hook in hooks:
        hook.remove()
    assert [float(code[0, 0]) for code in read] == list(range(len(layers)))


def test_without_a_method_the_model_decides(pipe: TextToFace, bundled: TextToFace) -> None:
    published = SimpleNamespace(sampler=pipe.sampler, generator=bundled.generator)
    assert default_method(bundled) == "posterior"
    assert default_method(published) == "channels"  # type: ignore[arg-type]
    assert default_method(pipe) == "optimise"
    latent = torch.zeros(4, 12)
    edited = pipe.edit(latent, "old", steps=2)
    assert torch.equal(edited.latent, pipe.edit(latent, "old", method="optimise", steps=2).latent)
    assert not torch.equal(edited.latent, latent)


def test_bad_requests_are_named(pipe: TextToFace, bundled: TextToFace, face: Face) -> None:
    latent = torch.zeros(4, 12)
    for arguments, message in (
        ({"strength": 4}, "strength is 4"),
        ({"strength": float("nan")}, "strength is nan"),
        ({"method": "magic"}, "method is 'magic'"),
        ({"lock": 2.0, "method": "optimise", "start": None, "steps": 1}, "lock is 2"),
        ({"method": "posterior"}, "no posterior"),
        ({"method": "direction"}, "cannot tell"),
        ({"method": "channels"}, "expected a StyleGAN2"),
        ({"method": "optimise", "start": "optimise"}, "start is 'optimise'"),
    ):
        with pytest.raises(ArgumentError, match=message):
            pipe.edit(latent, "old", **arguments)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="no such setting"):
        bundled.edit(face, "old", threshold=1)
    with pytest.raises(PromptError):
        pipe.edit(latent, "zyxw")
    with pytest.raises(ArgumentError, match="the latents are"):
        pipe.edit(torch.zeros(5, 12), "old")
    with pytest.raises(ArgumentError, match="expected a picture"):
        pipe.edit("face.png", "old")  # type: ignore[arg-type]


def test_a_model_keeps_its_inversion_encoder(pipe: TextToFace, tmp_path: Path) -> None:
    from text2face.inversion.encoder import InversionConfig, InversionEncoder

    tiny.register()
    inverter = InversionEncoder(InversionConfig(4, 12, 12, 32, (4, 4, 4, 4), 8)).eval()
    parts = (pipe.encoder, pipe.sampler, pipe.generator)
    made = TextToFace(*parts, inverter=inverter, config=pipe.config)
    made.save_pretrained(tmp_path / "with")
    loaded = TextToFace.from_pretrained(tmp_path / "with")
    pipe.save_pretrained(tmp_path / "without")
    assert loaded.weights == TextToFace.from_pretrained(tmp_path / "without").weights
    assert isinstance(loaded.inverter, InversionEncoder)
    picture = Image.new("RGB", (16, 16), "red")
    assert torch.allclose(loaded.encode(picture), made.encode(picture), atol=1e-2)


def test_the_inversion_encoder_is_loaded_when_it_is_used(pipe: TextToFace, tmp_path: Path) -> None:
    pipe.save_pretrained(tmp_path)
    (tmp_path / "inversion").mkdir()
    loaded = TextToFace.from_pretrained(tmp_path)
    assert loaded("an old man", seed=1)[0].latent.isfinite().all()
    for _ in range(2):
        with pytest.raises(CheckpointError, match="inversion"):
            loaded.encode(Image.new("RGB", (16, 16)))
    loaded.inverter = None
    assert loaded.inverter is None


def test_the_published_sampler_infers_from_the_picture(pipe: TextToFace) -> None:
    from text2face.samplers.fast_text2stylegan import (
        FastText2StyleGANConfig,
        FastText2StyleGANSampler,
    )

    config = FastText2StyleGANConfig(num_ws=4, embedding_dim=16, code_dim=6, image_size=32)
    sampler = FastText2StyleGANSampler(config).eval().requires_grad_(False)
    generator = tiny.TinyGenerator(tiny.TinyConfig(w_dim=16))
    made = TextToFace(pipe.encoder, sampler, generator)
    latent = torch.randn(4, 16)
    changed = made.edit(latent, "old man")
    assert changed.latent.shape == (4, 16)
    assert not torch.equal(changed.latent, latent)
    assert torch.equal(made.edit(latent, "old man", strength=0).latent, latent)


@pytest.mark.parametrize(
    ("num_ws", "w_dim"), [(10**9, 2), (2, 10**9), (0, 2), (-1, 2), (True, 2), ("2", 2), (2, None)]
)
def test_a_latent_of_an_absurd_shape_is_an_error(num_ws: object, w_dim: object) -> None:
    content = pack(torch.zeros(4, 2)) | {"shape": [num_ws, w_dim]}
    with pytest.raises(ArgumentError, match="damaged"):
        unpack(content)


def test_files_that_hold_no_latent_are_one_line(tmp_path: Path) -> None:
    w = np.zeros((1, 4, 2), np.float32)
    np.save(tmp_path / "array.npy", w)
    (tmp_path / "array.npy").rename(tmp_path / "array.npz")
    np.savez(tmp_path / "other.npz", x=w)
    np.savez(tmp_path / "text.npz", w=np.array(["a"]))
    np.savez(tmp_path / "whole.npz", w=w.astype(np.int64))
    np.savez(tmp_path / "flat.npz", w=w[0, 0])
    np.savez(tmp_path / "pickle.npz", w=np.array([{}], dtype=object))
    np.savez(tmp_path / "cut.npz", w=w)
    (tmp_path / "cut.npz").write_bytes((tmp_path / "cut.npz").read_bytes()[:-40])
    (tmp_path / "text.safetensors").write_text("no latent")
    (tmp_path / "folder.npz").mkdir()
    np.savez(tmp_path / "good.NPZ", w=w)
    (tmp_path / "good.NPZ.npz").rename(tmp_path / "good.NPZ")
    for path in sorted(tmp_path.iterdir()):
        if path.name == "good.NPZ":
            assert read_latent(path).shape == (1, 4, 2)
            continue
        with pytest.raises(ArgumentError, match="cannot read a latent") as caught:
            read_latent(path)
        assert "\n" not in str(caught.value)


def test_a_photo_is_turned_as_its_exif_says(tmp_path: Path) -> None:
    picture = Image.new("RGB", (20, 10), "white")
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "turned.jpg", exif=exif)
    turned = read_picture(tmp_path / "turned.jpg")
    assert turned.size == (10, 20)
    assert 0x0112 not in turned.getexif()
    with pytest.raises(ArgumentError, match="no picture"):
        read_picture(tmp_path / "missing.jpg")
