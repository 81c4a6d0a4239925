"""Simulated answers on question types: freeal's demonstration pool against a random one.

For the mechanism alone: the answers are drawn, not an LLM's. The samples that freeal asks
again come back with 10 demonstrations of its pool; the peer asks the same samples with the
10 nearest (TF-IDF) of 100 labelled samples drawn at random.
"""

import http.client
import json
import urllib.parse

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

import figures
import harness
import make_simulate

NEEDS_DATA = True
LABELS = ["abbreviation", "entity", "description", "human", "location", "number"]
ACCURACY = 0.6
POOL = 100
SHOTS = 10


def task(url, seed):
    return {
        "task": "question-types",
        "description": "Say what a question asks for.",
        "labels": [{"name": name} for name in LABELS],
        "input": {"text": "text", "id": "id", "gold": "label"},
        "llm": {"url": url, "model": "simulated"},
        "model": {"type": "ngram"},
        "rounds": [{"shots": 0}, {"shots": SHOTS, "relabel": 0.4}],
        "pool": POOL,
        "seed": seed,
    }


class Asker:
    """Asks the mock over one connection."""

    def __init__(self, url):
        self.connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=60)

    def ask(self, text, turns=()):
        messages = []
        for example, label in turns:
            messages += [{"role": "user", "content": example}, {"role": "assistant", "content": label}]
        messages.append({"role": "user", "content": text})
        self.connection.request("POST", "/v1/chat/completions",
                                json.dumps({"model": "simulated", "messages": messages}))
        reply = json.loads(self.connection.getresponse().read())
        return reply["choices"][0]["message"]["content"]


def ask_with_pool(asker, vectors, texts, rows, pool, labels):
    """The rows' answers with each one's nearest pool members as demonstrations."""
    cosine = (vectors[rows] @ vectors[pool].T).toarray()
    answers = []
    for row, near in zip(rows, cosine):
        order = [pool[i] for i in np.argsort(-near, kind="stable") if pool[i] != row][:SHOTS]
        answers.append(asker.ask(texts[row], [(texts[i], labels[i]) for i in order]))
    return answers


def measure(folder, url, seed, texts, gold, vectors):
    harness.write_task(folder / "task.yaml", task(url, seed))
    run = harness.freeal_run(folder / "task.yaml", folder / "train.jsonl", folder / f"out{seed}")
    again = [i for i, row in enumerate(run.labels) if row["source"] == "llm" and row["round"] == 1]
    asker = Asker(url)
    first = [asker.ask(text) for text in texts]
    labelled = [i for i, answer in enumerate(first) if answer in LABELS]
    drawn = np.random.default_rng(seed).permutation(labelled)[:POOL]
    chosen = [i for i, row in enumerate(run.labels) if row["demonstration"]]
    final = [row["label"] for row in run.labels]

    def correct(answers):
        return harness.share(answer == gold[i] for answer, i in zip(answers, again))

    return {
        "relabelled_correct": correct(final[i] for i in again),
        "random_pool": correct(ask_with_pool(asker, vectors, texts, again, drawn, first)),
        "same_retrieval": correct(ask_with_pool(asker, vectors, texts, again, chosen, final)),
        "before": correct(first[i] for i in again),
        "pool_correct": harness.share(final[i] == gold[i] for i in chosen),
        "random_pool_correct": harness.share(first[i] == gold[i] for i in drawn),
    }


def main():
    options = figures.arguments(__doc__.split("\n", 1)[0], seeds=3)
    folder = harness.work_folder("trec")
    rows = harness.read_jsonl(harness.data_folder() / "trec" / "train.jsonl")
    first = {}
    for row in rows:
        first.setdefault(row["text"], row)
    rows = list(first.values())
    texts = [row["text"] for row in rows]
    gold = [LABELS[row["label"]] for row in rows]
    harness.write_jsonl(folder / "train.jsonl",
                        [{"id": row["id"], "text": row["text"], "label": name}
                         for row, name in zip(rows, gold)])
    make_simulate.write(texts, [row["label"] for row in rows], LABELS, folder / "margins.jsonl")
    vectors = TfidfVectorizer(sublinear_tf=True).fit_transform(texts)
    seeds = []
    for seed in range(1, options.seeds + 1):
        with harness.mock(folder, "--mode", "simulate", "--margins", folder / "margins.jsonl",
                          "--accuracy", str(ACCURACY), "--seed", str(seed)) as url:
            seeds.append(measure(folder, url, seed, texts, gold, vectors))
    mean = {name: harness.mean(row[name] for row in seeds) for name in seeds[0]}
    with open(folder / "seeds.json", "w") as out:
        json.dump(seeds, out, indent=1)
    table = figures.Figures(f"trec, simulated: share right, means over {options.seeds} seeds; "
                            "peer: a pool drawn at random")
    table.add("asked_again_before", mean["before"], "share")
    table.add("relabelled_correct", mean["relabelled_correct"], "share", peer=mean["random_pool"])
    table.add("same_retrieval", mean["same_retrieval"], "share", peer=mean["random_pool"])
    table.add("pool_correct", mean["pool_correct"], "share", peer=mean["random_pool_correct"])
    table.finish(options.json)


if __name__ == "__main__":
    main()
