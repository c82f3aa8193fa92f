"""Kubernetes' own functions of CEL, by the examples of its documentation, and what is skipped."""

from typing import Any

import pytest

from mooring_lab.api.embedded.rules import check


def _broken(rule: str, value: Any = "", old: Any = None) -> list[str]:
    schema = {"x-kubernetes-validations": [{"rule": rule, "message": "broken"}]}
    warnings: list[str] = []
    found = [cause.message for cause in check(schema, value, old, "", warnings)]
    assert warnings == []
    return found


@pytest.mark.parametrize(
    "rule",
    [
        "isIP('127.0.0.1')",
        "isIP('::1')",
        "!isIP('127.0.0.256')",
        "!isIP('::ffff:1.2.3.4')",
        "!isIP('fe80::1%eth0')",
        "!isIP('01.2.3.4')",
        "ip('127.0.0.1').family() == 4",
        "ip('::1').family() == 6",
        "ip('127.0.0.1').isLoopback()",
        "ip('0.0.0.0').isUnspecified()",
        "ip('169.254.1.1').isLinkLocalUnicast()",
        "ip('192.168.0.1').isGlobalUnicast()",
        "!ip('255.255.255.255').isGlobalUnicast()",
        "!ip('224.0.0.1').isGlobalUnicast()",
        "isCIDR('192.168.0.0/16')",
        "isCIDR('10.0.0.1/8')",
        "!isCIDR('10.0.0.0')",
        "!isCIDR('10.0.0.0/33')",
        "!isCIDR('10.0.0.0/255.0.0.0')",
        "!isCIDR('10.0.0.0/08')",
        "cidr('192.168.0.0/24').containsIP('192.168.0.1')",
        "!cidr('192.168.0.0/24').containsIP('192.168.1.1')",
        "cidr('192.168.0.0/16').containsCIDR('192.168.10.0/24')",
        "cidr('192.168.1.0/24').ip() == ip('192.168.1.0')",
        "cidr('192.168.0.0/16').prefixLength() == 16",
        "cidr('192.168.1.1/24').masked() == cidr('192.168.1.0/24')",
        "'a b'.split(' ') == ['a', 'b']",
        "'Ab'.lowerAscii() == 'ab'",
        "'abc'.substring(1) == 'bc'",
        "[3, 1].min() == 1",
    ],
)
def test_kubernetes_functions(rule: str) -> None:
    assert _broken(rule) == []
    assert _broken(f"!({rule})") == ['Invalid value: "": broken']


@pytest.mark.parametrize("rule", ["ip('x').family() == 4", "cidr('x').prefixLength() == 4", "ip(self) == ip('::1')"])
def test_what_is_no_address_breaks_the_rule(rule: str) -> None:
    (said,) = _broken(rule, "nothing")
    assert said.startswith('Invalid value: "string": ')
    assert said.endswith("evaluating rule: broken")


def test_the_old_value_is_asked_only_where_there_is_one() -> None:
    assert _broken("self == oldSelf", 5) == []
    assert _broken("self == oldSelf", 5, 5) == []
    assert _broken("self == oldSelf", 5, 6) == ["Invalid value: 5: broken"]
    assert _broken("self < 5", 6, 6) == []


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("quantity('1') == quantity('1')", "the function quantity"),
        ("self.?a.hasValue()", "its syntax"),
        ("self ==", "its syntax"),
    ],
)
def test_what_the_library_lacks_is_told_and_skipped(rule: str, why: str) -> None:
    warnings: list[str] = []
    schema = {"x-kubernetes-validations": [{"rule": rule}]}
    assert list(check(schema, {}, None, "", warnings)) == []
    (warning,) = warnings
    assert why in warning
    assert rule in warning
