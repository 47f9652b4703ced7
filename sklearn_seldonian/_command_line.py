"""Certify a model, verify a certificate and plan a test from a shell.

The exit status is 0 if the answer is yes (certified, verified, or a number of rows is enough), 1 if
it is no, and 2 if there is no answer because arguments are wrong or files cannot be read.
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
from sklearn_seldonian.certification._plan_arguments import ExpectationMissing
from sklearn_seldonian.certification._plans import probability_of_passing, required_safety_rows

YES, NO, NO_ANSWER = 0, 1, 2
# The options of `plan` that give numbers of measures, by parameter.
OPTION_OF = {"rates": "--rate", "standard_deviations": "--standard-deviation"}
EXECUTES = (
    "a pickle can run any program when it is loaded. If you trust its source, add --trust-pickle. "
    "Otherwise ask for a skops file."
)
# Options that name columns, under the names that they have in a certificate's parameters.
OF_COLUMNS = ("target", "sensitive", "groups", "weights")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, and return its exit status.

    Parameters
    ----------
    arguments : sequence of str, default=None
        None: the arguments of the process.

    Returns
    -------
    int
        0 for yes, 1 for no, 2 for no answer.

    Examples
    --------
    >>> from sklearn_seldonian._command_line import main
    >>> main(["plan", "--constraint", "ACC >= 0.9", "--rate", "ACC=0.93"])
    With 748 safety rows, the constraint passes with probability 0.9.
    0
    """
    options = _parser().parse_args(arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = _say
        try:
            status: int = options.run(options)
        except Exception as error:  # models and files can raise errors of any type
            print(f"error: {_reason(error)}", file=sys.stderr)
            return NO_ANSWER
    return status


def _reason(error: Exception) -> str:
    """The message of an error, with options of the command line in place of arguments."""
    if isinstance(error, ExpectationMissing):
        option = OPTION_OF[error.parameter]
        return error.advice(option, lambda label, x: f"{option} {shlex.quote(f'{label}={x}')}")
    return str(error) or type(error).__name__


def _say(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"warning: {message}", file=sys.stderr)


# -- the commands ----------------------------------------------------------------------------


def _certify(options: argparse.Namespace) -> int:
    """Test a model, and write the certificate."""
    document, page = (Path(f"{options.out}.{kind}") for kind in ("json", "html"))
    if not Path(options.out).name or not document.parent.is_dir():
        raise ValueError(f"--out must be a name in an existing folder, got {options.out!r}.")
    for path in (document, page):
        if path.exists():
            raise ValueError(f"{path} exists already. Give another name with --out.")
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
    certificate = SafetyCertificate.from_json(_file(options.certificate))
    columns = {n: getattr(options, n) or _named(certificate.parameters, n) for n in OF_COLUMNS}
    options = argparse.Namespace(**{**vars(options), **columns})
    if not options.target:
        raise ValueError(
            "The certificate does not name the column of labels. Name it with --target."
        )
    model = _loaded(options)
    rows = _rows(options, model)
    verification = certificate.verify(
        model, rows.X, rows.y, rows.sensitive, groups=rows.groups, sample_weight=rows.weights
    )
    print(verification.explain())
    return YES if verification.same else NO


def _plan(options: argparse.Namespace) -> int:
    """Print the number of safety rows that a test needs, or the probability of passing."""
    rates, shares = _numbers("--rate", options.rate), _numbers("--share", options.share)
    of_test = {
        "delta": _delta(options),
        "method": options.method,
        "standard_deviations": _numbers("--standard-deviation", options.standard_deviation),
        "target_range": options.target_range,
        "prediction_range": options.prediction_range,
        "design_effect": options.design_effect,
    }
    if options.target_range or options.prediction_range:
        if options.classes:
            raise ValueError("--classes was given with the range of a regression. Leave one out.")
        of_test["classes"] = None
    if options.classes:
        of_test |= {"classes": options.classes, "pos_label": options.pos_label}
    elif options.pos_label:
        raise ValueError("--pos-label was given without --classes, which must include it.")
    if not 0.0 < options.power < 1.0:
        raise ValueError(f"--power must be strictly between 0 and 1, got {options.power:g}.")
    asked = options.constraint, rates
    several = len(options.constraint) > 1
    pass_with = f"{'all constraints pass' if several else 'the constraint passes'} with probability"
    if options.rows is not None:
        passing = probability_of_passing(*asked, options.rows, shares, **of_test)
        print(f"With {options.rows:,} safety rows, {pass_with} {passing:.3f}.")
        return YES if passing >= options.power else NO
    n_rows = required_safety_rows(*asked, shares, power=options.power, **of_test)
    if n_rows is None:
        print(f"There is no number of safety rows with which {pass_with} {options.power:g}.")
        return NO
    print(f"With {n_rows:,} safety rows, {pass_with} {options.power:g}.")
    return YES


# -- models and rows -------------------------------------------------------------------------


def _file(name: str) -> Path:
    """The path of a file that exists."""
    path = Path(name)
    if not path.is_file():
        raise FileNotFoundError(f"The file {path} does not exist.")
    return path


def _loaded(options: argparse.Namespace) -> Any:
    """The model in a file."""
    path = _file(options.model)
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
            "Reading a skops file needs the package skops, which is not installed. Install it "
            "with pip install 'sklearn-seldonian[skops]'."
        ) from error
    unknown = sorted({*skops.io.get_untrusted_types(file=path)} - {*options.trust})
    if unknown:
        raise ValueError(
            f"{path} has objects of {listed(unknown)}, which skops does not know to be safe. If "
            f"you trust them, add --trust {' '.join(map(shlex.quote, unknown))}."
        )
    return _estimator(skops.io.load(path, trusted=options.trust), path)


def _estimator(model: Any, path: Path) -> Any:
    """The object in a file, which must be a model."""
    if not hasattr(model, "predict"):
        raise ValueError(
            f"{path} has a {type(model).__name__}, which is not a model: it has no method predict."
        )
    return model


class _Rows(NamedTuple):
    """The rows to test, in the form that `certify` takes."""

    X: Any
    y: Any
    sensitive: Any = None
    groups: Any = None
    weights: Any = None


def _rows(options: argparse.Namespace, model: Any) -> _Rows:
    """The rows of a file, which is read in parts if possible."""
    path = Path(options.data)
    if not path.exists():
        raise FileNotFoundError(f"The file {path} does not exist.")
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
    """The table in a CSV file, in which only empty fields are missing values.

    Labels are read as texts if the model's classes are texts.
    """
    labels = getattr(model, "classes_", ())
    are_texts = len(labels) > 0 and all(isinstance(label, str) for label in labels)
    try:
        with warnings.catch_warnings():
            # Without the option, which pandas 3.1 no longer needs, pandas 2 changes last digits.
            warnings.filterwarnings("ignore", "The 'float_precision' argument is deprecated")
            return pd.read_csv(
                path,
                keep_default_na=False,
                na_values=[""],
                dtype={target: str} if are_texts else None,
                float_precision="round_trip",
            )
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(f"{path} cannot be read as a CSV file in UTF-8: {error}.") from error


def _check_columns(options: argparse.Namespace, frame: pd.DataFrame) -> None:
    for name in OF_COLUMNS:
        given = getattr(options, name) or []
        missing = [c for c in ([given] if isinstance(given, str) else given) if c not in frame]
        if missing:
            raise ValueError(
                f"--{name} names the column {missing[0]!r}, which is not in {options.data}."
            )


def _delta(options: argparse.Namespace) -> Any:
    """One number, or one per constraint."""
    given = options.delta or [0.05]
    return given[0] if len(given) == 1 else given


def _label(text: str | None, model: Any) -> Any:
    """The class label with this text."""
    labels = getattr(model, "classes_", ())
    named = {str(label): label for label in getattr(labels, "tolist", lambda: labels)()}
    if text is not None and text not in named:
        raise ValueError(f"--pos-label must be one of {listed(named)}, got {text}.")
    return None if text is None else named[text]


def _named(parameters: Mapping[str, str], name: str) -> Any:
    """A column that a certificate's parameters name, from the command that made it."""
    if name not in parameters:
        return None
    try:
        given = ast.literal_eval(parameters[name])
    except (ValueError, SyntaxError):
        given = None
    names = given if name == "sensitive" else [given]
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise ValueError(
            f"The certificate's parameter {name!r} does not name columns. Name them with --{name}."
        )
    return given


def _numbers(option: str, given: Sequence[str]) -> dict[str, float]:
    """Numbers by text, from ``TEXT=NUMBER``."""
    found = {}
    for each in given:
        text, sign, number = each.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            sign, value = "", 0.0
        if not sign or text.strip() in found:
            if sign:
                raise ValueError(f"{option} was given twice for {text.strip()}.")
            raise ValueError(f'{option} must be like "PR | [M]=0.4", got {each!r}.')
        found[text.strip()] = value
    return found


# -- arguments -------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="seldonian",
        description="Certify models under behavioural constraints, and check certificates.",
        epilog="Exit status: 0 for yes, 1 for no, 2 for no answer (an error).",
    )
    commands = parser.add_subparsers(required=True, metavar="{certify,verify,plan}")
    for name, words, add_options in (
        ("certify", "test a fitted model on rows that it was not fitted to", _add_certify),
        ("verify", "run the test of a certificate again", _add_verify),
        ("plan", "compute the number of safety rows of a test", _add_plan),
    ):
        described = f"{words.capitalize()}."
        add_options(commands.add_parser(name, help=words, description=described))
    return parser


def _add_certify(command: argparse.ArgumentParser) -> None:
    _add_files(command)
    _add_test(command)
    add = command.add_argument
    decisions = "the most probable class, or one drawn from the probabilities (default: argmax)"
    add("--decision", choices=["argmax", "sample"], default="argmax", help=decisions)
    add("--pos-label", metavar="LABEL", help="the positive one of two classes")
    _add_ranges(command)
    missing = (
        "refuse rows without a value in a constraint's column, or exclude them from conditions"
    )
    add("--missing", choices=["error", "exclude"], default="error", help=missing)
    largest = "the largest possible {} (default: the largest in the data)"
    add("--max-group-size", type=int, metavar="N", help=largest.format("number of rows of a group"))
    add("--max-weight", type=float, metavar="W", help=largest.format("weight"))
    add("--registry", metavar="FILE", help="a file in which tests are recorded")
    add("--seed", type=int, metavar="N", help="the seed of the order of rows")
    files = "write NAME.json and NAME.html (default: certificate)"
    add("--out", default="certificate", metavar="NAME", help=files)
    command.set_defaults(run=_certify)


def _add_verify(command: argparse.ArgumentParser) -> None:
    command.add_argument("certificate", help="the JSON file of a certificate")
    _add_files(command, required=False)
    command.set_defaults(run=_verify)


def _add_plan(command: argparse.ArgumentParser) -> None:
    _add_test(command)
    add = command.add_argument
    rates = "the expected value of a measure, such as ACC=0.93; can be repeated"
    deviations = (
        "the standard deviation of the numbers behind an average, or of the probabilities behind a "
        "rate of drawn decisions; can be repeated"
    )
    shares = "the share of safety rows in a group; can be repeated"
    passing = "the probability of passing to reach (default: 0.9)"
    add("--rate", action="append", required=True, metavar="TEXT=RATE", help=rates)
    add("--share", action="append", default=[], metavar="TEXT=SHARE", help=shares)
    add(
        "--standard-deviation",
        action="append",
        default=[],
        metavar="TEXT=SD",
        help=deviations,
    )
    _add_ranges(command)
    add("--power", type=float, default=0.9, metavar="P", help=passing)
    add("--rows", type=int, metavar="N", help="print the probability of passing with N rows")
    add("--classes", nargs="+", metavar="LABEL", help="the class labels (default: 0 1)")
    add("--pos-label", metavar="LABEL", help="the positive one of two classes")
    effect = "the design effect of groups or weights (default: 1)"
    add("--design-effect", type=float, default=1.0, metavar="F", help=effect)
    command.set_defaults(run=_plan)


def _add_test(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    constraints = "a constraint, such as 'ACC >= 0.9'; can be repeated"
    deltas = "the accepted probability of error (default: 0.05); once, or once per constraint"
    add("--constraint", action="append", required=True, metavar="TEXT", help=constraints)
    add("--delta", action="append", type=float, metavar="D", help=deltas)
    methods = "how bounds are computed (default: auto)"
    add("--method", choices=sorted(METHODS), default="auto", help=methods)


def _add_ranges(command: argparse.ArgumentParser) -> None:
    for name, what in (("--target-range", "targets"), ("--prediction-range", "predictions")):
        known = f"the range of the {what} of a regression"
        command.add_argument(name, nargs=2, type=float, metavar=("LOW", "HIGH"), help=known)


def _add_files(command: argparse.ArgumentParser, required: bool = True) -> None:
    add = command.add_argument
    add("model", help="a skops file, or a pickle with --trust-pickle")
    add("data", help="a CSV file, or a Parquet file or folder")
    sensitive = "a column that constraints name and that is not a feature; can be repeated"
    add("--target", required=required, metavar="COLUMN", help="the column of labels or numbers")
    add("--sensitive", action="append", metavar="COLUMN", help=sensitive)
    add("--groups", metavar="COLUMN", help="the column that says which rows form a group")
    add("--weights", metavar="COLUMN", help="the column of the rows' weights")
    add("--trust-pickle", action="store_true", help="load a pickle, which can run any program")
    add("--trust", nargs="+", default=[], metavar="TYPE", help="types in a skops file to trust")
