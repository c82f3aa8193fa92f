"""What a health check may say: only what the checks can do is accepted, and the rest is told where it is wrong."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from mooring_api.health_check import DNSName, HealthCheck, Pattern
from mooring_node.checks import dns_message
from mooring_pattern import Automaton

NAMES = TypeAdapter(DNSName)


def check(**kind: Any) -> HealthCheck:
    return HealthCheck.model_validate({"name": "x", **kind})


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (r"(a)\1", "back references are not supported at character 4"),
        ("(?=a)b", r"only \(\?:...\) is supported at character 2"),
        ("a{600}", "too large"),
        ("[a", "not closed"),
    ],
)
def test_a_pattern_that_cannot_be_matched_is_refused_with_its_place(pattern: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        check(http={"requests": [{"bodyPattern": pattern}]})


@given(st.text(st.characters(codec="ascii", min_codepoint=32), min_size=1, max_size=20))
def test_what_the_contract_accepts_the_checks_can_match(pattern: str) -> None:
    try:
        TypeAdapter(Pattern).validate_python(pattern)
    except ValidationError:
        return
    Automaton(pattern).search("some text")


@given(st.text("ab.-_ é", max_size=12), st.sampled_from([1, 20, 40]))
def test_what_the_contract_accepts_can_be_asked_of_dns(name: str, times: int) -> None:
    try:
        NAMES.validate_python(name * times)
    except ValidationError:
        return
    assert dns_message.question(1, name * times, "A")


@pytest.mark.parametrize("name", [".", "a", "a.", "_sip._udp.example.com", "x" * 63, ".".join(["x" * 62] * 4)])
def test_names_of_dns(name: str) -> None:
    assert check(dns={"name": name}).dns is not None


@pytest.mark.parametrize("name", ["", "..", ".a", "a..b", "x" * 64, "a b", "ä", ".".join(["x" * 63] * 4)])
def test_what_is_no_name_of_dns(name: str) -> None:
    with pytest.raises(ValidationError):
        check(dns={"name": name})


def test_a_reply_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValidationError, match="correct one of the two"):
        check(udp={"minimumReplyBytes": 2, "maximumReplyBytes": 1})


@pytest.mark.parametrize("field", ["connectAddress", "bindAddress"])
def test_a_zone_and_the_interface_are_one(field: str) -> None:
    assert check(tcp={}, bindInterface="eth0", **{field: "fe80::1%eth0"}).bind_interface == "eth0"
    assert check(tcp={}, bindInterface="eth0", **{field: "fe80::1"}).bind_interface == "eth0"
    with pytest.raises(ValidationError, match="its zone is not eth1; remove it, or correct bindInterface"):
        check(tcp={}, bindInterface="eth1", **{field: "fe80::1%eth0"})


def test_a_script_takes_the_interface_that_it_likes() -> None:
    with pytest.raises(ValidationError, match="a script opens its own connections; remove it"):
        check(script={"file": "x"}, bindInterface="eth0")
    assert check(ping={}, bindInterface="eth0").kind == "ping"
