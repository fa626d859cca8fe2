"""Which exchange is meant, and what says so first: flag, environment, default."""

from __future__ import annotations

from typing import Any

import pytest
import typer.main

from klinetail.cli.app import app
from klinetail.cli.exchange import Asked, Env, Origin, Said, decide
from klinetail.errors import UsageError
from klinetail.protocol.venues import own_venue

WS, REST = "ws://127.0.0.1:1/market", "http://127.0.0.1:1"
CUSTOM = own_venue(WS, REST)
FLAG, VARIABLE, DEFAULT = Origin.FLAG, Origin.ENVIRONMENT, Origin.DEFAULT
NO_URL = Said(None, DEFAULT)
NO_ENV = Said("live", DEFAULT)
BOTH_IGNORED = (
    "KLINETAIL_WS_URL and KLINETAIL_REST_URL are ignored: --env {} goes first"
)


@pytest.mark.parametrize(
    ("env", "ws", "rest", "meant"),
    [
        (NO_ENV, None, None, Asked(Env.LIVE, None, None)),
        (Said("sim", FLAG), None, None, Asked(Env.SIM, None, None)),
        (Said("testnet", VARIABLE), None, None, Asked(Env.TESTNET, None, None)),
        (NO_ENV, FLAG, FLAG, Asked(Env.LIVE, CUSTOM, None)),
        (NO_ENV, VARIABLE, VARIABLE, Asked(Env.LIVE, CUSTOM, None)),
        *(
            (
                Said(env, FLAG),
                VARIABLE,
                VARIABLE,
                Asked(Env(env), None, BOTH_IGNORED.format(env)),
            )
            for env in Env
        ),
        (
            Said("live", FLAG),
            None,
            VARIABLE,
            Asked(
                Env.LIVE, None, "KLINETAIL_REST_URL is ignored: --env live goes first"
            ),
        ),
        *(
            (
                Said(env, VARIABLE),
                FLAG,
                FLAG,
                Asked(
                    Env.LIVE,
                    CUSTOM,
                    f"KLINETAIL_ENV={env} is ignored: --ws-url and --rest-url go first",
                ),
            )
            for env in Env
        ),
    ],
)
def test_a_flag_goes_first(
    env: Said, ws: Origin | None, rest: Origin | None, meant: Asked
) -> None:
    ws_url = NO_URL if ws is None else Said(WS, ws)
    rest_url = NO_URL if rest is None else Said(REST, rest)
    assert decide(env, ws_url, rest_url) == meant


@pytest.mark.parametrize(
    ("env", "ws", "rest", "said"),
    [
        (Said("live", FLAG), FLAG, FLAG, "--env live and --ws-url name two exchanges"),
        (
            Said("sim", VARIABLE),
            VARIABLE,
            VARIABLE,
            "KLINETAIL_ENV=sim and KLINETAIL_WS",
        ),
        (
            NO_ENV,
            FLAG,
            VARIABLE,
            "--ws-url without --rest-url: KLINETAIL_REST_URL could",
        ),
        (NO_ENV, VARIABLE, FLAG, "--rest-url without --ws-url: KLINETAIL_WS_URL could"),
        (Said("live", FLAG), FLAG, VARIABLE, "--ws-url without --rest-url"),
        (NO_ENV, FLAG, None, "--ws-url without --rest-url: give both"),
        (NO_ENV, None, VARIABLE, "--rest-url without --ws-url: give both"),
        (Said("sim", VARIABLE), FLAG, None, "--ws-url without --rest-url: give both"),
    ],
)
def test_two_exchanges_are_refused(
    env: Said, ws: Origin | None, rest: Origin | None, said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        decide(
            env,
            NO_URL if ws is None else Said(WS, ws),
            NO_URL if rest is None else Said(REST, rest),
        )
    assert said in str(caught.value)


GROUP: Any = typer.main.get_command(app)
OPTIONS = [
    (name, parameter.name)
    for name, command in GROUP.commands.items()
    for parameter in command.params
    if parameter.param_type_name == "option" and parameter.envvar
]


def values(parameter: Any) -> tuple[str, str]:
    """Two values that an option takes and that differ, none of them its default."""
    if choices := getattr(parameter.type, "choices", None):
        others = [str(one) for one in choices if one != parameter.default]
        return others[0], others[-1]
    if parameter.type.name in ("text", "str"):
        return "one", "two"
    return "41", "43"


@pytest.mark.parametrize(("command", "name"), OPTIONS)
def test_of_every_option_the_flag_wins_over_the_variable_over_the_default(
    command: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (parameter,) = (p for p in GROUP.commands[command].params if p.name == name)

    def read(*arguments: str) -> tuple[Any, str]:
        needed = ["x"] if command in ("watch", "check") else []
        words = [*needed, *arguments]
        context = GROUP.commands[command].make_context(command, words)
        value = context.params[name]
        if isinstance(value, list | tuple):
            (value,) = value or (None,)
        return value, context.get_parameter_source(name).name

    for variable in {str(p.envvar) for p in GROUP.commands[command].params if p.envvar}:
        monkeypatch.delenv(variable, raising=False)
    flag = parameter.opts[-1]
    default, source = read()
    assert source == "DEFAULT"
    if parameter.is_flag:
        monkeypatch.setenv(parameter.envvar, "0")
        assert read() == (False, "ENVIRONMENT")
        assert read(flag) == (True, "COMMANDLINE")
        monkeypatch.setenv(parameter.envvar, "1")
        assert read() == (True, "ENVIRONMENT")
        for negative in parameter.secondary_opts:
            assert read(negative) == (False, "COMMANDLINE")
        return
    one, other = values(parameter)
    monkeypatch.setenv(parameter.envvar, one)
    by_variable, source = read()
    assert source == "ENVIRONMENT"
    assert by_variable != default
    by_flag, source = read(flag, other)
    assert source == "COMMANDLINE"
    assert str(by_flag) in (other, f"{other}.0")
    assert by_flag != by_variable or one == other


def test_there_is_an_option_of_every_command() -> None:
    assert {command for command, _ in OPTIONS} == {"watch", "symbols", "serve", "check"}
    assert len(OPTIONS) > 25
