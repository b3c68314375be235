"""Puts a face together: skin, eyes, mouth, clothes, hat, glasses, earrings, hair and beard."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from recipes.faces import blending, shading
from recipes.faces.arrays import Floats
from recipes.faces.assets import Assets
from recipes.faces.batch import Batch
from recipes.faces.fitting import Head
from recipes.faces.fur import STYLES, FurRenderer
from recipes.faces.hairdo import put_on_hair
from recipes.faces.hats import FEDORAS, HatLine, put_on_fedora, put_on_headband, put_on_knitwear
from recipes.faces.identity import Identity
from recipes.faces.meshes import normals
from recipes.faces.morphs import OPEN_MOUTH
from recipes.faces.shapes import Solid, glasses, ring, sphere

_FRAME_RADIUS: Final = {
    "black": 0.024, "brown": 0.024, "gold": 0.015, "silver": 0.015, "red": 0.024, "blue": 0.024,
}  # fmt: skip


class Scene(NamedTuple):
    """All geometry of a face, not yet posed."""

    solids: Batch
    sheets: Batch
    hair_cut: Floats | None  # of the hair cards, which come first among the sheets; None without
    style: str  # the hair that is worn, which a hat may have pressed down
    eyes: Floats  # [2, 3] centres: positive x first
    mouth: Floats  # [2, 3] corners: positive x first


def hair_style(face: Identity) -> str:
    """The hair as it is worn: a fedora presses curls down."""
    curly = face.hair in ("afro01", "curly shell")
    if curly and face.hat in FEDORAS:
        return "buzz"
    return "curly shell" if curly else face.hair


def build(face: Identity, assets: Assets, fur: FurRenderer) -> Scene:
    """Morphs the head of a face and dresses it."""
    head = Head.of(face, assets)
    solids, sheets = Batch(), Batch()
    style = hair_style(face)
    cards = f"hair/{style}" if f"hair/{style}" in assets.proxies else None

    eyes = _add_head(face, head, cards, solids)
    over_hair = cards is not None or style in ("crew", "curly shell")
    line = _put_on_hat(face, head, over_hair, solids)
    lenses = _put_on_glasses(face, head, solids)
    _put_on_earrings(face, head, solids)

    cut = put_on_hair(face, cards, head, line, sheets, solids) if cards else None
    _add_trimmings(face, head, sheets)
    fur.grow_beard(face, head, sheets)
    if style in STYLES:
        fur.grow_hair(face, style, head, line, sheets)
    for vertices, faces in lenses:
        sheets.add(vertices, faces, blending.LENS)
    return Scene(
        solids=solids,
        sheets=sheets,
        hair_cut=cut,
        style=style,
        eyes=np.stack([eyes[eyes[:, 0] > 0].mean(0), eyes[eyes[:, 0] < 0].mean(0)]),
        mouth=np.stack([head.mouth_left, head.mouth_right]),
    )


def _add_head(face: Identity, head: Head, cards: str | None, solids: Batch) -> Floats:
    """Skin, eyes, the inside of an open mouth, and clothes. Returns the eyes' vertices."""
    assets = head.assets
    texture = assets.texture_index
    suit = assets.proxies[f"suit/{face.suit}"]
    hidden = np.zeros(len(head.body), bool)
    hidden[suit.hidden] = True
    occlusion = assets.skin_occlusion
    if cards:
        occlusion = occlusion * assets.hair_shade[cards] ** (0.45 if face.bangs else 0.8)
    solids.add(
        head.skin,
        assets.skin_faces[~hidden[assets.body_faces].all(1)],
        shading.SKIN,
        uv=assets.skin_uv,
        occlusion=occlusion,
        facing=head.skin_normals,
    )
    proxy = assets.proxies["eyes"]
    eyes = head.gazing_eyes(face)
    solids.add(
        eyes,
        proxy.faces,
        shading.EYE,
        uv=proxy.uv,
        occlusion=proxy.occlusion,
        texture=texture[f"eye/{face.eye_color}"],
    )
    if face.expression in OPEN_MOUTH:
        _add_mouth(face, head, solids)
    cloth = suit.fit(head.body).astype(np.float32)
    solids.add(
        cloth,
        suit.faces,
        shading.CLOTH,
        uv=suit.uv,
        occlusion=0.9,
        texture=texture[f"suit/{face.suit}"],
        colour=shading.CLOTHES,
        facing=normals(cloth, suit.faces, suit.weld),
    )
    return eyes


def _add_mouth(face: Identity, head: Head, solids: Batch) -> None:
    """Teeth and tongue. The lower row would stand before the lip, so mostly it is left out."""
    assets = head.assets
    teeth, tongue = assets.proxies["teeth"], assets.proxies["tongue"]
    rows = teeth.fit(head.body)
    rows[~assets.lower_teeth, 1] -= 0.02 if face.expression == "big smile" else 0.035
    faces = teeth.faces
    if face.expression != "sad":
        faces = faces[~assets.lower_teeth[faces].any(1)]
    solids.add(
        rows,
        faces,
        shading.TEETH,
        uv=teeth.uv,
        occlusion=teeth.occlusion * 0.8 + 0.1,
        texture=assets.texture_index["teeth"],
    )
    solids.add(
        tongue.fit(head.body),
        tongue.faces,
        shading.TONGUE,
        uv=tongue.uv,
        occlusion=tongue.occlusion,
        texture=assets.texture_index["tongue"],
    )


def _put_on_hat(face: Identity, head: Head, over_hair: bool, solids: Batch) -> HatLine | None:
    if face.hat in FEDORAS:
        return put_on_fedora(head, face.hat, solids)
    if face.hat in ("beanie", "cap"):
        return put_on_knitwear(head, face.hat, solids, over_hair)
    if face.hat == "headband":
        put_on_headband(head, solids, over_hair)
    return None


def _put_on_glasses(face: Identity, head: Head, solids: Batch) -> list[Solid]:
    """Adds the frame and returns the lenses."""
    if face.glasses == "none":
        return []
    radius = _FRAME_RADIUS[face.frame_color] * (0.85 + 0.5 * face.frame_thickness)
    half_head = abs(head.lobe_left[0]) + 0.03
    parts, lenses = glasses(head.left_eye, head.right_eye, face.frame_shape, radius, half_head)
    for vertices, faces in parts:
        solids.add(vertices, faces, shading.PLASTIC, colour=shading.FRAME)
    return lenses


def _put_on_earrings(face: Identity, head: Head, solids: Batch) -> None:
    if face.earrings == "none":
        return
    for lobe, side in ((head.lobe_left, 1), (head.lobe_right, -1)):
        hole = lobe + np.array([side * 0.02, -0.03, 0.02])
        stud = face.earrings == "stud"
        vertices, faces = sphere(hole, 0.05, 6) if stud else ring(hole, 0.14, 0.021)
        solids.add(vertices, faces, shading.PLASTIC, colour=shading.JEWELLERY)


def _add_trimmings(face: Identity, head: Head, sheets: Batch) -> None:
    """Brows, a little off the skin, and lashes."""
    texture = head.assets.texture_index
    for name, kind, forward in (
        (f"brows/{face.brows}", blending.BROW, 0.008),
        (f"lashes/{face.lashes}", blending.LASH, 0.0),
    ):
        proxy = head.assets.proxies[name]
        strands = proxy.fit(head.body) + np.array([0, 0, forward], np.float32)
        sheets.add(strands, proxy.faces, kind, uv=proxy.uv, texture=texture[name])
