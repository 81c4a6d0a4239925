"""ChatGPT's recorded labels of movie reviews: cleaning, pool, filling, test accuracy.

Against scikit-learn on the same labels, in the same run; means over the seeds.
"""

import csv
import json
import time

import numpy as np

import figures
import harness
import make_recordings
import peers

NEEDS_DATA = True
LABELS = make_recordings.LABELS["mr"]
CLEAN_SHARE = 0.18


def read_csv(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def prepare(folder, data):
    """Writes train.csv, test.csv and recordings; returns texts, labels and golds as numbers."""
    gold_rows = read_csv(data / "train_gold.csv")
    answer_rows = read_csv(data / "train_chatgpt_backtranslated.csv")
    test_rows = read_csv(data / "test_gold.csv")
    assert [row[1] for row in gold_rows] == [row[1] for row in answer_rows]
    harness.write_csv(folder / "train.csv", ["text", "label", "back_translation"],
                      [[row[1], LABELS[int(row[0])], answer[2]]
                       for row, answer in zip(gold_rows, answer_rows)])
    harness.write_csv(folder / "test.csv", ["text", "label"],
                      [[row[1], LABELS[int(row[0])]] for row in test_rows])
    make_recordings.write("mr", data, folder / "recordings.jsonl")
    return {
        "texts": [row[1] for row in gold_rows],
        "gold": np.array([int(row[0]) for row in gold_rows]),
        "answers": np.array([int(row[0]) for row in answer_rows]),
        "test_texts": [row[1] for row in test_rows],
        "test_gold": np.array([int(row[0]) for row in test_rows]),
    }


def task(url, seed):
    return {
        "task": "movie-reviews",
        "description": "Say whether the reviewer liked the film.",
        "labels": [{"name": name} for name in LABELS],
        "input": {"text": "text", "gold": "label", "augmented": "back_translation"},
        "llm": {"url": url, "model": "chatgpt"},
        "model": {"type": "ngram"},
        # Each text has one recorded answer: the second round changes no label.
        "rounds": [{"shots": 0}, {"shots": 10}],
        "seed": seed,
    }


def number(name):
    return -1 if name is None else LABELS.index(name)


def ours(folder, url, seed, d):
    harness.write_task(folder / "task.yaml", task(url, seed))
    run = harness.freeal_run(folder / "task.yaml", folder / "train.csv", folder / f"out{seed}")
    rows = run.labels
    answers = np.array([number(row["llm_label"]) for row in rows])
    final = np.array([number(row["label"]) for row in rows])
    assert np.array_equal(answers, d["answers"]), "the recorded answers did not come through"
    valid = answers >= 0
    clean = peers.top_per_label([row["clean_probability"] or 0 for row in rows], answers, CLEAN_SHARE)
    pool = np.flatnonzero([row["demonstration"] for row in rows])
    flipped = valid & (final != answers)
    predicted = [number(name) for name in
                 harness.freeal_predict(folder / f"out{seed}" / "model", folder / "test.csv")]
    right = final == d["gold"]
    return {
        "clean_correct": np.mean((answers == d["gold"])[clean]),
        "pool_correct": np.mean(right[pool]),
        "hub_share": harness.retrieval(run.report)["hub_share"],
        "retrieval_kept": harness.retrieval(run.report)["kept"],
        "fill_correct": np.mean(right[~valid]),
        "flips": np.sum(flipped),
        "flip_net": np.sum(flipped & right) - np.sum(flipped & (answers == d["gold"])),
        "final_labels": np.mean(right),
        "test_accuracy": np.mean(np.array(predicted) == d["test_gold"]),
        "seconds": run.seconds - harness.phase_seconds(run.report, "generate", "annotate"),
    }


def peer(seed, d, features, svm_accuracy):
    start = time.monotonic()
    probabilities = peers.out_of_fold(features.train, d["answers"], len(LABELS), seed)
    seconds = time.monotonic() - start
    valid = d["answers"] >= 0
    score = probabilities[np.arange(len(valid)), np.maximum(d["answers"], 0)]
    clean = peers.top_per_label(score, d["answers"], CLEAN_SHARE)
    return {
        "clean_correct": np.mean((d["answers"] == d["gold"])[clean]),
        "fill_correct": np.mean((probabilities.argmax(axis=1) == d["gold"])[~valid]),
        "test_accuracy": svm_accuracy,
        "seconds": seconds,
    }


def main():
    options = figures.arguments(__doc__.split("\n", 1)[0], seeds=10)
    folder = harness.work_folder("mr")
    d = prepare(folder, harness.data_folder() / "mr")
    start = time.monotonic()
    features = peers.Features(d["texts"])
    feature_seconds = time.monotonic() - start
    svm = peers.svm_predict(features.train, d["answers"], features.transform(d["test_texts"]))
    svm_accuracy = np.mean(svm == d["test_gold"])
    seeds = range(1, options.seeds + 1)
    theirs = [peer(seed, d, features, svm_accuracy) for seed in seeds]
    for row in theirs:
        row["seconds"] += feature_seconds
    with harness.mock(folder, "--mode", "replay", "--recordings", folder / "recordings.jsonl") as url:
        mine = [ours(folder, url, seed, d) for seed in seeds]
    with open(folder / "seeds.json", "w") as out:
        json.dump({"ours": mine, "peer": theirs}, out, default=float, indent=1)
    units = {"flips": "labels", "flip_net": "labels", "seconds": "s"}
    table = figures.Figures(f"mr: means over {options.seeds} seeds; peer: scikit-learn")
    for name in mine[0]:
        values = [row[name] for row in theirs if name in row]
        table.add(name, harness.mean(row[name] for row in mine), units.get(name, "share"),
                  peer=harness.mean(values) if values else None)
    table.finish(options.json)


if __name__ == "__main__":
    main()
