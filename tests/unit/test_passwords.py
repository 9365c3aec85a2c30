"""The password rules: what the guide asks for, what is too easy to guess, and passwords made by the portal."""

from collections import Counter

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from accounts import passwords
from accounts.models import User

PERSON = User(email="hanako.yamada@mikan.example", name="Hanako Yamada")


def refusal(password, user=PERSON):
    try:
        validate_password(password, user)
    except ValidationError as error:
        return " ".join(error.messages)
    return ""


@pytest.mark.parametrize("password", ["Tsuki-42", "Kumo+Ame=2024#!!", "aA1!aA1!", "~xY9[]{}"])
def it_accepts_what_obeys_the_guide(password):
    assert refusal(password) == ""


@pytest.mark.parametrize(
    ("password", "says"),
    [
        ("Tsuk-42", "8文字以上16文字以内"),
        ("Tsuki-42Tsuki-42x", "8文字以上16文字以内"),
        ("tsuki-42", "英大文字を"),
        ("TSUKI-42", "英小文字を"),
        ("Tsuki-xx", "数字を"),
        ("Tsuki442", "記号を"),
        ("tsukitsuki", "英大文字・数字・記号を"),
        ("Tsuki 42", "半角の英字・数字・記号だけ"),
        ("Ｔsuki-42", "半角の英字・数字・記号だけ"),
        ("Tsuki-42\0", "半角の英字・数字・記号だけ"),
        ("Tsuki-42😀", "半角の英字・数字・記号だけ"),
        ("Yamada-42", "Eメールや名前の一部"),
        ("Mikan#2024", "Eメールや名前の一部"),
        ("Password1!", "推測されやすい"),
        ("#Welcome12", "推測されやすい"),
        ("passw0rd!A", "推測されやすい"),
        ("Abc!Password1x", "推測されやすい"),
        ("P@55w0rd!Ab", "推測されやすい"),
        ("Qwerty123!z", "推測されやすい"),
    ],
)
def it_says_what_is_missing(password, says):
    assert says in refusal(password)


def it_has_one_list_of_conditions_for_field_and_rule():
    assert [str(check.label) for check in passwords.checklist()] == [
        "半角の英字・数字・記号だけ", "8文字以上16文字以内", "英大文字", "英小文字", "数字", "記号",
    ]  # fmt: skip
    assert all(check.holds("Tsuki-42") for check in passwords.GUIDE)


def it_wants_length_and_nothing_else_in_the_strict_mode():
    rule = passwords.StrictRule()
    rule.validate("たぬき きつね うさぎ いぬ ねこ")
    rule.validate("x" * 128)
    for wrong in ("x" * 14, "x" * 129):
        with pytest.raises(ValidationError):
            rule.validate(wrong)


def it_chooses_the_rule_by_the_setting(settings):
    settings.PASSWORD_RULE = "strict"
    assert [str(check.label) for check in passwords.checklist()] == ["15文字以上128文字以内"]


def it_makes_passwords_that_obey_both_rules_and_are_never_the_same():
    made = [passwords.generate() for _each in range(20_000)]
    assert len(set(made)) == len(made)
    for password in made[:2000]:
        assert refusal(password) == ""
        passwords.StrictRule().validate(password)
    seen = Counter("".join(made))
    assert not set("0O1lI") & set(seen)
    assert set(seen) == set(passwords.LETTERS + passwords.DIGITS + passwords.SYMBOLS)
    letters = [seen[letter] for letter in passwords.LETTERS]
    assert max(letters) < 1.2 * min(letters)
