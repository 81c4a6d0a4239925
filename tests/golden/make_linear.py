"""Writes what scikit-learn makes of a fold of small made-up vectors: linear.inc.

python3 make_linear.py > linear.inc      (numpy, scikit-learn)
"""
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

ROWS, COLUMNS, FOLDS = 45, 7, 3


def numbers(kind, name, values, fmt="%.9g"):
    values = np.asarray(values)
    sizes = "".join(f"[{n}]" for n in values.shape)
    rows = values if values.ndim == 2 else [values]
    lines = [", ".join(fmt % v for v in row) for row in rows]
    text = ",\n\t".join("{" + line + "}" for line in lines) if values.ndim == 2 else lines[0]
    print(f"static const {kind} {name}{sizes} = {{\n\t{text}}};")


def main():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, ROWS)
    x = rng.normal(size=(ROWS, COLUMNS)) * [1, .1, 10, 1, 1, .5, 1] + [0, 1, -20, 0, 0, 0, 0]
    x[np.arange(ROWS), labels] += np.array([1, .1, 10])[labels]
    x[:, 6] = .25  # a column that says nothing
    x = np.round(x, 3).astype(np.float32)
    flip = rng.random(ROWS) < .2
    labels[flip] = (labels[flip] + 1) % 3
    labels[rng.random(ROWS) < .1] = -1
    folds = rng.integers(0, FOLDS, ROWS)
    print("/* Made by make_linear.py; don't edit. */")
    numbers("float", "VECTORS", x, "%.4f")
    numbers("int32_t", "LABELS", labels, "%d")
    numbers("uint32_t", "FOLD_OF", folds, "%d")
    for name, y in ("PROBS_3", labels), ("PROBS_2", np.minimum(labels, 1)):
        train, held_out = (folds != 1) & (y >= 0), folds == 1
        model = make_pipeline(StandardScaler(), LogisticRegression(C=.5, tol=1e-12, max_iter=10000))
        numbers("double", name, model.fit(x[train], y[train]).predict_proba(x[held_out]))


if __name__ == "__main__":
    main()
