# SPDX-License-Identifier: BSD-2-Clause
"""Sphinx's settings. Run by docs/build.py, which says where Doxygen left its XML."""

import os

extensions = ["breathe"]
project = "Paravane"
author = "the Paravane authors"
copyright = "the Paravane authors, BSD-2-Clause"
breathe_projects = {"paravane": os.environ.get("PARAVANE_DOXYGEN", "")}
breathe_default_project = "paravane"
breathe_domain_by_extension = {"h": "c"}
html_theme = "furo"
html_title = "Paravane"
html_copy_source = False
highlight_language = "none"
