"""What README and the pages it leads to show: every example runs, every command parses, every link leads somewhere."""

import json
import re
import runpy
import shlex
import sys
from dataclasses import fields
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch.cli import LightningCLI
from packaging.requirements import Requirement
from torch import nn

from glo_lightning.baselines.command import BASELINES
from glo_lightning.cli.main import VERBS, main
from glo_lightning.cli.own_cli import OwnCLIArguments
from glo_lightning.cli.task_cli import TaskCLI
from glo_lightning.cli.verb import Verb
from glo_lightning.compare.command import COMPARE
from glo_lightning.export import write_module
from glo_lightning.extras import EXTRAS
from glo_lightning.landscape.command import LANDSCAPE
from glo_lightning.losses import CrossEntropyLoss, Loss, named_loss
from glo_lightning.models import Classifier, mlp
from glo_lightning.robustness.command import ROBUSTNESS
from glo_lightning.search.command import CHECK, OWN_CLI, SEARCH
from glo_lightning.train.command import TRAIN
from tests.benchmarks.installation import setup

ROOT = Path(__file__).parent.parent
README = "README.md"
RESULTS = "tests/benchmarks/RESULTS.md"
THEORY = "glo_lightning/theory/README.md"
PAGES = (README, RESULTS, THEORY, "configs/README.md")
LINKED = (*PAGES, "tests/projects/README.md", "glo_lightning/theory/derivations.md", "glo_lightning/CHANGELOG.md")
TRAINING_VERBS: dict[str, Verb[Any]] = {
    verb.room: verb for verb in (SEARCH, BASELINES, TRAIN, COMPARE, ROBUSTNESS, LANDSCAPE)
}

MY_PROJECT = """
import torch
from lightning.pytorch import LightningModule
from torch import nn

from glo_lightning.data import DigitsDataModule
from lightning.pytorch.cli import LightningCLI


class MyData(DigitsDataModule):
    def __init__(self, batch_size: int = 64):
        super().__init__(batch_size)


class MyModel(LightningModule):
    def __init__(self, learning_rate: float = 0.1):
        super().__init__()
        self.learning_rate = learning_rate
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
        self.loss_fn = nn.CrossEntropyLoss()

    def training_step(self, batch, batch_idx):
        x, y = batch
        return self.loss_fn(self.net(x), y)

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.log("val_accuracy", (self.net(x).argmax(-1) == y).float().mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.learning_rate, momentum=0.9)


class MyCLI(LightningCLI):
    def __init__(self, **given):
        super().__init__(MyModel, MyData, **given)
"""

EXAMPLES = {
    "first": (README, 'study_name="first"'),
    "own model": (README, 'study_name="mine"'),
    "objective": (README, "def objective"),
    "take home": (README, "from found_loss import"),
    "tree": (RESULTS, "TreeLoss("),
    "recorder": (THEORY, "AttractionRecorder("),
    "theory": (THEORY, "probe_kernel("),
}
"""Each Python example, by what it contains; each is run by a test below."""


@cache
def _text(page: str) -> str:
    """Return a page, of a notebook the text between its cells."""
    text = (ROOT / page).read_text(encoding="utf-8")
    if page.endswith(".ipynb"):
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return text


def _notebooks() -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / "notebooks").glob("*.ipynb"))


def _blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", _text(page), flags=re.DOTALL | re.MULTILINE)


def _example(name: str) -> str:
    page, containing = EXAMPLES[name]
    (block,) = [block for block in _blocks(page, "python") if containing in block]
    return block


def _run(code: str, scope: dict[str, Any] | None = None) -> dict[str, Any]:
    scope = {} if scope is None else scope
    exec(compile(code, "example.py", "exec"), scope)
    return scope


def _shorten(code: str, long: str, short: str) -> str:
    assert long in code, f"the page no longer says {long!r}"
    return code.replace(long, short)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a project, the configurations, and a LightningCLI's file, from which the pages' reader works."""
    (tmp_path / "my_project.py").write_text(MY_PROJECT)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    (tmp_path / "mine.yaml").write_text("trainer:\n  accelerator: cpu\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_project", raising=False)
    return tmp_path


# --- Examples -------------------------------------------------------------------------------------------------------


def test_every_example_is_run_by_a_test() -> None:
    for page in PAGES:
        for block in _blocks(page, "python"):
            assert sum(page == where and each in block for where, each in EXAMPLES.values()) == 1, block


def test_the_first_example_runs_unmodified(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = _example("first")
    assert sum(bool(line) for line in code.splitlines()) == 5
    _run(code)
    assert "cross-entropy" in capsys.readouterr().out
    assert (project / "runs" / "first" / "best_loss.json").exists()


def test_own_model_example(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = _example("own model")
    code = _shorten(code, "generations=20", "generations=2, population_size=6, comparison_seeds=2")
    code = _shorten(code, '"max_epochs": 5', '"max_epochs": 1, "accelerator": "cpu"')
    _run(code)
    assert "cross-entropy" in capsys.readouterr().out
    assert (project / "runs" / "mine" / "best_loss.json").exists()


def test_objective_example(project: Path) -> None:
    short = "max_epochs=1, limit_train_batches=1, logger=False, enable_checkpointing=False"
    code = _shorten(_example("objective"), "max_epochs=1", short)
    study = _run(code)["study"]
    assert len(study.trials) == 16
    assert all(0.0 <= trial.value <= 1.0 for trial in study.trials)


def _export(loss: Loss, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Loss:
    """Write ``found_loss.py``, which the example imports, and return the loss it was written from."""
    (folder / "found_loss.py").write_text(write_module(loss))
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "found_loss", raising=False)
    torch.manual_seed(0)
    return loss


def _take_home(code: str | None = None) -> dict[str, Any]:
    scope = {
        "model": nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 3)),
        "module": Classifier(mlp(num_classes=3)),
        "inputs": torch.randn(4, 3, 32, 32),
        "target": torch.tensor([0, 1, 2, 0]),
    }
    return _run(code or _example("take home"), scope)


def test_take_home_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loss = _export(named_loss("taylorglo_1"), tmp_path, monkeypatch)
    scope = _take_home()
    inputs, target, logits = scope["inputs"], scope["target"], scope["model"](scope["inputs"])
    torch.testing.assert_close(scope["task"](inputs, target)["loss"], loss(logits, target))
    mixed = torch.rand(4, 3).softmax(-1)
    torch.testing.assert_close(scope["task"](inputs, mixed)["loss"], loss(logits, mixed))
    assert scope["module"].training_step((inputs[:, 0, :8, :8], target), 0).shape == ()


def _tokens() -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (4, 7, 11) and labels of which some, at the ends and between, are left out."""
    labels = torch.randint(11, (4, 7))
    labels[0, :3] = labels[1, 5:] = labels[2, 4] = -100
    return torch.randn(4, 7, 11), labels


def test_take_home_example_of_a_language_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With cross-entropy it is what language models compute themselves, over accumulated batches, too."""
    _export(CrossEntropyLoss(), tmp_path, monkeypatch)
    token_loss = _take_home()["token_loss"]
    logits, labels = _tokens()
    expected = nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
    torch.testing.assert_close(token_loss(SimpleNamespace(logits=logits), labels), expected)
    count = (labels[:, 1:] != -100).sum()
    parts = [token_loss(SimpleNamespace(logits=logits[part]), labels[part], count) for part in ([0], [1, 2, 3])]
    torch.testing.assert_close(sum(parts), expected)


def test_take_home_example_of_other_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the line that shifts, as its comment says: labels of tokens, and of whole sequences."""
    _export(CrossEntropyLoss(), tmp_path, monkeypatch)
    lines = _example("take home").splitlines()
    (shift,) = [line for line in lines if "without this line" in line]
    token_loss = _take_home("\n".join(line for line in lines if line != shift))["token_loss"]
    logits, labels = _tokens()
    for outputs, target in ((logits, labels), (logits[:, 0], labels[:, 0])):
        flat = outputs.flatten(0, -2), target.flatten()
        expected = nn.functional.cross_entropy(*flat, ignore_index=-100)
        torch.testing.assert_close(token_loss(SimpleNamespace(logits=outputs), target), expected)


@pytest.mark.filterwarnings("ignore")
def test_take_home_example_in_a_trainer_of_hugging_face(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transformers = pytest.importorskip(
        "transformers", reason="not a development dependency: torchmetrics imports it wherever it is, for seconds"
    )
    _export(CrossEntropyLoss(), tmp_path, monkeypatch)
    dropout = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
    model = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=20, n_positions=16, n_embd=8, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0, **dropout
        )
    )
    ids = torch.randint(20, (4, 6))
    labels = ids.clone()
    labels[:, 0] = labels[1, 3:] = -100
    trainer = transformers.Trainer(
        model,
        transformers.TrainingArguments(
            str(tmp_path / "gpt"), max_steps=1, report_to="none", use_cpu=True, gradient_accumulation_steps=2,
            per_device_train_batch_size=2, learning_rate=0.0, logging_steps=1, disable_tqdm=True
        ),
        train_dataset=[{"input_ids": i, "labels": each} for i, each in zip(ids, labels, strict=True)],
        compute_loss_func=_take_home()["token_loss"],
    )  # fmt: skip
    trainer.train()
    expected = model(input_ids=ids, labels=labels).loss.item()
    assert trainer.state.log_history[0]["loss"] == pytest.approx(expected, abs=1e-3)


def test_tree_example() -> None:
    assert _run(_example("tree"))["loss"].formula() == named_loss("baikal").formula()


def test_recorder_example(project: Path) -> None:
    _run(_shorten(_example("recorder"), "max_epochs=30", "max_epochs=1"))
    assert main(["theory", "--records", *map(str, project.glob("records/*/attraction.npz")), "--output=figures"]) == 0
    assert (project / "figures" / "stratification.png").exists()


def test_theory_example() -> None:
    scope = _run(_example("theory"))
    for name in ("paper", "exact", "stable", "drive", "curvature", "ratio", "reason"):
        assert hasattr(scope["verdict"], name)
        assert f".{name}" in _example("theory")


# --- Commands -------------------------------------------------------------------------------------------------------


def _commands(page: str) -> list[str]:
    """Return the commands of console blocks, and those that stand in a sentence or a table."""
    shown = "".join(_blocks(page, "console")).replace("\\\n", " ")
    commands = [line.removeprefix("$ ") for line in shown.splitlines()]
    prose = re.sub(r"^```.*?^```", "", _text(page), flags=re.DOTALL | re.MULTILINE)
    inline = [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose)]
    verb_with_options = re.compile(rf"(?:{'|'.join(VERBS)}) .*--")
    commands += [f"glo-lightning {code}" for code in inline if verb_with_options.match(code)]
    return commands + [code for code in inline if re.match(r"(python|glo-lightning|make|pip) ", code)]


COMMANDS = sorted({command for page in (*PAGES, *_notebooks()) for command in _commands(page)})


def _words(command: str) -> list[str]:
    """Split a command as a shell does, without what it writes to; a NAME stands for any of its kind."""
    words = shlex.split(command.replace("NAME.yaml", "cifar10_alexnet_16e.yaml"), comments=True)
    return words[: words.index(">")] if ">" in words else words


def _parse(verb: str, arguments: list[str]) -> None:
    """Parse a command line of a verb that trains, and build its settings."""
    arguments = [each for each in arguments if each != CHECK]
    if OWN_CLI in arguments:
        own = OwnCLIArguments(TRAINING_VERBS[verb], arguments, OWN_CLI)
        assert own.settings().generations == 20
        assert own.task().build_model().learning_rate == 0.2
    elif "--print_config" in arguments:
        with pytest.raises(SystemExit, match="0"):
            TaskCLI(TRAINING_VERBS[verb], arguments)
    else:
        TaskCLI(TRAINING_VERBS[verb], arguments).settings()


def _check_by_help(arguments: list[str], run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Let argparse check values and choices up to ``--help``, which it then shows; names are checked against that."""
    with pytest.raises(SystemExit, match="0"):
        run([*arguments, "--help"])
    told = capsys.readouterr().out
    for option in arguments:
        assert not option.startswith("--") or re.search(rf"{option.partition('=')[0]}\b", told), option


def _run_script(path: str, arguments: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [path, *arguments])
        patch.syspath_prepend(str((ROOT / path).parent))  # as python does
        runpy.run_path(str(ROOT / path), run_name="__main__")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_parses(command: str, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if "your_config.yaml" in command:
        _write_lightning_cli_file(project / "your_config.yaml")
    program, *rest = _words(command)
    if program == "make":
        assert all(re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE) for target in rest[:1])
    elif program == "pip":
        assert Requirement(rest[1]).name == setup()["metadata"]["name"]
        assert Requirement(rest[1]).extras <= EXTRAS.keys()
    elif program == "python" and rest[0].endswith(".py"):
        _check_by_help(rest[1:], lambda arguments: _run_script(rest[0], arguments), capsys)
    else:
        verb, *arguments = rest if program == "glo-lightning" else [rest[1].removeprefix("glo_lightning."), *rest[2:]]
        if "--help" in arguments:
            assert main([verb, *arguments]) == 0
        elif verb in TRAINING_VERBS:
            _parse(verb, arguments)
        else:
            _check_by_help([verb, *arguments], main, capsys)


def _write_lightning_cli_file(path: Path) -> None:
    """Write what a LightningCLI with classes of its own writes when it fits."""
    from my_project import MyData, MyModel  # type: ignore[import-not-found]

    cli = LightningCLI(MyModel, MyData, save_config_callback=None, run=False, args=["--model.learning_rate=0.2"])
    path.write_text(cli.parser.dump(cli.config, skip_unset=False) + "ckpt_path: null\n")


def test_a_lightning_cli_file_is_read(project: Path) -> None:
    (command,) = [command for command in COMMANDS if "your_config.yaml" in command and CHECK in command]
    _write_lightning_cli_file(project / "your_config.yaml")
    cli = TaskCLI(SEARCH, [word for word in _words(command)[3:] if word != CHECK])
    assert (cli.config.model.class_path, cli.config.model.init_args.learning_rate) == ("my_project.MyModel", 0.2)
    assert cli.task().build_model().learning_rate == 0.2


def test_options_and_files_that_pages_name_exist() -> None:
    for page in (*PAGES, *_notebooks()):
        text = _text(page)
        for section, name in re.findall(rf"--({'|'.join(TRAINING_VERBS)})\.(\w+)", text):
            assert name in {field.name for field in fields(TRAINING_VERBS[section].settings)}, f"{page}: {name}"
        for path in re.findall(r"\b(configs/[\w./]+\.(?:yaml|sh)|tests/[\w/]+\.(?:py|md))", text):
            assert "NAME" in path or (ROOT / path).exists(), f"{page}: {path}"


def test_a_configuration_shown_can_be_read(project: Path) -> None:
    (shown,) = _blocks("configs/README.md", "yaml")
    file = project / "shown.yaml"
    file.write_text(shown.replace("papers/", "configs/papers/"))
    _parse("search", [f"--config={file}"])


def test_the_table_of_theory_is_what_theory_prints(capsys: pytest.CaptureFixture[str]) -> None:
    (command,) = [each for each in _commands(THEORY) if "taylorglo_2" in each]
    words = _words(command)
    assert main(["theory", *words[3 : words.index("--output")]]) == 0
    printed = {" ".join(line.split()) for line in capsys.readouterr().out.splitlines()}
    (table,) = _blocks(THEORY, "text")
    assert {" ".join(line.split()) for line in table.splitlines()} <= printed


# --- Pages ----------------------------------------------------------------------------------------------------------


def test_readme_is_short() -> None:
    assert len(_text(README).splitlines()) <= 250


def test_readme_and_results_tell_the_same_verdicts() -> None:
    tables = _blocks(README, "text")
    assert len(tables) == 2
    assert all(line in _text(RESULTS) for table in tables for line in table.splitlines())


def _anchors(page: str) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", _text(page), flags=re.DOTALL | re.MULTILINE), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*LINKED, *_notebooks()])
def test_every_link_leads_somewhere(page: str) -> None:
    for link in re.findall(r"\]\(([^()\s]+)\)", _text(page)):
        if re.match(r"https?:", link):
            continue
        path, _, anchor = link.partition("#")
        target = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        assert target.exists(), f"{page}: {link}"
        assert not anchor or anchor in _anchors(str(target.relative_to(ROOT))), f"{page}: {link}"


def test_results_have_a_complete_table_of_contents() -> None:
    sections = _anchors(RESULTS) - {"measured"}
    assert set(re.findall(r"^- \[.*\]\(#(.+)\)$", _text(RESULTS), re.MULTILINE)) == sections


def test_the_sampler_benchmark_refuses_parts_it_does_not_have(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        _run_script("tests/benchmarks/sampler.py", ["costs"])
    assert "no part costs" in capsys.readouterr().err
