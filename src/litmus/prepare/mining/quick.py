"""Quick models, and what they say about examples that they have not seen."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDS = 5
FEW_CLASSES = 10  # up to which trees are quick


def out_of_fold(features: Any, labels: NDArray[np.int64], linear: bool) -> NDArray[np.float64]:
    """Probabilities [examples, classes], each by a model that was trained on the other folds."""
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    model = _linear(sparse=hasattr(features, "tocsr")) if linear or labels.max() >= FEW_CLASSES else _trees()
    return np.asarray(cross_val_predict(model, features, labels, cv=folds, method="predict_proba"), np.float64)


def _linear(sparse: bool) -> Any:
    from sklearn.linear_model import LogisticRegression, SGDClassifier

    if sparse:
        return SGDClassifier(loss="log_loss", alpha=5e-6, max_iter=5, tol=None, average=True, random_state=0)
    return LogisticRegression(C=0.1, max_iter=200)


def _trees() -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=60, random_state=0)
