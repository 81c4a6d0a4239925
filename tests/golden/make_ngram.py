"""Writes what scikit-learn makes of small made-up texts and matrices.

python3 make_ngram.py texts > ngram_texts.inc
python3 make_ngram.py fits > ngram_fits.inc      (numpy, scikit-learn)
"""
import sys

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import ComplementNB

TEXTS = [
    "A warm, funny film: see it twice!",
    "a cold film; not funny, not warm",
    "The plot is thin and the jokes are old",
    "old jokes, new plot... and a very warm heart",
    "Élan and naïveté make the film warm",
    "see the film, see the plot, see the heart",
    "42 jokes in 90 minutes_total",
    "x y z",
]


def numbers(name, values, fmt="%.9g"):
    values = np.asarray(values, dtype=float)
    sizes = "".join(f"[{n}]" for n in values.shape)
    flat = ", ".join(fmt % v for v in values.ravel())
    if values.ndim == 2:
        rows = ["{" + ", ".join(fmt % v for v in row) + "}" for row in values]
        flat = ",\n\t".join(rows)
    print(f"static const double {name}{sizes} = {{\n\t{flat}}};")


def features():
    word = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit_transform(TEXTS)
    char = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True)
    char = char.fit_transform(TEXTS)
    print("static const char *const TEXTS[] = {")
    for text in TEXTS:
        print('\t"%s",' % "".join(
            chr(b) if b < 128 else '\\%03o' % b for b in text.encode()))
    print("};")
    gram = (word @ word.T + char @ char.T).toarray()
    numbers("GRAM", gram)
    numbers("TERM_COUNTS", word.getnnz(axis=1) + char.getnnz(axis=1))


def classifiers():
    rng = np.random.default_rng(7)
    rows, columns = 30, 8
    x = np.round(np.abs(rng.normal(size=(rows, columns))) * (rng.random((rows, columns)) < .6), 3)
    y = (rng.random(rows) * 3).astype(int)
    x[np.arange(rows), y] += 1
    flip = rng.random(rows) < .15
    y[flip] = (y[flip] + 1) % 3
    weights = np.round(rows / 3 / np.bincount(y)[y], 6)
    numbers("X", x)
    numbers("Y", y)
    numbers("ROW_WEIGHTS", weights)
    model = LogisticRegression(C=2.0, tol=1e-12, max_iter=10000).fit(x, y, sample_weight=weights)
    numbers("LOGISTIC_3", model.predict_proba(x))
    two = np.minimum(y, 1)
    model = LogisticRegression(C=2.0, tol=1e-12, max_iter=10000).fit(x, two, sample_weight=weights)
    numbers("LOGISTIC_2", model.predict_proba(x))
    # An equal mass for each class, as ours weighs them.
    exact = rows / 3 / np.bincount(y)[y]
    model = ComplementNB(alpha=0.5).fit(x, y, sample_weight=exact)
    numbers("COMPLEMENT", model.feature_log_prob_.T)


if __name__ == "__main__":
    print("/* Made by make_ngram.py; don't edit. */")
    {"texts": features, "fits": classifiers}[sys.argv[1]]()
