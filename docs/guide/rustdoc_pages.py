"""Lets a page of the book include a page of the crate's documentation: a preprocessor for mdBook 0.5.

A line `{{#rustdoc FILE}}` is replaced by the file, whose path is relative to the page. What only `rustdoc` understands is
rewritten: links to items become plain code, links to the two pages of the crate become links to those of the book, and a
code block without a language is Rust. Headings move one level down, below the title of the page.
"""

import json
import pathlib
import re
import sys

# The pages of the crate's documentation that are pages of the book, too.
PAGES = {"crate::coming_from_python": "from-python.md", "crate::recipes": "cookbook.md"}

DIRECTIVE = re.compile(r"^\{\{#rustdoc (\S+)\}\}$", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[((?:`[^`]*`|[^\]`])*)\]\((?:\w+@)?(crate(?:::\w+)*)(?:\(\))?(#[^)]*)?\)")
SHORT_LINK = re.compile(r"\[(`[^`]*`)\](?![(\[])")
HEADING = re.compile(r"^#", re.MULTILINE)


def main():
    if sys.argv[1:2] == ["supports"]:
        return
    context, book = json.load(sys.stdin)
    source = pathlib.Path(context["root"], context["config"]["book"].get("src", "src"))
    expand_items(book["items"], source)
    json.dump(book, sys.stdout)


def expand_items(items, source):
    """Expands the chapters among the items of a book or of a chapter."""
    for item in items:
        chapter = item.get("Chapter") if isinstance(item, dict) else None
        if chapter:
            if chapter["path"]:
                chapter["content"] = expand(chapter["content"], (source / chapter["path"]).parent)
            expand_items(chapter["sub_items"], source)


def expand(text, folder):
    """Replaces each directive by the file that it names."""
    return DIRECTIVE.sub(lambda found: convert((folder / found[1]).read_text()), text)


def convert(page):
    """Returns a page of the crate's documentation as one of the book."""
    prose, converted = 0, []
    for fence in FENCE.finditer(page):
        converted += [convert_prose(page[prose : fence.start()]), convert_code(fence[0])]
        prose = fence.end()
    return "".join([*converted, convert_prose(page[prose:])])


def convert_code(block):
    """Names the language of a code block that has none."""
    return "```rust" + block.removeprefix("```") if block.startswith("```\n") else block


def convert_prose(prose):
    """Rewrites headings and links."""
    prose = LINK.sub(convert_link, HEADING.sub("##", prose))
    prose = SHORT_LINK.sub(r"\1", prose)
    if left := re.search(r"\]\((\w+@)?crate\b.*|^\[.*\]: (\w+@)?crate\b.*", prose, re.MULTILINE):
        raise ValueError(f"a link of rustdoc that this program does not know: {left[0]}")
    return prose


def convert_link(link):
    """Links to a page of the book, or leaves only the text."""
    text, item, anchor = link[1], link[2], link[3] or ""
    return f"[{text}]({PAGES[item]}{anchor})" if item in PAGES else text


if __name__ == "__main__":
    main()
