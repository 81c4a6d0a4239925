"""What each part of the encoder's recipe brings, at equal compute, paired over seeds.

MiniLM. What decides is the mean log-likelihood of the LLM's labels on training rows that were held
out, a quarter drawn by the seed; test accuracy is reported beside it. Each variant switches parts on or off and trains for as many epochs as its
budget allows; the unit is one forward pass over one text of each row, a training pass is three.
MR with ChatGPT's recorded labels and back-translations; BABE with GPT-3.5's zero-shot answers; TREC
with answers that `simulate` draws (60 % right).
"""

import argparse
import csv
import json
import statistics
import time

import numpy as np

import bench_trec
import encoder_sides
import figures
import harness
import make_simulate
import peers
import torch_peer

NEEDS_DATA = True
BUDGET = 17
CROSS_FIT = 4  # an epoch on each half, and the other half's probabilities
VECTORS = 1
TRAIN = 3
SHORT_EPOCHS = 3
HELD_OUT = 0.25

# Which clean set ("all": every label is trusted; "views": mixture over the out-of-fold losses of
# n-grams and frozen vectors; "crossfit": over these and the fine-tuned halves), second views,
# mixup, consistency.
VARIANTS = {
    "plain": ("all", "none", 0, 0),
    "plain_short": ("all", "none", 0, 0),  # SHORT_EPOCHS, whatever the budget
    "mixup": ("all", "none", 1, 0),
    "second_views": ("all", "all", 0, 0),
    "mixture": ("views", "none", 0, 0),
    "crossfit": ("crossfit", "none", 0, 0),
    "crossfit_consistency": ("crossfit", "noisy", 0, 1),
    "crossfit_mixup": ("crossfit", "none", 1, 0),
    "crossfit_second_views": ("crossfit", "all", 0, 0),
    "everything": ("crossfit", "all", 1, 1),
    "paper": ("own", "all", 1, 1),  # its own mixture before each epoch, from the loss pass
}


def mr(folder, data, seed):
    rows = [(answer, text, second) for answer, _, text, second in encoder_sides.mr_rows(data / "mr")]
    with open(data / "mr" / "test_gold.csv", encoding="utf-8", newline="") as file:
        test = [(row[1], int(row[0])) for row in csv.reader(file)]
    return rows, test, 2


def babe(folder, data, seed):
    rows = []
    for row in harness.read_jsonl(data / "babe" / "train.jsonl"):
        answer = row["llm"]["gpt_3_5|zero-shot"]
        rows.append((-1 if answer is None else answer, row["text"], ""))
    test = [(row["text"], row["label"]) for row in harness.read_jsonl(data / "babe" / "test.jsonl")]
    return rows, test, 2


def trec(folder, data, seed):
    """The answers are drawn with the help of gold, which nothing else sees."""
    first = {row["text"]: row["label"] for row in reversed(harness.read_jsonl(data / "trec" / "train.jsonl"))}
    texts, gold = list(first), list(first.values())
    make_simulate.write(texts, gold, bench_trec.LABELS, folder / "margins.jsonl")
    with harness.mock(folder, "--mode", "simulate", "--margins", folder / "margins.jsonl",
                      "--accuracy", str(bench_trec.ACCURACY), "--seed", str(seed)) as url:
        asker = bench_trec.Asker(url)
        answers = [asker.ask(text) for text in texts]
    numbers = {name: number for number, name in enumerate(bench_trec.LABELS)}
    test = [(row["text"], row["label"]) for row in harness.read_jsonl(data / "trec" / "test.jsonl")]
    return [(numbers.get(answer, -1), text, "") for text, answer in zip(texts, answers)], test, len(numbers)


SETS = {"mr": mr, "babe": babe, "trec": trec}


def clean_sets(folder, table, labels, seed, classes, options):
    """The three kinds of clean set, as flags."""
    parts = encoder_sides.views(folder, table, torch_peer.minilm(), seed, options.threads, classes, epochs=1)
    return {
        "all": labels >= 0,
        "own": labels >= 0,
        "views": peers.mixture_clean(encoder_sides.own_losses(parts[:2], labels), labels),
        "crossfit": peers.mixture_clean(encoder_sides.own_losses(parts, labels), labels),
    }


def epochs_of(name, clean, budget):
    """Epochs that the budget allows, at least one; and the units they and the clean set take."""
    kind, second, _, _ = VARIANTS[name]
    before = {"all": 0, "own": 0, "views": VECTORS, "crossfit": VECTORS + CROSS_FIT}[kind]
    share = {"none": 0.0, "noisy": 1.0 - clean.mean(), "all": 1.0}[second]
    each = TRAIN * (1.0 + share) + (1 if kind == "own" else 0)
    epochs = SHORT_EPOCHS if name == "plain_short" else max(1, round((budget - before) / each))
    return epochs, before + epochs * each


def train(folder, rows, clean, variant, seed, epochs, test_table, classes, options):
    """Test probabilities of one variant."""
    kind, second, mixup, consistency = variant
    torch_peer.write_table(folder / "variant.tsv", [(row[0], flag, *row[1:]) for row, flag in zip(rows, clean)])
    encoder_sides.ours("final", model=torch_peer.minilm(), **{"in": folder / "variant.tsv"}, test=test_table,
                       out=folder / "variant.f32", folder=folder / "variant-model", seed=seed, epochs=epochs,
                       views=second, mixup=mixup, consistency=consistency, threads=options.threads,
                       paper=1 if kind == "own" else None, noisy_weight=options.noisy_weight)
    return encoder_sides.probabilities(folder / "variant.f32", classes)


def split(rows, seed):
    """Rows to train on, and labelled ones to judge by."""
    order = np.random.default_rng(seed).permutation(len(rows))
    held = {i for i in order[:round(HELD_OUT * len(rows))] if rows[i][0] >= 0}
    return [row for i, row in enumerate(rows) if i not in held], [rows[i] for i in sorted(held)]


def log_likelihood(probabilities, rows):
    labels = [row[0] for row in rows]
    return float(np.mean(np.log(np.maximum(probabilities[np.arange(len(rows)), labels], 1e-12))))


def measure_seed(folder, name, seed, options):
    """Each variant's log-likelihood and test accuracy for one seed."""
    rows, test, classes = SETS[name](folder, harness.data_folder(), seed)
    if options.rows:
        drawn = np.random.default_rng(0).permutation(len(rows))[:options.rows]
        rows = [rows[i] for i in drawn]
    rows, held = split(rows, seed)
    labels = np.array([row[0] for row in rows])
    gold = np.array([label for _, label in test])
    torch_peer.write_table(folder / "rows.tsv", [(row[0], True, *row[1:]) for row in rows])
    torch_peer.write_table(folder / "test.tsv", [(-1, False, text, "") for text, _ in test]
                           + [(-1, False, row[1], "") for row in held])
    clean = clean_sets(folder, folder / "rows.tsv", labels, seed, classes, options)
    result = {}
    for variant_name in options.variant or VARIANTS:
        variant = VARIANTS[variant_name]
        epochs, units = epochs_of(variant_name, clean[variant[0]], options.budget)
        start = time.monotonic()
        predicted = train(folder, rows, clean[variant[0]], variant, seed, epochs, folder / "test.tsv", classes,
                          options)
        accuracy = float(np.mean(predicted[:len(gold)].argmax(axis=1) == gold))
        result[variant_name] = {"likelihood": log_likelihood(predicted[len(gold):], held), "accuracy": accuracy,
                                "epochs": epochs, "units": units, "seconds": time.monotonic() - start}
        print(f"{name} seed {seed} {variant_name}: {result[variant_name]}", flush=True)
    return result


def table_add(table, figure, found, variant, measure, unit, compute):
    """Adds the variant's mean over the seeds beside plain's, with the paired difference."""
    own = [seed[variant][measure] for seed in found]
    base = [seed["plain"][measure] for seed in found]
    gains = [a - b for a, b in zip(own, base)]
    error = statistics.stdev(gains) / len(gains) ** 0.5 if len(gains) > 1 else 0.0
    table.add(figure, statistics.mean(own), unit, peer=statistics.mean(base),
              note=f"{statistics.mean(gains):+.4f} ± {error:.4f}; {compute}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--set", choices=SETS, action="append", help="one of them; may be repeated")
    parser.add_argument("--variant", choices=VARIANTS, action="append", help="besides plain; may be repeated")
    parser.add_argument("--rows", type=int, help="so many training rows, drawn, for a short look")
    parser.add_argument("--budget", type=float, default=BUDGET, help="units a row")
    parser.add_argument("--noisy-weight", type=float, help="of labels outside the clean set")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    if options.variant and "plain" not in options.variant:
        options.variant.insert(0, "plain")
    everything = {}
    table = figures.Figures(f"ablation at {options.budget:g} units a row, means over {options.seeds} seeds; "
                            "peer: plain cross-entropy")
    for name in options.set or SETS:
        folder = harness.work_folder(f"ablation-{name}")
        seeds = range(options.first, options.first + options.seeds)
        found = [measure_seed(folder, name, seed, options) for seed in seeds]
        everything[name] = found
        for variant in found[0]:
            compute = f"{found[0][variant]['epochs']} epochs, {found[0][variant]['units']:.1f} units"
            table_add(table, f"{name}_{variant}_likelihood", found, variant, "likelihood", "nats", compute)
            table_add(table, f"{name}_{variant}_accuracy", found, variant, "accuracy", "share", compute)
    with open(harness.WORK / "ablation.json", "w", encoding="utf-8") as out:
        json.dump(everything, out, indent=1)
    table.finish(options.json)


if __name__ == "__main__":
    main()
