"""Every module of klinetail has its test module, in the same place under tests/."""

from pathlib import Path

from tests.cases import Case

ROOT = Path(__file__).resolve().parents[1]

ELSEWHERE = {
    "klinetail/cli/app.py": "cli/test_mistakes.py",
    "klinetail/cli/check.py": "e2e/test_check.py",
    "klinetail/cli/choice.py": "e2e/test_symbols.py",
    "klinetail/cli/group.py": "cli/test_mistakes.py",
    "klinetail/cli/help.py": "cli/test_mistakes.py",
    "klinetail/cli/plan.py": "cli/test_outputs.py",
    "klinetail/cli/recording_options.py": "cli/test_recording.py",
    "klinetail/cli/serve.py": "e2e/test_serve.py",
    "klinetail/cli/session.py": "e2e/test_watch.py",
    "klinetail/cli/signals.py": "e2e/test_stopping.py",
    "klinetail/cli/symbols.py": "e2e/test_symbols.py",
    "klinetail/cli/watch.py": "e2e/test_watch.py",
    "klinetail/events.py": "pipeline/test_bus.py",
    "klinetail/exchange/connection.py": "exchange/test_client.py",
    "klinetail/exchange/connector.py": "exchange/test_client.py",
    "klinetail/exchange/http.py": "exchange/test_rest_client.py",
    "klinetail/kinds.py": "pipeline/test_notices.py",
    "klinetail/recordings/policy.py": "recordings/test_resume.py",
    "klinetail/sim/faults/line.py": "sim/test_faults.py",
    "klinetail/sim/faults/table.py": "sim/test_faults.py",
    "klinetail/sim/http.py": "sim/test_server.py",
    "klinetail/sim/hub.py": "sim/test_server.py",
    "klinetail/sim/info.py": "sim/test_rest.py",
    "klinetail/sim/market.py": "sim/test_synthetic.py",
}
"""Modules that are tested where the whole of what they serve is tested, and where.

A command is seen by running it. The connections of the embedded exchange, and their
faults, are seen by connecting to it. Events, kinds, plans, connections and tables are
data of what makes or takes them.
"""


def modules() -> list[Path]:
    """All modules with code, relative to the top of the checkout."""
    found = (ROOT / "klinetail").rglob("*.py")
    names = ("__init__.py", "__main__.py")
    return sorted(path.relative_to(ROOT) for path in found if path.name not in names)


def mirror(module: Path) -> Path:
    """Where a module's test module belongs."""
    return Path("tests", *module.parts[1:-1], f"test_{module.name}")


def test_every_module_has_its_test_module() -> None:
    without = [
        str(module)
        for module in modules()
        if str(module) not in ELSEWHERE and not (ROOT / mirror(module)).is_file()
    ]
    assert without == [], "add its test module, or say in ELSEWHERE where it is tested"


def test_what_is_tested_elsewhere_is() -> None:
    known = {str(module) for module in modules()}
    for module, tests in ELSEWHERE.items():
        with Case(module):
            assert module in known, "the module is gone"
            assert (ROOT / "tests" / tests).is_file()
            assert not (ROOT / mirror(Path(module))).exists(), "it has its own by now"
