"""The examples end to end: an API server, the operator, three daemons, real servers and a client."""

from mooring_lab import balancing


def test_everything_that_the_demo_claims_is_seen() -> None:
    """examples/ingress-nat.yaml and examples/ingress-dr.yaml, applied by kubectl."""
    assert balancing.main([]) == 0
