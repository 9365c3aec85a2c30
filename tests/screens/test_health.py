"""`/healthz` answers whoever asks: load balancers ask by address, and know no host name."""

import pytest


@pytest.mark.parametrize("host", ["10.0.0.7:8000", "other.example", "[::1]", "no host at all!", ""])
def it_answers_whatever_host_was_named(web, host):
    answer = web.get("/healthz", headers={"host": host})
    assert (answer.status_code, answer.content) == (200, b"ok\n")


@pytest.mark.parametrize("path", ["/login/", "/healthz/", "/"])
def it_answers_nothing_else_under_a_foreign_host(web, path):
    assert web.get(path, headers={"host": "other.example"}).status_code == 400
