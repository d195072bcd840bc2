"""The rooms of the package, and who may import whom."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "glo_lightning"

# room -> the rooms it may import from
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "environment": {"errors"},
    "files": {"errors"},
    "losses": {"errors", "files"},
    "theory": {"errors", "losses"},
    "export": {"errors", "losses"},
    "models": {"errors", "environment", "losses"},
    "data": {"errors", "environment"},
    "callbacks": {"errors", "environment", "losses", "theory", "evaluation.attacks"},
    "training": {"errors", "environment", "files", "losses", "models", "data", "callbacks"},
    "evaluation": {"errors", "environment", "files", "losses", "models", "data", "theory", "callbacks", "training"},
    "search.engines": {"errors", "losses"},
    # A report tells of searches: it may read them back, and nothing else of them.
    "report": {
        "errors", "losses", "theory", "evaluation", "training", "search.records", "search.archive", "search.verdict",
        "search.fidelity",
    },
    "dashboard": {"errors", "losses", "theory", "training", "report", "search"},
    "search": {
        "errors", "environment", "files", "losses", "theory", "models", "data", "callbacks", "training", "evaluation",
        "report", "search.engines",
    },
}  # fmt: skip

# python -m glo_lightning.VERB, for verbs whose code is in a room of another name
DOORS = ("cli", "train", "compare", "robustness", "landscape")

# third-party packages that only some rooms may import
RESERVED: dict[str, set[str]] = {
    "optuna": {"search", "report", "callbacks", "dashboard"},
    "optuna_dashboard": {"dashboard"},
    "cmaes": {"search.engines"},
    "lightning": {"models", "data", "callbacks", "training", "search", "evaluation"},
    "torchvision": {"models", "data", "environment", "training"},
    "sklearn": {"data"},
    "jsonargparse": {"search", "theory", "evaluation", "training", "report"},
    "ray": {"search"},
}


def _room(module: str) -> str:
    parts = module.split(".")[1:]
    if parts[:2] == ["search", "engines"]:
        return "search.engines"
    return parts[0] if parts else ""


def _modules() -> list[tuple[str, Path]]:
    modules = []
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE.parent).with_suffix("")
        modules.append((".".join(relative.parts).removesuffix(".__init__"), path))
    return modules


def _imports(path: Path) -> list[str]:
    """Every module imported anywhere in the file, inside functions and TYPE_CHECKING blocks too."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names.append(node.module or "")
    return names


@pytest.mark.parametrize(("module", "path"), _modules(), ids=[module for module, _ in _modules()])
def test_imports_keep_to_the_table(module: str, path: Path) -> None:
    room = _room(module)
    if room in ("", *DOORS) or path.stem == "__main__":  # doors see everything
        return
    assert room in ALLOWED, f"room {room!r} is not in the table"
    for name in _imports(path):
        if name.startswith("glo_lightning."):
            other = _room(name)
            known_exception = f"{name.removeprefix('glo_lightning.')}" in ALLOWED[room]
            assert other == room or other in ALLOWED[room] or known_exception, f"{module} imports {name}"
        top = name.split(".")[0]
        if top in RESERVED:
            assert room in RESERVED[top], f"{module} imports {top}"
    if room == "callbacks" and "optuna" in {name.split(".")[0] for name in _imports(path)}:
        assert path.name == "pruning.py"


def test_nothing_in_the_package_can_execute_what_it_loads() -> None:
    for _, path in _modules():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert not {"pickle", "dill", "marshal", "shelve", "cloudpickle"} & {
            name.split(".")[0] for name in _imports(path)
        }, path
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("eval", "exec", "compile", "__import__"), f"{path}:{node.lineno}"
