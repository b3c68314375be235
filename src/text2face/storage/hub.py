"""The Hugging Face Hub: one way to fetch a model, with one clear line where it fails."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from text2face.errors import CheckpointError

__all__ = ["is_hub_id", "snapshot"]

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
    except (OSError, ValueError, RuntimeError) as error:  # offline, time-out, server error, bad id
        raise CheckpointError(
            f"cannot fetch {hub_id} from the model hub ({type(error).__name__}) and it is not in "
            "the cache; check the network, or give a folder"
        ) from None
