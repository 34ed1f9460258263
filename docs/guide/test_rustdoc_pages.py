"""Tests of `rustdoc_pages.py`: `python3 -m unittest discover docs/guide`."""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import rustdoc_pages
from rustdoc_pages import convert

HERE = pathlib.Path(__file__).parent


class Links(unittest.TestCase):
    def test_a_link_to_an_item_is_its_text(self):
        self.assertEqual(convert("See [`with!`](crate::with)."), "See `with!`.")
        self.assertEqual(convert("[the attribute](macro@crate::within#tests)"), "the attribute")
        self.assertEqual(convert("[`x`](fn@crate::timeout) and [y](crate::task_group())"), "`x` and y")

    def test_a_link_without_a_target_is_its_text(self):
        self.assertEqual(convert("a [`Manager`], and [`Loss`]: both"), "a `Manager`, and `Loss`: both")

    def test_brackets_and_parentheses_in_code_belong_to_the_text(self):
        self.assertEqual(convert("[`#[within(cm())]`](macro@crate::within)"), "`#[within(cm())]`")
        self.assertEqual(convert(r"[`cm.scope(async \|x\| [x])`](crate::Manager::scope)"), r"`cm.scope(async \|x\| [x])`")
        self.assertEqual(convert("`#[tokio::test]` is [`within`](crate::within)"), "`#[tokio::test]` is `within`")

    def test_a_link_over_two_lines_is_found(self):
        self.assertEqual(convert("[a\nlimit](crate::recipes#a-limit)"), "[a\nlimit](cookbook.md#a-limit)")

    def test_a_link_to_a_page_is_one_to_the_page_of_the_book(self):
        self.assertEqual(convert("[`recipes`](crate::recipes)"), "[`recipes`](cookbook.md)")
        self.assertEqual(convert("[names](crate::coming_from_python#names)"), "[names](from-python.md#names)")

    def test_other_links_stay(self):
        for text in ["[errors](#errors)", "[a page](https://example.org/crate)", "[`code`](stopping.md)"]:
            self.assertEqual(convert(text), text)

    def test_an_unknown_link_is_an_error(self):
        for text in ["[x](struct@crate::A<B>)", "[x]: crate::A"]:
            with self.assertRaises(ValueError):
                convert(text)


class Blocks(unittest.TestCase):
    def test_code_without_a_language_is_rust(self):
        self.assertEqual(convert("```\nlet x = 1;\n```\n"), "```rust\nlet x = 1;\n```\n")
        self.assertEqual(convert("```python\nx = 1\n```\n"), "```python\nx = 1\n```\n")

    def test_code_is_not_changed(self):
        code = "```rust\n# use a::b;\n// [`x`](crate::x)\n```\n"
        self.assertEqual(convert(code), code)

    def test_headings_move_down(self):
        self.assertEqual(convert("# Names\n\n## Managers\n"), "## Names\n\n### Managers\n")


class Book(unittest.TestCase):
    def test_the_file_is_included_in_chapters_and_in_their_chapters(self):
        with tempfile.TemporaryDirectory() as root:
            pathlib.Path(root, "src", "inner").mkdir(parents=True)
            pathlib.Path(root, "page.md").write_text("# Title\n")
            inner = chapter("inner/a.md", "{{#rustdoc ../../page.md}}\n")
            outer = chapter("b.md", "Before\n{{#rustdoc ../page.md}}\n`{{#rustdoc x}}`", [{"Chapter": inner}])
            items = [{"Chapter": outer}, "Separator", {"PartTitle": "More"}, {"Chapter": chapter(None, "draft")}]
            book = run({"root": root, "config": {"book": {"src": "src"}}}, {"items": items})
        outer = book["items"][0]["Chapter"]
        self.assertEqual(outer["content"], "Before\n## Title\n\n`{{#rustdoc x}}`")
        self.assertEqual(outer["sub_items"][0]["Chapter"]["content"], "## Title\n\n")
        self.assertEqual(book["items"][1:], items[1:])

    def test_the_pages_of_the_crate_can_be_converted(self):
        pages = {"coming-from-python.md": r"^### Exit stacks$", "recipes.md": r"^### A list of managers$"}
        for name, heading in pages.items():
            page = convert(HERE.joinpath("../../runtime/docs", name).read_text())
            self.assertTrue(re.search(heading, page, re.MULTILINE), name)
            self.assertTrue("```rust\n" in page and "```python\n" in page, name)

    def test_it_supports_each_renderer(self):
        program = [sys.executable, rustdoc_pages.__file__, "supports", "html"]
        self.assertEqual(subprocess.run(program, check=True, capture_output=True).stdout, b"")


def chapter(path, content, sub_items=()):
    return {"path": path, "content": content, "sub_items": list(sub_items)}


def run(context, book):
    """Runs the program as mdBook does."""
    sent = json.dumps([context, book])
    program = [sys.executable, rustdoc_pages.__file__]
    return json.loads(subprocess.run(program, input=sent, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    unittest.main()
