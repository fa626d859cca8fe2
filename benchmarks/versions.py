"""What was measured, and on what."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "klinetail",
    "binance-futures-connector",
    "websocket-client",
    "msgspec",
    "typer",
    "rich",
    "picows",
    "websocat",
    "unicorn-binance-websocket-api",
    "ccxt",
)


def versions() -> dict[str, object]:
    """Packages, interpreter, jq, kernel, CPU, and how busy the machine was before."""
    found: dict[str, object] = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    found["jq"] = _jq()
    found["kernel"] = platform.release()
    found["cpu"] = _cpu()
    found["cores"] = os.cpu_count()
    found["load"] = round(os.getloadavg()[0], 2)
    return found


def _jq() -> str | None:
    try:
        asked = subprocess.run(
            ["jq", "--version"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return asked.stdout.strip().removeprefix("jq-")


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
