"""Verbs that train nothing refuse a command line in one line, as the others do."""

import pytest

from glo_lightning.cli.main import main


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (["report", "runs/mine", "--outptu=page.html"], ["--outptu", "Did you mean --output?"]),
        (["report", "runs/mine", "--out=page.html"], ["--out=page.html", "Did you mean --output?"]),
        (["report"], ["required: RUN", "glo-lightning report --help"]),
        (["dashboard", "runs/mine", "--port=many"], ["--port", "'many'"]),
        (["dashboard", "runs/mine", "--hots=0.0.0.0"], ["Did you mean --host?"]),
        (["export", "baikal", "--format=onx"], ["'onx'", "Did you mean onnx?"]),
        (["export"], ["required: loss"]),
        (["theory", "baikal", "--num-class=3"], ["Did you mean --num-classes?"]),
        (["theory"], ["at least one loss or record"]),
        (["compare", "--losses", "--seeds=2"], ["--losses", "expected at least one argument"]),
        (["serch"], ["'serch'", "Did you mean search?"]),
        (["xyz"], ["search, train, compare", "glo-lightning --help"]),
    ],
)
def test_one_line_says_what_was_wrong_and_what_was_meant(
    arguments: list[str], texts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: Expected ")
    assert printed.err.count("\n") == 1
    for text in texts:
        assert text in printed.err
