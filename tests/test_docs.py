"""README says what is there, and all of it."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
import typer.main
from typer.core import TyperGroup

import klinetail
from klinetail.cli.app import app
from klinetail.errors import ExitCode
from klinetail.formats.csv import COLUMNS

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def commands() -> list[str]:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    return list(group.commands)


@pytest.mark.parametrize("command", commands())
def test_every_option_and_its_variable_stand_in_readme(command: str) -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    for parameter in group.commands[command].params:
        for name in (*parameter.opts, *parameter.secondary_opts):
            if name.startswith("-") and name not in ("-h", "--help"):
                assert f"`{name}" in README, f"{command} {name}"
        if parameter.param_type_name == "option" and parameter.name != "help":
            assert str(parameter.envvar).startswith("KLINETAIL_")
            assert f"`{parameter.envvar}`" in README


def test_the_exit_codes_are_all_of_them() -> None:
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)}
    assert codes == set(ExitCode)


def test_the_record_s_keys_are_all_there() -> None:
    section = README.split("## The record")[1].split("## ")[0]
    assert set(COLUMNS) <= set(re.findall(r"`([a-z_]+)`", section))


def test_the_numbers_are_those_of_the_code() -> None:
    from klinetail import escape, stats, throttle
    from klinetail.contract.attempts import RETRY
    from klinetail.contract.close import GRACE
    from klinetail.contract.finality import CONFIRM, SETTLED
    from klinetail.contract.held import HELD
    from klinetail.errors import FORBIDDEN
    from klinetail.exchange import client, http, rest, supervision
    from klinetail.mailbox import MOST, PATIENCE

    assert supervision.BACKOFF == (0.5, 30.0)
    assert (FORBIDDEN, RETRY) == (30.0, (1.0, 30.0))
    assert supervision.STEADY == 10.0
    assert (GRACE, CONFIRM, SETTLED, HELD) == (3_000, 20_000, 30_000, 500)
    assert (MOST, PATIENCE) == (65_536, 1.0)
    assert (client.MAX_MESSAGE, http.MAX_BODY) == (1 << 20, 8 << 20)
    assert (escape.LINE, escape.STACKED) == (500, 4)
    assert (throttle.BURST, throttle.RATE, throttle.FEW) == (50, 10, 5)
    assert stats.ANNOUNCED_KEPT == 100_000
    assert supervision.CONNECT_TIMEOUT == rest.PATIENCE == 10.0


def test_every_public_name_can_be_had() -> None:
    for name in klinetail.__all__:
        assert getattr(klinetail, name) is not None
    with pytest.raises(AttributeError):
        _ = klinetail.nothing


def test_every_module_can_be_imported_alone() -> None:
    for path in sorted((ROOT / "klinetail").rglob("*.py")):
        if path.name != "__main__.py":
            parts = path.relative_to(ROOT).with_suffix("").parts
            importlib.import_module(".".join(parts).removesuffix(".__init__"))
