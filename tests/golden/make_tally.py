"""Writes tally.txt: 300 samples with gold, label and confidence, and what scikit-learn
says of them: accuracy, macro-F1 and, by numpy, the expected calibration error."""
import numpy as np
from sklearn.metrics import accuracy_score, f1_score

rng = np.random.default_rng(1)
gold = rng.integers(0, 4, 300)
label = np.where(rng.random(300) < 0.7, gold, rng.integers(0, 4, 300))
confidence = np.round(rng.random(300), 6)
right = gold == label
bins = np.clip((confidence.astype(np.float32) * 10).astype(int), 0, 9)
error = sum(abs(confidence[bins == b].sum() - right[bins == b].sum()) for b in range(10)) / 300
with open("tests/golden/tally.txt", "w") as f:
    print(f"{accuracy_score(gold, label):.12f} {f1_score(gold, label, average='macro'):.12f} "
          f"{error:.12f}", file=f)
    for row in zip(gold, label, confidence):
        print("%d %d %.6f" % row, file=f)
