"""Links of the pages to files outside of docs/ lead to the repository."""

import re

REPOSITORY = "https://github.com/go-zre/go-zre/blob/main/"


def on_page_markdown(markdown, **_):
    return re.sub(r"\]\(\.\./([^)]*)\)", lambda m: "](" + REPOSITORY + m[1] + ")", markdown)
