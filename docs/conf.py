# SPDX-License-Identifier: BSD-2-Clause
"""Sphinx's settings. Run by docs/build.py, which says where Doxygen left its XML."""

import os

extensions = ["breathe"]
project = "Paravane"
author = "the Paravane authors"
copyright = "the Paravane authors, BSD-2-Clause"
breathe_projects = {name: os.path.join(os.environ["PARAVANE_DOXYGEN"], name, "xml")
                    for name in ("abi", "libhypercall")}
breathe_domain_by_extension = {"h": "c"}
html_theme = "furo"
html_title = "Paravane"
html_copy_source = False
highlight_language = "none"
