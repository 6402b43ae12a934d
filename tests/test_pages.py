"""Reports as a reader sees them: of a run, a sweep and a reproduction in a browser, light and dark, wide and narrow."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Compose
from omegaconf import OmegaConf, open_dict
from PIL import Image
from runs import last_run
from test_search import composed_of, finish

from litmus.claims.page import write_page
from litmus.claims.recipes import recipes
from litmus.claims.table import rows_of
from litmus.sweeps.plan import Plan
from litmus.sweeps.summary import summarize
from train import train

sync_api = pytest.importorskip("playwright.sync_api", reason="the pages are opened by playwright: pip install it")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = ("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync")
LOOKS = [("light", 1200), ("dark", 1200), ("light", 390), ("dark", 390)]
COLOURS = 3  # that a figure has at least: its ground, its axes and what is drawn
SPREAD = 4.0  # of their brightness, standard deviation from 0 to 255


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless; where there is none, the test says so."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu", *QUIET])
        yield opened
        opened.close()


def check(browser: Any, page: Path, titles: list[str], pictures: Path) -> None:
    """Looks at a page in every way; the screenshots stay in a folder."""
    for scheme, width in LOOKS:
        with browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}) as context:
            tab = context.new_page()
            said: list[str] = []
            asked: list[str] = []
            tab.on("console", lambda message, said=said: said.append(message.text))
            tab.on("pageerror", lambda error, said=said: said.append(str(error)))
            tab.on("request", lambda request, asked=asked: asked.append(request.url))
            tab.goto(page.as_uri())
            assert said == [] and asked == [page.as_uri()]
            assert tab.evaluate("document.documentElement.scrollWidth") == width  # tables and figures scroll, not it
            assert [title for title in titles if title not in tab.locator("h2").all_inner_texts()] == []
            shot = pictures / f"{page.parent.name}-{scheme}-{width}.png"
            tab.screenshot(full_page=True, path=shot)
            whole = np.array(Image.open(shot).convert("L"), dtype=float)
            assert (whole[:, 0].mean() < 60) == (scheme == "dark")  # the margin
            boxes = [figure.bounding_box() for figure in tab.locator("figure:visible").all()]
            assert len(boxes) >= 2
            for box in boxes:
                top, left = round(box["y"]) + 4, round(box["x"]) + 4
                part = whole[top : top + round(box["height"]) - 8, left : left + round(box["width"]) - 8]
                assert len(np.unique(part)) >= COLOURS and part.std() > SPREAD, (page, scheme, width, box)
                assert (part[0, 0] < 60) == (scheme == "dark")  # its ground is that of the page


def test_the_report_of_a_run_is_seen(browser: Any, composed: Compose, tmp_path: Path) -> None:
    config = composed("callbacks=[default]", "model.channels=[8]", "model.hidden=16", "epochs=2", "optimizer.lr=0.002")
    train(config)
    titles = ["Learning curves", "Confusion matrix", "Classes", "Most confident mistakes", "Cost", "Configuration"]
    check(browser, last_run(config) / "report.html", [*titles, "Provenance", "Run it again"], tmp_path)


def test_the_report_of_a_search_is_seen(
    browser: Any, composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = composed("sweep=default", "sweep.trials=9", "sweep.sampler.seed=0").sweep
    space = {"optimizer.lr": "tag(log, interval(0.0001, 0.1))", "data.batch_size": "choice(16, 32, 64)"}
    with open_dict(config):
        declared = {"space": space, "objectives": [{"metric": "val/loss", "mode": "min"}]}
        plan = Plan(OmegaConf.merge(config, declared), "mine", [], composed_of(composed))
    search = plan.open(tmp_path)
    for number in range(8):
        finish(search, monkeypatch, "done", [1.0, 0.3 + 0.1 * (number % 5)], seconds=2.0)
    finish(search, monkeypatch, "failed", [], error={"type": "ValueError", "message": "no"})
    summarize(search, plan, [])
    titles = ["History", "Parallel coordinates", "Importance", "Trials, the best first", "Cost", "Run it"]
    check(browser, search.folder / "report.html", titles, tmp_path)
    assert json.loads((search.folder / "summary.json").read_text())["trials"] == 9


@pytest.mark.slow
def test_the_report_of_a_reproduction_is_seen(browser: Any, tmp_path: Path) -> None:
    rows = rows_of([recipes()[name] for name in ("lenet5_mnist", "patchtst_etth1", "cct_cifar10")], has_gpu=False)
    check(browser, write_page(rows, tmp_path / "paper"), ["Distance from the papers", "Claims"], tmp_path)
