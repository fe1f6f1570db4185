# SPDX-License-Identifier: BSD-2-Clause
"""Draws SVG for the pages: boxes, arrows, words.

A drawing is 350 units wide unless it says otherwise, which is a phone's width, so that its words can
be read there; on a wide screen it is shown larger. Colours come from static/paravane.css by class, and
change with the theme. A word that would leave its box is an error.
"""

import html

WIDTH = 350
SMALL, NORMAL = 12, 14
# Widths of a letter in units of the font's size, on the large side.
NARROW, BOLD, MONO = 0.56, 0.62, 0.62


class TooLong(Exception):
    """A text that does not fit where it is put."""


def width_of(text, size, face):
    return len(text) * size * {"b": BOLD, "m": MONO}.get(face, NARROW)


class Drawing:
    """One picture. Coordinates grow to the right and down."""

    def __init__(self, name, title, height, width=WIDTH):
        self.name, self.title, self.width, self.height = name, title, width, height
        self.parts = []

    def text(self, x, y, text, face="", size=SMALL, anchor="start", room=None):
        room = room or {"start": self.width - x, "end": x, "middle": 2 * min(x, self.width - x)}[anchor]
        if width_of(text, size, face) > room:
            raise TooLong(f"{self.name}: {text!r} needs {width_of(text, size, face):.0f}, has {room:.0f}")
        self.parts.append(f'<text class="{face or "p"}" x="{x}" y="{y}" font-size="{size}" '
                          f'text-anchor="{anchor}">{html.escape(text)}</text>')

    def box(self, kind, x, y, w, h, *lines, bold=True, mono=False, corner=5, active=False):
        """A box with centred lines, the first of them bold."""
        self.parts.append(f'<rect class="{kind}{" on" if active else ""}" x="{x}" y="{y}" width="{w}" '
                          f'height="{h}" rx="{corner}"/>')
        step = 17
        top = y + h / 2 - step * (len(lines) - 1) / 2 + 4.5
        for n, line in enumerate(lines):
            head = bold and n == 0
            self.text(x + w / 2, top + n * step, line, "b" if head else "m" if mono else "",
                      NORMAL if head else SMALL, "middle", w - 4)

    def arrow(self, *points, number=None, dashed=False, ends="last"):
        """A line through the points (x, y, x, y, ...) with a head, and a numbered disc on its middle."""
        path = "M" + " L".join(f"{x} {y}" for x, y in zip(points[::2], points[1::2]))
        heads = f' marker-end="url(#{self.name}-h)"' if ends in ("last", "both") else ""
        heads += f' marker-start="url(#{self.name}-h)"' if ends == "both" else ""
        self.parts.append(f'<path class="a{" d" if dashed else ""}" d="{path}"{heads}/>')
        if number:
            n = len(points) // 2
            x, y = ((points[0] + points[2]) / 2, (points[1] + points[3]) / 2) if n == 2 else points[2:4]
            self.disc(x, y, number)

    def disc(self, x, y, number):
        self.parts.append(f'<circle class="n" cx="{x}" cy="{y}" r="9"/><text class="nt" x="{x}" '
                          f'y="{y + 4}" font-size="{SMALL}" text-anchor="middle">{number}</text>')

    def line(self, x1, y1, x2, y2):
        self.parts.append(f'<path class="d l" d="M{x1} {y1} L{x2} {y2}"/>')

    def legend(self, y, rows):
        """Numbered lines of words; a row (None, text) goes on with the one before. Returns the end."""
        for number, text in rows:
            if number:
                self.disc(18, y - 4, number)
            self.text(34, y, text)
            y += 20
        return y

    def svg(self):
        return (f'<svg class="drawing" xmlns="http://www.w3.org/2000/svg" role="img" '
                f'viewBox="0 0 {self.width} {self.height}" style="max-width:{self.width * 1.25:.0f}px" '
                f'aria-labelledby="{self.name}-t"><title id="{self.name}-t">{html.escape(self.title)}</title>'
                f'<defs><marker id="{self.name}-h" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
                f'markerHeight="7" orient="auto-start-reverse"><path class="ah" d="M0 0L8 4L0 8z"/></marker>'
                f'</defs>' + "".join(self.parts) + "</svg>\n")
