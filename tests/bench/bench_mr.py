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
DOUBTFUL_SHARE = 0.2


def read_csv(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def spread_rows(rows, count):
    """About `count` of them, evenly spread, for a short look; None: all."""
    return rows[::max(1, len(rows) // count)] if count else rows


def prepare(folder, data, count=None):
    """Writes train.csv (of about `count` rows, else all), test.csv and recordings; returns texts,
    labels and golds as numbers."""
    gold_rows = spread_rows(read_csv(data / "train_gold.csv"), count)
    answer_rows = spread_rows(read_csv(data / "train_chatgpt_backtranslated.csv"), count)
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


# Each text has one recorded answer: the second round changes no label.
ROUNDS = [{"shots": 0}, {"shots": 10}]


def task(url, seed, model, rounds):
    return {
        "task": "movie-reviews",
        "description": "Say whether the reviewer liked the film.",
        "labels": [{"name": name} for name in LABELS],
        "input": {"text": "text", "gold": "label", "augmented": "back_translation"},
        "llm": {"url": url, "model": "chatgpt"},
        "model": model,
        "rounds": rounds,
        "seed": seed,
    }


def number(name):
    return -1 if name is None else LABELS.index(name)


def least_sure(confidence, valid, share):
    """Whether a row is among that share of the valid ones with the lowest confidence."""
    order = np.argsort(np.where(valid, confidence, np.inf), kind="stable")
    found = np.zeros(len(valid), dtype=bool)
    found[order[:round(share * valid.sum())]] = True
    return found


def ours(folder, url, seed, d, model, rounds=ROUNDS):
    """One run's figures by name."""
    harness.write_task(folder / "task.yaml", task(url, seed, model, rounds))
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
    retrieval = harness.retrieval(run.report)
    return {
        "clean_correct": np.mean((answers == d["gold"])[clean]),
        "wrong_found": np.mean(least_sure([row["confidence"] for row in rows], valid, DOUBTFUL_SHARE)
                               [valid & (answers != d["gold"])]),
        "pool_correct": np.mean(right[pool]),
        **({"hub_share": retrieval["hub_share"], "retrieval_kept": retrieval["kept"]} if retrieval else {}),
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


UNITS = {"flips": "labels", "flip_net": "labels", "seconds": "s"}


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
        mine = [ours(folder, url, seed, d, {"type": "ngram"}) for seed in seeds]
    with open(folder / "seeds.json", "w") as out:
        json.dump({"ours": mine, "peer": theirs}, out, default=float, indent=1)
    table = figures.Figures(f"mr: means over {options.seeds} seeds; peer: scikit-learn")
    for name in mine[0]:
        values = [row[name] for row in theirs if name in row]
        table.add(name, harness.mean(row[name] for row in mine), UNITS.get(name, "share"),
                  peer=harness.mean(values) if values else None)
    table.finish(options.json)


if __name__ == "__main__":
    main()
