"""What is wrong with a text that is not in the language, in words.

The parser says which token could not follow and what could have; here that becomes
advice.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import NamedTuple

from lark import Token

from sklearn_seldonian._text import one_line
from sklearn_seldonian.constraints._names import advice_on_measure, advice_on_phrase
from sklearn_seldonian.constraints._nodes import quoted_name

_CLOSING = {"LEFT_ROUND": "RIGHT_ROUND", "LEFT_SQUARE": "RIGHT_SQUARE", "SUBSCRIPT": "RIGHT_SQUARE"}
_STRICT = "Write '{0}=': no data can tell it from '{0}'."
_COMPARISONS = {
    "LESS": _STRICT.format("<"),
    "GREATER": _STRICT.format(">"),
    "EQUAL": "Write '<=' or '>='; for both sides of a value write 'abs(left - right) <= 0.05'.",
    "NOT_EQUAL": "Write '<=' or '>='; a constraint cannot ask for a difference.",
    "ASSIGN": "Write '<=' or '>='.",
    "LESS_EQUAL": "",
    "GREATER_EQUAL": "",
}
_WORDS = {
    "and": "A constraint has no 'and'; write two constraints instead.",
    "or": "A constraint has no 'or'; 'min(a, b) <= c' holds where a <= c or b <= c.",
}
_WORDS_IN_CONDITIONS = {
    "and": "Write ',' for 'and' between conditions.",
    "or": "Conditions have no 'or'; 'race in (\"A\", \"B\")' says it for one column.",
    "is": "Write '==' to compare.",
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
INDEX_ADVICE = "An index is a position (0, 1, ...) or a quoted class label."
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
_DATE = re.compile(r"\d{4}([-/.])\d{1,2}\1\d{1,2}([T ][\d:.]+)?|\d{1,2}([-/.])\d{1,2}\3\d{4}")
_BETWEEN = re.compile(r"(between|range)\b")
_TWO_SIDED = re.compile(r"[\d.]+\s*[<>]=?\s*\w+\s*[<>]")
_CALL = re.compile(r"[\w.]+\(\s*['\"]?([^'\")]*)['\"]?\s*\)")
_COLUMN_IN_WORDS = re.compile(r"\w+(?:[ ./-]+(?!(?:in|not|and|or)\b)\w+)+")


class _ParseError(Exception):
    """A place in the text and what is wrong there."""

    def __init__(self, message: str, start: int, end: int) -> None:
        super().__init__(message)
        self.message, self.start, self.end = message, start, end


def place(token: Token) -> tuple[int, int]:
    start = token.start_pos or 0
    return start, start + len(token)


def shown(value: object, width: int = 40) -> str:
    text = one_line(str(value))
    return text if len(text) <= width else f"{text[: width - 3]}..."


class UnexpectedTokenAdvice(NamedTuple):
    """A token that cannot follow those before it, and the kinds of token that could."""

    token: Token
    before: list[Token]
    accepted: set[str]
    text: str

    def refusal(self) -> _ParseError:
        if self.token.type == "$END" and (never := self.never_closed()):
            return never
        advices = (
            self.about_brackets,
            self.about_columns,
            self.about_numbers,
            self.about_literals,
            self.about_comparisons,
            self.about_words,
            self.about_conditions,
            self.about_values,
            self.expectation,
        )
        message = next(filter(None, (advice() for advice in advices)))
        return _ParseError(message, *place(self.token))

    @property
    def last(self) -> str:
        """The kind of the token before."""
        return self.before[-1].type if self.before else ""

    @property
    def open_brackets(self) -> list[Token]:
        brackets: list[Token] = []
        for token in self.before:
            if token.type in _CLOSING:
                brackets.append(token)
            elif token.type in _CLOSING.values():
                brackets.pop()
        return brackets

    @property
    def in_conditions(self) -> bool:
        brackets = self.open_brackets
        if not brackets:
            return False
        position = next(i for i, token in enumerate(self.before) if token is brackets[-1])
        return position > 0 and self.before[position - 1].type == "BAR"

    def never_closed(self) -> _ParseError | None:
        brackets = self.open_brackets
        if not brackets or _CLOSING[brackets[-1].type] not in self.accepted:
            return None
        bracket = brackets[-1].lstrip("_").strip()
        end = place(brackets[-1])[1]
        return _ParseError(f"This '{bracket}' is never closed.", end - 1, end)

    def about_brackets(self) -> str | None:
        if self.token.type in _CLOSING.values() and not self.open_brackets:
            return f"This '{self.token}' closes nothing."
        return None

    def about_columns(self) -> str | None:
        """A column's name in the wrong signs, where a column could stand."""
        if "BACKQUOTED" not in self.accepted or "STRING" in self.accepted:
            return None
        if self.token.type == "STRING":
            name = self.token[1:-1]
            return f"A column's name stands without quotes: write {quoted_name(name)}."
        if self.token.type in {"IN", "NOT", "TRUE", "FALSE"} and self.last != "NOT":
            return f"'{self.token}' is a word of the language; as a column write `{self.token}`."
        if self.token.type == "LEFT_SQUARE" and self.last == "ASSIGN":
            return "Several columns stand in round brackets, as in 'by=(race, sex)'."
        return None

    def about_numbers(self) -> str | None:
        """A number or a sign around it that is written as elsewhere."""
        if "NUMBER" in self.accepted and "STRING" not in self.accepted:
            signs = {
                "STRING": "Numbers and measures stand without quotes.",
                "BAR": "An absolute value is written 'abs(PR - 0.5)'.",
                "NOT": "'not' stands before a column alone, as in 'PR | [not M]'.",
            }
            return signs.get(self.token.type) or self.phrase_at(self.token)
        if self.last != "NUMBER" or self.open_brackets:
            return None
        if self.token.type == "COMMA" and self.following[:1].isdigit():
            return "A number has a point, as in 0.1, and several constraints are several strings."
        if self.token.startswith("_"):
            return "Digits stand together, without '_'."
        return self.about_a_second_constraint()

    def about_a_second_constraint(self) -> str | None:
        complete = "$END" in self.accepted and "LESS_EQUAL" not in self.accepted
        complete = complete and self.token.lower() not in _WORDS
        stands_apart = self.text[place(self.token)[0] - 1].isspace()
        if complete and (
            self.token.type == "COMMA" or (self.token.type == "NAME" and stands_apart)
        ):
            return "One text is one constraint; write several as a list of strings."
        return None

    def about_literals(self) -> str | None:
        """A date, an interval or a call where one value stands."""
        if not self.in_conditions:
            return None
        start = place(self.before[-1])[0] if self.last == "NUMBER" else place(self.token)[0]
        date = _DATE.match(self.text, start)
        if date:
            return f'A date stands in quotes, as "{shown(date[0])}".'
        if _BETWEEN.match(self.text, place(self.token)[0]) or self.is_interval():
            return (
                "A range is two conditions, as in 'age >= 40, age < 60', and a list is "
                "'age in (40, 60)'."
            )
        if "STRING" not in self.accepted or self.token.type != "NAME":
            return None
        if self.token.lower() in {"none", "nan", "na", "null"}:
            return (
                "Rows with missing values are in no group; give them a level such as "
                '"unknown" in the data.'
            )
        call = _CALL.match(self.text, place(self.token)[0])
        return f"A value stands alone, as {_as_literal(call[1])}." if call else None

    def is_interval(self) -> bool:
        """Whether a bracket stands where one value does, or a number on both sides of a column."""
        if "STRING" in self.accepted and self.last in _COMPARISONS:
            return self.token.type in {"LEFT_ROUND", "LEFT_SQUARE"}
        two_sided = _TWO_SIDED.match(self.text, place(self.token)[0])
        return "BACKQUOTED" in self.accepted and two_sided is not None

    @property
    def following(self) -> str:
        return self.text[place(self.token)[1] :].lstrip()

    def phrase_at(self, token: Token) -> str | None:
        return advice_on_phrase(self.text, place(token)[0])

    def about_comparisons(self) -> str | None:
        if self.token.type not in _COMPARISONS or "PLUS" not in self.accepted:
            return None
        if self.open_brackets:
            return f"Close the '{self.open_brackets[-1]}' before '{self.token}'."
        if "LESS_EQUAL" not in self.accepted:
            return "A constraint has one comparison; write two constraints instead."
        return self.reversed_sign() or _COMPARISONS[self.token.type]

    def reversed_sign(self) -> str | None:
        start = place(self.token)[0]
        written = self.text[start : start + 2]
        return f"Write '{written[::-1]}'." if written in ("=<", "=>") else None

    def about_words(self) -> str | None:
        word = self.token.lower()
        if self.in_conditions and word in _WORDS_IN_CONDITIONS:
            return _WORDS_IN_CONDITIONS[word]
        if "PLUS" not in self.accepted:
            return None
        if self.before[-1] == "by" and self.token.type in {"NAME", "BACKQUOTED"}:
            return "Write '=' after by, as in 'by=race'."
        if self.token == "by" and "COMMA" in self.accepted:
            return "Write ',' before by, as in 'max(PR, by=race)'."
        return _WORDS.get(word) or (self.last == "NAME" and self.phrase_at(self.before[-1])) or None

    def about_conditions(self) -> str | None:
        if self.accepted == {"LEFT_SQUARE"}:
            return "Conditions stand in square brackets, as in 'PR | [M]'."
        if self.last == "IN":
            return 'Values stand in brackets, as in \'race in ("A", "B")\'.'
        if self.names_a_column:
            return (
                "A column name that is not one word stands in backquotes: "
                f"`{self.column_in_words()}`."
            )
        return self.about_one_condition() if self.in_conditions else None

    def about_one_condition(self) -> str | None:
        if self.token.type == "ASSIGN":
            return self.reversed_sign() or "Write '==' to compare."
        if self.token.type == "RIGHT_SQUARE" and self.last == "LEFT_SQUARE":
            return "Conditions are missing between the brackets, as in 'PR | [M]'."
        literal = self.token.type in {"NUMBER", "STRING", "TRUE", "FALSE"}
        if literal and "BACKQUOTED" in self.accepted:
            return "A condition starts with its column, as in 'age >= 40'."
        if self.token.type == "NOT" and "IN" in self.accepted:
            return "There is no 'not in'; list the values that count."
        negated = len(self.before) > 1 and self.before[-2].type == "NOT"
        if negated and self.token.type in {*_COMPARISONS, "IN"}:
            return f"'not' stands before a column alone, as in 'not {self.before[-1]}'."
        return None

    @property
    def names_a_column(self) -> bool:
        return (
            self.last == "NAME"
            and self.token.type in {"NAME", "NUMBER", "MINUS", "DIVIDE"}
            and (self.in_conditions or "IN" in self.accepted)
        )

    def column_in_words(self) -> str:
        words = _COLUMN_IN_WORDS.match(self.text, place(self.before[-1])[0])
        return words[0] if words else str(self.before[-1])

    def about_values(self) -> str | None:
        if "STRING" not in self.accepted:
            return None
        if self.token.type in {"NAME", "BACKQUOTED"}:
            kind = "class label" if "TRUE" not in self.accepted else "text value"
            return f'A {kind} stands in quotes: "{shown(self.token.strip("`"))}".'
        if "TRUE" not in self.accepted:
            return INDEX_ADVICE
        return None

    def expectation(self) -> str:
        if not self.before and self.token.type == "$END":
            return "A constraint's text is empty; write for example 'ACC >= 0.95'."
        found = f"found '{shown(self.token)}'"
        if self.token.type == "$END":
            found = "the constraint ends here"
        return f"Expected {_listed(self.expected())} but {found}."

    def expected(self) -> list[str]:
        words: list[str] = []
        for kinds, names in _EXPECTATIONS:
            if kinds <= self.accepted:
                words.extend(names)
                if "NUMBER" in kinds:
                    break
        return words or ["the end"]


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


def _as_literal(text: str) -> str:
    try:
        return str(float(text)) if "." in text else str(int(text))
    except ValueError:
        return f'"{shown(text)}"'


def _listed(words: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def unknown_character(text: str, position: int) -> _ParseError:
    character = text[position]
    if character in "\"'`":
        message = f"The quote {character} is never closed."
    else:
        advice = _CHARACTERS.get(character)
        written = f"'{character}'" if character.isprintable() else repr(character)
        message = f"{written} is not part of the language{f'; {advice}' if advice else ''}."
    return _ParseError(message, position, position + 1)
