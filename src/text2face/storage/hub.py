"""The Hugging Face Hub: one way to fetch a model, with one clear line where it fails."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies

from text2face.errors import CheckpointError, quoted

__all__ = ["is_hub_id", "snapshot", "without_proxies"]

_HUB_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def is_hub_id(name: object) -> bool:
    """Whether a name has the form of a hub id, "owner/name"."""
    return isinstance(name, str) and _HUB_ID.fullmatch(name) is not None


def snapshot(
    hub_id: str,
    patterns: Sequence[str],
    *,
    revision: str | None = None,
    offline: bool = False,
    expected: str = "a model folder",
    progress: bool = True,
) -> Path:
    """Fetch the files of a hub model that match the patterns, or find them in the cache.

    Args:
        hub_id: "owner/name".
        patterns: Such as "*.json".
        revision: A branch, tag or commit; None = the main branch.
        offline: Look in the cache only.
        expected: What the error calls a folder that would do instead.
        progress: Show bars on stderr.

    Returns:
        The folder; its name is the commit.

    Raises:
        CheckpointError: There is no such hub model, or the hub cannot be reached.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError
    from tqdm import tqdm

    class NoBar(tqdm):  # type: ignore[misc]
        """No progress."""

        def __init__(self, *args: Any, **options: Any) -> None:
            options.pop("name", None)  # of the hub's own bars
            super().__init__(*args, **{**options, "disable": True})

    try:
        return Path(
            snapshot_download(
                hub_id,
                revision=revision,
                allow_patterns=list(patterns),
                local_files_only=offline,
                tqdm_class=None if progress else NoBar,
            )
        )
    except GatedRepoError:
        raise CheckpointError(
            f"the hub model {hub_id} is gated; accept its terms on the hub and log in with "
            "`hf auth login`"
        ) from None
    except RepositoryNotFoundError:
        raise CheckpointError(
            f"no folder and no hub model {hub_id}; expected {expected} or a public hub id; check "
            "the name"
        ) from None
    except (ImportError, OSError, ValueError, RuntimeError) as error:
        # Offline, time-out, server error, a bad id; or a proxy that httpx cannot speak to.
        if isinstance(error, ImportError | ValueError) and (proxy := _odd_proxy()):
            raise CheckpointError(
                f"cannot fetch {hub_id} from the model hub through {proxy}; a SOCKS proxy needs "
                "httpx[socks] and has to be of version 5: `pip install 'httpx[socks]'`, or unset "
                "the variable or name an HTTP proxy"
            ) from None
        raise CheckpointError(
            f"cannot fetch {hub_id} from the model hub ({type(error).__name__}) and it is not in "
            "the cache; check the network, or give a folder"
        ) from None


def _odd_proxy() -> str:
    """The proxy of the environment that is no HTTP proxy, as NAME=KIND; "" if there is none."""
    for name, proxy in getproxies().items():
        kind = urlsplit(proxy).scheme
        if name in ("all", "http", "https") and kind not in ("", "http", "https"):
            return f"{name.upper()}_PROXY={quoted(kind)[1:-1]}://…"
    return ""


@contextmanager
def without_proxies() -> Iterator[None]:
    """Take the proxies out of the environment, for what needs no network and looks at them."""
    kept = {name: os.environ.pop(name) for name in list(os.environ)
            if name.lower() in ("all_proxy", "http_proxy", "https_proxy")}  # fmt: skip
    try:
        yield
    finally:
        os.environ.update(kept)
