"""Contract terms: no day without a term, no day in two, and nothing after the cancellation."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from portal.months import MONTHLY, ONCE, YEARLY, Term, add_months, days, last_day, months_between, next_term, terms

DAY = timedelta(days=1)
often = settings(max_examples=200, deadline=None)
forms = st.sampled_from([MONTHLY, YEARLY, ONCE])
dates = st.dates(date(2016, 1, 1), date(2035, 12, 31))


def d(text):
    return date.fromisoformat(text)


def span(*texts):
    return [Term(number, *map(d, text.split("/"))) for number, text in enumerate(texts, 1)]


def test_monthly_terms_are_calendar_months_from_the_second_on():
    assert terms(MONTHLY, d("2026-01-31"), until=d("2026-03-01")) == span(
        "2026-01-31/2026-01-31", "2026-02-01/2026-02-28", "2026-03-01/2026-03-31"
    )


def test_yearly_terms_end_before_the_start_month_returns():
    assert terms(YEARLY, d("2026-05-15"), until=d("2028-05-01")) == span(
        "2026-05-15/2027-04-30", "2027-05-01/2028-04-30", "2028-05-01/2029-04-30"
    )


def test_a_yearly_term_from_january_is_the_year():
    assert terms(YEARLY, d("2026-01-01"), until=d("2026-12-31")) == span("2026-01-01/2026-12-31")


def test_a_one_time_contract_has_one_term():
    assert terms(ONCE, d("2026-05-15"), until=d("2030-01-01")) == span("2026-05-15/2026-05-31")


@pytest.mark.parametrize(("form", "only"), [(MONTHLY, "2026-05-15/2026-05-31"), (YEARLY, "2026-05-15/2027-04-30")])
def test_without_renewal_there_is_the_first_term_only(form, only):
    assert terms(form, d("2026-05-15"), auto_renew=False, until=d("2030-01-01")) == span(only)


@pytest.mark.parametrize(
    ("end_on", "last"),
    [
        ("2026-06-10", "2026-06-01/2026-06-10"),
        ("2026-06-01", "2026-06-01/2026-06-01"),
        ("2026-06-30", "2026-06-01/2026-06-30"),
    ],
)
def test_a_cancellation_ends_its_term_and_nothing_follows(end_on, last):
    expected = span("2026-05-15/2026-05-31", last)
    assert terms(MONTHLY, d("2026-05-15"), end_on=d(end_on), until=d("2026-12-31")) == expected


def test_a_cancellation_cuts_a_yearly_and_a_one_time_term_too():
    assert terms(YEARLY, d("2026-05-15"), end_on=d("2026-08-15"), until=d("2030-01-01")) == span(
        "2026-05-15/2026-08-15"
    )
    assert terms(ONCE, d("2026-05-15"), end_on=d("2026-05-20"), until=d("2030-01-01")) == span("2026-05-15/2026-05-20")


def test_a_contract_cancelled_on_its_first_day_has_that_day():
    assert terms(MONTHLY, d("2026-05-15"), end_on=d("2026-05-15"), until=d("2026-12-31")) == span(
        "2026-05-15/2026-05-15"
    )


@pytest.mark.parametrize("form", [MONTHLY, YEARLY, ONCE])
def test_a_contract_cancelled_before_it_starts_has_no_term(form):
    assert terms(form, d("2026-05-15"), end_on=d("2026-05-14"), until=d("2026-12-31")) == []
    assert next_term(form, d("2026-05-15"), end_on=d("2026-05-14"), after=d("2026-05-01")) is None


@pytest.mark.parametrize(
    ("form", "since", "until", "sequences"),
    [
        (MONTHLY, "2026-08-31", "2026-10-31", [4, 5, 6]),
        (MONTHLY, "2026-09-01", "2026-10-31", [5, 6]),
        (MONTHLY, "2026-05-01", "2026-05-14", []),
        (MONTHLY, "2026-05-01", "2026-05-15", [1]),
        (MONTHLY, "2026-09-30", "2026-09-01", [5]),
        (MONTHLY, "2020-01-01", "2026-06-01", [1, 2]),
        (YEARLY, "2027-04-30", "2027-05-01", [1, 2]),
        (YEARLY, "2027-05-01", "2027-05-01", [2]),
        (YEARLY, "2028-02-01", "2028-04-30", [2]),
        (ONCE, "2026-06-01", "2026-12-31", []),
        (ONCE, "2026-05-31", "2026-12-31", [1]),
    ],
)
def test_terms_outside_the_asked_time_are_counted_but_left_out(form, since, until, sequences):
    found = terms(form, d("2026-05-15"), since=d(since), until=d(until))
    assert [term.sequence for term in found] == sequences


def test_terms_of_an_ended_contract_are_left_out_when_they_end_before_the_asked_time():
    ended = {"end_on": d("2026-08-10"), "until": d("2027-12-31")}
    assert terms(MONTHLY, d("2026-05-15"), since=d("2026-08-11"), **ended) == []
    assert [term.sequence for term in terms(MONTHLY, d("2026-05-15"), since=d("2026-08-10"), **ended)] == [4]


def test_a_contract_from_the_year_1_costs_no_more_than_the_terms_asked_for(monkeypatch):
    made = []
    monkeypatch.setattr("portal.months.Term", lambda *fields: made.append(fields) or Term(*fields))
    found = terms(MONTHLY, date(1, 1, 1), since=d("2026-04-01"), until=d("2026-05-01"))
    assert found == [Term(24304, d("2026-04-01"), d("2026-04-30")), Term(24305, d("2026-05-01"), d("2026-05-31"))]
    assert len(made) == 2
    assert len(terms(MONTHLY, d("2026-04-01"), end_on=d("2026-05-10"), until=date(9999, 12, 31))) == 2
    assert len(made) == 4


@pytest.mark.parametrize(
    ("form", "after", "following"),
    [
        (MONTHLY, "2026-05-14", Term(1, d("2026-05-15"), d("2026-05-31"))),
        (MONTHLY, "2020-01-01", Term(1, d("2026-05-15"), d("2026-05-31"))),
        (MONTHLY, "2026-05-15", Term(2, d("2026-06-01"), d("2026-06-30"))),
        (MONTHLY, "2026-05-31", Term(2, d("2026-06-01"), d("2026-06-30"))),
        (MONTHLY, "2026-06-01", Term(3, d("2026-07-01"), d("2026-07-31"))),
        (YEARLY, "2026-05-15", Term(2, d("2027-05-01"), d("2028-04-30"))),
        (YEARLY, "2027-04-30", Term(2, d("2027-05-01"), d("2028-04-30"))),
        (YEARLY, "2027-05-01", Term(3, d("2028-05-01"), d("2029-04-30"))),
        (ONCE, "2026-05-14", Term(1, d("2026-05-15"), d("2026-05-31"))),
        (ONCE, "2026-05-15", None),
    ],
)
def test_the_next_term_is_the_first_that_starts_later(form, after, following):
    assert next_term(form, d("2026-05-15"), after=d(after)) == following


def test_no_term_follows_without_renewal_or_past_the_cancellation():
    start_on, after = d("2026-05-15"), d("2026-05-31")
    assert next_term(MONTHLY, start_on, auto_renew=False, after=after) is None
    assert next_term(MONTHLY, start_on, end_on=d("2026-05-31"), after=after) is None
    assert next_term(MONTHLY, start_on, end_on=d("2026-06-01"), after=after) == Term(
        2, d("2026-06-01"), d("2026-06-01")
    )


@pytest.mark.parametrize("auto_renew", [True, False])
def test_an_unknown_form_is_refused(auto_renew):
    with pytest.raises(ValueError, match="no contract form"):
        terms("weekly", d("2026-05-15"), auto_renew=auto_renew, until=d("2026-12-31"))
    with pytest.raises(ValueError, match="no contract form"):
        next_term("weekly", d("2026-05-15"), auto_renew=auto_renew, after=d("2026-01-01"))


@pytest.mark.parametrize(("form", "months"), [(MONTHLY, 1), (YEARLY, 12)])
def test_no_start_day_from_2024_to_2029_leaves_a_gap_or_an_overlap(form, months):
    start_on = d("2024-01-01")
    while start_on <= d("2029-12-31"):
        found = terms(form, start_on, until=add_months(start_on, 3 * months))
        assert [term.sequence for term in found] == [1, 2, 3, 4]
        assert found[0].starts_on == start_on
        for term, following in pairwise(found):
            assert following.starts_on == term.ends_on + DAY
            assert following.starts_on.day == 1
        for term in found:
            assert len(list(months_between(term.starts_on, term.ends_on))) == months
            assert term.ends_on == last_day(term.ends_on)
        start_on += DAY


def test_every_one_time_contract_from_2024_to_2029_ends_with_its_month():
    start_on = d("2024-01-01")
    while start_on <= d("2029-12-31"):
        assert terms(ONCE, start_on, until=d("2040-01-01")) == [Term(1, start_on, last_day(start_on))]
        start_on += DAY


@often
@given(forms, dates, st.booleans(), st.none() | dates, st.none() | dates, dates)
@example(MONTHLY, d("2026-05-15"), True, d("2026-08-10"), d("2026-08-11"), d("2027-01-01"))
def test_asking_for_a_part_of_the_time_leaves_out_terms_and_changes_none(
    form, start_on, auto_renew, end_on, since, until
):
    contract = {"auto_renew": auto_renew, "end_on": end_on}
    everything = terms(form, start_on, until=d("2036-01-01"), **contract)
    expected = [term for term in everything if term.starts_on <= until and (since is None or term.ends_on >= since)]
    assert terms(form, start_on, since=since, until=until, **contract) == expected


@often
@given(forms, dates, st.booleans(), st.none() | dates)
def test_going_from_term_to_next_term_meets_them_all(form, start_on, auto_renew, end_on):
    contract = {"auto_renew": auto_renew, "end_on": end_on}
    walked, term = [], next_term(form, start_on, after=start_on - DAY, **contract)
    while term and term.starts_on <= d("2036-01-01"):
        walked.append(term)
        term = next_term(form, start_on, after=term.starts_on, **contract)
    assert walked == terms(form, start_on, until=d("2036-01-01"), **contract)


@often
@given(forms, dates, dates)
def test_a_cancelled_contract_covers_every_day_up_to_the_cancellation_once(form, start_on, end_on):
    found = terms(form, start_on, end_on=end_on, until=d("2036-01-01"))
    if form == ONCE:
        end_on = min(end_on, last_day(start_on))
    covered = [term.starts_on + DAY * n for term in found for n in range(days(term.starts_on, term.ends_on))]
    assert covered == [start_on + DAY * n for n in range((end_on - start_on).days + 1)]
