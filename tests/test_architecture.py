"""The rooms of the package: their floors, and that no files import each other in a circle."""

import ast
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "glo_lightning"

# From the lowest floor up: a room imports from itself and from rooms above it in this list.
FLOORS = (
    "errors", "options", "checked", "plain_parser", "safe_yaml", "files", "environment", "extras", "lazy", "figures",
    "words", "telling", "time_span",
    "hyperparameters", "losses.expression", "losses", "theory", "models", "data", "attacks", "callbacks",
    "search.engines", "search.samplers", "search.storage",
    "training", "search.trial_worker", "cli", "compare", "train", "checkpoints", "robustness", "landscape",
    "search.ranges", "search.settings", "search.monitors", "search.spaces", "search.tasks", "search.records",
    "search.progress", "search.exploration", "search.verdict", "search.workers",
    "baselines", "search",
    "report", "dashboard", "export",
)  # fmt: skip

# Files whose imports of their room's own door, or of others, are what they are for.
DOORS = {"glo_lightning", "glo_lightning.search"}

# What a room may not import although it is above.
SHUT: dict[str, set[str]] = {
    "search.engines": {"losses", "theory", "models", "data", "attacks", "callbacks", "figures"},
    "search.samplers": {"losses", "theory", "models", "data", "attacks", "callbacks", "figures"},
    "search.storage": {"losses", "theory", "models", "data", "attacks", "callbacks", "figures"},
    "export": {"training", "search", "compare", "report", "dashboard", "models", "data"},
    "theory": {"models", "data"},
}

# What is open all the same: of the losses, whoever proposes expressions needs their language alone.
OPEN: dict[str, set[str]] = {
    "search.engines": {"losses.expression"},
    "search.samplers": {"losses.expression"},
}

# Third-party packages that only some rooms may import.
RESERVED: dict[str, set[str]] = {
    "optuna": {"search", "report", "callbacks", "dashboard", "compare", "baselines"},
    "optuna_dashboard": {"dashboard"},
    "cmaes": {"search.engines"},
    "lightning": {"models", "data", "callbacks", "training", "cli", "train", "compare", "checkpoints", "search"},
    "torchvision": {"models", "data", "environment", "training"},
    "sklearn": {"data"},
    "jsonargparse": {"search", "theory", "training", "cli", "report"},
    "ray": {"search.workers"},
}


def _room(module: str) -> str:
    """Return the longest name in the floors that a module belongs to."""
    name = module.removeprefix("glo_lightning").removeprefix(".")
    while name and name not in FLOORS:
        name = name.rpartition(".")[0]
    return name


@cache
def _modules() -> dict[str, Path]:
    modules = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE.parent).with_suffix("")
        modules[".".join(relative.parts).removesuffix(".__init__")] = path
    return modules


@cache
def _imports(module: str) -> frozenset[str]:
    """Every module a file imports, inside functions and TYPE_CHECKING blocks, too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(_modules()[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            assert node.module is not None
            parts = {f"{node.module}.{alias.name}" for alias in node.names}
            inner = parts & _modules().keys()
            names |= inner
            if len(inner) < len(parts):
                names.add(node.module)
    return frozenset(names)


def _is_door(module: str) -> bool:
    return module in DOORS or module.endswith("__main__")


@pytest.mark.parametrize("module", [module for module in _modules() if not _is_door(module)])
def test_rooms_import_from_the_floors_above_them_in_the_list(module: str) -> None:
    room = _room(module)
    assert room, f"{module} is on no floor"
    for name in _imports(module):
        if name.startswith("glo_lightning."):
            other = _room(name)
            assert FLOORS.index(other) <= FLOORS.index(room), f"{module} imports {name}"
            shut = any(f"{other}.".startswith(f"{each}.") for each in SHUT.get(room, ()))
            assert not shut or other in OPEN.get(room, ()), f"{module} imports {name}"
            assert other == room or name.rpartition(".")[2] not in ("command", "output"), f"{module} imports {name}"
        top = name.split(".")[0]
        if top in RESERVED:
            assert any(f"{room}.".startswith(f"{each}.") for each in RESERVED[top]), f"{module} imports {top}"
    if room == "callbacks" and "optuna" in {name.split(".")[0] for name in _imports(module)}:
        assert module.endswith(".pruning")


def test_the_command_line_itself_knows_hardly_more_than_errors() -> None:
    ours = {name for name in _imports("glo_lightning.cli.main") if name.startswith("glo_lightning")}
    assert ours <= {"glo_lightning", "glo_lightning.errors", "glo_lightning.cli.collector"}


def test_no_files_import_each_other_in_a_circle() -> None:
    """Tarjan's strongly connected components; a component of one file is no circle."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    circles = []

    def visit(module: str) -> None:
        order[module] = lowest[module] = len(order)
        stack.append(module)
        for other in _imports(module) & _modules().keys():
            if other == module or other in DOORS:
                continue
            if other not in order:
                visit(other)
            if other in stack:
                lowest[module] = min(lowest[module], lowest[other])
        if lowest[module] == order[module]:
            component = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(component) > 1:
                circles.append(sorted(component))

    for module in _modules():
        if module not in order and not _is_door(module):
            visit(module)
    assert circles == []


def test_nothing_in_the_package_can_execute_what_it_loads() -> None:
    for module, path in _modules().items():
        assert not {"pickle", "dill", "marshal", "shelve", "cloudpickle"} & {
            name.split(".")[0] for name in _imports(module)
        }, path
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("eval", "exec", "compile", "__import__"), f"{path}:{node.lineno}"
