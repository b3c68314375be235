"""Computes the asset pack from the two archives: everything about faces that no face changes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from recipes.faces import archives, catalogue, masks
from recipes.faces.arrays import Arrays, Floats, Ints, Texels
from recipes.faces.meshes import Proxy, read_mesh, split_at_seams, weld_numbers
from recipes.faces.occlusion import Occluders, openness, sphere_directions

NECK: Final = 4.35  # dm: the body is cut off below this height
_LOWER_TEETH: Final = 7.02  # height (tilted with the jaw) that parts the two rows


def build(cache: Path) -> Arrays:
    """Computes the pack from the archives in `cache`, fetching them if need be."""
    mesh_archive = archives.MESHES_AND_TEXTURES.fetch(cache)
    target_archive = archives.MORPH_TARGETS.fetch(cache)
    texture_paths = catalogue.SKIN_TEXTURES | catalogue.EYE_TEXTURES
    for name, proxy in catalogue.PROXIES.items():
        if proxy.texture_path and name != "eyes":
            texture_paths[name] = proxy.texture_path
    meshes = [catalogue.BODY, *(proxy.mesh_path for proxy in catalogue.PROXIES.values())]
    files = archives.read_tarball(mesh_archive, [*meshes, *texture_paths.values()])
    textures = {name: _image(files[path]) for name, path in texture_paths.items()}

    pack, used, count = _geometry(files)
    pack |= _targets(archives.read_targets(target_archive), used, count)
    proxies = {name: Proxy.from_arrays(name, pack) for name in catalogue.PROXIES}
    skins = _paint(pack, proxies["eyes"], textures)
    pack |= dict(_occlusion(pack, proxies))
    for name in textures:
        if name.startswith("skin/"):
            textures[name][..., :3] = skins[name]
        elif name.startswith("hair/"):
            textures[name] = close_seams(textures[name], name)
    pack["eyes/faces"] = _without_cornea(proxies["eyes"], textures["eye/brown"])
    pack["lower_teeth"] = _lower_teeth(proxies["teeth"], pack["rest"])
    pack["textures"] = np.stack(list(textures.values()))
    pack["texture_names"] = np.array(list(textures))
    pack["noise"] = tileable_noise()
    return pack


def _image(data: bytes) -> Texels:
    return np.array(Image.open(io.BytesIO(data)).convert("RGBA"))


def _geometry(files: dict[str, bytes]) -> tuple[Arrays, NDArray[np.int64], int]:
    """Cuts the body and its proxies to the bust, and keeps only vertices that are used.

    Returns the arrays, the body vertices kept, and how many there were.
    """
    body = read_mesh(files[catalogue.BODY])
    heights = body.positions[:, 1]
    kept = (body.materials == "body") & (heights[body.faces].min(1) > NECK)
    vertex, uv, faces = split_at_seams(body.faces[kept], body.uv_faces[kept])
    used = [np.unique(vertex)]
    hung: dict[str, Proxy] = {}
    for name, source in catalogue.PROXIES.items():
        mesh = read_mesh(files[source.mesh_path])
        hangs_on = np.array(mesh.document["ref_vIdxs"])
        corner, corner_uv, triangles = split_at_seams(mesh.faces, mesh.uv_faces)
        if name.startswith("suit/"):
            height = heights[hangs_on].mean(1)[corner]
            triangles = triangles[height[triangles].min(1) > NECK - 0.3]
        present, compact = np.unique(triangles, return_inverse=True)
        corner, corner_uv = corner[present], corner_uv[present]
        proxy = Proxy(
            references=hangs_on[corner],
            weights=np.array(mesh.document["weights"], np.float32)[corner],
            offsets=np.array(mesh.document["offsets"], np.float32)[corner],
            uv=mesh.uv[corner_uv],
            faces=compact.reshape(-1, 3).astype(np.int32),
            weld=np.zeros(0, np.int32),  # numbered below
            scale_pairs=np.array(source.pairs),
            scale_distances=np.array(source.size, np.float32),
            hidden=np.flatnonzero(mesh.document["metadata"].get("deleteVerts") or []),
            occlusion=np.ones(len(corner), np.float32),  # computed once all is known
        )
        used += [np.unique(proxy.references), np.unique(proxy.scale_pairs)]
        hung[name] = proxy
    used_vertices = np.unique(np.concatenate(used))
    renumber = np.full(len(heights), -1)
    renumber[used_vertices] = np.arange(len(used_vertices))
    pack: Arrays = {
        "rest": body.positions[used_vertices],
        "skin_vertices": renumber[vertex].astype(np.int32),
        "skin_uv": body.uv[uv],
        "skin_faces": faces,
    }
    for name, proxy in hung.items():
        references = renumber[proxy.references].astype(np.int32)
        hidden = renumber[proxy.hidden]
        pack |= replace(
            proxy,
            references=references,
            weld=weld_numbers(references, proxy.weights, proxy.offsets),
            scale_pairs=renumber[proxy.scale_pairs].astype(np.int32),
            hidden=hidden[hidden >= 0],
        ).arrays(name)
    return pack, used_vertices, len(heights)


def _targets(data: bytes, used: NDArray[np.int64], count: int) -> Arrays:
    """Reads the morph targets, stored sparsely in thousandths, for the used vertices."""
    rows = []
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        paths = catalogue.target_paths(stored.files)
        for path in paths.values():
            dense = np.zeros((count, 3), np.float32)
            dense[stored[f"{path}.index"]] = stored[f"{path}.vector"] * 1e-3
            rows.append(dense[used].astype(np.float16))
    return {"target_names": np.array(list(paths)), "targets": np.array(rows)}


def average_head(pack: Arrays) -> Floats:
    """The mean [v, 3] of the six young adults of average build."""
    index = {name: i for i, name in enumerate(pack["target_names"])}
    heads = []
    for gender in ("male", "female"):
        for ancestry in catalogue.ANCESTRIES:
            face = pack["targets"][index[f"{ancestry}-{gender}-young"]].astype(np.float32)
            build = pack["targets"][index[f"universal-{gender}-young-averagemuscle-averageweight"]]
            heads.append(pack["rest"] + face + build.astype(np.float32))
    total = sum(heads[1:], heads[0])
    average: Floats = (total / 6).astype(np.float32)
    return average


def _paint(pack: Arrays, eyes: Proxy, textures: dict[str, Texels]) -> dict[str, Texels]:
    """Adds masks, landmarks and fur densities to the pack; returns skins without painted hair."""
    vertices, uv, faces = pack["skin_vertices"], pack["skin_uv"], pack["skin_faces"]
    average = average_head(pack)
    shift = {
        name: np.linalg.norm(target.astype(np.float32), axis=1)
        for name, target in zip(pack["target_names"].tolist(), pack["targets"], strict=True)
    }
    eye = eyes.fit(average)
    regions = masks.find_regions(average, shift, eye[eye[:, 0] > 0].mean(0))
    painted, used = masks.paint_masks(regions, vertices, uv, faces)
    head = masks.paint_head(average[vertices, 1], uv, faces)
    scalp = masks.find_scalp(textures["skin/young/male/dark"][..., :3], head)
    channels = np.concatenate([scalp[..., None], painted], 2)
    pack["masks"] = (channels.clip(0, 1) * 255).astype(np.uint8)
    pack["landmarks"] = np.array(list(vars(regions.landmarks).values()))

    x, y, z = average[vertices].T
    ears = regions.ears[vertices].astype(np.float32)
    at_vertices = regions.masks(x, y, z, regions.lips[vertices], ears)
    for name in ("beard", "moustache", "goatee"):
        pack[f"beards/{name}"] = at_vertices[:, masks.CHANNELS.index(name) - 1]
    column = (uv[:, 0] * masks.SIZE - 0.5).clip(0, masks.SIZE - 1).astype(int)
    row = ((1 - uv[:, 1]) * masks.SIZE - 0.5).clip(0, masks.SIZE - 1).astype(int)
    pack["scalp"] = scalp[row, column].astype(np.float32)
    return {
        name: masks.remove_painted_hair(texture[..., :3], scalp, head, used)
        for name, texture in textures.items()
        if name.startswith("skin/")
    }


def _occlusion(pack: Arrays, proxies: dict[str, Proxy]) -> Iterator[tuple[str, Floats]]:
    """Ambient occlusion of the body, of the proxies, and of the body under each hair."""
    average = average_head(pack)
    faces = pack["skin_vertices"][pack["skin_faces"]]
    body_normals = _exact_normals(average, faces)
    lowest = average[faces][:, :, 1].min(1)
    body = Occluders.of(average, faces[lowest > 5.6])
    vertices = np.unique(faces)
    near = vertices[average[vertices, 1] > 5.4]
    head = near[average[near, 1] > 6.2]
    fine, coarse = sphere_directions(), sphere_directions()[::2]

    def on_body(where: NDArray[np.int64], around: Occluders, rays: Floats) -> Floats:
        out = np.ones(len(average), np.float32)
        out[where] = openness(average[where], body_normals[where], around, rays)
        return out[pack["skin_vertices"]]

    yield "skin_occlusion", on_body(near, body, fine)
    for name, proxy in proxies.items():
        if not name.startswith(("hair/", "hat/", "teeth", "tongue", "eyes")):
            continue
        points = proxy.fit(average)
        facing = _exact_normals(points, proxy.faces)
        if not name.startswith("hair/"):
            yield f"{name}/occlusion", openness(points, facing, body, fine)
            continue
        hair = Occluders.of(points, proxy.faces)
        outward = np.sign(((points - points.mean(0) * [0, 1, 1]) * facing).sum(1, keepdims=True))
        outward[outward == 0] = 1  # cards have two sides: look away from the head
        facing = (facing * outward).astype(np.float32)
        yield f"{name}/occlusion", openness(points, facing, body.joined(hair), coarse)
        yield f"hair_shade/{name.removeprefix('hair/')}", on_body(head, hair, coarse)


def _exact_normals(positions: Floats, faces: Ints) -> Floats:
    """Area-weighted vertex normals; those of vertices in no triangle are 0."""
    out = np.zeros_like(positions)
    a, b, c = (positions[faces[:, k]] for k in range(3))
    weighted = np.cross(b - a, c - a)
    for k in range(3):
        np.add.at(out, faces[:, k], weighted)
    unit: Floats = out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)
    return unit


def close_seams(texture: Texels, name: str) -> Texels:
    """Dilates the alpha of hair cards by a texel or two, so that no skin shows between strands."""
    image = texture.astype(np.float32)
    alpha = image[..., 3] / 255
    solid = alpha**3
    near = ndimage.gaussian_filter(solid, 2) + 1e-5
    colour = np.stack(
        [ndimage.gaussian_filter(image[..., c] * solid, 2) / near for c in range(3)], 2
    )
    wide = name in ("hair/bob01", "hair/bob02", "hair/long01")
    size, strength, gain = (5, 1.0, 1.2) if wide else (3, 0.85, 1.2)
    if name == "hair/long01":
        gain = 1.7
    dilated = np.maximum(alpha, strength * ndimage.grey_dilation(alpha, (size, size)))
    image[..., :3] = image[..., :3] * solid[..., None] + colour * (1 - solid[..., None])
    image[..., 3] = (dilated * gain).clip(0, 1) * 255
    return image.clip(0, 255).astype(np.uint8)


def _without_cornea(eyes: Proxy, texture: Texels) -> Ints:
    """The triangles [f, 3] of the eyes whose texture is opaque."""
    centre = eyes.uv[eyes.faces].mean(1)
    row = ((1 - centre[:, 1]) * 512).clip(0, 511).astype(int)
    column = (centre[:, 0] * 512).clip(0, 511).astype(int)
    opaque: Ints = eyes.faces[texture[row, column, 3] > 128]
    return opaque


def _lower_teeth(teeth: Proxy, body: Floats) -> NDArray[np.bool_]:
    """Which vertices [n] belong to large pieces of the teeth that lie low."""
    position = teeth.fit(body)
    edges = teeth.weld[teeth.faces]
    count = int(teeth.weld.max()) + 1
    start = np.concatenate([edges[:, 0], edges[:, 1]])
    end = np.concatenate([edges[:, 1], edges[:, 2]])
    graph = coo_matrix((np.ones(len(start)), (start, end)), (count, count))
    pieces, label = connected_components(graph, directed=False)
    label = label[teeth.weld]
    low = np.zeros(len(position), bool)
    for piece in range(pieces):
        inside = label == piece
        height = (position[inside, 1] + 0.28 * position[inside, 2]).mean()
        if inside.sum() < 200 and height < _LOWER_TEETH:
            low |= inside
    return low


def tileable_noise(size: int = 512) -> Floats:
    """Smooth noise [size, size] in 0..1, the same every time, without a seam."""
    grain = np.random.default_rng(0).random((size, size))
    grain = ndimage.gaussian_filter(grain, (0.6, 0.6), mode="wrap")
    standard = (grain - grain.mean()) / grain.std()
    noise: Floats = (0.5 + 0.22 * standard).clip(0, 1).astype(np.float32)
    return noise
