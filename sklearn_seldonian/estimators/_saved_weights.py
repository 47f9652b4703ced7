"""The estimators' methods that write and read weights without pickle."""

from __future__ import annotations

import numpy as np
from sklearn.base import clone

from sklearn_seldonian.estimators import _saved


class SavedWeights:
    """For estimators that hold a certified model."""

    def save_params(self, path):
        """Write the weights and the certificate to a safetensors file, without pickle.

        Parameters
        ----------
        path : str or path-like

        Raises
        ------
        NoSolutionFoundError
            If there is no model.
        ValueError
            If there is a preprocessor, which cannot be saved as weights, or if the model was
            changed after it was certified.
        """
        self._check_certified()
        of_estimator = {
            "promise": self._promises_,
            "certificate": self.certificate_ and self.certificate_.to_json(),
            "n_features_in": self.n_features_in_,
            "feature_names_in": self._feature_names(),
        }
        _saved.write(path, self._model, of_estimator)

    def load_params(self, path):
        """Load the model that `save_params` wrote, with its certificate.

        The estimator must have the parameters that the model was fitted with. Attributes about the
        rows of `fit` (`history_`, `step_history_`, `candidate_indices_`, ...) are not in the file.
        The method `certify` needs some of them: use the function `sklearn_seldonian.certify`
        instead.

        Parameters
        ----------
        path : str or path-like

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the file has other constraints or another module than the estimator, if its weights
            do not fit the module or are not those that were certified, if it has no certificate
            that passed, or if the estimator is fitted and has another certificate. The estimator
            is then left unchanged.
        """
        loaded = self._loaded(path)
        if getattr(self, "certificate_", None) is not None:  # the same model
            loaded._fitted_to_ = self._fitted_to_
        self.__dict__ = {**vars(loaded), **self._without_fit()}
        return self

    def _loaded(self, path):
        """A clone of the estimator with the model in the file."""
        model = clone(self)
        model._specify()
        facts, certificate, labels = _saved.read(path, model._promises_)
        if model.preprocessor is not None:
            raise ValueError(
                f"The estimator has a preprocessor, and the model in {path} has none. Load it into "
                "an estimator without preprocessor."
            )
        if getattr(self, "certificate_", certificate) != certificate:
            raise ValueError(
                f"The estimator is fitted, and {path} holds another model than the one that its "
                "certificate is about. Load the file into sklearn.base.clone(estimator)."
            )
        model._targets_ = model._targets_of(labels)
        model.net_, model.preprocessor_ = _saved.load_net(path, facts, model._learner()), None
        model.certificate_, model.n_features_in_ = certificate, facts.n_features_in
        if facts.feature_names_in is not None:
            model.feature_names_in_ = np.array(facts.feature_names_in, dtype=object)
        if labels is not None:
            model.classes_ = labels
        model._check_model()
        return model
