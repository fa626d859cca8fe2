"""The recipes of README read a recording as it is, where a guess of the types fails."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from klinetail.candle import MINUTE, Candle
from klinetail.formats import csv, jsonl
from klinetail.recordings.containers.registry import CONTAINERS
from klinetail.recordings.read import read
from tests.strategies import candle

README = (Path(__file__).resolve().parents[1] / "README.md").read_text()
SECTION = README.split("### A recording in pandas, polars and DuckDB\n")[1]
RECIPES = re.findall(r"```python\n(.*?)```", SECTION.split("\n### ")[0], re.DOTALL)

FIRST = 1_700_000_040_000
WHOLE = 25_000
"""Rows of whole numbers: DuckDB guesses the types by the first 20,480."""

ROWS = WHOLE + 2_000

SUM = WHOLE * 5 + (ROWS - WHOLE) * 5.5

SUMS = {
    "pandas": "[*candles[DECIMALS].sum()]",
    "polars": "[*candles.select(DECIMALS).sum().collect().row(0)]",
    "duckdb": (
        "[*duckdb.execute(f'SELECT sum(COLUMNS($names)) FROM {candles}',"
        " {'names': DECIMALS}).fetchall()[0]]"
    ),
}
"""The sums of the decimals, as an expression behind a recipe."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same recording plain and in frames of 500 rows, as CSV and JSON lines."""
    path = tmp_path_factory.mktemp("recipes")
    made = [
        candle(FIRST + n * MINUTE, prices=(text,) * 4, volumes=(text,) * 4)
        for n, text in enumerate(["5"] * WHOLE + ["5.5"] * (ROWS - WHOLE))
    ]
    (path / "m.csv").write_bytes(csv.HEADER + csv.encode(made))
    (path / "m.jsonl").write_bytes(jsonl.encode(made))
    batches = [made[at : at + 500] for at in range(0, ROWS, 500)]
    for suffix, container in CONTAINERS.items():
        frames = [container.pack(csv.encode(batch)) for batch in batches]
        content = b"".join((container.pack(csv.HEADER), *frames))
        (path / f"m.csv{suffix}").write_bytes(content)
    return path


def test_there_is_a_recipe_for_each() -> None:
    imported = [re.findall(r"^import (\w+)", recipe)[0] for recipe in RECIPES]
    assert imported == [*SUMS]


@pytest.mark.parametrize("number", range(len(SUMS)), ids=SUMS)
def test_the_recipe_reads_every_digit(folder: Path, number: int) -> None:
    recipe, (name, sums) = RECIPES[number], [*SUMS.items()][number]
    files = ["m.csv", "m.csv.gz", "m.csv.zst"]
    if name == "pandas" and importlib.util.find_spec("zstandard") is None:
        files.remove("m.csv.zst")
    programs = [recipe.replace("m.csv", file) for file in files]
    (of_lines,) = re.findall(r"^# JSON lines: (.*)$", recipe, re.MULTILINE)
    programs.append(f"{recipe}\ncandles = {of_lines}")
    program = "import json\nfound = []\n" + "".join(
        f"{each}\nfound.append({sums})\n" for each in programs
    )
    ran = subprocess.run(
        [sys.executable, "-c", f"{program}\nprint(json.dumps(found))"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    assert found == [[SUM] * 8] * len(programs)
    assert "BTCUSDT" in ran.stdout


WRITTEN = {
    "pandas": "import pandas as pd\n"
    "pd.read_csv('m.csv').to_csv('back.csv', index=False)",
    "polars": "import polars as pl\n"
    "pl.read_csv('m.csv', infer_schema_length=None).write_csv('back.csv')",
    "duckdb": "import duckdb; duckdb.execute(\"COPY (FROM read_csv('m.csv',"
    " sample_size=-1)) TO 'back.csv'\")",
}
"""Programs that read a recording and write it again, by their own habits."""


@pytest.mark.parametrize("name", WRITTEN)
def test_what_a_program_writes_back_is_read(tmp_path: Path, name: str) -> None:
    small = ("0.00000098", "0.00000100", "0.0000001", "0.0000005")
    made = [candle(prices=small), candle(FIRST + MINUTE, closed=False)]
    (tmp_path / "m.csv").write_bytes(csv.HEADER + csv.encode(made))
    subprocess.run(
        [sys.executable, "-c", WRITTEN[name]], cwd=tmp_path, check=True, timeout=120
    )
    found = [*read(tmp_path / "back.csv")]
    assert [each.closed for each in found] == [True, False]
    assert all(map(Candle.same_values, found, made))
