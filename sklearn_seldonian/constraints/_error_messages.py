"""What is wrong with a text that is not in the language, in words.

The parser says which token could not follow and what could have. Tables turn such a situation into
advice; where they have none, the message lists what could have followed.
"""

from __future__ import annotations

import re
from difflib import get_close_matches

from lark import Token

from sklearn_seldonian._text import one_line
from sklearn_seldonian.constraints._names import advice_on_measure, advice_on_phrase
from sklearn_seldonian.constraints._nodes import Span, quoted_name

INDEX_ADVICE = "An index is a position (0, 1, ...) or a quoted class label."
_CLOSING = {
    "LEFT_ROUND": "RIGHT_ROUND",
    "LEFT_SQUARE": "RIGHT_SQUARE",
    "_SUBSCRIPT": "RIGHT_SQUARE",
}
# What the text should go on with, and the kinds of token that give it away; the first that fits.
_EXPECTED = {
    "value": {"STRING", "TRUE"},
    "index": {"STRING"},
    "expression": {"NUMBER"},
    "column": {"BACKQUOTED"},
    "sign": {"PLUS", "LESS_EQUAL"},
    "operator": {"PLUS"},
    "test": {"IN"},
    "conditions": {"LEFT_SQUARE"},
}
# Names that are meant as words of the language.
_WORDS = {"and", "or", "is", "by", "between", "range", "none", "nan", "na", "null"}
_COMPARISON = "(EQUAL|NOT_EQUAL|LESS|LESS_EQUAL|GREATER|GREATER_EQUAL|ASSIGN)"
_NAME = r"(NAME\S*|BACKQUOTED)"
_RANGE = "A range is two conditions, as in 'age >= 40, age < 60', and a list is 'age in (40, 60)'."

# A situation is: the innermost open bracket ("top" if there is none, "condition" for that of
# conditions), what is expected, the kinds of the last two tokens, and the kind of the token that
# cannot follow. The first pattern that fits one is answered with its advice.
# These look at the text after the last token as well.
_ADVICE_ON_TEXT = {
    ("condition column .* NUMBER", r"\s*[\d.]+\s*[<>]=?\s*\w+\s*[<>]"): _RANGE,
    ("condition value .* NAME", r"\s*[\w.]+\(\s*['\"]?[^'\")]*['\"]?\s*\)"): (
        "A value stands alone, as {argument}."
    ),
    ("condition .* NUMBER (MINUS|DIVIDE)", r"\s*[-/]\s*\d{1,2}\s*[-/]\s*\d{1,4}"): (
        'A date stands in quotes, as "2020-01-01".'
    ),
    ("(top sign|condition) .* ASSIGN", r"\s*=<"): "Write '<='.",
    ("(top sign|condition) .* ASSIGN", r"\s*=>"): "Write '>='.",
    ("top .* NUMBER COMMA", r"\s*,\s*\d"): (
        "A number has a point, as in 0.1, and several constraints are several strings."
    ),
    ("top .* NUMBER NAME", r"_"): "Digits stand together, without '_'.",
    ("top operator .* NUMBER (COMMA|NAME)", r"\s*,|\s"): (
        "One text is one constraint; write several as a list of strings."
    ),
}
# These look at the kinds of token only.
_ADVICE = {
    "top .* RIGHT_(ROUND|SQUARE)": "This '{token}' closes nothing.",
    # a column
    ".* column .* STRING": "A column's name stands without quotes: write {name}.",
    ".* column .*(?<! NOT) (IN|NOT|TRUE|FALSE)": (
        "'{token}' is a word of the language; as a column write `{token}`."
    ),
    ".* column .* ASSIGN LEFT_SQUARE": (
        "Several columns stand in round brackets, as in 'by=(race, sex)'."
    ),
    "condition column .* NUMBER": "A condition starts with its column, as in 'age >= 40'.",
    "condition column .* LEFT_SQUARE RIGHT_SQUARE": (
        "Conditions are missing between the brackets, as in 'PR | [M]'."
    ),
    # a number or a measure
    ".* expression .* STRING": "Numbers and measures stand without quotes.",
    ".* expression .* BAR": "An absolute value is written 'abs(PR - 0.5)'.",
    ".* expression .* NOT": "'not' stands before a column alone, as in 'PR | [not M]'.",
    # a value, an index, a list of values, conditions
    "condition value .* LEFT_(ROUND|SQUARE)": _RANGE,
    "condition value .* NAME:(none|nan|na|null)": (
        'Rows with missing values are in no group; give them a level such as "unknown" in the data.'
    ),
    f".* value .* {_NAME}": 'A text value stands in quotes: "{bare}".',
    f".* index .* {_NAME}": 'A class label stands in quotes: "{bare}".',
    ".* index .*": INDEX_ADVICE,
    r".* IN \S+": 'Values stand in brackets, as in \'race in ("A", "B")\'.',
    ".* conditions .*": "Conditions stand in square brackets, as in 'PR | [M]'.",
    # how a condition goes on
    "condition .* NAME:(between|range)": _RANGE,
    "condition .* NAME:and": "Write ',' for 'and' between conditions.",
    "condition .* NAME:or": (
        "Conditions have no 'or'; 'race in (\"A\", \"B\")' says it for one column."
    ),
    "condition .* (NAME:is|ASSIGN)": "Write '==' to compare.",
    ".* test .* NOT": "There is no 'not in'; list the values that count.",
    f"condition .* NOT {_NAME} ({_COMPARISON}|IN)": (
        "'not' stands before a column alone, as in 'not {last}'."
    ),
    "(condition|.* test) .* NAME (NAME|NUMBER|MINUS|DIVIDE)": (
        "A column name that is not one word stands in backquotes: `{column}`."
    ),
    # how an expression goes on
    f"bracket operator .* {_COMPARISON}": "Close the '{bracket}' before '{token}'.",
    f"top operator .* {_COMPARISON}": (
        "A constraint has one comparison; write two constraints instead."
    ),
    "top sign .* (LESS|GREATER)": "Write '{token}=': no data can tell it from '{token}'.",
    "top sign .* EQUAL": (
        "Write '<=' or '>='; for both sides of a value write 'abs(left - right) <= 0.05'."
    ),
    "top sign .* NOT_EQUAL": "Write '<=' or '>='; a constraint cannot ask for a difference.",
    "top sign .* ASSIGN": "Write '<=' or '>='.",
    f"bracket operator .* NAME:by {_NAME}": "Write '=' after by, as in 'by=race'.",
    "bracket operator .* NAME:by": "Write ',' before by, as in 'max(PR, by=race)'.",
    ".* (sign|operator) .* NAME:and": ("A constraint has no 'and'; write two constraints instead."),
    ".* (sign|operator) .* NAME:or": (
        "A constraint has no 'or'; 'min(a, b) <= c' holds where a <= c or b <= c."
    ),
}
_CHARACTERS = {
    "≤": "write '<='",
    "≥": "write '>='",
    "≠": "write '!='",
    "−": "write '-'",
    "–": "write '-'",
    "×": "write '*'",
    "·": "write '*'",
    "÷": "write '/'",
    "^": "write '**' for a power",
    "%": "write a share as a number between 0 and 1",
    "&": "write ',' between conditions",
    "!": "write 'not' before a column",
    "“": "write a straight quote",
    "”": "write a straight quote",
    "‘": "write a straight quote",
    "’": "write a straight quote",
    "{": "write '(' or '['",
    "}": "write ')' or ']'",
    ";": "write several constraints as a list of strings",
    "\\": "a column name with a backslash stands in backquotes",
    ".": "a column name with a dot stands in backquotes",
}
# Kinds of token that stand for one expectation, the more telling first.
_EXPECTATIONS: tuple[tuple[set[str], tuple[str, ...]], ...] = (
    ({"NUMBER", "NAME", "LEFT_ROUND"}, ("a number", "a measure", "'('")),
    ({"NUMBER", "STRING", "TRUE"}, ("a number", "a quoted text", "True", "False")),
    ({"NUMBER"}, ("a number",)),
    ({"BACKQUOTED"}, ("a column",)),
    ({"PLUS"}, ("an operator",)),
    ({"EQUAL"}, ("a comparison",)),
    ({"LESS_EQUAL", "PLUS"}, ("'<='", "'>='")),
    ({"IN"}, ("'in'",)),
    ({"COMMA"}, ("','",)),
    ({"RIGHT_ROUND"}, ("')'",)),
    ({"RIGHT_SQUARE"}, ("']'",)),
)
_COLUMN_IN_WORDS = re.compile(r"\w*(?:[ ./-]+(?!(?:in|not|and|or)\b)\w+)*")
_ARGUMENT = re.compile(r"\(\s*['\"]?([^'\")]*)")


class _ParseError(Exception):
    """A place in the text and what is wrong there."""

    def __init__(self, message: str, span: Span) -> None:
        super().__init__(message)
        self.message, self.span = message, span


def place(token: Token) -> Span:
    start = token.start_pos or 0
    return Span(start, start + len(token))


def shown(value: object, width: int = 40) -> str:
    text = one_line(str(value))
    return text if len(text) <= width else f"{text[: width - 3]}..."


# -- a token that cannot follow --------------------------------------------------------------


def unexpected_token(
    token: Token, before: list[Token], accepted: set[str], text: str
) -> _ParseError:
    """The error for a token that cannot follow those `before`, where some kinds are `accepted`."""
    if not before and token.type == "$END":
        message = "A constraint's text is empty; write for example 'ACC >= 0.95'."
        return _ParseError(message, place(token))
    brackets = _open_brackets(before)
    if token.type == "$END" and brackets and _CLOSING[brackets[-1].type] in accepted:
        end = place(brackets[-1]).end
        return _ParseError(f"This '{brackets[-1][-1]}' is never closed.", Span(end - 1, end))
    last = before[-1] if before else Token("", "", 0)
    expected = next((name for name, kinds in _EXPECTED.items() if kinds <= accepted), "end")
    kinds = ["", "", *map(_kind, before), _kind(token)][-3:]
    situation = " ".join([_inside(brackets, before), expected, *kinds])
    advice = _advice_on(situation, text[place(last).end :])
    if advice is not None:
        values = _values_in_advice(token, last, brackets, text)
        return _ParseError(advice.format(**values), place(token))
    spoken = token if expected == "expression" else last
    has_measure = expected in ("expression", "sign", "operator")
    phrase = advice_on_phrase(text, place(spoken).start) if has_measure else None
    return _ParseError(phrase or _expectation(token, accepted), place(token))


def _kind(token: Token) -> str:
    word = token.lower()
    return f"NAME:{word}" if token.type == "NAME" and word in _WORDS else token.type


def _open_brackets(tokens: list[Token]) -> list[Token]:
    brackets: list[Token] = []
    for token in tokens:
        if token.type in _CLOSING:
            brackets.append(token)
        elif token.type in _CLOSING.values():
            brackets.pop()
    return brackets


def _inside(brackets: list[Token], before: list[Token]) -> str:
    if not brackets:
        return "top"
    position = next(i for i, token in enumerate(before) if token is brackets[-1])
    return "condition" if position and before[position - 1].type == "BAR" else "bracket"


def _advice_on(situation: str, following: str) -> str | None:
    for (pattern, text), advice in _ADVICE_ON_TEXT.items():
        if re.fullmatch(pattern, situation) and re.match(text, following):
            return advice
    return next((_ADVICE[p] for p in _ADVICE if re.fullmatch(p, situation)), None)


def _values_in_advice(
    token: Token, last: Token, brackets: list[Token], text: str
) -> dict[str, str]:
    in_words = _COLUMN_IN_WORDS.match(text, place(last).start)
    argument = _ARGUMENT.match(text, place(token).end)
    return {
        "token": token,
        "last": last,
        "bracket": brackets[-1] if brackets else "",
        "name": quoted_name(token[1:-1]),
        "bare": shown(token.strip("`")),
        "column": in_words[0] if in_words else "",
        "argument": _as_literal(argument[1]) if argument else "",
    }


def _as_literal(text: str) -> str:
    return text if re.fullmatch(r"-?\d+(\.\d*)?", text) else f'"{shown(text)}"'


def _expectation(token: Token, accepted: set[str]) -> str:
    words: list[str] = []
    for kinds, names in _EXPECTATIONS:
        if kinds <= accepted:
            words.extend(names)
            if "NUMBER" in kinds:
                break
    *others, last = words or ["the end"]
    listed = f"{', '.join(others)} or {last}" if others else last
    found = "the constraint ends here" if token.type == "$END" else f"found '{shown(token)}'"
    return f"Expected {listed} but {found}."


# -- other mistakes --------------------------------------------------------------------------


def unknown_function(name: str, functions: tuple[str, ...]) -> str:
    missing = f"There is no function '{shown(name)}'"
    advice = advice_on_measure(name)
    if advice and advice != f"write {name}":
        return f"{missing}; {advice}."
    near = get_close_matches(name.lower(), functions, 1)
    if near:
        return f"{missing}; did you mean '{near[0]}'?"
    if name[0].isupper():
        return f"{missing}; the rows of a measure are chosen as in 'PR | [M]'."
    return f"{missing}, only {', '.join(functions)}."


def unknown_character(text: str, position: int) -> _ParseError:
    character = text[position]
    if character in "\"'`":
        message = f"The quote {character} is never closed."
    else:
        advice = _CHARACTERS.get(character)
        written = f"'{character}'" if character.isprintable() else repr(character)
        message = f"{written} is not part of the language{f'; {advice}' if advice else ''}."
    return _ParseError(message, Span(position, position + 1))
