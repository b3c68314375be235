from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest
from PIL import Image

EXAMPLES = Path(__file__).parents[2] / "examples"
MADE = {
    "words_to_faces": "faces/seed0007.png",
    "best_of_many": "best.png",
    "change_a_face": "age+1.png",
    "own_sampler": "trained.png",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MADE)
def test_an_example_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [name])
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    with Image.open(MADE[name]) as picture:
        assert picture.mode == "RGB"


def test_every_example_is_run_by_a_test() -> None:
    # The client is run against a server, by the page of the server.
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {*MADE, "openai_client"}


@pytest.mark.slow
def test_the_notebook_runs_from_top_to_bottom(tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(EXAMPLES / "quickstart.ipynb", as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [
        set(output.get("data", {})) for cell in notebook.cells for output in cell.get("outputs", [])
    ]
    assert sum("image/png" in kinds or "text/html" in kinds for kinds in shown) >= 5
    assert (tmp_path / "faces" / "seed0007.png").exists()
