"""The three things that a check can say."""


def well(text):
    return "ok", text, ""


def odd(text, todo):
    """Something to look at; nothing is lost by it yet."""
    return "warn", text, todo


def wrong(text, todo):
    return "fail", text, todo
