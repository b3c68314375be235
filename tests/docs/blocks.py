"""Runs the code blocks of a page of documentation, in order, as a reader would."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from text2face.cli import cli, main
from text2face.serving.health import is_healthy

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^\n]*) -->\n+)?"
    r"^(?P<indent> *)```(?P<language>\w+)\n(?P<body>.*?)^ *```$",
    re.M | re.S,
)
# A reader waits for minutes where a test takes two steps.
_BUDGETS = (
    (re.compile(r"--(minutes|steps) [\d_]+"), "--steps 2"),
    (re.compile(r"--count [\d_]+"), "--count 64"),
)
# What a test cannot do: these are checked for what they name, and not run.
_NOT_RUN = ("docker", "git", "cd", "source", "make", "pip", "uv")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text and the line it begins at."""

    language: str
    text: str
    line: int
    not_run: str = ""
    """Why it cannot be run here, as the page says in a comment above it."""


def read_blocks(page: Path) -> list[Block]:
    """The blocks of a page that are code."""
    content = page.read_text("utf-8")
    found = []
    for match in _FENCE.finditer(content):
        text = "\n".join(line.removeprefix(match["indent"]) for line in match["body"].splitlines())
        line = content[: match.start()].count("\n") + 1
        found.append(Block(match["language"], text, line, match["reason"] or ""))
    return found


@dataclass
class Reader:
    """Somebody who types each block of a page into a terminal or into Python."""

    folder: Path
    names: dict[str, Any] = field(default_factory=dict)
    servers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(self, block: Block) -> None:
        """Run a block; a failure is an AssertionError."""
        if block.language == "python":
            code = compile(block.text, f"<line {block.line}>", "exec")
            if not block.not_run:
                exec(code, self.names)
        elif block.language == "sh":
            joined = block.text.replace("\\\n", " ")
            for line in joined.splitlines():
                for budget, short in _BUDGETS:
                    line = budget.sub(short, line)
                words = shlex.split(line, comments=True)
                if words[:2] == ["text2face", "train"] and "--count" not in words:
                    words += ["--count", "64"]
                if words and block.not_run:
                    check_options(words)
                elif words:
                    self.type(line, words)

    def type(self, line: str, words: list[str]) -> None:
        """Run one line of a shell."""
        command = words[0]
        if words[:2] == ["make", "demo"]:
            self.make_demo()
        elif command in _NOT_RUN:
            check_names(words)
        elif words[:2] in (["text2face", "serve"], ["text2face", "ui"]):
            self.serve(words)
        elif words[:2] == ["python", "-m"] and words[2].startswith(("benchmarks", "recipes")):
            self.shell(shlex.join([sys.executable, "-m", words[2], "--help"]), ROOT)
        elif command == "text2face" and not set("|<>&;") & set(line.replace("'", "")):
            with pytest.raises(SystemExit) as stop:
                main(words[1:])
            assert stop.value.code == 0, line
        else:
            self.shell(line, self.folder)

    def make_demo(self) -> None:
        """What `make demo` does once it has set up its environment."""
        (recipe,) = re.findall(
            r"^demo:.*\n\t\$\(BIN\)/(.*)$", (ROOT / "Makefile").read_text(), re.M
        )
        demo = self.folder / "docs"
        demo.mkdir()
        (demo / "demo-prompts.txt").write_bytes((ROOT / "docs/demo-prompts.txt").read_bytes())
        self.type(recipe, shlex.split(recipe))

    def serve(self, words: list[str]) -> None:
        """Start a server or page, and wait until it answers."""
        port = words[words.index("--port") + 1] if "--port" in words else "7860"
        given = [word for word in words[1:] if word != "--open"]
        command = [sys.executable, "-m", "text2face", *given]
        process = subprocess.Popen(command, cwd=self.folder)
        self.servers.append(process)
        end = time.monotonic() + 120
        while not is_healthy(int(port)):
            assert process.poll() is None, f"{shlex.join(words)} ended"
            assert time.monotonic() < end, f"{shlex.join(words)} does not answer"
            time.sleep(0.2)

    def shell(self, line: str, folder: Path) -> None:
        """Run a line in bash, where the environment of this Python is active."""
        scripts = str(Path(sys.executable).parent)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line],
            cwd=folder,
            env={**os.environ, "PATH": os.pathsep.join([scripts, os.environ.get("PATH", "")])},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"

    def close(self) -> None:
        """Stop the servers."""
        for process in self.servers:
            process.terminate()
        for process in self.servers:
            process.wait(30)


def check_options(words: list[str]) -> None:
    """The commands and options of a line exist."""
    if words[0] != "text2face":
        check_names(words)
        return
    group, rest = cli, words[1:]
    command = group.commands[rest[0]]
    command.make_context(rest[0], rest[1:])


def check_names(words: list[str]) -> None:
    """A line that is not run names only what exists: extras, targets, files of the clone."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    if "install" in words:
        wanted = words[words.index("install") + 1 :]
        for word in (word for word in wanted if word.startswith(".") or "text2face" in word):
            match = re.fullmatch(r"\.(?:\[([\w,]+)\])?", word)
            assert match, f"{word}: text2face is installed from its clone, as '.'"
            extras = set((match[1] or "").split(",")) - {""}
            assert extras <= set(project["optional-dependencies"]), word
    if words[0] == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M)
        assert set(words[1:]) <= set(targets), words
