"""The settings of Sphinx, which `make docs` runs. Before it reads the pages, the generated ones are written.

Sphinx with MyST is what torch and Lightning document themselves with; the pages stay plain Markdown, which any other
tool, and any forge, shows as well. Nothing is fetched: the theme uses the fonts that a reader has.
"""

import importlib
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.append(str(HERE))
importlib.import_module("generated").write(HERE)

project = "Litmus"
author = "The Litmus authors"
html_title = "Litmus"
extensions = ["myst_parser"]
exclude_patterns = ["build"]
myst_heading_anchors = 4  # links to #headings as on a forge
suppress_warnings = ["myst.header"]  # a generated page may go from # to ###
html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["litmus.css"]
html_copy_source = html_show_sourcelink = html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#8a2f4b", "color-brand-content": "#8a2f4b"},
    "dark_css_variables": {"color-brand-primary": "#e79ab2", "color-brand-content": "#e79ab2"},
}
pygments_style, pygments_dark_style = "friendly", "github-dark"
