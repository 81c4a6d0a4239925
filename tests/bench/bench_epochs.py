"""How many epochs the encoder needs on few rows: held-out likelihood of the labels it learns from.

MiniLM, trained on rows drawn from MR with ChatGPT's recorded labels, from TREC with answers that
`simulate` draws, or from the package index with labels by keywords. Halves: the log-likelihood of the labels under the fine-tuned halves alone and
under all three views. Final training, on the clean set of the best halves: that of labelled rows
beside the drawn ones. Accuracies are by gold, for the report alone.
"""

import argparse
import csv
import json
import subprocess

import numpy as np

import bench_ablation
import bench_packages
import encoder_sides
import figures
import harness
import peers
import torch_peer

NEEDS_DATA = True
HELD_OUT = 600
BATCH = 32


def mr(folder):
    data = harness.data_folder() / "mr"
    with open(data / "train_gold.csv", encoding="utf-8", newline="") as file:
        gold = [int(row[0]) for row in csv.reader(file)]
    return [(label, text, second, right)
            for (label, _, text, second), right in zip(encoder_sides.mr_rows(data), gold)], 2


def packages(folder):
    with open(folder / "packages.csv", "w") as out:
        subprocess.run([harness.ROOT / "docker" / "demo-data.sh"], stdout=out, check=True)
    keywords = bench_packages.task_keywords(harness.ROOT / "docker" / "demo-task.yaml")
    labels = list(keywords)
    with open(folder / "packages.csv", encoding="utf-8", newline="") as file:
        return [(bench_packages.keyword_answer(keywords, row["text"]), row["text"], "",
                 labels.index(row["label"])) for row in csv.DictReader(file)], len(labels)


def trec(folder):
    data = harness.data_folder()
    right = {row["text"]: row["label"] for row in reversed(harness.read_jsonl(data / "trec" / "train.jsonl"))}
    rows, _, classes = bench_ablation.trec(folder, data, 1)
    return [(*row, right[row[1]]) for row in rows], classes


SETS = {"mr": mr, "packages": packages, "trec": trec}


def draw(rows, count, seed):
    """`count` rows to train on, and labelled others to judge by."""
    order = np.random.default_rng(seed).permutation(len(rows))
    held = [rows[i] for i in order[count:] if rows[i][0] >= 0]
    return [rows[i] for i in order[:count]], held[:HELD_OUT]


def judge(probabilities, rows):
    """Mean log-likelihood of the labels, share of gold."""
    labels = np.array([row[0] for row in rows])
    known = np.flatnonzero(labels >= 0)
    likelihood = np.log(np.maximum(probabilities[known, labels[known]], 1e-12)).mean()
    return float(likelihood), float(np.mean(probabilities.argmax(axis=1) == [row[3] for row in rows]))


def halves(folder, rows, classes, seed, grid, threads):
    """The figures of each number of epochs, and the clean set of the best."""
    labels = np.array([row[0] for row in rows])
    table = folder / "rows.tsv"
    torch_peer.write_table(table, [(row[0], True, row[1], row[2]) for row in rows])
    others = encoder_sides.views(folder, table, torch_peer.minilm(), seed, threads, classes, tuned=False)
    found, best, clean = {}, -np.inf, labels >= 0
    for epochs in grid:
        encoder_sides.ours("oof", model=torch_peer.minilm(), **{"in": table}, out=folder / "tuned.f32", seed=seed,
                           threads=threads, epochs=epochs)
        tuned = encoder_sides.probabilities(folder / "tuned.f32", classes)
        alone, accuracy_alone = judge(tuned, rows)
        together, accuracy = judge(encoder_sides.combined([*others, tuned]), rows)
        found[epochs] = {"likelihood": alone, "views_likelihood": together, "accuracy": accuracy_alone,
                         "views_accuracy": accuracy}
        print(f"  halves {epochs} epochs: {found[epochs]}", flush=True)
        if together > best:
            best = together
            clean = peers.mixture_clean(encoder_sides.own_losses([*others, tuned], labels), labels)
    return found, clean


def finals(folder, rows, held, clean, seed, grid, threads, classes):
    torch_peer.write_table(folder / "clean.tsv", [(row[0], flag, row[1], row[2]) for row, flag in zip(rows, clean)])
    torch_peer.write_table(folder / "held.tsv", [(-1, False, row[1], "") for row in held])
    found = {}
    for epochs in grid:
        encoder_sides.ours("final", model=torch_peer.minilm(), **{"in": folder / "clean.tsv"},
                           test=folder / "held.tsv", out=folder / "held.f32", folder=folder / "model", seed=seed,
                           threads=threads, epochs=epochs)
        likelihood, accuracy = judge(encoder_sides.probabilities(folder / "held.f32", classes), held)
        found[epochs] = {"likelihood": likelihood, "accuracy": accuracy}
        print(f"  final {epochs} epochs: {found[epochs]}", flush=True)
    return found


def numbers(text):
    return [int(number) for number in text.split(",") if number]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    parser.add_argument("--seeds", type=int, default=2, help="seeds 1 .. N")
    parser.add_argument("--set", choices=SETS, action="append", help="one of them; may be repeated")
    parser.add_argument("--rows", type=numbers, default=[400, 1000, 2500], help="rows to train on, with commas")
    parser.add_argument("--halves", type=numbers, default=[1, 2, 4, 8, 16], help="epochs to try, with commas")
    parser.add_argument("--final", type=numbers, default=[3, 5, 10, 20], help="epochs to try, with commas")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    table = figures.Figures(f"epochs of the encoder, means over {options.seeds} seeds; steps are of {BATCH} rows")
    for name in options.set or SETS:
        folder = harness.work_folder(f"epochs-{name}")
        rows, classes = SETS[name](folder)
        for count in options.rows:
            found = {"halves": [], "final": []}
            for seed in range(1, options.seeds + 1):
                print(f"{name} {count} rows, seed {seed}", flush=True)
                drawn, held = draw(rows, count, seed)
                half, clean = halves(folder, drawn, classes, seed, options.halves, options.threads)
                found["halves"].append(half)
                found["final"].append(finals(folder, drawn, held, clean, seed, options.final, options.threads,
                                             classes))
            with open(folder / f"{count}.json", "w", encoding="utf-8") as out:
                json.dump(found, out, indent=1)
            for kind, grid in (("halves", options.halves), ("final", options.final)):
                used = count / 2 if kind == "halves" else count
                for epochs in grid:
                    for measure in found[kind][0][epochs]:
                        mean = harness.mean([seed[epochs][measure] for seed in found[kind]])
                        table.add(f"{name}_{count}_{kind}_{epochs}_{measure}", mean,
                                  "nats" if "likelihood" in measure else "share",
                                  note=f"{epochs * used / BATCH:.0f} steps")
    table.finish(options.json)


if __name__ == "__main__":
    main()
