"""The report: one page, nothing to load, true to the search."""

import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from glo_lightning.cli.main import main
from glo_lightning.losses import load_loss
from glo_lightning.search import Range
from glo_lightning.search.records.configuration import Configuration
from tests.browser import complaints, open_browser, photograph, requests, resize
from tests.runs import search

RUNS = ("taylor_run", "glo_run", "unfinished_run")


class Page(HTMLParser):
    """What tests ask of a page: its tags in order, and its words."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data

    def all(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in names]


def write_report(folder: Path) -> Page:
    assert main(["report", str(folder)]) == 0
    return Page(folder / "report.html")


@pytest.fixture(params=RUNS)
def page(request: pytest.FixtureRequest) -> Page:
    return write_report(request.getfixturevalue(request.param))


def test_the_page_loads_nothing(page: Page) -> None:
    assert not page.all("script", "link", "img", "iframe", "object")
    addresses = [value for _, attributes in page.tags for name, value in attributes.items() if "href" in name]
    assert all(str(address).startswith("#") for address in addresses)
    (style,) = re.findall(r":root.*?font:", page.words, flags=re.DOTALL)
    assert "url(" not in style
    assert "@import" not in page.words


def test_the_page_can_be_read_by_all(page: Page) -> None:
    assert page.all("html")[0]["lang"] == "en"
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))
    figures = page.all("svg")
    assert len(figures) >= 4
    assert all(figure["role"] == "img" and figure["aria-label"] for figure in figures)
    assert all(header.get("scope") in ("col", "row") for header in page.all("th"))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_a_finished_search_is_told_whole(taylor_run: Path) -> None:
    page = write_report(taylor_run)
    verdict = json.loads((taylor_run / "comparison.json").read_text())
    for result in verdict["comparison"]["results"]:
        assert f"{result['mean']:.4f} ± {result['std']:.4f}" in page.words
    for finalist in verdict["finalists"]:
        assert f"{finalist['mean']:.4f}" in page.words
    assert f"Spearman {verdict['fidelity']['spearman']:.2f}" in page.words
    found = load_loss(taylor_run / "discovered_loss.json")
    assert found.formula() in [figure["aria-label"] for figure in page.all("svg")]
    for text in ("What theory says", "Do it again", "torch", "violate", "cross-entropy"):
        assert text in page.words, text
    for seed in verdict["comparison"]["seeds"]:
        assert str(seed) in page.words


def test_trees_have_a_lineage_and_no_comparison_says_so(glo_run: Path) -> None:
    page = write_report(glo_run)
    assert "nothing was compared on the test split" in page.words
    assert any("descends from" in str(figure["aria-label"]) for figure in page.all("svg"))


def test_what_else_was_searched_is_told_and_losses_may_be_minimised(tmp_path: Path) -> None:
    search(tmp_path, generations=1, monitor="val_loss", mode="min", joint={"model.width": Range(2, 6)})
    page = write_report(tmp_path)
    assert "Found along with it" in page.words
    found = json.loads((tmp_path / "discovered_hyperparameters.json").read_text())
    assert f"--model.width={found['model.width']}" in page.words


def test_an_unfinished_search_is_told_as_far_as_it_came(unfinished_run: Path) -> None:
    page = write_report(unfinished_run)
    assert "1 of 5 generations are complete" in page.words
    assert "best candidate so far" in page.words
    assert "<b>half" in page.words  # a name is text, whatever it looks like


def test_passwords_stay_at_home(taylor_run: Path, tmp_path: Path) -> None:
    text = (taylor_run / "config.yaml").read_text()
    secret = re.sub(r"storage: .*", "storage: sqlite://me:secret@/study.db", text)
    (tmp_path / "config.yaml").write_text(secret)
    shown = Configuration.read(tmp_path).shown
    assert "secret" not in shown
    assert "study_name: toy" in shown


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "output folder of a search"),
        ({"config.yaml": "search: {study_name: a}"}, "study can be read"),
        ({"config.yaml": "nonsense"}, "settings of a search"),
        ({"config.yaml": "search: {study_name: a}", "study.db": ""}, "has begun"),
    ],
)
def test_folders_without_a_search_are_refused(
    files: dict[str, str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    assert main(["report", str(tmp_path)]) == 2
    assert words in capsys.readouterr().err


def test_the_page_fits_phones_and_screens_in_both_themes(taylor_run: Path, glo_run: Path, unfinished_run: Path) -> None:
    with open_browser() as browser:
        for name, folder in (("taylor", taylor_run), ("glo", glo_run), ("unfinished", unfinished_run)):
            write_report(folder)
            address = (folder / "report.html").as_uri()
            for width in (400, 1400):
                for theme in ("light", "dark"):
                    resize(browser, width, theme)
                    requests(browser)
                    browser.get(address)
                    assert requests(browser) == [address]
                    assert complaints(browser) == []
                    assert browser.execute_script("return document.documentElement.scrollWidth") == width
                    assert browser.execute_script(CONTRAST) >= 4.5
                    photograph(browser, f"report-{name}-{width}-{theme}")


CONTRAST = """
function brightness(color) {
  const channels = color.match(/[\\d.]+/g).slice(0, 3).map(c => c / 255);
  const linear = channels.map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
}
function ground(element) {
  for (; element; element = element.parentElement) {
    const color = getComputedStyle(element).backgroundColor;
    if (color && !color.endsWith(", 0)")) return color;
  }
}
const texts = "h1, h2, h3, p, dt, dd, th, td, figcaption, summary, code, footer, svg text:not(.wide *)";
return Math.min(...[...document.querySelectorAll(texts)].map(element => {
  const style = getComputedStyle(element);
  const pair = [brightness(element.closest("svg") ? style.fill : style.color), brightness(ground(element))];
  return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
}));
"""
"""The least contrast between letters and ground on the page; WCAG asks for 4.5."""
