"""PyTorch's test accuracy with FreeAL's recipe and with plain cross-entropy, kept in a file.

Takes hours on two cores, so it is measured once: encoder_reference.json holds the accuracies with
the command, versions and processor. MiniLM, ChatGPT's recorded labels of movie reviews and their
back-translations. A run that was stopped goes on where it was.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys

import numpy as np

import bench_mr
import figures
import harness
import torch_peer

NEEDS_DATA = True
KEPT = torch_peer.HERE / "encoder_reference.json"
EPOCHS = {"paper": 10, "plain": 3}


def mr_tables(folder, data):
    """train.tsv and test.tsv for the training side; nothing of gold is in them."""
    torch_peer.write_table(folder / "train.tsv", [
        (row[0], 1, row[1], row[2])
        for row in bench_mr.read_csv(data / "train_chatgpt_backtranslated.csv")])
    tests = bench_mr.read_csv(data / "test_gold.csv")
    torch_peer.write_table(folder / "test.tsv", [(-1, 0, row[1], "") for row in tests])
    return np.array([int(row[0]) for row in tests])


def measure(folder, recipe, seed, options, gold):
    out = folder / f"{recipe}-{seed}"
    epochs = options.epochs or EPOCHS[recipe]
    last = out / f"test-{epochs}.npy"
    if not last.exists():
        subprocess.run([torch_peer.python(), torch_peer.HERE / "torch_freeal.py", recipe, torch_peer.minilm(),
                        folder / "train.tsv", folder / "test.tsv", out, "--epochs", str(epochs),
                        "--seed", str(seed), "--threads", str(max(1, os.cpu_count() // options.jobs)),
                        *(["--sort"] if not options.unsorted else []),
                        *(["--bf16"] if options.bf16 else [])], check=True, stdout=sys.stderr)
    return {"seed": seed, "test_accuracy": float(np.mean(np.load(last).argmax(axis=1) == gold))}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", metavar="FILE", default=KEPT, help=f"where it is kept, else {KEPT.name}")
    parser.add_argument("--folder", type=pathlib.Path, help="for what the runs leave, so that they can go on")
    parser.add_argument("--recipe", choices=EPOCHS, action="append", help="one of them")
    parser.add_argument("--seeds", type=int, help="seeds 1 .. N; else 3, plain 5")
    parser.add_argument("--epochs", type=int, help="instead of 10, plain 3")
    parser.add_argument("--jobs", type=int, default=1, help="runs at once, which share the processors")
    parser.add_argument("--unsorted", action="store_true", help="batches of all lengths")
    parser.add_argument("--fp32", dest="bf16", action="store_false", default=figures.cpu_kind() != "other",
                        help="without bfloat16 autocast")
    options = parser.parse_args()
    folder = options.folder or harness.WORK / "encoder-reference"
    folder.mkdir(parents=True, exist_ok=True)
    gold = mr_tables(folder, harness.data_folder() / "mr")
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    for recipe in options.recipe or EPOCHS:
        seeds = range(1, (options.seeds or {"paper": 3, "plain": 5}[recipe]) + 1)
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            runs = list(pool.map(lambda seed: measure(folder, recipe, seed, options, gold), seeds))
        kept[recipe] = {
            "command": "bash tests/bench/run.sh encoder-reference",
            "cpu": torch_peer.cpu_name(), "versions": torch_peer.versions(),
            "epochs": options.epochs or EPOCHS[recipe], "bf16_autocast": options.bf16,
            "sorted_by_length": not options.unsorted, "runs": runs,
            "test_accuracy": float(np.mean([run["test_accuracy"] for run in runs])),
        }
        print(f"{recipe}: test accuracy {kept[recipe]['test_accuracy']:.4f} ("
              + ", ".join(f"{run['test_accuracy']:.4f}" for run in runs) + ")")
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump(kept, out, indent=1)
            out.write("\n")


if __name__ == "__main__":
    main()
