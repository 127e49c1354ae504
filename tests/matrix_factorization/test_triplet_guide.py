"""The modules of the user guide's page on samplers of one's own work as they stand (its sessions are doctests)."""

import importlib
import re
import textwrap
from pathlib import Path

import pytest

from skrec import TripletMF

GUIDE = Path(__file__).parents[2] / "docs" / "user_guide"


def test_the_modules_work(tmp_path, monkeypatch, planted):
    blocks = re.findall(r"code-block:: python\n\n((?:    .*\n|\n)+)", (GUIDE / "custom_samplers.rst").read_text())
    (tmp_path / "guide_module.py").write_text("\n".join(textwrap.dedent(block) for block in blocks))
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("guide_module")
    model = TripletMF(
        n_components=8, loss=module.SquaredHingeLoss(), sampler=module.BandSampler(), max_iter=10, random_state=0
    ).fit(planted.data.iloc[planted.train])
    assert model.score(planted.data.iloc[planted.test]) > 0.8
    loss, step = module.SquaredHingeLoss(0.5), 1e-6
    slope = (loss([0.2 + step], [0.0]) - loss([0.2 - step], [0.0])) / (2 * step)
    assert loss.gradient([0.2], [0.0])[0] == pytest.approx(slope)
