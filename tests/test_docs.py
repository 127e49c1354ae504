"""The documentation knows every public name, and every public name is documented."""

import importlib
import inspect
import re
from pathlib import Path

import numpy as np
import pytest

import skrec

get_doc_object = pytest.importorskip("numpydoc.docscrape", reason="the docs extra is not installed").get_doc_object

ROOT = Path(__file__).parents[1]
SUBPACKAGES = sorted(name for name in skrec.__all__ if inspect.ismodule(getattr(skrec, name)))


def _public_names():
    """(canonical name, object): an estimator is listed where users import it from, the top level."""
    estimators = [name for name in skrec.__all__ if inspect.isclass(getattr(skrec, name))]
    yield from ((f"skrec.{name}", getattr(skrec, name)) for name in estimators)
    for subpackage in SUBPACKAGES:
        module = importlib.import_module(f"skrec.{subpackage}")
        yield from ((f"skrec.{subpackage}.{n}", getattr(module, n)) for n in module.__all__ if n not in estimators)
    checks = importlib.import_module("skrec.utils.estimator_checks")
    yield from ((f"{checks.__name__}.{name}", getattr(checks, name)) for name in checks.__all__)


def _public_callables():
    """What a user calls: public functions, classes, and the methods that classes define in this package."""
    for name, obj in _public_names():
        yield name, obj
        if inspect.isclass(obj):
            for attribute, method in inspect.getmembers(obj, inspect.isfunction):
                if not attribute.startswith("_") and method.__module__.startswith("skrec."):
                    yield f"{name}.{attribute}", method


def _is_called_by_users(obj):
    """Not exceptions, nor named tuples that document each field where it is declared: these only come out of calls.

    Nor parts for compiled draws, which are documented as kernels are; the page on custom samplers shows them at work.
    """
    if obj.__module__.startswith("skrec._kernels"):
        return False
    if not inspect.isclass(obj):
        return True
    return not issubclass(obj, Exception) and not (hasattr(obj, "_fields") and ">>>" not in obj.__doc__)


PUBLIC = dict(_public_names())
CALLABLES = {name: obj for name, obj in _public_callables() if _is_called_by_users(obj)}


def _names_on_api_page():
    names, module = [], None
    for line in (ROOT / "docs" / "api.rst").read_text().splitlines():
        if match := re.match(r"\.\. currentmodule:: (\S+)", line):
            module = match[1]
        elif match := re.fullmatch(r"   (\w+)", line):
            names.append(f"{module}.{match[1]}")
    return names


def test_api_page_lists_every_public_name_once():
    assert sorted(_names_on_api_page()) == sorted(PUBLIC)


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_docstring_has_a_summary(name):
    assert get_doc_object(PUBLIC[name])["Summary"]


def _parameters(obj):
    return [p for p in inspect.signature(obj).parameters.values() if p.name != "self"]


def _documented(obj):
    return get_doc_object(obj)["Parameters"]


@pytest.mark.parametrize("name", sorted(CALLABLES))
def test_docstring_tells_every_parameter(name):
    obj = CALLABLES[name]
    documented = [name.strip().lstrip("*") for entry in _documented(obj) for name in entry.name.split(",")]
    assert sorted(documented) == sorted(p.name for p in _parameters(obj))


@pytest.mark.parametrize("name", sorted(CALLABLES))
def test_docstring_tells_every_default(name):
    """A parameter that may be left out says what happens then."""
    obj = CALLABLES[name]
    optional = {p.name for p in _parameters(obj) if p.default is not inspect.Parameter.empty}
    for entry in _documented(obj):
        if optional & {name.strip() for name in entry.name.split(",")}:
            told = f"{entry.type} {' '.join(entry.desc)}"
            assert re.search(r"default|optional|None|[Ii]gnored|As in|:func:", told), (
                f"{name}: {entry.name} : {entry.type}"
            )


@pytest.mark.parametrize("name", sorted(CALLABLES))
def test_docstring_tells_what_is_returned(name):
    obj = CALLABLES[name]
    if inspect.isclass(obj) or name.rpartition(".")[2].startswith("set_"):
        return
    doc = get_doc_object(obj)
    assert doc["Returns"] or doc["Yields"], f"{name} does not say what it returns"


@pytest.mark.parametrize("name", sorted(n for n in PUBLIC.keys() & CALLABLES.keys() if ".Base" not in n))
def test_docstring_shows_an_example_that_runs(name):
    doc = get_doc_object(PUBLIC[name])
    assert any(line.startswith(">>> ") for line in doc["Examples"]), f"{name} has no example"


def test_no_link_to_a_page_that_is_not_there():
    """`:ref:` and `:doc:` are checked by the build; paths in the README are not."""
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / target).exists(), f"README.md links to {target}"


@pytest.mark.data
def test_readme_prints_what_it_says_it_prints(data_home, capsys):
    """The choice and its score to the digit; lists of the same form, as processors differ in the last bits."""
    readme = (ROOT / "README.md").read_text()
    (code,), (output,) = (re.findall(rf"```{kind}\n(.*?)```", readme, re.DOTALL) for kind in ("python", "text"))
    exec(compile(code, "README.md", "exec"), {})
    printed, said = (text.splitlines() for text in (capsys.readouterr().out, output))
    assert printed[0] == said[0]
    lists, said_lists = (np.array(re.findall(r"\d+", " ".join(lines[1:]))).reshape(2, 5) for lines in (printed, said))
    for found, expected in zip(lists, said_lists, strict=True):
        assert len(set(found)) == 5 and set(found) & set(expected)
