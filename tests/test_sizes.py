"""Modules and classes stay small, as docs/architecture.md says."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text()

LINES = 400
FIELDS = 20


def fields(node: ast.ClassDef) -> set[str]:
    """The names that a class declares, or that its methods set on `self`."""
    names = {
        item.target.id
        for item in node.body
        if isinstance(item, ast.AnnAssign)
        and isinstance(item.target, ast.Name)
        and "ClassVar" not in ast.unparse(item.annotation)
    }
    return names | {
        inner.attr
        for inner in ast.walk(node)
        if isinstance(inner, ast.Attribute)
        and isinstance(inner.ctx, ast.Store)
        and isinstance(inner.value, ast.Name)
        and inner.value.id == "self"
    }


def classes() -> Iterator[tuple[str, int]]:
    """Each class of klinetail, with the number of its fields."""
    for path in sorted((ROOT / "klinetail").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                yield node.name, len(fields(node))


def test_no_module_has_more_than_400_lines() -> None:
    found = (ROOT / "klinetail").rglob("*.py")
    lengths = {str(path): len(path.read_text().splitlines()) for path in found}
    assert {path: n for path, n in lengths.items() if n > LINES} == {}
    assert f"A module has {LINES} lines at most" in ARCHITECTURE


def test_a_class_of_more_than_20_fields_has_its_reason_in_the_architecture() -> None:
    large = [name for name, number in classes() if number > FIELDS]
    (paragraph,) = (
        part for part in ARCHITECTURE.split("\n\n") if "**Modules and classes" in part
    )
    assert [name for name in large if f"`{name}`" not in paragraph] == []
    assert f"A class has {FIELDS} fields at\nmost" in paragraph


def test_the_fields_of_a_class_are_counted() -> None:
    (node,) = ast.parse(
        "class A:\n"
        "    one: int\n"
        "    none: ClassVar[int] = 0\n"
        "    def __init__(self):\n"
        "        self.two, self.three = 2, 3\n"
        "        self.four: int = 4\n"
        "        self.four += 1\n"
        "        other.five = self.six\n"
    ).body
    assert isinstance(node, ast.ClassDef)
    assert fields(node) == {"one", "two", "three", "four"}
