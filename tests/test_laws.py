"""The design's laws that a syntax tree can show (docs/architecture.md)."""

import ast
import re
from pathlib import Path

import pytest

from pipelines.common.layout import model_names

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = ("pipelines/common", "trainer_modules/common", "components", "serving", "reporting", "kubeflow")

# What each package may import of this project.
LAYERS = {
    "pipelines": {"pipelines", "components", "reporting", "serving", "trainer_modules.common"},
    "components": {"components"},
    "trainer_modules": {"trainer_modules"},
    "reporting": {"reporting"},
    "serving": {"serving"},
    "schemas": set(),
}


def sources(folder: str) -> list[Path]:
    return sorted((REPOSITORY / folder).rglob("*.py"))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def imported(path: Path) -> set[str]:
    """Dotted names of the modules of this project that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path}: imports are absolute"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in names if name.split(".")[0] in LAYERS}


@pytest.mark.parametrize("folder", SHARED)
def test_law_1_nothing_shared_names_a_model(folder):
    pattern = re.compile(r"\b(" + "|".join(model_names()) + r")\b")
    named = {
        str(path.relative_to(REPOSITORY)): match.group()
        for path in (REPOSITORY / folder).rglob("*")
        if path.is_file() and path.suffix != ".pyc" and (match := pattern.search(path.read_text()))
    }
    assert named == {}


def test_law_4_user_code_is_passed_as_dotted_paths():
    calls = [
        f"{path.relative_to(REPOSITORY)}:{node.lineno}"
        for folder in ("pipelines", "components", "trainer_modules")
        for path in sources(folder)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and any(keyword.arg == "module_file" for keyword in node.keywords)
    ]
    assert calls == []


@pytest.mark.parametrize("package", LAYERS)
def test_law_7_imports_point_one_way(package):
    wrong = [
        f"{path.relative_to(REPOSITORY)} imports {name}"
        for path in sources(package)
        for name in imported(path)
        if not any(name == layer or name.startswith(layer + ".") or layer.startswith(name + ".") for layer in LAYERS[package])
    ]
    assert wrong == []


def test_law_7_shared_pipeline_code_imports_no_model():
    models = {f"{package}.{name}" for package in ("pipelines", "trainer_modules") for name in model_names()}
    wrong = [f"{path.name} imports {name}" for path in sources("pipelines/common") for name in imported(path) & models]
    assert wrong == []


def test_law_7_graph_stages_do_not_know_the_command_line():
    above = {"pipelines.common.cli", "pipelines.common.commands", "pipelines.common.runs", "pipelines.common.runners"}
    for path in (REPOSITORY / "pipelines/common/graph.py", *(REPOSITORY / "pipelines" / f"{name}.py" for name in model_names())):
        assert not [name for name in imported(path) if any(name == layer or name.startswith(f"{layer}.") for layer in above)], path


def test_models_have_their_files():
    for name in model_names():
        for path in (f"trainer_modules/{name}.py", f"schemas/{name}/schema.pbtxt", f"tests/trainer_modules/test_{name}.py"):
            assert (REPOSITORY / path).is_file(), f"{name} has no {path}"


@pytest.mark.parametrize("name", model_names())
def test_a_run_fn_holds_no_strategy_fit_or_save(name):
    function = next(
        node for node in tree(REPOSITORY / f"trainer_modules/{name}.py").body if isinstance(node, ast.FunctionDef) and node.name == "run_fn"
    )
    words = {node.attr for node in ast.walk(function) if isinstance(node, ast.Attribute)}
    assert not words & {"fit", "save", "export", "scope"}


def test_no_file_is_past_300_lines_or_called_utils():
    for folder in (*LAYERS, "tests", "benchmarks", "reliability"):
        for path in sources(folder):
            assert path.stem not in ("utils", "helpers", "misc"), path
            assert len(path.read_text().splitlines()) <= 300, f"{path} has over 300 lines"
