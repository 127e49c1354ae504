"""Sphinx settings. Build with ``sphinx-build -W docs docs/_build``; the examples run as part of it."""

import os
import re
import warnings

os.environ.setdefault("MPLBACKEND", "Agg")

import skrec

project = "skrec"
author = "The skrec developers"
copyright = "the skrec developers, BSD-3-Clause"
version = release = skrec.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
# Links into the documentation of other projects need the network, and a build without it must not fail.
if os.environ.get("SKREC_DOCS_ONLINE"):
    extensions.append("sphinx.ext.intersphinx")
intersphinx_mapping = {
    "python": ("https://docs.python.org/3", None),
    "numpy": ("https://numpy.org/doc/stable", None),
    "scipy": ("https://docs.scipy.org/doc/scipy", None),
    "sklearn": ("https://scikit-learn.org/stable", None),
}

extlinks = {"arxiv": ("https://arxiv.org/abs/%s", "arXiv:%s"), "doi": ("https://doi.org/%s", "doi:%s")}

root_doc = "index"
templates_path = ["_templates"]
exclude_patterns = ["_build", "_templates", "examples/README.rst"]
default_role = "literal"
add_module_names = False

autosummary_generate = True
autosummary_imported_members = True
autodoc_default_options = {"members": True, "inherited-members": True, "member-order": "groupwise"}
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

html_theme = "pydata_sphinx_theme"
html_title = f"skrec {release}"
html_static_path = ["_static"]
html_css_files = ["skrec.css"]
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "skrec"},
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {name: [] for name in ("index", "get_started", "api", "glossary", "migration", "changelog")}

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "doc_module": ("skrec",),
    "backreferences_dir": "api/generated/backreferences",
    "reference_url": {"skrec": None},
    "reset_modules": ("matplotlib",),
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "write_computation_times": False,
    "show_memory": False,
    "show_signature": False,
    "remove_config_comments": True,
}

# Examples run with warnings as the reader would see them, except the one that a non-interactive backend gives.
warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")


def _skip_scikit_learn(app, what, name, obj, skip, options):
    """Leave what a class inherits from scikit-learn to scikit-learn's own documentation."""
    return skip or (getattr(obj, "__module__", None) or "").startswith("sklearn.") or name.endswith("_request")


def _escape_shapes(app, what, name, obj, options, lines):
    """Keep ``shape (n_rows, n_features_in_)`` from being read as a link to something called n_features_in."""
    lines[:] = [re.sub(r"(?<=\w)_(?=[,)])", r"\_", line) if " shape (" in line else line for line in lines]


def setup(app):
    """Register what is done to members and docstrings; the latter before numpydoc reads them."""
    app.connect("autodoc-skip-member", _skip_scikit_learn)
    app.connect("autodoc-process-docstring", _escape_shapes, priority=400)
