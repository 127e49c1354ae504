"""Imports go one way, and importing costs next to nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import skrec

ROOT = Path(skrec.__file__).parent

# What the modules of each part may import from the others, within functions too. A part may import itself.
ESTIMATORS = {"baselines", "matrix_factorization", "ranking", "retrieval"}
ALLOWED = {
    "_kernels": set(),
    "exceptions": set(),
    "utils": {"_kernels", "exceptions"},
    "samplers": {"_kernels", "utils", "losses", "exceptions"},
    "losses": {"_kernels", "utils", "exceptions"},
    "metrics": {"_kernels", "utils", "exceptions"},
    "model_selection": {"utils", "exceptions"},
    "datasets": {"utils", "exceptions"},
    "preprocessing": {"utils", "exceptions"},
    "inspection": {"utils", "exceptions"},
    "base": {"_kernels", "utils", "metrics", "exceptions"},
    "_epochs": set(),
    "_holdout": {"_kernels", "metrics"},
    "_factors": {"base", "utils"},
    "_layers": {"_kernels", "utils"},
    **dict.fromkeys(
        ESTIMATORS,
        {
            *("_kernels", "utils", "samplers", "losses", "preprocessing", "base", "metrics", "exceptions"),
            *("_epochs", "_holdout", "_factors", "_layers"),
        },
    ),
}
ALLOWED["compose"] = ESTIMATORS | ALLOWED["baselines"]
# Checks that train models stand with the utilities, as in scikit-learn, and above all else.
CHECKS = "utils/estimator_checks.py"
ALLOWED["estimator_checks"] = ESTIMATORS | ALLOWED["baselines"]
MODULES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))


def part_of(module):
    if module == CHECKS:
        return "estimator_checks"
    return Path(module).parts[0].removesuffix(".py")


def imported_modules(path, package):
    """Absolute names of what a file imports anywhere, and whether it does so when it is itself imported."""
    tree = ast.parse(path.read_text())
    deferred = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            yield name, id(node) not in deferred


@pytest.mark.parametrize("module", [m for m in MODULES if part_of(m) in ALLOWED])
def test_nothing_imports_upward(module):
    part = part_of(module)
    package = ".".join(["skrec", *Path(module).parts[:-1]])
    for name, _ in imported_modules(ROOT / module, package):
        if name.startswith("skrec."):
            target = name.split(".")[1]
            assert target == part or target in ALLOWED[part], f"{module} imports {name}"


def test_every_part_has_its_place_in_the_order():
    top = {"__init__", "__main__", "_demo"}
    assert {part_of(module) for module in MODULES} <= set(ALLOWED) | top


@pytest.mark.parametrize("module", [m for m in MODULES if part_of(m) != "_kernels"])
def test_optional_and_slow_packages_are_imported_where_they_are_used(module):
    package = ".".join(["skrec", *Path(module).parts[:-1]])
    heavy = {"pandas", "matplotlib", "pooch", "polars", "pyarrow"}
    for name, at_import in imported_modules(ROOT / module, package):
        assert not (at_import and name.split(".")[0] in heavy), name


def test_kernels_know_numpy_and_numba_only():
    """And llvmlite, which is numba's own writer of instructions."""
    for path in (ROOT / "_kernels").glob("*.py"):
        for name, _ in imported_modules(path, "skrec._kernels"):
            top = name.split(".")[0]
            assert top in {"numpy", "numba", "llvmlite", "skrec"} or top in sys.stdlib_module_names, (
                f"{path.name} imports {name}"
            )


def test_only_one_file_imports_private_names_of_sklearn():
    for module in MODULES:
        if module == "utils/_sklearn_compat.py":
            continue
        for name, _ in imported_modules(ROOT / module, ".".join(["skrec", *Path(module).parts[:-1]])):
            private = name.startswith("sklearn.") and any(part.startswith("_") for part in name.split("."))
            assert not private, f"{module} imports {name}"


def loaded_by(statement):
    script = f"{statement}\nimport sys; print(*sorted(m for m in sys.modules if '.' not in m))"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    return set(out.stdout.split())


def test_importing_everything_loads_nothing_heavy_that_scikit_learn_does_not_load():
    heavy = {"numba", "pandas", "matplotlib", "polars", "pyarrow", "pooch"}
    # scikit-learn imports pandas where it is installed.
    everything = loaded_by(f"from skrec import {', '.join(skrec.__all__)}")
    assert not heavy & everything - loaded_by("import sklearn.base")


def test_importing_the_package_loads_next_to_nothing():
    assert not {"numpy", "scipy", "sklearn", "numba", "pandas"} & loaded_by("import skrec")
