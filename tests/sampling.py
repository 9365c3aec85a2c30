"""A sample of many alike questions in each run, all of them nightly."""

import pytest


def sampled(step):
    """Parametrize a test with its `step`: each run asks every step-th question, the nightly run all."""
    return pytest.mark.parametrize("step", [step, pytest.param(1, marks=pytest.mark.nightly)], ids=["sample", "all"])


def share(questions, step, place=0):
    """Every step-th of the questions; the next places of a row ask the others."""
    return list(questions)[place % step :: step]
