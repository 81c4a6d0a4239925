"""Makes freeal-mockllm's file for --mode simulate from texts with gold labels.

For each text: gold, rival (the likeliest other label) and margin, the standardised log
odds of gold against rival by logistic regression out of fold on gold.
Usage: make_simulate.py INPUT.jsonl OUT.jsonl --labels NAME,NAME,... [--seed N]
INPUT rows have `text` and `label` (a number from 0).
"""

import argparse
import json

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict


def margins(texts, gold, seed):
    """Rival class and standardised log odds per text."""
    gold = np.asarray(gold)
    features = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2).fit_transform(texts)
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    probabilities = cross_val_predict(LogisticRegression(C=10, max_iter=1000), features, gold, cv=folds,
                                      method="predict_proba")
    rows = np.arange(len(gold))
    others = probabilities.copy()
    others[rows, gold] = -1
    rival = others.argmax(axis=1)
    odds = np.log(np.maximum(probabilities[rows, gold], 1e-9)) - np.log(
        np.maximum(probabilities[rows, rival], 1e-9))
    return rival, (odds - odds.mean()) / odds.std()


def write(texts, gold, labels, out, seed=1):
    """Equal texts are given once, with the label of the first."""
    first = {}
    for text, label in zip(texts, gold):
        first.setdefault(text, label)
    texts, gold = list(first), list(first.values())
    rival, margin = margins(texts, gold, seed)
    with open(out, "w", encoding="utf-8") as file:
        for i, text in enumerate(texts):
            row = {"text": text, "gold": labels[gold[i]], "rival": labels[rival[i]],
                   "margin": round(float(margin[i]), 6)}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("input")
    parser.add_argument("out")
    parser.add_argument("--labels", required=True, help="label names in the order of their numbers")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with open(options.input, encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines if line.strip()]
    write([row["text"] for row in rows], [int(row["label"]) for row in rows],
          options.labels.split(","), options.out, options.seed)
