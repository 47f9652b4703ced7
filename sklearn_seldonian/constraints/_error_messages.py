"""Error messages for texts that are not in the constraint language.

The parser reports the unexpected token and the kinds of token that it accepts there. Tables turn
such a situation into advice. Without advice, the message lists what could have followed.
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
# What should follow, by the kinds of token that the parser accepts; the first match counts.
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
# Names that users may believe to be words of the language.
_WORDS = {"and", "or", "is", "by", "between", "range", "none", "nan", "na", "null"}
_COMPARISON = "(EQUAL|NOT_EQUAL|LESS|LESS_EQUAL|GREATER|GREATER_EQUAL|ASSIGN)"
_NAME = r"(NAME\S*|BACKQUOTED)"
_RANGE = "Write a range as two conditions, 'age >= 40, age < 60', and a list as 'age in (40, 60)'."

# A situation consists of the innermost open bracket ("top" if there is none, "condition" for a
# bracket of conditions), what is expected, the kinds of the last two tokens, and the kind of the
# unexpected token. The first pattern that matches gives the advice.

# These patterns match the text after the last token as well.
_ADVICE_ON_TEXT = {
    ("condition column .* NUMBER", r"\s*[\d.]+\s*[<>]=?\s*\w+\s*[<>]"): _RANGE,
    ("condition value .* NAME", r"\s*[\w.]+\(\s*['\"]?[^'\")]*['\"]?\s*\)"): (
        "Write a value without a function, as {argument}."
    ),
    ("condition .* NUMBER (MINUS|DIVIDE)", r"\s*[-/]\s*\d{1,2}\s*[-/]\s*\d{1,4}"): (
        'Write a date in quotes, as "2020-01-01".'
    ),
    ("(top sign|condition) .* ASSIGN", r"\s*=<"): "Write '<='.",
    ("(top sign|condition) .* ASSIGN", r"\s*=>"): "Write '>='.",
    ("top .* NUMBER COMMA", r"\s*,\s*\d"): (
        "Write a number with a point, as in 0.1, and several constraints as a list of strings."
    ),
    ("top .* NUMBER NAME", r"_"): "Write a number without '_'.",
    ("top operator .* NUMBER (COMMA|NAME)", r"\s*,|\s"): (
        "One text is one constraint. Write several constraints as a list of strings."
    ),
}
# These patterns match the kinds of token only.
_ADVICE = {
    "top .* RIGHT_(ROUND|SQUARE)": "This '{token}' has no opening bracket.",
    # a column
    ".* column .* STRING": "Write a column's name without quotes: {name}.",
    ".* column .*(?<! NOT) (IN|NOT|TRUE|FALSE)": (
        "'{token}' is a word of the language. For a column of this name, write `{token}`."
    ),
    ".* column .* ASSIGN LEFT_SQUARE": (
        "Write several columns in round brackets, as in 'by=(race, sex)'."
    ),
    "condition column .* NUMBER": "A condition starts with its column, as in 'age >= 40'.",
    "condition column .* LEFT_SQUARE RIGHT_SQUARE": (
        "The brackets contain no condition. Write one, as in 'PR | [M]'."
    ),
    # a number or a measure
    ".* expression .* STRING": "Write numbers and measures without quotes.",
    ".* expression .* BAR": "Write an absolute value as 'abs(PR - 0.5)'.",
    ".* expression .* NOT": "Write 'not' only before a bare 0/1 column, as in 'PR | [not M]'.",
    # a value, an index, a list of values, conditions
    "condition value .* LEFT_(ROUND|SQUARE)": _RANGE,
    "condition value .* NAME:(none|nan|na|null)": (
        'Rows with missing values are not in any group. Give them a level such as "unknown" in the '
        "data."
    ),
    f".* value .* {_NAME}": 'Write a text value in quotes: "{bare}".',
    f".* index .* {_NAME}": 'Write a class label in quotes: "{bare}".',
    ".* index .*": INDEX_ADVICE,
    r".* IN \S+": 'Write values in brackets, as in \'race in ("A", "B")\'.',
    ".* conditions .*": "Write conditions in square brackets, as in 'PR | [M]'.",
    # the rest of a condition
    "condition .* NAME:(between|range)": _RANGE,
    "condition .* NAME:and": "Write ',' instead of 'and' between conditions.",
    "condition .* NAME:or": (
        "Conditions have no 'or'. For one column, write 'race in (\"A\", \"B\")'."
    ),
    "condition .* (NAME:is|ASSIGN)": "Write '==' to compare.",
    ".* test .* NOT": "There is no 'not in'. List the values that count.",
    f"condition .* NOT {_NAME} ({_COMPARISON}|IN)": (
        "Write 'not' only before a bare 0/1 column, as in 'not {last}'."
    ),
    "(condition|.* test) .* NAME (NAME|NUMBER|MINUS|DIVIDE)": (
        "Write a column name that is not one word in backquotes: `{column}`."
    ),
    # the rest of an expression
    f"bracket operator .* {_COMPARISON}": "Close the '{bracket}' before '{token}'.",
    f"top operator .* {_COMPARISON}": (
        "A constraint has one comparison. Write two constraints instead."
    ),
    "top sign .* (LESS|GREATER)": (
        "Write '{token}=', because data cannot distinguish it from '{token}'."
    ),
    "top sign .* EQUAL": (
        "Write '<=' or '>='. To be near a value, write 'abs(left - right) <= 0.05'."
    ),
    "top sign .* NOT_EQUAL": (
        "Write '<=' or '>='. A constraint cannot require that two values differ."
    ),
    "top sign .* ASSIGN": "Write '<=' or '>='.",
    f"bracket operator .* NAME:by {_NAME}": "Write '=' after 'by', as in 'by=race'.",
    "bracket operator .* NAME:by": "Write ',' before 'by', as in 'max(PR, by=race)'.",
    ".* (sign|operator) .* NAME:and": ("A constraint has no 'and'. Write two constraints instead."),
    ".* (sign|operator) .* NAME:or": (
        "A constraint has no 'or'. Write 'min(a, b) <= c' for a <= c or b <= c."
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
    "\\": "write a column name with a backslash in backquotes",
    ".": "write a column name with a dot in backquotes",
}
# Kinds of accepted tokens and their names in messages, the most specific first.
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
    """A mistake at a place in the text."""

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
    """The error for an unexpected token after the tokens `before`; other kinds are `accepted`."""
    if not before and token.type == "$END":
        message = "A constraint's text is empty. Write, for example, 'ACC >= 0.95'."
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
        return f"{missing}. To choose the rows of a measure, write 'PR | [M]'."
    return f"{missing}. The functions are {', '.join(functions)}."


def unknown_character(text: str, position: int) -> _ParseError:
    character = text[position]
    if character in "\"'`":
        message = f"The quote {character} is never closed."
    else:
        advice = _CHARACTERS.get(character)
        written = f"'{character}'" if character.isprintable() else repr(character)
        message = f"{written} is not part of the language{f'; {advice}' if advice else ''}."
    return _ParseError(message, Span(position, position + 1))
