# SPDX-License-Identifier: BSD-2-Clause
"""Every link between the pages leads somewhere, and the search knows every name of the interface.

`check(html, names)` looks at each file below html: what an `href` or `src` names must be a file there,
what stands behind # an id of that page; no page may be without a link from another. Names are looked up
in the search index and in the general index.
"""

import json
import os
import re
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

from sphinx.search.en import SearchEnglish

# Made by Sphinx for itself, linked from its own forms.
OWN = {"search.html", "genindex.html", "index.html", "py-modindex.html"}


class Page(HTMLParser):
    """The ids and local links of a page."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.links = set(), []
        with open(path, encoding="utf-8") as f:
            self.feed(f.read())

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        for key in ("id", "name"):
            if attributes.get(key):
                self.ids.add(attributes[key])
        for key in ("href", "src"):
            link = attributes.get(key)
            if link and not urlsplit(link).scheme and not link.startswith("//"):
                self.links.append(link)


def pages_of(html):
    found = {}
    for top, _, names in os.walk(html):
        for name in names:
            if name.endswith(".html") and not os.path.relpath(top, html).startswith(("_static", "_sources")):
                path = os.path.relpath(os.path.join(top, name), html)
                found[path] = Page(os.path.join(html, path))
    return found


def broken(html, pages):
    linked = set()
    for path, page in sorted(pages.items()):
        for link in page.links:
            parts = urlsplit(link)
            target = os.path.normpath(os.path.join(os.path.dirname(path), unquote(parts.path))) if parts.path else path
            if not os.path.isfile(os.path.join(html, target)):
                yield f"{path}: {link} leads nowhere"
            elif target in pages and parts.fragment and unquote(parts.fragment) not in pages[target].ids:
                yield f"{path}: {link}: there is no such place on that page"
            if target != path:
                linked.add(target)
    for path in sorted(set(pages) - linked - OWN):
        yield f"{path}: no page links to it"


def search_words(html):
    """The words that the search finds, from Sphinx's index."""
    with open(os.path.join(html, "searchindex.js"), encoding="utf-8") as f:
        text = f.read()
    index = json.loads(re.search(r"Search\.setIndex\((.*)\)\s*;?\s*$", text, re.S).group(1))
    return set(index["terms"]) | set(index["titleterms"])


def unknown(html, names):
    words, language = search_words(html), SearchEnglish({})
    with open(os.path.join(html, "genindex.html"), encoding="utf-8") as f:
        index = f.read()
    for name in names:
        if language.stem(name.lower()) not in words:
            yield f"the search does not find {name}"
        if not re.search(rf"\b{name}\b", index):
            yield f"the general index does not have {name}"


def check(html, names):
    """The problems, as lines."""
    pages = pages_of(html)
    return [*broken(html, pages), *unknown(html, names)]
