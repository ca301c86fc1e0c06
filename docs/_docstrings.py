"""How the manual reads jaxml's docstrings: as they look in the source.

There an example is a bare doctest, `Shapes: ...` starts a line of its own and `N*h*w` is a product; Markdown would nest
three quotations, run the lines together and print the product in italics.
"""

import re
from typing import Any

import griffe

# An indented block, a doctest, or code in backticks, which are left alone; otherwise a star.
STAR = re.compile(r"^(?: {4}.*|>>> .*(?:\n.+)*)$|`[^`]*`|\*", re.M)
LABEL = re.compile(r"^([A-Z][\w ]{2,24}): +(?=\S)", re.M)
DOCTEST = re.compile(r"^>>> .*(?:\n.+)*", re.M)


def to_markdown(doc: str) -> str:
    doc = STAR.sub(lambda found: r"\*" if found[0] == "*" else found[0], doc)
    doc = LABEL.sub(r"\n**\1:** ", doc)
    return DOCTEST.sub(lambda found: f"```pycon\n{found[0]}\n```", doc)


class Docstrings(griffe.Extension):
    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = to_markdown(obj.docstring.value)
