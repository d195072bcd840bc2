"""``python -m glo_lightning.compare`` as a user meets it."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import optuna
import pandas as pd
import pytest
from optuna.trial import TrialState
from scipy import stats

from glo_lightning.cli.main import main
from glo_lightning.compare.shared_trainings import REUSED
from glo_lightning.losses import TreeLoss, save_loss

ROOT = Path(__file__).parents[2]
QUICK = ["--trainer.accelerator=cpu", "--trainer.max_epochs=2", "--seeds=3"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _compare(*arguments: str) -> int:
    try:
        return main(["compare", *QUICK, *arguments])
    except SystemExit as exit_:
        return int(exit_.code or 0)


def _trainings() -> set[tuple[str, int]]:
    """Return where trainings ended that were not told by another list."""
    storage = f"sqlite:///{Path('runs/compare/study.db')}"
    return {
        (name, trial.number)
        for name in optuna.get_all_study_names(storage)
        for trial in optuna.load_study(study_name=name, storage=storage).trials
        if trial.state == TrialState.COMPLETE and "training" in trial.user_attrs and REUSED not in trial.user_attrs
    }


def _folder() -> set[str]:
    """Return the files there, but for those that an open database has beside it."""
    return {path.name for path in Path("runs/compare").iterdir() if not path.name.startswith("study.db-")}


def _start(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "glo_lightning.compare", *QUICK[:2], *arguments], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_help_is_quick() -> None:
    code = (
        "import sys\n"
        "from glo_lightning.cli.main import main\n"
        "assert main(['compare', '--help']) == 0\n"
        "assert not {'torch', 'lightning', 'scipy'} & set(sys.modules), 'help loads too much'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--compare.epochs" in done.stdout
    assert "[--losses LOSS ...]" in done.stdout


def test_it_prints_a_table_leaves_files_and_trains_nothing_twice(capsys: pytest.CaptureFixture[str]) -> None:
    save_loss(TreeLoss("log(h) - y / h"), "mine.json")
    assert _compare("--losses", "mine.json", "focal") == 0
    printed = capsys.readouterr().out
    assert _folder() == {"comparison.csv", "comparison.json", "config.yaml", "curves.png", "study.db"}
    names = ["cross_entropy", "cross_entropy × 10", "cross_entropy × 1.22", "mine", "focal"]
    for name in names:
        assert name in printed
    frame = pd.read_csv("runs/compare/comparison.csv").set_index("loss")
    (comparison,) = json.loads(Path("runs/compare/comparison.json").read_text())["comparisons"]
    metrics = {result["name"]: result["metrics"] for result in comparison["results"]}
    assert list(metrics) == names
    welch = stats.ttest_ind(metrics["mine"], metrics["cross_entropy"], equal_var=False)
    assert frame.loc["mine", "p"] == pytest.approx(welch.pvalue)
    assert frame.loc["mine", "p_holm"] >= frame.loc["mine", "p"]
    assert [len(curve) for curve in comparison["curves"]["focal"]] == [2, 2, 2]

    before = _trainings()
    assert _compare("--losses", "mine.json", "focal") == 0
    assert capsys.readouterr().out == printed
    assert _trainings() == before
    assert _compare("--losses", "mine.json", "focal", "--seeds=4") == 0
    assert len(_trainings()) == len(before) * 4 // 3
    assert _trainings() > before
    assert _compare("--losses", "mine.json") == 0
    assert len(_trainings()) == len(before) * 4 // 3, "with fewer losses and seeds there is nothing to train"


def test_every_loss_has_a_row_and_the_baseline_is_the_real_one() -> None:
    names = ["cross_entropy", "baikal"]
    files = [f"runs/{name}/best_loss.json" for name in names]
    for file in files:
        Path(file).parent.mkdir(parents=True)
        save_loss(TreeLoss("log(h) - y / h"), file)
    assert _compare("--losses", *files, "baikal", "--baselines", "cross_entropy") == 0
    stored = json.loads(Path("runs/compare/comparison.json").read_text())["losses"]
    assert list(stored) == ["cross_entropy", *files, "baikal"]
    assert [each["family"] for each in stored.values()] == ["cross_entropy", "tree", "tree", "baikal"]


def test_losses_are_compared_on_fractions_of_the_data() -> None:
    assert _compare("--baselines", "cross_entropy", "--fractions", "1", "0.25") == 0
    assert "fractions.png" in _folder()
    comparisons = json.loads(Path("runs/compare/comparison.json").read_text())["comparisons"]
    assert [(each["fraction"], each["epochs"]) for each in comparisons] == [(0.25, 2), (1.0, 2)]
    assert comparisons[0]["results"][0]["mean"] != comparisons[1]["results"][0]["mean"]
    assert len(_trainings()) == 2 * 2 * 3


@pytest.mark.parametrize("evaluator", ["trainer", "population"])
def test_either_evaluator_trains_and_is_remembered(evaluator: str) -> None:
    assert _compare(f"--compare.evaluator={evaluator}", "--baselines", "cross_entropy", "--seeds=2") == 0
    assert len(_trainings()) == 4
    assert _compare("--baselines", "cross_entropy", "--seeds=2") == 0
    assert len(_trainings()) == 4, "auto trains as before"
    other = {"trainer": "population", "population": "trainer"}[evaluator]
    assert _compare(f"--compare.evaluator={other}", "--baselines", "cross_entropy", "--seeds=2") == 0
    assert len(_trainings()) == 8


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (["--losses", "cross_entropie"], ["cross_entropie", "baikal"]),
        (["--losses", "cross_entropy"], ["two or more losses"]),
        (["--seeds=1"], ["seeds of 2 or more"]),
        (["--baselines", "nothing"], ["baselines", "nothing"]),
        (["--fractions", "1.5"], ["--compare.fractions above 0 to 1"]),
        (
            ["--data=tests.search.toy.ToyData", "--fractions", "0.5"],
            ["an argument training_fraction in (0, 1], got ToyData without. Add it, or leave --fractions out."],
        ),
        (["--compare.monitor=val_f1"], ["val_f1", "val_accuracy"]),
        (["--compare.loss_attribute=criterion"], ["criterion", "loss_fn"]),
        (["--data=glo_lightning.data.VisionDataModule", "--data.dataset=svhn"], ["SVHN", "download=True"]),
        (["--compare.output_dir=taken/here"], ["writable output folder"]),
    ],
)
def test_bad_input_is_refused_before_training(
    arguments: list[str], texts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("taken").write_text("")
    assert _compare(*arguments) == 2
    errors = capsys.readouterr().err
    for text in texts:
        assert text in errors
    assert "Traceback" not in errors


def test_ctrl_c_exits_130_and_the_same_command_trains_the_rest() -> None:
    arguments = ["--seeds=15", "--compare.evaluator=trainer", "--baselines", "cross_entropy"]
    process = _start(*arguments)
    _wait_for_trainings(1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "the same command trains the rest" in errors
    assert "Traceback" not in errors
    kept = _trainings()
    assert 0 < len(kept) < 30
    assert _compare(*arguments) == 0
    assert len(_trainings()) == 30
    assert _trainings() > kept


def test_processes_with_the_same_command_share_the_work() -> None:
    arguments = ["--seeds=8", "--compare.evaluator=trainer", "--baselines", "cross_entropy"]
    first = _start(*arguments)
    _wait_for_trainings(1)
    second = _start(*arguments)
    printed = [process.communicate(timeout=300)[0] for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0)
    assert printed[0] == printed[1]
    assert "8 seeds each" in printed[0]
    assert len(_trainings()) == 16


def test_ranks_train_together_and_the_first_one_keeps_the_books() -> None:
    arguments = [
        "--model=tests.search.toy.ToyModel", "--data=tests.search.toy.ToyData", "--seeds=2",
        "--baselines", "cross_entropy",
    ]  # fmt: skip
    ranks = ["--trainer.devices=2", "--trainer.strategy=ddp"]
    process = _start(*arguments, *ranks)
    printed, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert printed.count("baikal") == 1
    assert len(_trainings()) == 4


def test_where_every_training_diverged_nothing_is_claimed(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "--model=tests.search.toy.DivergingModel", "--data=tests.search.toy.ToyData", "--seeds=2",
        "--baselines", "cross_entropy",
    ]  # fmt: skip
    assert _compare(*arguments) == 2
    said = capsys.readouterr()
    assert "4 that all diverged, most of them: training loss was not finite at step 4" in said.err
    assert "baikal" not in said.out
    assert not {"comparison.json", "comparison.csv", "curves.png"} & _folder()
    assert len(_trainings()) == 4, "which are kept"


def test_where_nothing_was_learnt_the_comparison_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "--model=tests.search.toy.UnlearningModel", "--data=tests.search.toy.ToyData", "--seeds=2",
        "--baselines", "cross_entropy", "--compare.monitor=val_forgotten", "--compare.mode=min",
    ]  # fmt: skip
    assert _compare(*arguments) == 0
    assert "WARNING: nothing was learnt. The best loss has val_forgotten 4." in capsys.readouterr().out
    assert (
        "nothing was learnt"
        in json.loads(Path("runs/compare/comparison.json").read_text())["comparisons"][0]["warning"]
    )


def _wait_for_trainings(count: int) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        with suppress(Exception):  # the database is only just being made
            if len(_trainings()) >= count:
                return
        time.sleep(0.1)
    raise AssertionError("nothing was trained")
