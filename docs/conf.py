# SPDX-License-Identifier: BSD-2-Clause
"""Sphinx's settings. Run by docs/build.py, which says where Doxygen left its XML."""

import os

import gen_bench
from docutils import nodes

extensions = ["breathe"]
project = "Paravane"
author = "the Paravane authors"
copyright = "the Paravane authors, BSD-2-Clause"
breathe_projects = {name: os.path.join(os.environ["PARAVANE_DOXYGEN"], name, "xml")
                    for name in ("abi", "libhypercall")}
breathe_domain_by_extension = {"h": "c"}
# Every reference has to lead somewhere, but to the compiler's types, structures without a name, and
# headers as files.
nitpicky = True
nitpick_ignore_regex = [("c:identifier", r"u?int\d+_t|size_t|va_list|\w+\.@\d"), (r"std:ref|ref", r".*_8h")]
html_theme = "furo"
html_title = "Paravane"
html_copy_source = False
highlight_language = "none"
html_static_path = ["static"]
html_css_files = ["paravane.css"]


def put_drawings_in(app, doctree, _):
    """Drawings become part of the page, so that their colours are the theme's."""
    if app.builder.format != "html":
        return
    for image in list(doctree.findall(nodes.image)):
        path = os.path.join(app.srcdir, image["uri"])
        if path.endswith(".svg") and os.path.exists(path):
            with open(path, encoding="utf-8") as f:
                text = f.read()
            if text.startswith('<svg class="drawing"'):
                image.replace_self(nodes.raw("", text, format="html"))


def bench_role(_, rawtext, text, lineno, inliner, **__):
    """:bench:`block.read_4k pv`: a figure of results.json."""
    try:
        return [nodes.Text(gen_bench.figure(text))], []
    except gen_bench.Wrong as why:
        message = inliner.reporter.error(f"{rawtext}: {why}", line=lineno)
        return [inliner.problematic(rawtext, rawtext, message)], [message]


def setup(app):
    app.add_role("bench", bench_role)
    app.connect("doctree-resolved", put_drawings_in)
