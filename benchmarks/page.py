"""Open the page in Chromium, make faces, time the first, slide a smile, and keep a screenshot.

python -m benchmarks.page [docs/images/page.png]
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import time

from playwright.sync_api import expect, sync_playwright

PROMPT = "an old man with a white beard and round glasses"
PORT = 7861


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", nargs="?", default="docs/images/page.png")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--prompt", default=PROMPT)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    command = [sys.executable, "-m", "text2face", "ui", "--port", str(PORT)]
    with (
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process,
        sync_playwright() as driver,
    ):
        assert process.stderr is not None
        print(process.stderr.readline(), end="")  # it listens now
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        seconds = []
        for _ in range(3):  # the first one warms the server
            page = browser.new_page(viewport={"width": arguments.width, "height": 800})
            page.goto(f"http://127.0.0.1:{PORT}", timeout=120_000)
            page.wait_for_selector("#faces img", timeout=120_000)  # the examples are drawn
            page.fill("#prompt textarea", arguments.prompt)
            page.fill("#seed input", str(arguments.seed))
            start = time.perf_counter()
            page.click("#make")
            page.wait_for_selector("#past img", timeout=120_000)
            seconds.append(time.perf_counter() - start)
            expect(page.locator("#past img")).to_have_count(4, timeout=120_000)
            page.fill("#slider-smile", "1")
            expect(page.locator("#past img")).to_have_count(5, timeout=120_000)
            expect(page.locator("#stop")).to_be_hidden(timeout=120_000)
            page.screenshot(path=arguments.picture)
            page.close()
        browser.close()
        process.terminate()
    print("first image after", ", ".join(f"{one:.2f}" for one in seconds), "s; median", end=" ")
    print(f"{statistics.median(seconds):.2f} s")


if __name__ == "__main__":
    main()
