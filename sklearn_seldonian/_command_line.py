"""Certify a model, verify a certificate and plan a test from a shell.

The exit status is 0 where the answer is yes (certified, the same, some number of rows suffices), 1
where it is no, and 2 where there is none: wrong arguments, files that cannot be read.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import shlex
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import pandas as pd

from sklearn_seldonian._files import PICKLES
from sklearn_seldonian._text import listed
from sklearn_seldonian.certification import METHODS, SafetyCertificate
from sklearn_seldonian.certification._certify import certify
from sklearn_seldonian.certification._plans import probability_of_passing, required_safety_rows

YES, NO, NO_ANSWER = 0, 1, 2
EXECUTES = (
    "a pickle can run any program when it is loaded. If you trust where it comes from, add "
    "--trust-pickle; otherwise ask for a skops file."
)
# Options that name a column, as the certificate's parameters keep them.
OF_COLUMNS = ("target", "sensitive", "groups", "weights")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status.

    Parameters
    ----------
    arguments : sequence of str, default=None
        None: those of the process.

    Examples
    --------
    >>> from sklearn_seldonian._command_line import main
    >>> main(["plan", "--constraint", "ACC >= 0.9", "--rate", "ACC=0.93"])
    748 safety rows let it pass with probability 0.9.
    0
    """
    options = _parser().parse_args(arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = _say
        try:
            status: int = options.run(options)
        except Exception as error:  # whatever a model or a file may raise: there is no answer
            print(f"error: {str(error) or type(error).__name__}", file=sys.stderr)
            return NO_ANSWER
    return status


def _say(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"warning: {message}", file=sys.stderr)


# -- the commands ----------------------------------------------------------------------------


def _certify(options: argparse.Namespace) -> int:
    """Test a model, and write the certificate."""
    document, page = (Path(f"{options.out}.{kind}") for kind in ("json", "html"))
    if not Path(options.out).name or not document.parent.is_dir():
        raise ValueError(f"--out must be a name, in a folder that is there; got {options.out!r}.")
    for path in (document, page):
        if path.exists():
            raise ValueError(f"{path} is there already: say --out with another name.")
    model = _loaded(options)
    rows = _rows(options, model)
    certificate = certify(
        model,
        rows.X,
        rows.y,
        options.constraint,
        delta=_delta(options),
        sensitive_features=rows.sensitive,
        method=options.method,
        decision=options.decision,
        pos_label=_label(options.pos_label, model),
        target_range=options.target_range,
        prediction_range=options.prediction_range,
        missing=options.missing,
        groups=rows.groups,
        max_group_size=options.max_group_size,
        sample_weight=rows.weights,
        max_weight=options.max_weight,
        registry=options.registry,
        random_state=options.seed,
    )
    given = {name: getattr(options, name) for name in ("model", "data", *OF_COLUMNS)}
    given["document"] = str(document)
    named = {name: repr(value) for name, value in given.items() if value}
    certificate = dataclasses.replace(certificate, parameters={**certificate.parameters, **named})
    certificate.to_json(document)
    certificate.to_html(page)
    print(f"{certificate.verdict} See {document} and {page}.")
    return YES if certificate.passed else NO


def _verify(options: argparse.Namespace) -> int:
    """Run the test of a certificate again with a model and rows."""
    certificate = SafetyCertificate.from_json(Path(options.certificate))
    for name in OF_COLUMNS:
        if not getattr(options, name):
            setattr(options, name, _named(certificate.parameters, name))
    if not options.target:
        raise ValueError("The certificate does not name the column of labels: say --target.")
    model = _loaded(options)
    rows = _rows(options, model)
    verification = certificate.verify(
        model, rows.X, rows.y, rows.sensitive, groups=rows.groups, sample_weight=rows.weights
    )
    print(verification.explain())
    return YES if verification.same else NO


def _plan(options: argparse.Namespace) -> int:
    """How many safety rows a test takes, or how probably so many pass."""
    rates, shares = _numbers("--rate", options.rate), _numbers("--share", options.share)
    of_test = {
        "delta": _delta(options),
        "method": options.method,
        "design_effect": options.design_effect,
    }
    if options.classes:
        of_test |= {"classes": options.classes, "pos_label": options.pos_label}
    elif options.pos_label:
        raise ValueError("--pos-label is one of --classes: name them too.")
    if not 0.0 < options.power < 1.0:
        raise ValueError(f"--power must be strictly between 0 and 1, got {options.power:g}.")
    asked = options.constraint, rates
    they = "they pass" if len(options.constraint) > 1 else "it passes"
    let = "them" if len(options.constraint) > 1 else "it"
    if options.rows is not None:
        passing = probability_of_passing(*asked, options.rows, shares, **of_test)
        print(f"On {options.rows:,} safety rows {they} with probability {passing:.3f}.")
        return YES if passing >= options.power else NO
    n_rows = required_safety_rows(*asked, shares, power=options.power, **of_test)
    if n_rows is None:
        print(f"No number of safety rows lets {let} pass with probability {options.power:g}.")
        return NO
    print(f"{n_rows:,} safety rows let {let} pass with probability {options.power:g}.")
    return YES


# -- models and rows -------------------------------------------------------------------------


def _loaded(options: argparse.Namespace) -> Any:
    """The model in a file."""
    path = Path(options.model)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    if path.suffix in PICKLES:
        if not options.trust_pickle:
            raise ValueError(f"{path} is a pickle, and {EXECUTES}")
        return _estimator(joblib.load(path), path)
    if path.suffix != ".skops":
        raise ValueError(
            f"{path} is neither a skops file (.skops) nor a pickle ({', '.join(sorted(PICKLES))})."
        )
    try:
        import skops.io
    except ImportError as error:
        raise ImportError(
            "Models in skops files take skops: pip install 'sklearn-seldonian[skops]'."
        ) from error
    unknown = sorted({*skops.io.get_untrusted_types(file=path)} - {*options.trust})
    if unknown:
        raise ValueError(
            f"{path} holds objects of {listed(unknown)}, which skops does not know to be harmless. "
            f"If you trust them, add --trust {' '.join(map(shlex.quote, unknown))}."
        )
    return _estimator(skops.io.load(path, trusted=options.trust), path)


def _estimator(model: Any, path: Path) -> Any:
    """What a file of a model holds."""
    if not hasattr(model, "predict"):
        raise ValueError(f"{path} holds no model, but a {type(model).__name__}.")
    return model


class _Rows(NamedTuple):
    """What is tested, as `certify` takes it."""

    X: Any
    y: Any
    sensitive: Any = None
    groups: Any = None
    weights: Any = None


def _rows(options: argparse.Namespace, model: Any) -> _Rows:
    """The rows of a file: read part by part where they can be."""
    path = Path(options.data)
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    is_fit = hasattr(model, "certificate_") and options.run is _verify
    needs_all = options.groups or options.weights or getattr(options, "registry", None) or is_fit
    is_text = path.name.lower().endswith((".csv", ".csv.gz"))
    if not (is_text or path.is_dir() or path.suffix.lower() in (".parquet", ".pq")):
        raise ValueError(f"{path} is neither a CSV file (.csv, .csv.gz) nor Parquet (.parquet).")
    if not (is_text or needs_all):
        return _Rows(path, options.target, options.sensitive)
    frame = _csv(path, options.target, model) if is_text else pd.read_parquet(path)
    _check_columns(options, frame)
    if not needs_all:
        return _Rows(frame, options.target, options.sensitive)
    others = [options.target, *(options.sensitive or ()), options.groups, options.weights]
    known = getattr(model, "feature_names_in_", None)
    names = [name for name in frame if name not in others] if known is None else [*known]
    X = frame[names].to_numpy() if known is None else frame[names]
    return _Rows(
        X,
        frame[options.target],
        frame[options.sensitive] if options.sensitive else None,
        frame[options.groups] if options.groups else None,
        frame[options.weights] if options.weights else None,
    )


def _csv(path: Path, target: str, model: Any) -> pd.DataFrame:
    """The table in a text, in which nothing is missing but what is not there.

    Labels are texts where the model has texts for classes.
    """
    labels = getattr(model, "classes_", ())
    are_texts = len(labels) > 0 and all(isinstance(label, str) for label in labels)
    try:
        return pd.read_csv(
            path,
            keep_default_na=False,
            na_values=[""],
            dtype={target: str} if are_texts else None,
        )
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(f"{path} is no CSV file in UTF-8: {error}.") from error


def _check_columns(options: argparse.Namespace, frame: pd.DataFrame) -> None:
    for name in OF_COLUMNS:
        given = getattr(options, name) or []
        missing = [c for c in ([given] if isinstance(given, str) else given) if c not in frame]
        if missing:
            raise ValueError(f"--{name} names column {missing[0]!r}, which {options.data} lacks.")


def _delta(options: argparse.Namespace) -> Any:
    """One number, or one for each constraint."""
    given = options.delta or [0.05]
    return given[0] if len(given) == 1 else given


def _label(text: str | None, model: Any) -> Any:
    """The class label that is written so."""
    labels = getattr(model, "classes_", ())
    named = {str(label): label for label in getattr(labels, "tolist", lambda: labels)()}
    if text is not None and text not in named:
        raise ValueError(f"--pos-label must be one of {listed(named)}, got {text}.")
    return None if text is None else named[text]


def _named(parameters: Mapping[str, str], name: str) -> Any:
    """A column that the command which made a certificate was told."""
    if name not in parameters:
        return None
    try:
        given = ast.literal_eval(parameters[name])
    except (ValueError, SyntaxError):
        given = None
    names = given if name == "sensitive" else [given]
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise ValueError(f"The certificate's parameter {name!r} names no columns: say --{name}.")
    return given


def _numbers(option: str, given: Sequence[str]) -> dict[str, float]:
    """Numbers by the texts of measures, from ``TEXT=NUMBER``."""
    found = {}
    for each in given:
        text, sign, number = each.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            sign, value = "", 0.0
        if not sign or text.strip() in found:
            problem = f'must be as "PR | [M]=0.4", got {each!r}' if not sign else "is given twice"
            raise ValueError(f"{option} {problem}: {text.strip()}.")
        found[text.strip()] = value
    return found


# -- what can be written ---------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="seldonian",
        description="Certify models under behavioural constraints, and check certificates.",
        epilog="Exit status: 0 yes, 1 no, 2 no answer.",
    )
    commands = parser.add_subparsers(required=True, metavar="{certify,verify,plan}")
    _add_certify(commands.add_parser("certify", help="test a fitted model on rows it has not seen"))
    _add_verify(commands.add_parser("verify", help="run the test of a certificate again"))
    _add_plan(commands.add_parser("plan", help="how many safety rows a test takes"))
    return parser


def _add_certify(command: argparse.ArgumentParser) -> None:
    _add_files(command)
    _add_test(command)
    command.add_argument("--decision", choices=["argmax", "sample"], default="argmax")
    command.add_argument("--pos-label", metavar="LABEL", help="the positive class of two")
    for name in ("--target-range", "--prediction-range"):
        command.add_argument(name, nargs=2, type=float, metavar=("LOW", "HIGH"))
    command.add_argument("--missing", choices=["error", "exclude"], default="error")
    command.add_argument("--max-group-size", type=int, metavar="N")
    command.add_argument("--max-weight", type=float, metavar="W")
    command.add_argument("--registry", metavar="FILE", help="where tests are recorded")
    command.add_argument("--seed", type=int, metavar="N", help="of the order of rows")
    command.add_argument(
        "--out", default="certificate", metavar="NAME", help="writes NAME.json and NAME.html"
    )
    command.set_defaults(run=_certify)


def _add_verify(command: argparse.ArgumentParser) -> None:
    command.add_argument("certificate", help="a certificate's JSON file")
    _add_files(command, required=False)
    command.set_defaults(run=_verify)


def _add_plan(command: argparse.ArgumentParser) -> None:
    _add_test(command)
    add = command.add_argument
    add("--rate", action="append", required=True, metavar="TEXT=RATE", help="what you expect")
    add("--share", action="append", default=[], metavar="TEXT=SHARE", help="of the safety rows")
    add("--power", type=float, default=0.9, metavar="P", help="of passing (default: 0.9)")
    add("--rows", type=int, metavar="N", help="ask for the probability of passing on N rows")
    add("--classes", nargs="+", metavar="LABEL", help="default: 0 1")
    add("--pos-label", metavar="LABEL")
    add("--design-effect", type=float, default=1.0, metavar="F", help="of groups or weights")
    command.set_defaults(run=_plan)


def _add_test(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--constraint", action="append", required=True, metavar="TEXT", help="can be repeated")
    add("--delta", action="append", type=float, metavar="D", help="one, or one a constraint")
    add("--method", choices=sorted(METHODS), default="auto")


def _add_files(command: argparse.ArgumentParser, required: bool = True) -> None:
    add = command.add_argument
    add("model", help="a skops file, or a pickle with --trust-pickle")
    add("data", help="a CSV file, or a Parquet file or folder")
    add("--target", required=required, metavar="COLUMN", help="the labels or numbers")
    add("--sensitive", action="append", metavar="COLUMN", help="can be repeated")
    add("--groups", metavar="COLUMN", help="rows that belong together")
    add("--weights", metavar="COLUMN", help="how much each row counts")
    add("--trust-pickle", action="store_true", help="load a pickle, which can run any program")
    add("--trust", nargs="+", default=[], metavar="TYPE", help="types in a skops file")
