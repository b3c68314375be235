"""How phrase tables are written: alternatives between bars, by their part in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

Forms: TypeAlias = Mapping[str, tuple[str, ...]]


def forms(**roles: str) -> Forms:
    """Phrases by role, each role's alternatives between bars."""
    return {role: listed(phrases) for role, phrases in roles.items()}


def listed(phrases: str) -> tuple[str, ...]:
    """The alternatives between bars; one given twice is twice as likely."""
    return tuple(phrases.split("|"))
