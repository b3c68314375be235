"""How many faces a second the server gives: one client at a time, and many at once.

    python -m benchmarks.serving [--clients 64] [--seconds 20] [--model FOLDER]

The server runs in a process of its own on loopback; every client keeps one connection, sends one
request after another, each with another prompt, and checks every answer. The clients share the
cores with the server.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil

PEOPLE = ("an old man", "a young woman", "a bald man", "a girl", "a middle-aged woman", "a boy")
THINGS = ("with glasses", "with a hat", "with red hair", "with a beard", "with black hair")


@dataclass
class Load:
    """What a load brought about."""

    seconds: float
    latencies: list[float] = field(default_factory=list)
    refused: int = 0
    failures: list[str] = field(default_factory=list)
    images: dict[tuple[str, int], str] = field(default_factory=dict)
    """The digest of the pixels of each prompt and seed."""
    contradictions: int = 0
    """Answers that were not the image that was given before for the same prompt and seed."""

    @property
    def rate(self) -> float:
        """Faces a second."""
        return len(self.latencies) / self.seconds

    def take(self, prompt: str, seed: int, digest: str) -> None:
        """Compare an image with what was given before."""
        if self.images.setdefault((prompt, seed), digest) != digest:
            self.contradictions += 1


@contextmanager
def serving(*options: str) -> Iterator[tuple[int, psutil.Process]]:
    """Run a server: its port and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "text2face", "serve", "--port", str(port), *options]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 300
            while time.monotonic() < deadline and process.poll() is None:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1)
                    break
                except OSError:
                    time.sleep(0.1)
            yield port, psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(60)


async def client(port: int, number: int, until: float, load: Load) -> None:
    """One client, over a socket and nothing else, to leave the cores to the server."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    count = 0
    while time.perf_counter() < until:
        prompt = f"{PEOPLE[(number + count) % 6]} {THINGS[(number // 6 + count) % 5]}"
        seed = count % 4
        count += 1
        body = json.dumps({"prompt": prompt, "seed": seed}).encode()
        start = time.perf_counter()
        writer.write(
            b"POST /v1/images/generations HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        answer = await reader.readexactly(length)
        status = int(head.split()[1])
        if status == 429:
            load.refused += 1
            await asyncio.sleep(0.2)
        elif status != 200:
            load.failures.append(f"{status} {answer[:200]!r}")
        else:
            load.latencies.append(time.perf_counter() - start)
            image = base64.b64decode(json.loads(answer)["data"][0]["b64_json"])
            # The score's last digit may differ; the pixels may not.
            pixels = image[image.index(b"IDAT") :]
            load.take(prompt, seed, hashlib.sha256(pixels).hexdigest())
    writer.close()


async def put(port: int, clients: int, seconds: float, images: dict[tuple[str, int], str]) -> Load:
    """Let so many clients ask for so long."""
    start = time.perf_counter()
    load = Load(seconds, images=images)
    await asyncio.gather(*(client(port, i, start + seconds, load) for i in range(clients)))
    load.seconds = time.perf_counter() - start
    return load


def measure(
    clients: int, seconds: float, *options: str, rounds: int = 1
) -> tuple[list[Load], list[Load], list[int]]:
    """One client at a time and many at once, in turns, and the server's memory after each turn."""
    images: dict[tuple[str, int], str] = {}
    one, many, memory = [], [], []
    with serving(*options) as (port, process):
        asyncio.run(put(port, 2, min(seconds, 3), images))  # warm
        for _ in range(rounds):
            one.append(asyncio.run(put(port, 1, seconds, images)))
            many.append(asyncio.run(put(port, clients, seconds, images)))
            memory.append(process.memory_info().rss)
    return one, many, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model")
    arguments = parser.parse_args()
    options = ("--model", arguments.model) if arguments.model else ()
    one, many, memory = measure(
        arguments.clients, arguments.seconds, *options, rounds=arguments.rounds
    )
    print("| clients | faces a second | median s | 95 % s | 429 | failures | other pixels |")
    print("|---|---|---|---|---|---|---|")
    for name, loads in ((1, one), (arguments.clients, many)):
        for load in loads:
            print(
                f"| {name} | {load.rate:.1f} | {statistics.median(load.latencies):.3f} | "
                f"{statistics.quantiles(load.latencies, n=20)[-1]:.3f} | {load.refused} | "
                f"{len(load.failures)} | {load.contradictions} |"
            )
    ratios = [b.rate / a.rate for a, b in zip(one, many, strict=True)]
    print("at once over one at a time:", ", ".join(f"{ratio:.2f}" for ratio in ratios))
    print("memory after each round, MB:", ", ".join(f"{rss / 1e6:.0f}" for rss in memory))


if __name__ == "__main__":
    main()
