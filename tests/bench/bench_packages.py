"""The demo: sections of the package index from keywords alone.

Against balanced logistic regression trained on the same keyword answers, in the same run.
"""

import csv
import json
import re
import subprocess

import numpy as np

import figures
import harness
import peers

NEEDS_DATA = False


def task_keywords(path):
    """Label names and keywords of the demo's task file, in order."""
    keywords = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            match = re.match(r"\s*- \{name: (\w+), keywords: \[(.*)\]\}", line)
            if match:
                keywords[match[1]] = match[2].split(", ")
    return keywords


def keyword_answer(keywords, text):
    """The label with most keywords as whole words, ties to the earlier; -1 for none."""
    words = set(re.findall(r"\w+", text.lower()))
    counts = [len(words.intersection(own)) for own in keywords.values()]
    return int(np.argmax(counts)) if max(counts) else -1


def main():
    options = figures.arguments(__doc__.split("\n", 1)[0], seeds=3)
    folder = harness.work_folder("packages")
    demo_task = harness.ROOT / "docker" / "demo-task.yaml"
    with open(folder / "packages.csv", "w") as out:
        subprocess.run([harness.ROOT / "docker" / "demo-data.sh"], stdout=out, check=True)
    with open(folder / "packages.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    keywords = task_keywords(demo_task)
    labels = list(keywords)
    gold = np.array([labels.index(row["label"]) for row in rows])
    answers = np.array([keyword_answer(keywords, row["text"]) for row in rows])
    features = peers.Features([row["text"] for row in rows])
    theirs = np.mean(peers.balanced_labels(features.train, answers) == gold)

    shares, seconds = [], []
    with harness.mock(folder, "--mode", "offline", "--task", demo_task) as url:
        for seed in range(1, options.seeds + 1):
            text = demo_task.read_text().replace("http://127.0.0.1:8900/v1", url)
            (folder / "task.yaml").write_text(re.sub(r"(?m)^seed: \d+$", f"seed: {seed}", text))
            run = harness.freeal_run(folder / "task.yaml", folder / "packages.csv", folder / f"out{seed}")
            shares.append(harness.share(labels.index(row["label"]) == right
                                        for row, right in zip(run.labels, gold)))
            seconds.append(run.seconds)
    with open(folder / "seeds.json", "w") as out:
        json.dump({"final_labels": shares, "seconds": seconds}, out, indent=1)
    valid = answers >= 0
    table = figures.Figures(f"packages: {len(rows)} samples, means over {options.seeds} seeds; "
                            "peer: balanced logistic regression on the keyword answers")
    table.add("keywords_answered", np.mean(valid), "share")
    table.add("keywords_correct", np.mean((answers == gold)[valid]), "share")
    table.add("final_labels", harness.mean(shares), "share", peer=theirs)
    table.add("seconds", harness.mean(seconds), "s")
    table.finish(options.json)


if __name__ == "__main__":
    main()
