#!/usr/bin/env python3
"""Writes selector.inc: values of scikit-learn and numpy that the selector's tests compare with.

Usage: make_selector.py > tests/golden/selector.inc   (numpy 1.24+, scikit-learn 1.2+)
"""
import warnings

import numpy as np
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors

warnings.filterwarnings("ignore")
ROWS_PER_LINE = 6


def array(kind, name, values):
    flat = np.asarray(values).ravel()
    if kind in ("float", "double"):
        digits = 9 if kind == "float" else 17
        words = [f"{float(v):.{digits}g}" for v in flat]
        words = [w if any(c in w for c in ".en") else w + ".0" for w in words]
        words = [w + "f" if kind == "float" else w for w in words]
    else:
        words = [str(int(v)) for v in flat]
    print(f"static const {kind} {name}[{len(flat)}] = {{")
    for i in range(0, len(words), ROWS_PER_LINE):
        print("\t" + ", ".join(words[i:i + ROWS_PER_LINE]) + ",")
    print("};")


def mixture(name, losses):
    """The reference recipe, from the same start as mixture_fit()."""
    losses = np.sort(losses.astype(np.float32))
    x = losses.astype(float)
    low, high = np.quantile(x, [0.005, 0.995])
    scaled = np.clip((x - low) / (high - low), 0, 1)
    starts = (np.clip(np.quantile(x, [0.25, 0.95]), low, high) - low) / (high - low)
    variance = scaled.var() / 4 + 5e-4
    fit = GaussianMixture(2, max_iter=10, tol=1e-2, reg_covar=5e-4, means_init=starts[:, None],
                          weights_init=[0.5, 0.5],
                          precisions_init=np.full((2, 1, 1), 1 / variance)).fit(scaled[:, None])
    order = np.argsort(fit.means_[:, 0])
    posterior = fit.predict_proba(scaled[:, None])[:, order[0]]
    array("float", f"{name}_losses", losses)
    array("double", f"{name}_means", fit.means_[order, 0])
    array("double", f"{name}_variances", fit.covariances_[order, 0, 0])
    array("double", f"{name}_weights", fit.weights_[order])
    array("double", f"{name}_posterior", posterior)
    print(f"static const int {name}_iterations = {fit.n_iter_};")


def confident_joint(p, labels):
    """Confident joint of Northcutt et al., with one pseudo-count on the diagonal."""
    k = p.shape[1]
    threshold = np.array([p[labels == j, j].mean() for j in range(k)])
    joint = np.eye(k)
    for row, label in zip(p, labels):
        reached = np.where(row >= threshold, row, -1)
        if label >= 0 and reached.max() >= 0:
            joint[label, reached.argmax()] += 1
    return threshold, np.diag(joint) / joint.sum(1)


def pam(distance, k):
    """BUILD, then the best swap until none helps (PAM); the cost it ends with."""
    n = len(distance)
    medoids = []
    nearest = np.full(n, 4.0)
    for _ in range(k):
        gain = np.maximum(nearest[None] - distance, 0).sum(1)
        gain[medoids] = -1
        medoids.append(int(gain.argmax()))
        nearest = np.minimum(nearest, distance[medoids[-1]])
    cost = nearest.sum()
    while True:
        best = (cost - 1e-6, None)
        for place in range(k):
            rest = np.full(n, 4.0)
            for i, m in enumerate(medoids):
                if i != place:
                    rest = np.minimum(rest, distance[m])
            costs = np.minimum(rest[None], distance).sum(1)
            j = int(costs.argmin())
            if costs[j] < best[0]:
                best = (costs[j], (place, j))
        if best[1] is None:
            return cost
        medoids[best[1][0]] = best[1][1]
        cost = best[0]


def main():
    rng = np.random.default_rng(1)
    print("/* Made by make_selector.py; don't edit. */")
    mixture("apart", np.concatenate([rng.gamma(2, 0.1, 140), rng.normal(2.5, 0.5, 60).clip(0)]))
    mixture("skewed", rng.exponential(0.4, 150))

    k = 3
    truth = rng.integers(0, k, 240)
    logits = rng.normal(0, 1, (240, k))
    logits[np.arange(240), truth] += 2
    p = np.exp(logits)
    p = (p / p.sum(1, keepdims=True)).astype(np.float32)
    labels = np.where(rng.random(240) < 0.15, rng.integers(0, k, 240), truth)
    labels[:12] = -1
    threshold, correct = confident_joint(p.astype(float), labels)
    array("float", "rows_probabilities", p)
    array("int32_t", "rows_labels", labels)
    array("int32_t", "rows_truth", truth)
    array("double", "rows_threshold", threshold)
    array("double", "rows_correct", correct)
    valid = labels >= 0
    loss = -np.log(p[valid, labels[valid]].astype(float))
    print(f"static const double rows_log_likelihood = {-loss.mean():.17g};")

    vectors = rng.normal(0, 1, (60, 8)).astype(np.float32)
    centre = vectors.mean(0).astype(np.float32)
    unit = vectors - centre
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    array("float", "vectors", vectors)
    array("float", "vectors_centre", centre)
    distance = 1 - unit.astype(float) @ unit.T.astype(float)
    array("double", "vectors_cost", [pam(distance, k) for k in (1, 2, 5, 12)])

    pool = np.arange(0, 60, 4)
    nearest = NearestNeighbors(n_neighbors=4, metric="cosine", algorithm="brute")
    nearest.fit(unit[pool])
    array("uint32_t", "vectors_nearest", nearest.kneighbors(unit[1::4])[1])


main()
