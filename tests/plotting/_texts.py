"""The texts of figures."""


def texts_of(legend):
    return [text.get_text() for text in legend.get_texts()]
