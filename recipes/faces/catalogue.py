"""Which files of the asset packages are used, and what they are called here.

Left out on purpose, since they are not CC0: beards, glasses and some hats and wigs (see NOTICE.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BODY: Final = "models/human_full_size.json"

HAIR: Final = (
    "afro01", "bob01", "bob02", "braid01", "long01", "ponytail01", "short01", "short02", "short03",
    "short04",
)  # fmt: skip
BROWS: Final = tuple(range(1, 13))
LASHES: Final = tuple(range(1, 5))
FEMALE_SUITS: Final = (
    "female_casualsuit01", "female_casualsuit02", "female_elegantsuit01", "female_sportsuit01",
)  # fmt: skip
MALE_SUITS: Final = (
    "male_casualsuit01", "male_casualsuit02", "male_casualsuit03", "male_casualsuit04",
    "male_casualsuit05", "male_casualsuit06", "male_elegantsuit01", "male_worksuit01",
)  # fmt: skip
HATS: Final = {"fedora": "fedora", "cocked fedora": "fedora_cocked"}
EYES: Final = (
    "blue", "bluegreen", "brown", "brownlight", "deepblue", "green", "grey", "ice", "lightblue",
)  # fmt: skip

ANCESTRIES: Final = ("african", "asian", "caucasian")
GENDERS: Final = ("female", "male")
_AGES: Final = ("child", "young", "old")
_FEATURES: Final = (
    "head", "forehead", "eyebrows", "eyes", "nose", "mouth", "ears", "chin", "cheek", "neck",
    "asym",
)  # fmt: skip

# The size of the body that a proxy was made for: distances (x, y, z) between body vertices.
_HEAD_PAIRS: Final = ((5399, 11998), (791, 881), (962, 5320))
_MOUTH_PAIRS: Final = ((15077, 15111), (14993, 15061), (15061, 15068))
_FEMALE: Final = (1.3980000019073486, 2.2047998905181885, 1.8460999727249146)
_MALE: Final = (1.434000015258789, 2.4098000526428223, 2.0000998973846436)
_NEUTRAL: Final = (1.4800000190734863, 2.3297998905181885, 1.9220999479293823)
_HAIR_SIZES: Final = {
    "afro01": (1.7411999702453613, 2.7409000396728516, 2.2613000869750977),
    "short01": (1.6682000160217285, 2.835099935531616, 2.3541998863220215),
    "short02": _MALE,
    "short04": _NEUTRAL,
}
_BROW_SIZE: Final = (1.4160000085830688, 2.307300090789795, 1.9230999946594238)
_EYE_SIZE: Final = (1.6482000350952148, 2.721299886703491, 2.2795000076293945)
_TEETH_SIZE: Final = (0.5001999735832214, 0.3131999969482422, 0.4465000033378601)
_WORKSUIT_SIZE: Final = (1.398300051689148, 2.3148999214172363, 1.9038000106811523)


@dataclass(frozen=True)
class ProxyFile:
    """A mesh fitted to the body, the texture it wears, and the size it was made for."""

    folder: str
    texture: str | None
    size: tuple[float, float, float]
    pairs: tuple[tuple[int, int], ...] = _HEAD_PAIRS

    @property
    def mesh_path(self) -> str:
        return f"proxies/{self.folder}/{self.folder.rpartition('/')[2]}.json"

    @property
    def texture_path(self) -> str | None:
        return f"proxies/{self.folder}/textures/{self.texture}.png" if self.texture else None


def _hair(name: str) -> ProxyFile:
    folder = "hair/" + ("Braid01" if name == "braid01" else name)
    texture = "afro_diffuse" if name == "afro01" else f"{name}_diffuse"
    return ProxyFile(folder, texture, _HAIR_SIZES.get(name, _FEMALE))


def _suit(name: str) -> ProxyFile:
    size = _WORKSUIT_SIZE if name == "male_worksuit01" else _MALE
    size = _FEMALE if name in FEMALE_SUITS else size
    return ProxyFile(f"clothes/{name}", f"{name}_diffuse", size)


def _lashes(number: int) -> ProxyFile:
    folder = "Eyelashes01" if number == 1 else f"eyelashes{number:02d}"
    return ProxyFile(f"eyelashes/{folder}", f"eyelashes{number:02d}", _NEUTRAL)


PROXIES: Final = (
    {f"hair/{name}": _hair(name) for name in HAIR}
    | {
        f"brows/{n}": ProxyFile(f"eyebrows/eyebrow{n:03d}", f"eyebrow{n:03d}", _BROW_SIZE)
        for n in BROWS
    }
    | {f"lashes/{n}": _lashes(n) for n in LASHES}
    | {f"suit/{name}": _suit(name) for name in MALE_SUITS + FEMALE_SUITS}
    | {f"hat/{name}": ProxyFile(f"clothes/{f}", None, _NEUTRAL) for name, f in HATS.items()}
    | {
        "teeth": ProxyFile("teeth/Teeth_Base", "teeth", _TEETH_SIZE, _MOUTH_PAIRS),
        "tongue": ProxyFile("tongue/tongue01", "tongue01_diffuse", _NEUTRAL),
        "eyes": ProxyFile("eyes/HighPolyEyes", "brown_eye", _EYE_SIZE),
    }
)
EYE_TEXTURES: Final = {
    f"eye/{name}": f"proxies/eyes/HighPolyEyes/textures/{name}_eye.png" for name in EYES
}


def _skins() -> dict[str, str]:
    """Texture name → path: per age and gender one dark skin and two or three light ones."""
    paths = {}
    for age in ("middleage", "old", "young"):
        for gender in GENDERS:
            dark = f"{age}_african_{gender}/textures/{age}_darkskinned_{gender}_diffuse.png"
            paths[f"skin/{age}/{gender}/dark"] = f"skins/{dark}"
            asian = 3 if age == "young" else 2
            for number in range(1, asian + 1):
                people = "asian" if number == asian else "caucasian"
                suffix = "" if number == 1 else str(number)
                light = f"{age}_lightskinned_{gender}_diffuse{suffix}.png"
                paths[f"skin/{age}/{gender}/light{number}"] = (
                    f"skins/{age}_{people}_{gender}/textures/{light}"
                )
    return paths


SKIN_TEXTURES: Final = _skins()
LIGHT_SKINS: Final = {"young": 3, "middleage": 2, "old": 2}  # how many light skins an age has


def target_paths(available: list[str]) -> dict[str, str]:
    """Morph target name → path in the wheel's archive (without `.index` or `.vector`).

    `available` lists the archive's entries. Expression targets are named `x-ancestry-name`.
    """
    macro = "targets/macrodetails/"
    paths = {}
    for ancestry in ANCESTRIES:
        for gender in reversed(GENDERS):
            for age in _AGES:
                paths[f"{ancestry}-{gender}-{age}"] = f"{macro}{ancestry}-{gender}-{age}"
    for gender in reversed(GENDERS):
        for age in _AGES:
            for muscle in ("minmuscle", "averagemuscle", "maxmuscle"):
                for weight in ("minweight", "averageweight", "maxweight"):
                    name = f"universal-{gender}-{age}-{muscle}-{weight}"
                    paths[name] = macro + name
    folders = {f"targets/{feature}/": "" for feature in _FEATURES}
    folders |= {f"targets/expression/units/{a}/": f"x-{a}-" for a in ANCESTRIES}
    entries = sorted(name for name in available if name.endswith(".index"))
    for folder, prefix in folders.items():
        for entry in entries:
            if entry.startswith(folder):
                path = entry.removesuffix(".index")
                paths[prefix + path.rpartition("/")[2]] = path
    return paths
