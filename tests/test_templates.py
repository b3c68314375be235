from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from text2face import ArgumentError, PromptError, TextToFace, provenance, templates
from text2face.lists import NO_LISTS, Library, Style, read_styles
from text2face.prompts import Template
from text2face.settings import Settings

Run = Callable[..., int]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def library(tmp_path: Path) -> Library:
    folder = tmp_path / "lists"
    (folder / "more").mkdir(parents=True)
    (folder / "hair.txt").write_text("# colours\nred hair\n\n{green|red} hat\n")
    (folder / "more/ages.txt").write_text("old\nyoung\n")
    (folder / "empty.txt").write_text("# nothing\n")
    (folder / "itself.txt").write_text("a __other__\n")
    (folder / "other.txt").write_text("an {old|__itself__}\n")
    (folder / "huge.txt").write_text("old\n" * 300_000)
    (folder / "latin.txt").write_bytes("café\n".encode("latin-1"))
    (folder / "open.txt").write_text("{red\n")
    for name in "abcdefgh":
        (folder / f"{name}.txt").write_text(f"__{chr(ord(name) + 1)}__ " * 8 + "\n")
    (folder / "i.txt").write_text("old\n")
    (tmp_path / "secret.txt").write_text("secret\n")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    styles = tmp_path / "styles.csv"
    styles.write_text(
        'name,prompt,negative_prompt\n--- faces ---,,\nhat,"{prompt} with a green hat",glasses\n'
        'red,red hair,"a {beard|hat}"\n'
    )
    return Library(folder, styles)


def outcomes(text: str, library: Library = NO_LISTS, seeds: int = 400) -> Counter[str]:
    return Counter(templates.resolve(text, seed, library) for seed in range(seeds))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{red|green} hair", {"red hair", "green hair"}),
        ("a {|big} hat", {"a hat", "a big hat"}),
        ("{2$$a|b|c}", {f"{x}, {y}" for x, y in itertools.permutations("abc", 2)}),
        ("{1-2$$ and $$a|b}", {"a", "b", "a and b", "b and a"}),
        ("{0-1$$a|b} hat", {"hat", "a hat", "b hat"}),
        ("{{a|b} c|d}", {"a c", "b c", "d"}),
        ("{0::a|b}", {"b"}),
        ("a|b", {"a|b"}),
        ("({red|green}:1.3) [hat]", {"(red:1.3) [hat]", "(green:1.3) [hat]"}),
        (r"\{red\|green\} {a|b}", {r"\{red\|green\} a", r"\{red\|green\} b"}),
        (r"\__hair\__", {r"\__hair\__"}),
        ("__hair__", {"red hair", "green hat", "red hat"}),
        ("{2$$__more/ages__}", {"old, young", "young, old"}),
        ("snake_case _ __ a__b", {"snake_case _ __ a__b"}),
    ],
)
def test_what_may_come_out(library: Library, text: str, expected: set[str]) -> None:
    assert set(outcomes(text, library)) == expected


def test_weights_are_odds() -> None:
    found = outcomes("{3::a|b|0.5::c}", seeds=4500)
    for letter, share in (("a", 3000), ("b", 1000), ("c", 500)):
        assert abs(found[letter] - share) < 5 * share**0.5


def test_a_seed_decides_for_ever() -> None:
    made = [templates.resolve("{red|green|blue} {hat|hair}", seed, NO_LISTS) for seed in range(6)]
    assert made == GOLDEN
    assert [templates.resolve("{2$$a|b|c|d}", seed, NO_LISTS) for seed in range(3)] == PAIRS


GOLDEN = ["green hair", "blue hair", "green hat", "blue hat", "blue hat", "blue hair"]
PAIRS = ["b, d", "d, c", "c, b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{red|green", "unmatched {"),
        ("red} hair", "unmatched }"),
        ("{" * 30 + "a" + "}" * 30, "nest deeper than 10"),
        ("{3$$a|b}", "3 of 2 choices"),
        ("{999999999$$a|b}", "999999999 of 2 choices"),
        ("{2-1$$a|b}", "2-1$$ in"),
        ("{0::a}", "1 of 0 choices"),
        ("a" * 9000, "9000 characters, expected at most 2000"),
        ("{a}" + "a" * 9000, "9003 characters, expected at most 8000"),
        ("__nothing__", "no list 'nothing'; expected one of"),
        ("__../secret__", "no list '../secret'"),
        ("__/etc/passwd__", "no list '/etc/passwd'"),
        ("__more/../../secret__", "no list"),
        ("__link__", "no list 'link'"),
        ("__more__", "no list 'more'"),
        ("__hair.txt__", "no list 'hair.txt'"),
        ("__empty__", "the list 'empty' has 0 choices"),
        ("__huge__", "the list 'huge' has more than 1024 KiB"),
        ("__latin__", "the list 'latin' is not UTF-8"),
        ("__open__", "unmatched {"),
        ("__itself__", "names itself"),
        ("{9$$__hair__}", "9 of 2 choices"),
        ("__a__", "more than 1000 choices for one prompt"),
        ("{-|_}", "no word in the prompt"),
    ],
)
def test_what_is_wrong_is_told(library: Library, text: str, message: str) -> None:
    with pytest.raises(PromptError) as error:
        templates.prompts_of(text, [0, 1], Settings(), library)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@given(st.text(alphabet="{}|_$:01-ab \\,()#", max_size=60), st.integers(0, 9))
def test_no_text_does_harm(text: str, seed: int) -> None:
    try:
        made = templates.resolve(text, seed, NO_LISTS)
    except PromptError:
        return
    assert "{" not in made.replace("\\{", "")
    assert made == templates.resolve(text, seed, NO_LISTS)


def test_what_comes_out_is_drawn(pipe: TextToFace, library: Library) -> None:
    text = "a {young|old} man with {a hat|glasses}"
    faces = pipe(text, num_images=8, seed=3, negative_prompt="{a beard|red hair}")
    assert len({face.prompt for face in faces}) > 2
    for face in faces:
        assert face.prompt == templates.resolve(text, face.seed, NO_LISTS)
        assert face.template == Template(text, "{a beard|red hair}")
        (alone,) = pipe(face.prompt, seed=face.seed, negative_prompt=face.negative_prompt)
        assert alone.latent.equal(face.latent)
        assert alone.image.tobytes() == face.image.tobytes()
        assert alone.template is None
    assert {face.negative_prompt for face in faces} == {"a beard", "red hair"}


def test_the_record_draws_it_without_lists(
    pipe: TextToFace, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipe, "library", library)
    out = pipe("a {young|old} man, __hair__", num_images=2, seed=1, styles="hat, red")
    first, second = out.save(tmp_path / "faces")
    monkeypatch.setattr(pipe, "library", NO_LISTS)
    (record,) = provenance.read(first)
    assert record.prompt == out[0].prompt
    assert record.prompt.endswith(" with a green hat, red hair")
    assert record.template == Template("a {young|old} man, __hair__", None, "hat, red")
    assert record.settings.styles is None
    assert record.settings.negative_prompt in ("glasses, a beard", "glasses, a hat")
    again = pipe(record.prompt, seed=1, negative_prompt=record.settings.negative_prompt)
    assert again[0].image.tobytes() == out[0].image.tobytes()
    report = provenance.inspect(second)
    assert report.problems == []
    assert 'Template: "a {young|old} man, __hair__"' in str(report.parameters)


def test_literal_takes_braces_as_they_stand(pipe: TextToFace) -> None:
    face = pipe("a {red|green} hat", seed=0, literal=True)[0]
    assert (face.prompt, face.template) == ("a {red|green} hat", None)
    escaped = pipe(r"a \{red\|green\} hat", seed=0)[0]
    assert escaped.latent.equal(face.latent)


def test_where_no_seed_decides_choices_are_refused(pipe: TextToFace) -> None:
    face = pipe("an old man", seed=0)[0]
    with pytest.raises(PromptError, match="where no seed decides"):
        pipe.edit(face, "{red|green} hair")
    words = pipe.unknown_words(["a {groovy|red} {dude|man}"], pipe.settings())
    assert words == ["groovy", "dude"]


def test_styles_of_other_tools(tmp_path: Path) -> None:
    path = tmp_path / "styles.json"
    path.write_text(json.dumps({"a": {"prefix": "an old", "suffix": ", smiling", "negative": "x"}}))
    assert read_styles(path) == {"a": Style("an old {prompt}, smiling", "x")}
    path.write_text(json.dumps([{"name": "b", "prompt": "{prompt} y", "negative_prompt": ""}]))
    assert read_styles(path) == {"b": Style("{prompt} y")}
    for wrong in ("[1]", '"x"', "{", '{"a": {"colour": "red"}}', '{"a": {"prompt": 3}}',
                  '[{"prompt": "x"}]', '[{"name": "a"}, {"name": "a"}]'):  # fmt: skip
        path.write_text(wrong)
        with pytest.raises(ArgumentError, match="style"):
            read_styles(path)
    with pytest.raises(ArgumentError, match="cannot read"):
        read_styles(tmp_path / "none.csv")
    with pytest.raises(ArgumentError, match="no folder"):
        Library(tmp_path / "none")


def test_the_command_line(
    run: Run, model: Path, library: Library, tmp_path: Path, capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    command = ["generate", "a {young|old} man, __hair__", "-n", 3, "--seed", 5,
               "--wildcards", "lists", "--styles-file", "styles.csv", "--style", "red"]  # fmt: skip
    with monkeypatch.context() as patch:
        patch.setattr(TextToFace, "from_pretrained", None)
        assert run(*command, "--dry-run") == 0
        told = capsys.readouterr().out.splitlines()
        assert run(*command, "--dry-run", "--json") == 0
        facts = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert not Path("out").exists()
    assert run(*command, "--model", model) == 0
    records = [provenance.read(Path(f"out/seed000{seed}.png"))[0] for seed in (5, 6, 7)]
    assert [one["prompt"] for one in facts] == [one.prompt for one in records]
    assert told == [
        f"seed {one.seed}  {one.prompt}  (not: {one.settings.negative_prompt})" for one in records
    ]
    assert run("--from-image", "out/seed0006.png", "-o", "again", "--model", model) == 0
    assert Path("again/seed0006.png").read_bytes() == Path("out/seed0006.png").read_bytes()
    Path("table.csv").write_text("prompt,seed\n__hair__,5\n")
    table = ["generate", "--prompts", "table.csv", "--wildcards", "lists", "-o", "t"]
    capsys.readouterr()
    assert run(*table, "--dry-run") == 0
    told = capsys.readouterr().out.splitlines()
    assert run(*table, "--model", model) == 0
    line = json.loads(Path("t/manifest.jsonl").read_text())
    assert told == [f"seed 5  {line['prompt']}"]
    assert line["template"] == "__hair__"
    (tmp_path / "lists/hair.txt").write_text("a beard\n")
    assert run(*table, "--model", model) == 2
    assert "its library is" in capsys.readouterr().err
    assert run("generate", "a __beard__", "--model", model) == 2
    assert "no folder is given" in capsys.readouterr().err
    assert run("generate", "a man", "--style", "x", "--model", model) == 2
    assert "no style 'x'; expected a file of styles, and none is given" in capsys.readouterr().err
