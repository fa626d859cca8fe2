"""Packages of somebody else's that have sinks, installed into a folder of their own."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path


def install(
    folder: Path, name: str, modules: Mapping[str, str], sinks: Mapping[str, str]
) -> Path:
    """Install a package by pip, without a network; the folder that has to be on the
    path for it.

    Args:
        folder: an empty one.
        name: of the package.
        modules: the source of each of its modules, by file name.
        sinks: its entry points of the group `klinetail.sinks`.
    """
    about = f"{name.replace('-', '_')}-1.0.dist-info"
    points = "".join(f"{key} = {value}\n" for key, value in sinks.items())
    files = {
        **modules,
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
        f"{about}/entry_points.txt": f"[klinetail.sinks]\n{points}",
    }
    files[f"{about}/RECORD"] = "".join(f"{path},,\n" for path in files)
    wheel = folder / f"{name.replace('-', '_')}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    target = folder / "installed"
    options = ["-q", "--no-deps", "--no-index", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--target", target, wheel],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return target
