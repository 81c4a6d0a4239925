"""Both sides of the encoder's benchmarks: our driver, the peer's scripts, their input."""

import json
import pathlib
import subprocess
import sys

import numpy as np

import bench_mr
import harness
import torch_peer

DRIVER = harness.BIN / "encoder_bench"
LABELS = bench_mr.LABELS


def ours(command, **options):
    """The JSON that encoder_bench prints on its last line."""
    words = [f"{name}={value}" for name, value in options.items() if value is not None]
    result = subprocess.run([DRIVER, command, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            encoding="utf-8", check=False)
    if result.returncode:
        print(result.stderr[-4000:], file=sys.stderr)
        raise RuntimeError(f"encoder_bench {command} ended with {result.returncode}")
    return json.loads(result.stdout.splitlines()[-1])


def probabilities(path, classes):
    return np.fromfile(path, dtype=np.float32).reshape(-1, classes)


def base_model():
    """A checkpoint of RoBERTa-base's shape with random weights."""
    folder = harness.WORK / "models" / "base"
    if not (folder / "complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        torch_peer.run("torch_encoder.py", "random", folder)
        (folder / "complete").touch()
    return folder


def mr_rows(data):
    """Label, clean, text and back-translation of the training rows, as ChatGPT labelled them."""
    return [(int(row[0]), True, row[1], row[2])
            for row in bench_mr.read_csv(data / "train_chatgpt_backtranslated.csv")]


def ids_of(folder, name, rows):
    """Writes a table and its ids; gives the path of the ids."""
    torch_peer.write_table(folder / f"{name}.tsv", rows)
    ids = folder / f"{name}.ids"
    torch_peer.run("torch_encoder.py", "ids", torch_peer.minilm(), folder / f"{name}.tsv", ids)
    return ids


def step_ids(folder, data, batches, size=32):
    """Rows as they come, one in 16 not clean: what the mixture says of these labels."""
    rows = [row for row in mr_rows(data) if row[0] >= 0][:batches * size]
    return ids_of(folder, "step", [(label, number % 16 != 15, text, second)
                                   for number, (label, _, text, second) in enumerate(rows)])


def test_ids(folder, data):
    """MR's test rows, sorted by their length in characters."""
    rows = sorted(bench_mr.read_csv(data / "test_gold.csv"), key=lambda row: len(row[1]))
    return ids_of(folder, "test", [(-1, False, row[1], "") for row in rows])


def by_tokens(ids, path):
    """The same, sorted by their length in tokens."""
    lines = pathlib.Path(ids).read_text(encoding="ascii").splitlines(keepends=True)
    lines.sort(key=lambda line: line.split("\t")[2].count(" "))
    path.write_text("".join(lines), encoding="ascii")
    return path


def views(folder, table, model, seed, threads=2, classes=2, tuned=True, epochs=None):
    """Out-of-fold probabilities of the n-gram model, the frozen vectors and the fine-tuned halves."""
    subprocess.run([harness.BIN / "slm_eval", "oof", table, str(seed), folder / "ngram.f32"], check=True,
                   stderr=subprocess.DEVNULL)
    common = {"model": model, "in": table, "seed": seed, "threads": threads}
    ours("frozen", out=folder / "frozen.f32", **common)
    names = ["ngram", "frozen"]
    if tuned:
        ours("oof", out=folder / "tuned.f32", epochs=epochs, **common)
        names.append("tuned")
    return [probabilities(folder / f"{name}.f32", classes) for name in names]


def combined(parts):
    """Geometric mean of the views' probabilities, renormalised."""
    logs = np.mean([np.log(np.maximum(part.astype(float), 1e-12)) for part in parts], axis=0)
    p = np.exp(logs - logs.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def own_losses(parts, labels):
    """Cross-entropy of each labelled row under the combined views; NaN without a label."""
    p = combined(parts)
    losses = -np.log(np.maximum(p[np.arange(len(p)), np.maximum(labels, 0)], 1e-12))
    return np.where(np.asarray(labels) >= 0, losses, np.nan)
