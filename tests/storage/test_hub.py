"""What stands between this machine and the hub is told in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import close_session

from text2face.errors import CheckpointError
from text2face.storage.hub import snapshot


@pytest.mark.parametrize("name", ["ALL_PROXY", "all_proxy", "HTTPS_PROXY"])
@pytest.mark.parametrize("kind", ["socks4", "socks5", "socks5h", "ftp"])
def test_a_proxy_that_is_not_spoken_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    for each in ("all_proxy", "ALL_PROXY", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(name, f"{kind}://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    close_session()  # a client that is open already would go on without the proxy
    with pytest.raises(CheckpointError, match=r"_PROXY=.*; a SOCKS proxy needs") as caught:
        snapshot("owner/name", ("*.json",))
    assert f"{kind}://" in str(caught.value)
    close_session()
