"""README says what is there, and all of it."""

from __future__ import annotations

import importlib
import re
import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
import typer.main
from typer.core import TyperGroup

import klinetail
from klinetail.cli.app import app
from klinetail.errors import ExitCode
from klinetail.formats.csv import COLUMNS
from klinetail.sim import embedded_exchange

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
    from klinetail.contract.finality import CONFIRM, SETTLED
    from klinetail.contract.series import GRACE, HELD
    from klinetail.errors import FORBIDDEN
    from klinetail.exchange import backoff, http, reader, rest_client, status
    from klinetail.mailbox import MOST, PATIENCE

    assert backoff.BACKOFF == (0.5, 30.0)
    assert (FORBIDDEN, RETRY) == (30.0, (1.0, 30.0))
    assert status.STEADY == 10.0
    assert (GRACE, CONFIRM, SETTLED, HELD) == (3_000, 20_000, 30_000, 500)
    assert (MOST, PATIENCE) == (65_536, 1.0)
    assert (reader.MAX_MESSAGE, http.MAX_BODY) == (1 << 20, 8 << 20)
    assert (escape.LINE, escape.STACKED) == (500, 4)
    assert (throttle.BURST, throttle.RATE, throttle.FEW) == (50, 10, 5)
    assert stats.ANNOUNCED_KEPT == 100_000
    assert status.CONNECT_TIMEOUT == rest_client.PATIENCE == 10.0


def test_every_public_name_can_be_had_and_is_shown() -> None:
    for name in klinetail.__all__:
        assert getattr(klinetail, name) is not None
    assert dir(klinetail) == sorted(klinetail.__all__)
    with pytest.raises(AttributeError):
        _ = klinetail.nothing


def test_every_module_can_be_imported_alone() -> None:
    for path in sorted((ROOT / "klinetail").rglob("*.py")):
        if path.name != "__main__.py":
            parts = path.relative_to(ROOT).with_suffix("").parts
            importlib.import_module(".".join(parts).removesuffix(".__init__"))


PROGRAMS = re.findall(
    r"```python\n(.*?)```",
    README.split("### In a program\n")[1].split("\n## ")[0],
    re.DOTALL,
)
TYPED = sorted((ROOT / "tests" / "typing").glob("readme_*.py"))


def test_the_programs_are_those_that_are_type_checked() -> None:
    assert PROGRAMS
    assert [path.read_text() for path in TYPED] == PROGRAMS


@pytest.mark.parametrize("number", range(1, len(PROGRAMS)))
def test_a_program_of_the_embedded_exchange_runs_and_ends(number: int) -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAMS[number]],
        capture_output=True,
        text=True,
        timeout=120,
    )
    # On a busy machine it may have been warned that the exchange's clock is in doubt.
    assert (ran.returncode, "Traceback" in ran.stderr) == (0, False), ran.stderr
    assert len(ran.stdout.splitlines()) >= 10


def test_the_first_program_runs_until_it_is_stopped() -> None:
    lengths = {"btcusdt@1m": 60_000, "ethusdt@5m": 300_000}
    times: defaultdict[str, list[int]] = defaultdict(list)
    with embedded_exchange(speed=600) as exchange:
        addresses = f"ws_url={exchange.ws_url!r}, rest_url={exchange.rest_url!r}"
        program = PROGRAMS[0].replace("lines=10", f"lines=10, {addresses}")
        assert addresses in program
        with subprocess.Popen(
            [sys.executable, "-W", "error", "-c", program],
            env={"PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    stream, time, _ = line.split()
                    times[stream].append(int(time))
                    if all(len(times[name]) >= 15 for name in lengths):
                        break
            finally:
                process.send_signal(signal.SIGINT)
    for name, length in lengths.items():
        assert len(times[name]) >= 15
        first, last = times[name][0], times[name][-1]
        assert times[name] == [*range(first, last + 1, length)]
