"""The report of a certificate: complete, escaped, and without external resources."""

import json
import math
import os
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from sklearn_seldonian import certify
from sklearn_seldonian.certification import (
    CertificateDisplay,
    ConstraintResult,
    SafetyCertificate,
    _report,
)
from sklearn_seldonian.certification._display import GroupRate
from sklearn_seldonian.certification._fields import UNTOUCHED

ATTACK = '"><script>document.title = "taken"</script><img src="http://example.org/$x_i$.png">'

PASSED = ConstraintResult(
    constraint="abs(PR | [M] - PR | [F]) <= 0.1",
    operator="<=",
    estimate=0.02,
    bound=0.07,
    limit=0.1,
    g=-0.08,
    g_upper=-0.03,
    p_value=0.001,
    delta=0.05,
    method="exact unconditional test",
    guarantee="exact",
    rows={"PR | [M]": 600, "PR | [F]": 400},
    rates={"PR | [M]": 0.5, "PR | [F]": 0.48},
    reason="",
)
FAILED = replace(
    PASSED,
    constraint="ACC >= 0.9",
    operator=">=",
    estimate=0.91,
    bound=0.88,
    limit=0.9,
    g=-0.01,
    g_upper=0.02,
    p_value=0.2,
    rows={"ACC": 1000, "LogLoss": 1000},
    rates={"ACC": 0.91},
    reason="the estimate meets the limit, but not by enough for so few safety rows",
    rows_needed=2345,
)
UNTESTED = replace(
    FAILED,
    estimate=math.nan,
    bound=-math.inf,
    g_upper=math.inf,
    guarantee="none",
    rows={},
    rates={},
    reason="training was interrupted",
    method=UNTOUCHED,
    rows_needed=None,
)
CERTIFICATE = SafetyCertificate(
    results=(PASSED,),
    loss=0.25,
    n_candidate=1500,
    n_safety=1000,
    assumptions=("The rows are independent draws.",),
    remarks=("All rows got one label.",),
    procedure="SeldonianClassifier.fit",
    parameters={"delta": "0.05", "random_state": "7"},
    classes=("bad", "good"),
    positive="good",
    versions={"torch": "2.15.0"},
    fingerprints={"data": "149dc71398a959", "weights": "465f7fe456bb"},
    estimator="LogisticRegression",
    created_at="2026-11-29T12:00:00+00:00",
)
NASTY_RESULT = replace(
    FAILED,
    constraint=ATTACK,
    method=ATTACK,
    reason=ATTACK,
    rows={f"PR | [{ATTACK}]": 10, ATTACK: 5},
    rates={f"PR | [{ATTACK}]": 0.5, ATTACK: 0.4},
)
NASTY = SafetyCertificate(
    results=(NASTY_RESULT, PASSED),
    loss=0.25,
    n_candidate=1500,
    n_safety=1000,
    assumptions=(ATTACK,),
    remarks=(ATTACK,),
    procedure=ATTACK,
    parameters={ATTACK: ATTACK, "random_state": ATTACK},
    classes=(ATTACK, "good"),
    positive=ATTACK,
    versions={ATTACK: ATTACK},
    fingerprints={ATTACK: ATTACK},
)


class Page(HTMLParser):
    """The elements of a document, with their attributes, and its text."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, texts = [], [], []
        self.handle_data = texts.append
        self.feed(html)
        self.text = " ".join(" ".join(texts).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs


def written(certificate, folder):
    path = folder / "report.html"
    certificate.to_html(path)
    return path


def page_of(certificate, folder):
    return Page(written(certificate, folder).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return page_of(CERTIFICATE, tmp_path_factory.mktemp("report"))


@pytest.mark.parametrize(
    "part",
    [
        "Safety test passed: the constraint is certified.",
        "with a probability of at most 0.05",
        "This holds for the number of rows tested, without approximation.",
        ": passed . The estimate on the safety rows is 0.0200. At confidence level 0.95, the value "
        "in the population is at most 0.0700. The constraint requires at most 0.1.",
        "All rows got one label.",
        "exact unconditional test (exact)",
        "The positive class, which rates without a label are about good",
        "PR | [M] share of rows predicted to have the label “good”, where M is 1 600 0.5000 "
        "0.4592 to 0.5408",
        "Candidate rows, which the model was fitted to 1,500",
        "Fingerprint: data 149dc71398a959 Fingerprint: weights 465f7fe456bb",
        "Rows Tested on 1,000 safety rows; fitted to 1,500 others. Data 149dc71398a959",
        "Model LogisticRegression, weights 465f7fe456bb",
        "Made by SeldonianClassifier.fit at 2026-11-29T12:00:00+00:00",
        "The gap in the share of rows predicted to have the label “good” between rows where M is "
        "1 and rows",
        "Assumptions to check and sign The rows are independent draws. Name Date",
        "sklearn_seldonian verify certificate.json MODEL DATA --target COLUMN --sensitive COLUMN",
        "verify(model, X, y, sensitive_features)",
        "The rows are independent draws.",
        "and call SeldonianClassifier.fit with these parameters. The seed is random_state=7",
        "random_state 7",
        "torch 2.15.0",
    ],
)
def test_a_report_is_complete(part, plain):
    assert part in plain.text


@pytest.mark.parametrize(
    ("certificate", "part"),
    [
        (replace(CERTIFICATE, results=(PASSED, FAILED)), "No Solution Found: 1 of 2 constraints"),
        (replace(CERTIFICATE, results=(FAILED,)), "not passed , because the estimate meets the"),
        (replace(CERTIFICATE, results=(FAILED,)), "on about 2,345 fresh safety rows"),
        (replace(CERTIFICATE, results=(FAILED,)), "LogLoss mean logarithmic loss 1,000 – –"),
        (
            replace(CERTIFICATE, results=(UNTESTED,)),
            "not tested , because training was interrupted",
        ),
        (replace(CERTIFICATE, results=(UNTESTED,)), "so nothing is certified"),
        (replace(CERTIFICATE, results=(UNTESTED,)), "– >= – 0.9"),
        (replace(CERTIFICATE, results=(UNTESTED,)), "Safety rows, not used by any test 1,000"),
        (replace(CERTIFICATE, results=(FAILED,)), "Safety rows, used by the tests 1,000"),
        (
            replace(CERTIFICATE, results=(replace(PASSED, guarantee="asymptotic"),)),
            "This number is approximate",
        ),
        (
            replace(CERTIFICATE, results=(replace(FAILED, bound=-math.inf, g_upper=math.inf),)),
            "There is no bound.",
        ),
        (replace(CERTIFICATE, results=(replace(PASSED, p_value=0.0),)), "0.05 < 1e-12 exact"),
        (
            replace(CERTIFICATE, results=(replace(PASSED, chosen=("ACC >= 0.9",)),)),
            "of the alternative ACC >= 0.9 , chosen by the candidate data",
        ),
        (
            replace(CERTIFICATE, n_candidate=0, loss=math.nan),
            "used by the tests 1,000 Labels bad , good",
        ),
        (replace(CERTIFICATE, parameters={"random_state": "None"}), "No random_state was given"),
        (replace(CERTIFICATE, results=()), "No Solution Found: 0 of 0 constraints passed."),
    ],
)
def test_reports_of_other_outcomes(certificate, part, tmp_path, monkeypatch):
    monkeypatch.setattr(_report, "_picture", lambda *_: "")  # its texts are not counted here
    assert part in page_of(certificate, tmp_path).text


def test_the_picture_is_inside(plain):
    assert plain.tags.count("svg") == 1
    assert "PR | [M] n = 600" in plain.text


@pytest.mark.parametrize(
    ("n_constraints", "n_rates", "expected"),
    [
        (1, 1, [(1, 1)]),
        (7, 10, [(7, 10)]),
        (1, 11, [(1, 0), (0, 11)]),
        (8, 1, [(4, 0), (4, 0), (0, 1)]),
        (20, 60, [(7, 0), (7, 0), (6, 0), (0, 40)]),
        (9, 0, [(5, 0), (4, 0)]),
        (0, 0, []),
    ],
)
def test_no_picture_is_longer_than_a_page(n_constraints, n_rates, expected):
    names = [f"PR | [`{i}`]" for i in range(n_rates)]
    result = replace(PASSED, rows=dict.fromkeys(names, 9), rates=dict.fromkeys(names, 0.5))
    parts = list(_report._parts([result] * n_constraints))
    assert [(len(results), len(rates)) for results, rates in parts] == expected
    for part in parts:
        width, height = CertificateDisplay(*part).size
        assert height / width * 145 < 255  # mm, as in print


def test_of_many_constraints_those_with_the_least_room_are_pictured(tmp_path, monkeypatch):
    monkeypatch.setattr(_report, "MAX_PICTURED", 3)
    p_values = [0.01, 0.04, 0.3, 0.02, 0.0]
    results = [
        replace(PASSED, constraint=f"PR <= 0.{i + 1}", p_value=p, rows={}, rates={})
        for i, p in enumerate(p_values)
    ]
    results[2] = replace(FAILED, constraint="PR <= 0.3", p_value=0.3, rows={}, rates={})
    page = page_of(replace(CERTIFICATE, results=tuple(results)), tmp_path)
    assert "These 3 of the 5 constraints are the closest to failing" in page.text
    pictured = _report._nearest_to_failing(results)
    assert [result.constraint for result in pictured] == ["PR <= 0.2", "PR <= 0.3", "PR <= 0.4"]
    counts = [page.text.count(result.constraint) for result in results]
    assert counts == [1, 3, 3, 3, 1]  # all in the appendix, some at the top and in the figure
    few = page_of(replace(CERTIFICATE, results=tuple(results[:3])), tmp_path)
    assert "closest to failing" not in few.text


def test_of_many_rates_the_lowest_and_the_highest_are_pictured(monkeypatch):
    monkeypatch.setattr(_report, "MAX_RATES", 4)
    rates = [GroupRate(str(x), x, 0.0, 1.0, 10) for x in (0.5, 0.9, 0.1, 0.4, 0.2, 0.8)]
    assert [rate.rate for rate in _report._lowest_and_highest(rates)] == [0.9, 0.1, 0.2, 0.8]
    assert _report._lowest_and_highest(rates[:4]) == rates[:4]


def test_a_report_is_the_same_each_time(tmp_path):
    first = written(CERTIFICATE, tmp_path).read_bytes()
    assert written(CERTIFICATE, tmp_path).read_bytes() == first


def test_a_report_has_no_external_resources(plain):
    assert not {"script", "link", "img", "iframe", "object"} & set(plain.tags)
    addresses = [value for name, value in plain.attributes if name in ("src", "href", "xlink:href")]
    assert all(value.startswith("#") for value in addresses)
    assert ("http-equiv", "Content-Security-Policy") in plain.attributes


def test_users_texts_are_escaped(tmp_path):
    page = page_of(NASTY, tmp_path)
    assert not {"script", "img"} & set(page.tags)
    assert page.text.count("document.title =") >= 15
    assert "$x_i$" in page.text


def test_the_style_cannot_be_ended(tmp_path):
    text = "</style></svg></script><script>alert(1)</script>"
    html = written(replace(CERTIFICATE, results=(replace(PASSED, constraint=text),)), tmp_path)
    html = html.read_text(encoding="utf-8")
    page = Page(html)
    assert "script" not in page.tags
    assert page.text.count(text) == 3  # in words, in the figure and in the table
    assert (html.count("</style>"), html.count("</svg>")) == (2, 1)  # of page and figure


@pytest.mark.parametrize("text", ["nul\x00", "bell\x07", "escape\x1b[31m", "\u202eturned", "\x9d"])
@pytest.mark.thinned(2)
def test_control_characters_are_escaped(text, tmp_path):
    column = f"PR | [`{text}`]"
    result = replace(PASSED, constraint=f"{column} <= 1", rows={column: 9}, rates={column: 0.5})
    certificate = replace(CERTIFICATE, results=(result,), classes=(text, "good"))
    html = written(certificate, tmp_path).read_text(encoding="utf-8")
    for document in (html, certificate._repr_html_()):
        assert text not in document
        assert repr(text)[1:-1] in document


def test_letters_of_any_script_are_kept_without_a_warning(tmp_path):
    column = "PR | [年齢グループ]"
    result = replace(PASSED, constraint=f"{column} <= 1", rows={column: 9}, rates={column: 0.5})
    page = page_of(replace(CERTIFICATE, results=(result,)), tmp_path)
    assert page.text.count(column) == 5  # in words, twice in the figure and twice in tables


def test_long_texts_are_whole_in_the_report(tmp_path):
    long = f"PR | [`{'x' * 3000}`] <= 1"
    page = page_of(replace(CERTIFICATE, results=(replace(PASSED, constraint=long),)), tmp_path)
    assert page.text.count(long) == 2


def test_users_texts_are_escaped_in_notebooks():
    page = Page(NASTY._repr_html_())
    assert not {"script", "img"} & set(page.tags)
    assert ATTACK in page.text
    assert page.tags.count("tr") == 1 + len(NASTY.results)


# -- in a browser ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chromium():
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None and os.environ.get("CI") == "true":
        pytest.fail("CI opens the report in a browser: install Debian's package chromium.")
    if found is None:
        pytest.skip("chromium is not on this machine, so the report is not opened in a browser")
    return found


class Opened:
    """The result of opening a file in chromium: its elements, console lines and requests."""

    def __init__(self, chromium, path):
        log = path.with_suffix(".net.json")
        done = subprocess.run(
            [
                *(chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom"),
                *("--no-first-run", "--disable-background-networking", "--enable-logging=stderr"),
                *("--host-resolver-rules=MAP * ~NOTFOUND", f"--log-net-log={log}"),
                *(f"--user-data-dir={path.with_suffix('.profile')}", path.as_uri()),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        self.html, self.page = done.stdout, Page(done.stdout)
        self.console = [line for line in done.stderr.splitlines() if ":CONSOLE:" in line]
        events = [event.get("params", {}) for event in json.loads(log.read_text())["events"]]
        # Requests of the browser itself have no origin.
        self.requests = {
            params["url"]
            for params in events
            if params.get("initiator", "not an origin") != "not an origin"
        }


@pytest.mark.parametrize("certificate", [CERTIFICATE, NASTY], ids=["plain", "nasty"])
@pytest.mark.thinned(2)
def test_opened_in_a_browser(certificate, chromium, tmp_path):
    opened = Opened(chromium, written(certificate, tmp_path))
    verdict = "passed" if certificate.passed else "not passed"
    assert f"<title>Safety certificate: {verdict}</title>" in opened.html
    assert certificate.verdict in opened.page.text
    assert opened.page.tags.count("table") == 5
    assert {"script", "img"}.isdisjoint(opened.page.tags)
    assert opened.console == []
    assert opened.requests == set()


def test_printed_it_has_two_pages(chromium, tmp_path):
    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    X, y = np.arange(200)[:, None] % 2, np.arange(200) % 2
    columns = {"M": np.arange(200) // 2 % 2, "F": 1 - np.arange(200) // 2 % 2}
    text = "abs(PR | [M] - PR | [F]) <= 0.3"
    certificate = certify(model, X, y, text, sensitive_features=pd.DataFrame(columns))
    page, printed = written(certificate, tmp_path), tmp_path / "printed.pdf"
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    options = "--headless=new", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer", profile
    subprocess.run(
        [chromium, *options, f"--print-to-pdf={printed}", page.as_uri()],
        capture_output=True,
        timeout=120,
        check=True,
    )
    assert len(re.findall(rb"/Type\s*/Page[^s]", printed.read_bytes())) == 2


def test_a_page_that_misbehaves_is_noticed(chromium, tmp_path):
    path = tmp_path / "bad.html"
    image = '<img src="http://example.org/x.png">'
    path.write_text(f"<title>t</title>{image}<script>console.log('hello')</script>")
    opened = Opened(chromium, path)
    assert opened.requests == {"http://example.org/x.png"}
    assert "hello" in opened.console[0]
