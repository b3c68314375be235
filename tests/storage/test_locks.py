from __future__ import annotations

import errno
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from text2face.errors import OutputError
from text2face.storage.locks import hold

HOLDER = """
import sys
from pathlib import Path
from text2face.storage.locks import hold
with hold(Path(sys.argv[1]), *sys.argv[2:]):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(*arguments: object) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str], *, kill: bool = False) -> None:
    if kill:
        process.kill()
    process.communicate()


def test_another_process_is_told_and_a_killed_one_does_not_block(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    process = holder(folder)
    try:
        with pytest.raises(OutputError, match="being written by another process"), hold(folder):
            pass
        with hold(folder, "shard-00000"):  # another part
            pass
    finally:
        end(process, kill=True)
    with hold(folder):
        pass
    assert list(folder.iterdir()) == []


def test_who_waits_gets_it(tmp_path: Path) -> None:
    process = holder(tmp_path, "part")
    assert process.stdin is not None
    process.stdin.close()
    with hold(tmp_path, "part", wait=30):
        assert (tmp_path / ".part.lock").exists()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_the_same_thread_may_hold_it_twice(tmp_path: Path) -> None:
    with hold(tmp_path):
        with hold(tmp_path):
            pass
        process = subprocess.run(
            [sys.executable, "-c", HOLDER, str(tmp_path)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert "being written by another process" in process.stderr


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/.text2face.lock").symlink_to(victim)
    with pytest.raises(OutputError, match="cannot write"), hold(tmp_path / "out"):
        pass
    assert victim.read_text() == "precious"


def test_a_folder_that_stays_empty_after_a_failure_is_removed(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), hold(tmp_path / "a/b/c"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    kept = tmp_path / "a/b/kept"
    with pytest.raises(FileExistsError), hold(tmp_path / "a/b"):
        [kept.touch(exist_ok=again) for again in (True, False)]
    assert kept.exists()
    (tmp_path / "own").mkdir()
    with pytest.raises(RuntimeError), hold(tmp_path / "own"):
        raise RuntimeError
    assert (tmp_path / "own").exists()


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(OutputError, match="a file is in the way"), hold(tmp_path / "out"):
        pass


def test_without_locks_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import fcntl

    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with caplog.at_level(logging.WARNING), hold(tmp_path):
        (tmp_path / "made").touch()
    assert "has no locks" in caplog.text
