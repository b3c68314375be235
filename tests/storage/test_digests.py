from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from text2face.storage import digests
from text2face.storage.digests import kept_digest


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(digests, "_LARGE", 4)
    monkeypatch.setattr(digests, "_SETTLED", 0.0)
    path = tmp_path / "weights"
    path.write_bytes(b"some numbers")
    return path


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_file_is_read_once(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tmp_path / "new" / "digests.json"
    assert kept_digest(file, store) == sha256(b"some numbers")
    monkeypatch.setattr(digests, "_digest", lambda path: pytest.fail("read again"))
    assert kept_digest(file, store) == sha256(b"some numbers")


def test_a_file_that_has_changed_is_read_again(file: Path, tmp_path: Path) -> None:
    store = tmp_path / "digests.json"
    kept_digest(file, store)
    before = file.stat()
    file.write_bytes(b"SOME NUMBERS")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # the same size and date
    assert kept_digest(file, store) == sha256(b"SOME NUMBERS")
    other = tmp_path / "other"
    other.write_bytes(b"more numbers")
    os.replace(other, file)
    assert kept_digest(file, store) == sha256(b"more numbers")


@pytest.mark.parametrize("content", [b"", b"[]", b"no", b'{"weights": 3}', b"[" * 100_000])
def test_a_damaged_store_is_no_harm(file: Path, tmp_path: Path, content: bytes) -> None:
    store = tmp_path / "digests.json"
    store.write_bytes(content)
    for _ in range(2):
        assert kept_digest(file, store) == sha256(b"some numbers")


def test_a_store_that_cannot_be_written_is_no_harm(file: Path) -> None:
    assert kept_digest(file, file / "digests.json") == sha256(b"some numbers")


def test_what_was_just_written_is_not_kept(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "_SETTLED", 60.0)
    assert kept_digest(file, tmp_path / "digests.json") == sha256(b"some numbers")
    assert not (tmp_path / "digests.json").exists()


def test_few_files_are_kept(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "_MOST", 3)
    store = tmp_path / "digests.json"
    for i in range(5):
        other = tmp_path / str(i)
        other.write_bytes(b"numbers %d" % i)
        assert kept_digest(other, store) == sha256(b"numbers %d" % i)
    assert [Path(name).name for name in digests._read(store)] == ["2", "3", "4"]
