"""Plant bugs in one module, one at a time, and count how many its tests find.

Run by hand from the top of the checkout, for example:

    python tests/mutate.py klinetail/contract/series.py \\
        tests/contract/test_series_edges.py tests/contract/test_series.py \\
        --first 'not TestLine'
    python tests/mutate.py klinetail/clock.py tests/test_clock.py

Comparisons, arithmetic, `and`, `or`, `not`, numbers, True and False, min and max are
changed, conditions negated, and statements taken out: in functions, properties and
classes, and the constants of the module. Texts and annotations are left alone. Every
bug gets a process of its own that stops at the first failing test; one that takes too
long counts as found. What no test finds is printed with its line.
The tests must pass without a bug before and afterwards, or nothing is counted.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib.machinery
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import hypothesis.stateful  # noqa: F401 - once for all, and so is pytest
import pytest

COMPARISONS = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
ARITHMETIC = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
}
QUIETLY = [
    *("-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-p", "no:randomly"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # Hypothesis is here already
]
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}


def variants(node: ast.AST) -> Iterator[ast.AST]:
    """The wrong nodes that may stand in a right one's place."""
    match node:
        case ast.Compare(ops=ops):
            for at, op in enumerate(ops):
                for other in COMPARISONS[type(op)]:
                    wrong = copy.deepcopy(node)
                    wrong.ops[at] = other()
                    yield wrong
        case ast.BinOp(left, op, right) if type(op) in ARITHMETIC:
            yield ast.BinOp(left, ARITHMETIC[type(op)](), right)
        case ast.BoolOp(op, values):
            yield ast.BoolOp(ast.And() if isinstance(op, ast.Or) else ast.Or(), values)
            for at in range(len(values)):
                rest = values[:at] + values[at + 1 :]
                yield rest[0] if len(rest) == 1 else ast.BoolOp(op, rest)
        case ast.UnaryOp(_, operand):
            yield operand
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() | float() as value):
            yield from map(ast.Constant, {value + 1, value - 1} - {value})
        case ast.Name(id) if id in NAMES:
            yield ast.Name(NAMES[id], ast.Load())
        case ast.If() | ast.While() | ast.IfExp():
            wrong = copy.copy(node)
            wrong.test = ast.UnaryOp(ast.Not(), node.test)
            yield wrong
        case ast.comprehension(ifs=ifs) if ifs:
            wrong = copy.copy(node)
            wrong.ifs = []
            yield wrong
        case ast.Return(value) if ast.unparse(node) not in ("return", "return None"):
            yield ast.Return(None)
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Break()
    if isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant):
        yield ast.Pass()
    if isinstance(node, ast.Assign | ast.AugAssign | ast.Delete | ast.Raise):
        yield ast.Pass()
    if isinstance(node, ast.Return | ast.Break | ast.Continue):
        yield ast.Pass()


def places(tree: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    """Every node but annotations, with where it hangs."""
    for name, value in ast.iter_fields(tree):
        if name in ("annotation", "returns", "type_params"):
            continue
        for at, child in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(child, ast.AST):
                yield tree, name, at if isinstance(value, list) else None, child
                yield from places(child)


def put(parent: ast.AST, name: str, at: int | None, node: ast.AST) -> None:
    if at is None:
        setattr(parent, name, node)
    else:
        getattr(parent, name)[at] = node


def mutants(source: str) -> Iterator[tuple[int, str, str]]:
    """Line, what is changed, and the whole module with that one bug in it."""
    tree = ast.parse(source)
    for parent, name, at, node in places(tree):
        for wrong in variants(node):
            put(parent, name, at, wrong)
            changed = ast.unparse(ast.fix_missing_locations(tree))
            put(parent, name, at, node)
            before = ast.unparse(node).partition("\n")[0]
            after = ast.unparse(wrong).partition("\n")[0]
            line = getattr(node, "lineno", getattr(parent, "lineno", 0))
            yield line, f"{before}  ->  {after}", changed


def run(path: str, source: str, arguments: list[str], seconds: float) -> str:
    """Whether the tests find the bug: `killed`, `timeout` or `survived`."""
    child = os.fork()
    if not child:
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        real = importlib.machinery.SourceFileLoader.get_code

        def get_code(self, fullname):
            if os.path.realpath(self.path) == path:
                return compile(source, path, "exec", dont_inherit=True)
            return real(self, fullname)

        importlib.machinery.SourceFileLoader.get_code = get_code
        os._exit(int(pytest.main([*QUIETLY, *arguments])))
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return "survived" if status == 0 else "killed"
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return "timeout"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("module", type=Path)
    parser.add_argument("tests", nargs="+")
    parser.add_argument("--first", help="pytest's -k: the quick tests, tried first")
    parser.add_argument("--lines", default="1-999999", help="only those of FIRST-LAST")
    options = parser.parse_args()
    path, source = os.path.realpath(options.module), options.module.read_text()
    rounds = [options.tests]
    if options.first:
        rounds.insert(0, [*options.tests, "-k", options.first])
    begun = time.monotonic()
    if run(path, ast.unparse(ast.parse(source)), options.tests, 600) != "survived":
        sys.exit("the tests fail without a planted bug")
    seconds = 10 + 5 * (time.monotonic() - begun)
    counts = {"killed": 0, "timeout": 0, "survived": 0}
    first, last = map(int, options.lines.split("-"))
    for line, what, changed in mutants(source):
        if not first <= line <= last:
            continue
        for tests in rounds:
            if (result := run(path, changed, tests, seconds)) != "survived":
                break
        counts[result] += 1
        if result == "survived":
            print(f"{options.module}:{line}: {what}", flush=True)
    if run(path, ast.unparse(ast.parse(source)), options.tests, 600) != "survived":
        sys.exit("the tests do not always pass without a planted bug: count again")
    found, total = counts["killed"] + counts["timeout"], sum(counts.values())
    print(f"found {found} of {total} ({counts['timeout']} by time-out)")


if __name__ == "__main__":
    main()
