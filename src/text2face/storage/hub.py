"""The Hugging Face Hub: one way to fetch a model and one to push it, clear where they fail."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies

from text2face.errors import ArgumentError, CheckpointError, OutputError, quoted

__all__ = ["fetch_file", "is_hub_id", "push", "snapshot"]

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
    from tqdm import tqdm

    class NoBar(tqdm):  # type: ignore[misc]
        """No progress."""

        def __init__(self, *args: Any, **options: Any) -> None:
            options.pop("name", None)  # of the hub's own bars
            super().__init__(*args, **{**options, "disable": True})

    with _telling(hub_id, expected):
        return Path(
            snapshot_download(
                hub_id,
                revision=revision,
                allow_patterns=list(patterns),
                local_files_only=offline,
                tqdm_class=None if progress else NoBar,
            )
        )


def fetch_file(hub_id: str, name: str) -> Path:
    """Fetch one file of a hub repository, or find it in the cache.

    Args:
        hub_id: "owner/name".
        name: The file's path in the repository.

    Raises:
        CheckpointError: There is no such repository or file, or the hub cannot be reached.
    """
    from huggingface_hub import hf_hub_download

    with _telling(hub_id, f"a file on this machine, or a hub repository that holds {name}", name):
        return Path(hf_hub_download(hub_id, name))


@contextmanager
def _telling(hub_id: str, expected: str, name: str = "") -> Iterator[None]:
    """Tell in one line what stands in the way of a download, of one file or of several."""
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        yield
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
    except (EntryNotFoundError, ImportError, OSError, ValueError, RuntimeError) as error:
        if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
            raise CheckpointError(
                f"no file {name} in the hub repository {hub_id}; expected one of those that its "
                "page lists; check the name"
            ) from None
        # Offline, time-out, server error, a bad id; or a proxy that httpx cannot speak to.
        if isinstance(error, ImportError | ValueError) and (proxy := _odd_proxy()):
            raise CheckpointError(
                f"cannot fetch {hub_id} from the model hub through {proxy}; a SOCKS proxy needs "
                "httpx[socks] and has to be of version 5: `pip install 'httpx[socks]'`, or unset "
                "the variable or name an HTTP proxy"
            ) from None
        raise CheckpointError(
            f"cannot fetch {f'{name} of ' if name else ''}{hub_id} from the model hub "
            f"({type(error).__name__}) and it is not in the cache; check the network, or give a "
            f"{'file' if name else 'folder'}"
        ) from None


def _odd_proxy() -> str:
    """The proxy of the environment that is no HTTP proxy, as NAME=KIND; "" if there is none."""
    for name, proxy in getproxies().items():
        kind = urlsplit(proxy).scheme
        if name in ("all", "http", "https") and kind not in ("", "http", "https"):
            return f"{name.upper()}_PROXY={quoted(kind)[1:-1]}://…"
    return ""


def push(folder: Path, hub_id: str, *, private: bool = False) -> str:
    """Upload a folder to the hub; the repository is made if it is missing.

    Args:
        folder: The files.
        hub_id: "owner/name".
        private: Whether a new repository is private.

    Returns:
        The address of the upload.

    Raises:
        ArgumentError: It is no hub id.
        OutputError: The hub refuses it or cannot be reached.
    """
    from huggingface_hub import HfApi, get_session
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    # The hub's client has changed its HTTP library more than once.
    library = import_module(type(get_session()).__module__.partition(".")[0])
    unreachable: tuple[type[Exception], ...] = (library.HTTPError, OSError, ValueError)

    if not is_hub_id(hub_id):
        raise ArgumentError(f"the hub id is {hub_id!r}, expected owner/name")
    api = HfApi()
    try:
        api.create_repo(hub_id, private=private, exist_ok=True)
        done = api.upload_folder(
            repo_id=hub_id, folder_path=folder, commit_message="Upload by text2face"
        )
        return str(done)
    except LocalTokenNotFoundError:
        raise OutputError(
            f"cannot push to {hub_id}: nobody is logged in; expected a token that may write; run "
            "`hf auth login`"
        ) from None
    except HfHubHTTPError as error:
        code = error.response.status_code
        fix = (
            "run `hf auth login` with a token that may write" if code in (401, 403) else "try again"
        )
        raise OutputError(
            f"cannot push to {hub_id}: the hub says {code}; expected a repository that you may "
            f"write to; {fix}"
        ) from None
    except unreachable as error:
        raise OutputError(
            f"cannot push to {hub_id}: the hub cannot be reached ({type(error).__name__}); check "
            "the network"
        ) from None
