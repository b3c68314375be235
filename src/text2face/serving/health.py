"""The health check of the container.

python -m text2face.serving.health 8000 7860
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException

__all__ = ["is_healthy", "main"]


def is_healthy(port: int, *, timeout: float = 4.0) -> bool:
    """Whether `/healthz` of a server on 127.0.0.1 answers with 200.

    Args:
        port: Where it listens.
        timeout: Seconds to wait.
    """
    connection = HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def main(ports: Sequence[str]) -> int:
    """0 if a server is healthy on any of the ports, else 1."""
    return 0 if any(is_healthy(int(port)) for port in ports) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
