"""``python -m skrec``: the command line, and the demonstration that a newcomer sees first."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import skrec
from skrec import _demo
from skrec.__main__ import main


def _auc(report, name):
    return float(re.search(rf"^  {re.escape(name)} +(\d\.\d+) ", report, re.MULTILINE)[1])


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """What a process prints that starts as a user's does, and the folder it ran in."""
    folder = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-W", "error", "-m", "skrec", "demo", "--plot", "figure.png"]
    environment = {**os.environ, "PYTHONPATH": str(Path(skrec.__file__).parents[1])}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout, folder


@pytest.mark.slow
def test_demo_finds_a_model_between_popularity_and_the_planted_truth(report):
    text, _ = report
    untrained, popularity, best, truth = (
        _auc(text, name) for name in ("never trained", "popularity", "best of the search", "planted truth")
    )
    assert abs(untrained - 0.5) < 0.02
    assert popularity + 0.05 < best < truth


@pytest.mark.slow
def test_demo_recommends_items_that_the_user_likes_more_than_the_average_item(report):
    text, _ = report
    for user in _demo.USERS_SHOWN:
        _, _, told = text.partition(f"  user {user}, ")
        average = int(re.match(r"who likes (\d+)%", told)[1])
        chances = [int(percent) for percent in re.findall(r"\) +(\d+)%", told)[:5]]
        assert len(chances) == 5
        assert sum(chances) / 5 > 2 * average


@pytest.mark.slow
def test_demo_writes_its_figure_where_it_is_told(report):
    _, folder = report
    assert [path.name for path in folder.iterdir()] == ["figure.png"]
    assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_demo_without_matplotlib_says_how_to_get_the_figure(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    _demo._plot(search=None, aucs=None, path=tmp_path / "figure.png")
    assert 'pip install "skrec-learn[demo]"' in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_help_names_the_demo(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    assert "demo" in capsys.readouterr().out


def test_version_is_the_package_version(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.strip() == f"skrec {skrec.__version__}"


def test_no_command_is_an_error_that_names_what_is_missing(capsys):
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 2
    assert "COMMAND" in capsys.readouterr().err
