"""How the packages may know each other: read from the source, not by running it."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src"
PACKAGE = "text2face"
INTERFACES = ("cli", "serving")


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted((SOURCE / PACKAGE).rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports(name: str) -> tuple[tuple[str, str | None], ...]:
    """The modules of the package that one imports anywhere in its code, and the names it takes."""
    known = modules()
    found: list[tuple[str, str | None]] = []
    for node in ast.walk(ast.parse(known[name].read_text())):
        if isinstance(node, ast.Import):
            found += [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.append((inner, None) if inner in known else (node.module, alias.name))
    return tuple((module, taken) for module, taken in found if module in known and module != name)


def run_by(name: str) -> set[str]:
    """The modules that importing one runs: what it imports, and the packages that hold that."""
    found = set()
    for module, _ in imports(name):
        parts = module.split(".")
        found |= {".".join(parts[:i]) for i in range(2, len(parts) + 1)}
    return {module for module in found if not f"{name}.".startswith(f"{module}.")}


def room(name: str) -> str:
    """The folder of a module; "" for those at the root."""
    parts = name.split(".")
    return parts[1] if len(parts) > 2 or (SOURCE / PACKAGE / parts[-1]).is_dir() else ""


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The strongly connected parts of a graph that have more than one node (Tarjan 1972)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        order[node] = low[node] = len(order)
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if other not in order:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], order[other])
        if low[node] == order[node]:
            part = [stack.pop()]
            while part[-1] != node:
                part.append(stack.pop())
            if len(part) > 1:
                found.append(sorted(part))

    for node in sorted(graph):
        if node not in order:
            visit(node)
    return found


def test_a_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    assert circles({"a": {"b"}, "b": {"c"}, "d": {"a"}}) == []


def test_no_modules_import_each_other() -> None:
    # The root's names come from below, and below asks it for nothing but the version.
    graph = {name: run_by(name) for name in modules()}
    graph.pop(PACKAGE)
    assert circles(graph) == []


def test_no_rooms_import_each_other() -> None:
    graph: dict[str, set[str]] = {}
    for name in modules():
        for module, _ in imports(name):
            if room(name) and room(module) and room(name) != room(module):
                graph.setdefault(room(name), set()).add(room(module))
    assert circles(graph) == []


def test_nothing_private_crosses_a_room() -> None:
    crossing = [
        f"{name} takes {taken or module}"
        for name in modules()
        for module, taken in imports(name)
        if ("_" in {part[0] for part in module.split(".")} or (taken or "").startswith("_"))
        and not (taken or "").startswith("__")
        and room(name) != room(module)
    ]
    assert crossing == []


@pytest.mark.parametrize("one", ["generators", "encoders", "samplers"])
def test_the_three_parts_know_nothing_of_each_other(one: str) -> None:
    others = {"generators", "encoders", "samplers"} - {one}
    known = {
        f"{name} imports {module}"
        for name in modules()
        if room(name) == one
        for module, _ in imports(name)
        if room(module) in others
    }
    assert known == set()


def test_nothing_imports_an_interface() -> None:
    known = {
        f"{name} imports {module}"
        for name in modules()
        for module, _ in imports(name)
        if room(module) in INTERFACES and room(name) not in (room(module), *INTERFACES)
    }
    assert known == {"text2face.__main__ imports text2face.cli"}


def test_recipes_do_not_import_benchmarks() -> None:
    wrong = []
    for path in (ROOT / "recipes").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            named = []
            if isinstance(node, ast.Import):
                named = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                named = [node.module]
            wrong += [f"{path.name}: {name}" for name in named if name.startswith("benchmarks")]
    assert wrong == []
