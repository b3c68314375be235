"""The page: mounted in the server's app, and all of it comes from this machine."""

from __future__ import annotations

import asyncio
import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files

import gradio as gr
from fastapi import FastAPI
from starlette.routing import Mount

from text2face.provenance import Signer
from text2face.serving.actions import Actions
from text2face.serving.engine import Engine
from text2face.serving.gate import PageGate
from text2face.serving.layout import build
from text2face.serving.uploads import page_folder

__all__ = ["mount"]

_VISITS = 200  # each keeps its faces in memory


def mount(app: FastAPI, engine: Engine, sign: Signer | None = None) -> FastAPI:
    """Put the page at the root of an app.

    Args:
        app: From `make_app`.
        engine: Draws.
        sign: Adds Content Credentials to what is kept.
    """

    async def mounted() -> FastAPI:
        return _mount(app, engine, sign)

    # Gradio opens an event loop for each of its locks where none runs, and closes none of them.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, mounted()).result()


def _mount(app: FastAPI, engine: Engine, sign: Signer | None) -> FastAPI:
    folder = page_folder()  # first: Gradio's components remember where files go
    page = build(Actions(engine, sign))
    page.queue(default_concurrency_limit=None, max_size=256)
    # Gradio checks paths, and what is a file of its own, only in a page that it launched itself.
    page.has_launched = page.is_running = True
    page.state_session_capacity = _VISITS
    font = ["system-ui", "sans-serif"]
    theme = gr.themes.Base(
        primary_hue="indigo",
        neutral_hue="slate",
        radius_size="lg",
        font=font,
        font_mono=["ui-monospace", "monospace"],
    )
    style = files("text2face.serving").joinpath("page.css").read_text("utf-8")
    with_page: FastAPI = gr.mount_gradio_app(
        app,
        page,
        path="/",
        theme=theme,
        css=style,
        footer_links=[],
        run_history=False,
        show_error=False,  # what nobody foresaw may name paths; `gr.Error` is shown all the same
        ssr_mode=False,
        enable_monitoring=False,
        max_file_size="8mb",
    )
    mounted = with_page.routes[-1]
    if not isinstance(mounted, Mount):
        raise TypeError(f"Gradio added {type(mounted).__name__}, expected a Mount")
    mounted.app = PageGate(mounted.app, folder)
    return with_page
