"""Runs a test under a Python that has packages of PyPI: one of build/'s own, made when needed."""

import importlib.util
import os
import pathlib
import subprocess
import sys

SKIPPED = 77  # CTest's SKIP_RETURN_CODE


def skip(reason):
    print("skipped:", reason)
    sys.exit(SKIPPED)


def enter(name, modules, packages):
    """Returns where all modules can be imported; else starts this program again in build/NAME, which
    gets the packages. Ends the program as skipped where they can't be had. The variable
    FREEAL_PYTHON_NAME (upper case, _ for -) names another Python."""
    if all(importlib.util.find_spec(module) for module in modules):
        return
    variable = "FREEAL_PYTHON_" + name.upper().replace("-", "_")
    folder = pathlib.Path(os.environ["FREEAL_BIN"]).parent / name
    python = pathlib.Path(os.environ.get(variable) or folder / "bin" / "python")
    if os.environ.get("FREEAL_ENTERED") == name:
        skip(f"{sys.executable} lacks one of {', '.join(modules)}")
    if variable not in os.environ and not (folder / "ready").exists():
        for command in ([sys.executable, "-m", "venv", folder],
                        [python, "-m", "pip", "-q", "--disable-pip-version-check", "install", *packages]):
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
                                  check=False)
            if done.returncode:
                skip(f"no environment with {' '.join(packages)}: {done.stdout.strip()[-500:]}")
        (folder / "ready").touch()
    os.environ["FREEAL_ENTERED"] = name
    os.execv(python, [str(python), "-B", *sys.argv])
