"""Recorded answers on media bias: asking the least sure again, and a ladder of models.

Against random draws of the same size with the same rule, in the same run.
"""

import json

import numpy as np

import figures
import harness
import make_recordings
import peers

NEEDS_DATA = True
LABELS = make_recordings.LABELS["babe"]
DRAWS = 200

# name: rounds as (model, examples, share asked)
PLANS = {
    "final_gpt_3_5": [("gpt_3_5", 0, 1.0), ("gpt_3_5", 8, 0.4)],
    "final_gpt_4": [("gpt_4", 0, 1.0), ("gpt_4", 8, 0.4)],
    "final_mixtral": [("mixtral_8x7b", 0, 1.0), ("mixtral_8x7b", 8, 0.4)],
    "final_ladder": [("gpt_3_5", 8, 1.0), ("gpt_3_5-cot", 8, 0.4), ("gpt_4-cot", 8, 0.3)],
}


def task(url, seed, plan, model):
    rounds = []
    for i, (llm, shots, share) in enumerate(plan):
        rounds.append({"model": llm, "shots": shots} | ({"relabel": share} if i else {}))
    return {
        "task": "media-bias",
        "description": "Say whether the sentence is biased by its choice of words.",
        "labels": [{"name": name} for name in LABELS],
        "input": {"text": "text", "id": "id", "gold": "label"},
        "llm": {"url": url, "model": plan[0][0]},
        "model": model,
        "rounds": rounds,
        "seed": seed,
    }


def recorded(recordings, model, shots):
    """The answers of one column as numbers, -1 where invalid."""
    answers = [row["answers"].get(f"{model}|{shots}") for row in recordings]
    return np.array([-1 if name is None else LABELS.index(name) for name in answers])


def peer_share(plan, recordings, features, gold):
    rungs = [(recorded(recordings, model, shots), share) for model, shots, share in plan]
    fill = peers.out_of_fold(features.train, rungs[0][0], len(LABELS), seed=1).argmax(axis=1)
    return peers.random_relabelling(rungs, fill, gold, draws=DRAWS)


def measure(folder, title, options, model):
    """Each plan's share of labels right, beside that of a random choice."""
    data = harness.data_folder() / "babe"
    rows = harness.read_jsonl(data / "train.jsonl")
    gold = np.array([row["label"] for row in rows])
    make_recordings.write("babe", data, folder / "recordings.jsonl")
    recordings = harness.read_jsonl(folder / "recordings.jsonl")
    harness.write_jsonl(folder / "train.jsonl",
                        [{"id": row["id"], "text": row["text"], "label": LABELS[row["label"]]}
                         for row in rows])
    harness.write_task(folder / "mock-task.yaml",
                       task("http://127.0.0.1:1/v1", 1, PLANS["final_gpt_3_5"], model))
    features = peers.Features([row["text"] for row in rows])
    table = figures.Figures(f"{title}: share right, means over {options.seeds} seeds; "
                            f"peer: mean of {DRAWS} random draws")
    seeds = {}
    with harness.mock(folder, "--mode", "replay", "--recordings", folder / "recordings.jsonl",
                      "--task", folder / "mock-task.yaml",
                      "--examples", data / "icl_pool.jsonl") as url:
        for name, plan in PLANS.items():
            seeds[name] = []
            for seed in range(1, options.seeds + 1):
                harness.write_task(folder / "task.yaml", task(url, seed, plan, model))
                run = harness.freeal_run(folder / "task.yaml", folder / "train.jsonl",
                                         folder / f"{name}-{seed}")
                seeds[name].append(harness.share(LABELS.index(row["label"]) == right
                                                 for row, right in zip(run.labels, gold)))
            table.add(name, harness.mean(seeds[name]), "share",
                      peer=peer_share(plan, recordings, features, gold))
    with open(folder / "seeds.json", "w") as out:
        json.dump(seeds, out, indent=1)
    table.finish(options.json)


def main():
    options = figures.arguments(__doc__.split("\n", 1)[0], seeds=10)
    measure(harness.work_folder("babe"), "babe", options, {"type": "ngram"})


if __name__ == "__main__":
    main()
