"""The safety test's outcome as a value that can be kept, read, drawn and compared."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike

from sklearn_seldonian._files import write_whole
from sklearn_seldonian.certification._display import CertificateDisplay
from sklearn_seldonian.certification._fields import CertificateFields
from sklearn_seldonian.certification._json import from_text, to_text
from sklearn_seldonian.certification._report import report, summary


@dataclass(frozen=True, eq=False, repr=False)
class SafetyCertificate(CertificateFields):
    """What was certified, on what evidence, under which assumptions.

    Two certificates are equal where they say the same; NaN equals NaN.

    Attributes
    ----------
    results : tuple of ConstraintResult
        One for each constraint. Each bound holds with confidence 1 - delta on its own;
        they are not simultaneous. That all constraints hold has confidence
        1 - max(delta) nonetheless, since all of them must pass.
    loss : float
        Mean of the primary objective over the safety rows; NaN where there is none.
    n_candidate, n_safety : int
        Rows the model was fitted to, and rows it was tested on.
    assumptions : tuple of str
        What the confidence rests on, in words.
    remarks : tuple of str
        What else to know about the model, in words.
    procedure : str
        What was called: "SeldonianClassifier.fit", or "certify".
    parameters : mapping of str to str
        What it was called with, as Python would write it.
    classes : tuple of str
        The class labels, in the order of the model's outputs.
    positive : str or None
        The positive class where there are two.
    versions : mapping of str to str
        Of the packages involved.
    fingerprints : mapping of str to str
        Digests of the safety "data" (X, y and the columns that constraints name, whatever the
        order of rows and the container), and of the model: its "weights", or, from the function
        `certify`, what it answers for these rows: "decisions", "probabilities" or "predictions".
    order_seed : int or None
        What the order was drawn from in which a test looked at the rows one after another: the
        same rows in any order, tested with this seed, give the same certificate. None where
        only counts were looked at.
    """

    def to_json(self) -> str:
        """A JSON document that `from_json` reads back to an equal certificate.

        It is JSON for strict readers too: NaN is written as null, and infinite numbers as the
        strings "Infinity" and "-Infinity".
        """
        return to_text(self)

    @classmethod
    def from_json(cls, text: str) -> SafetyCertificate:
        """The certificate that `to_json` wrote.

        Every field is checked for itself and against the others, so that most changes to the
        document are noticed. A document that passes may still be made up: nothing in it is
        signed, and the data are not in it.

        Raises
        ------
        ValueError
            If `text` is not such a document, or fields contradict each other. The message names
            the field.
        """
        return from_text(text, cls)

    def plot(self) -> CertificateDisplay:
        """Draw how far each bound is from its limit, as `plotting.CertificateDisplay` does."""
        return CertificateDisplay.from_certificate(self)

    def to_html(self, path: str | PathLike[str]) -> None:
        """Write a report to the file `path`: all there is to keep, in one file.

        It holds the verdict, the constraints, the data and their fingerprints, the tests, the
        assumptions, a picture, and how to repeat it, and needs nothing from elsewhere. Without
        matplotlib there is no picture. A file that is there already is replaced once the new one
        is complete.

        Parameters
        ----------
        path : str or path-like
        """
        write_whole(path, report(self))

    def _repr_html_(self) -> str:
        return summary(self)
