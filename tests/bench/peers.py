"""The peers in scikit-learn, measured in the same run as ours.

Labels are integers; -1 stands for an invalid answer. Nothing here sees gold labels.
"""

import numpy as np
from scipy.sparse import hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import LinearSVC


class Features:
    """TF-IDF (sublinear) of word 1-2-grams and of char_wb 3-5-grams (min_df 2)."""

    def __init__(self, texts):
        self.vectorizers = [
            TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2)),
            TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(3, 5), min_df=2),
        ]
        self.train = hstack([v.fit_transform(texts) for v in self.vectorizers]).tocsr()

    def transform(self, texts):
        return hstack([v.transform(texts) for v in self.vectorizers]).tocsr()


def out_of_fold(features, labels, class_count, seed, folds=5):
    """Probabilities (rows, classes) by logistic regression, C=10, stratified folds.

    A valid row gets those of the model it was held out from, an invalid one the mean of all.
    """
    labels = np.asarray(labels)
    valid = np.flatnonzero(labels >= 0)
    invalid = np.flatnonzero(labels < 0)
    result = np.zeros((len(labels), class_count))
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    for fit, held in splitter.split(valid, labels[valid]):
        model = LogisticRegression(C=10, max_iter=1000)
        model.fit(features[valid[fit]], labels[valid[fit]])
        result[np.ix_(valid[held], model.classes_)] = model.predict_proba(features[valid[held]])
        if len(invalid):
            result[np.ix_(invalid, model.classes_)] += model.predict_proba(features[invalid]) / folds
    return result


def svm_predict(features, labels, test):
    """Predictions of a linear SVM fitted on the valid rows."""
    labels = np.asarray(labels)
    valid = labels >= 0
    return LinearSVC().fit(features[valid], labels[valid]).predict(test)


def balanced_labels(features, labels):
    """Every row's label by balanced logistic regression, C=1, fitted on the valid rows."""
    labels = np.asarray(labels)
    valid = labels >= 0
    model = LogisticRegression(C=1, class_weight="balanced", max_iter=1000)
    model.fit(features[valid], labels[valid])
    return model.predict(features)


def top_per_label(score, labels, part):
    """Rows with the highest score, the same part of each label; invalid ones left out."""
    labels = np.asarray(labels)
    chosen = []
    for label in np.unique(labels[labels >= 0]):
        rows = np.flatnonzero(labels == label)
        order = rows[np.argsort(-np.asarray(score)[rows], kind="stable")]
        chosen.extend(order[:round(part * len(rows))])
    return np.array(chosen)


def random_relabelling(rungs, fill, gold, draws=200, seed=0):
    """Mean share right when the rows asked again are drawn at random.

    `rungs` is [(answers, share), ...]; the first is asked of all. A new answer replaces
    the old one, an invalid one keeps it; what stays invalid gets `fill`.
    """
    rng = np.random.default_rng(seed)
    fill = np.asarray(fill)
    gold = np.asarray(gold)
    shares = []
    for _ in range(draws):
        current = np.array(rungs[0][0])
        for answers, part in rungs[1:]:
            rows = rng.permutation(len(current))[:round(part * len(current))]
            new = np.asarray(answers)[rows]
            current[rows] = np.where(new >= 0, new, current[rows])
        shares.append(np.mean(np.where(current >= 0, current, fill) == gold))
    return float(np.mean(shares))


def mixture_clean(losses, labels, posterior=0.7):
    """Rows whose loss lies with the low part of a mixture of two Gaussians, per label."""
    labels = np.asarray(labels)
    clean = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels[labels >= 0]):
        rows = np.flatnonzero(labels == label)
        low, high, *starts = np.quantile(losses[rows], [0.005, 0.995, 0.25, 0.95])
        span = max(high - low, 1e-12)
        scaled = np.clip((losses[rows] - low) / span, 0, 1)
        fit = GaussianMixture(2, max_iter=10, tol=1e-2, reg_covar=5e-4, weights_init=[0.5, 0.5],
                              means_init=((np.clip(starts, low, high) - low) / span)[:, None],
                              precisions_init=np.full((2, 1, 1), 1 / (scaled.var() / 4 + 5e-4)))
        fit.fit(scaled[:, None])
        clean[rows] = fit.predict_proba(scaled[:, None])[:, fit.means_[:, 0].argmin()] > posterior
        clean[rows] &= scaled < fit.means_.max()
    return clean
