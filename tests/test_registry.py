from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from text2face import registry
from text2face.errors import ArgumentError

FREE = "a test's own"


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    for kind in registry.KINDS:
        registry.unregister(kind, FREE)


@pytest.mark.parametrize("kind", registry.KINDS)
def test_everything_that_is_listed_is_there(kind: str) -> None:
    names = registry.names(kind)
    assert len(names) >= 2
    for name in names:
        found = registry.find(kind, name)
        if kind in registry.SAVED and getattr(found, "__module__", "").startswith("text2face."):
            assert found.kind == name


def test_what_is_registered_is_found_by_its_name() -> None:
    @registry.register("sampler", FREE)
    class Sampler:
        kind: str

    assert registry.find("sampler", FREE) is Sampler
    assert Sampler.kind == FREE
    assert FREE in registry.names("sampler")


def test_a_value_can_be_registered() -> None:
    assert registry.register("preset", FREE)(7) == 7
    assert registry.find("preset", FREE) == 7


@pytest.mark.parametrize(("kind", "name"), [("sampler", "flow"), ("condition", "text")])
def test_a_name_is_taken_once(kind: str, name: str) -> None:
    known = registry.find(kind, name)
    with pytest.raises(ArgumentError, match=f"{name!r}"):

        @registry.register(kind, name)
        def another() -> None:
            raise NotImplementedError

    assert registry.find(kind, name) is known


def test_a_subclass_has_a_name_of_its_own() -> None:
    flow = registry.find("sampler", "flow")
    mine = registry.register("sampler", FREE)(type("Mine", (flow,), {}))
    assert (flow.kind, mine.kind) == ("flow", FREE)
    with pytest.raises(ArgumentError, match="kind is 'other', expected"):
        registry.register("encoder", FREE)(type("Other", (flow,), {"kind": "other"}))


@pytest.mark.parametrize("call", [registry.names, lambda kind: registry.register(kind, FREE)])
def test_a_kind_that_there_is_not_is_an_error(call: object) -> None:
    with pytest.raises(ArgumentError, match="kind is 'dice', expected one of generator, encoder"):
        call("dice")  # type: ignore[operator]


def test_a_name_that_there_is_not_is_an_error() -> None:
    with pytest.raises(ArgumentError, match="sampler is 'dice', expected one of cvae, flow"):
        registry.find("sampler", "dice")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("no_such_module_here", None),
        ("missing.py", None),
        ("broken.py", "def"),
        ("needy.py", "import no_such_module_here"),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_one_line(
    name: str, content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path(name).write_text(content)
    with pytest.raises(ArgumentError, match=f"cannot import the plugin '{name}'") as stop:
        registry.load_plugin(name)
    assert "\n" not in str(stop.value)
    assert Path(name).stem not in sys.modules
