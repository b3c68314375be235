from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from text2face import prompts
from text2face.errors import PromptError
from text2face.prompts import Blend, Chunk

plain_words = st.text(st.sampled_from("abcdefghij"), min_size=1, max_size=6)
plain_texts = st.lists(plain_words, min_size=1, max_size=8).map(" ".join)
weights = st.floats(-9, 9, allow_nan=False).map(lambda weight: round(weight, 3))


def chunks(prompt: str) -> list[tuple[str, float]]:
    (blend,) = prompts.parse(prompt)
    return [(chunk.text, round(chunk.weight, 4)) for chunk in blend.chunks]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a woman", [("a woman", 1)]),
        ("  a \n woman\t", [("a woman", 1)]),
        ("(red hair)", [("red hair", 1.1)]),
        ("[red hair]", [("red hair", 0.9091)]),
        ("((red hair))", [("red hair", 1.21)]),
        ("([red hair])", [("red hair", 1)]),
        ("(red hair:1.3)", [("red hair", 1.3)]),
        ("(red hair: .5 )", [("red hair", 0.5)]),
        ("(red hair:-1)", [("red hair", -1)]),
        (
            "a woman with (red hair:1.3) and a hat",
            [("a woman with ", 1), ("red hair", 1.3), (" and a hat", 1)],
        ),
        ("(a (red:1.5) hat:1.2)", [("a ", 1.2), ("red", 1.8), (" hat", 1.2)]),
        (r"a man \(smiling\)", [("a man (smiling)", 1)]),
        (r"\[a\] \\ b", [(r"[a] \ b", 1)]),
        ("ratio 3:4", [("ratio 3:4", 1)]),
        ("salt and pepper", [("salt and pepper", 1)]),
        ("SAND", [("SAND", 1)]),
    ],
)
def test_brackets_weigh_chunks(prompt: str, expected: list[tuple[str, float]]) -> None:
    assert chunks(prompt) == expected


def test_and_blends_prompts() -> None:
    assert prompts.parse("a young man AND an old (man:1.2) :0.5") == (
        Blend((Chunk("a young man"),)),
        Blend((Chunk("an old "), Chunk("man", 1.2)), 0.5),
    )


def test_literal_prompts_have_no_syntax() -> None:
    text = "(red hair:1.3) AND [x"
    assert prompts.parse(text, literal=True) == (Blend((Chunk(text),)),)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("", "the prompt is empty"),
        (" \n\t", "the prompt is empty"),
        ("\x00\x07", "the prompt is empty"),
        ("?!", "no word in the prompt"),
        ("😀", "no word in the prompt"),
        (None, "the prompt is of type NoneType"),
        (7, "the prompt is of type int"),
        (b"a man", "the prompt is of type bytes"),
        ("a \udcff man", "not Unicode text"),
        ("a" * 2001, "2001 characters, expected at most 2000"),
        ("a " * 78, "78 words, expected at most 77"),
        ("(red hair", r"unmatched \( in"),
        ("red hair)", r"unmatched \) in"),
        ("(red] hair", r"unmatched \] in"),
        ("[red hair:1.3]", "a weight in square brackets"),
        ("red hair:1.3)", r"unmatched \) in"),
        ("(red hair:11)", "the weight 11 .* out of range"),
        ("(red:5) (hair:" + "9" * 400 + ")", "the weight inf .* out of range"),
        ("(" * 40 + "red" + ")" * 40, "the weight 45.* out of range"),
        ("AND", "nothing beside AND"),
        ("a man AND", "nothing beside AND"),
        ("a man AND ((,))", "nothing beside AND"),
        ("a man :-1 AND a woman", "sum to 0 or less"),
    ],
)
def test_a_bad_prompt_is_one_clear_line(prompt: object, message: str) -> None:
    with pytest.raises(PromptError, match=message) as caught:
        prompts.parse(prompt)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def weigh(prompt: str, negative: str | None = None) -> dict[str, float]:
    weights = prompts.weigh(prompts.parse(prompt), prompts.parse(negative) if negative else ())
    return {text: round(weight, 6) for text, weight in weights.items()}


def test_emphasis_goes_along_what_the_chunk_adds() -> None:
    assert weigh("a woman, (red hair:1.5), a hat") == {
        "a woman, red hair, a hat": 1.5,
        "a woman, a hat": -0.5,
    }


def test_weight_zero_takes_the_chunk_out() -> None:
    assert weigh("a woman (with a hat:0)") == {"a woman": 1}


def test_a_prompt_emphasised_as_a_whole_goes_away_from_a_neutral_one() -> None:
    assert weigh("(red hair:1.3)") == {"red hair": 1.3, "a face": -0.3}


def test_blends_are_averaged() -> None:
    assert weigh("a man AND a woman :3") == {"a man": 0.25, "a woman": 0.75}


def test_a_negative_prompt_is_subtracted() -> None:
    assert weigh("a man", "glasses") == {"a man": 1, "glasses": -0.5, "a face": 0.5}


@given(plain_texts)
def test_a_plain_prompt_is_itself(text: str) -> None:
    assert weigh(text) == {text: 1}


@given(st.lists(st.tuples(plain_texts, weights), min_size=1, max_size=5), plain_texts)
def test_the_weights_sum_to_one(parts: list[tuple[str, float]], negative: str) -> None:
    prompt = " ".join(f"({text}:{weight})" for text, weight in parts)
    assert sum(weigh(prompt, negative).values()) == pytest.approx(1, abs=1e-4)


@given(plain_texts, plain_texts, weights)
def test_only_the_emphasised_words_are_weighted(before: str, inside: str, weight: float) -> None:
    (blend,) = prompts.parse(f"{before} ({inside}:{weight})")
    assert blend.text == f"{before} {inside}"
    assert blend.without(len(blend.chunks) - 1) in (before, "")


@given(st.text(st.sampled_from("ab ()[]:.,1AND\\"), max_size=60))
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    try:
        blends = prompts.parse(text)
    except PromptError as error:
        message = str(error)
    else:
        message = ""
        assert sum(prompts.weigh(blends).values()) == pytest.approx(1, abs=1e-4)
    assert "\n" not in message


@given(st.text(max_size=100))
def test_escaping_gives_the_text_back(text: str) -> None:
    escaped = "".join(f"\\{c}" if c in "()[]\\" else c for c in text)
    try:
        (blend,) = prompts.parse(text, literal=True)
    except PromptError:
        return
    if "AND" not in text:
        assert prompts.parse(escaped) == (blend,)


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("ein Mann", ["ein", "mann"]),
        ("の", ["の"]),
        ("garçon", ["garcon"]),
        ("бородой", ["бородои"]),
        ("a hombre with", ["hombre"]),
    ],
)
def test_a_text_without_a_known_word_is_an_error(text: str, unknown: list[str]) -> None:
    with pytest.raises(PromptError, match=r"no known word in .* expected English words such as"):
        prompts.check_known(text, unknown)


@pytest.mark.parametrize(("text", "unknown"), [("a bearded hombre", ["hombre"]), ("it", [])])
def test_a_text_with_a_known_word_passes(text: str, unknown: list[str]) -> None:
    prompts.check_known(text, unknown)


@pytest.mark.parametrize(
    "text",
    [
        "a wo\u00adman with red hair",  # soft hyphen
        "a wo\u200bman with red hair",  # zero-width space
        "a wo\u200cman with red hair",  # zero-width non-joiner
        "a wo\u200dman with red hair",  # zero-width joiner
        "a wo\u200b\u200dman with red hair",
        "a wo\u2060man with red hair",  # word joiner
        "\ufeffa wo\ufeffman with red hair",  # byte order mark
        "a wo\u200eman with \u202ared\u202c hair",  # marks of direction
        "a wo\ufe0fman with red hair",  # variation selector
        "a wo\u034fman with red hair",  # grapheme joiner
        "a woman\u2028with\u2029red\x85hair",
        "a\u00a0woman\twith\u3000red\x0bhair\r\n",
    ],
)
def test_what_cannot_be_seen_splits_no_word(text: str) -> None:
    assert prompts.clean(text) == "a woman with red hair"
    assert prompts.words(text) == ["a", "woman", "with", "red", "hair"]
    assert prompts.parse(text) == prompts.parse("a woman with red hair")


def test_accents_are_composed_and_joiners_of_other_scripts_stay() -> None:
    assert prompts.clean("fiance\u0301 a\u0300 be\u0301be\u0301") == "fiancé à bébé"
    assert prompts.clean("می\u200cخواهم") == "می\u200cخواهم"


@pytest.mark.parametrize("character", ["\0", "\x07", "\x1b", "\x7f", "\x92"])
def test_control_characters_inside_a_prompt_are_told(character: str) -> None:
    with pytest.raises(PromptError, match=f"control character U\\+00{ord(character):02X}"):
        prompts.clean(f"a wo{character}man")
