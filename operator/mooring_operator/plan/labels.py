"""Kubernetes' label selectors: what they choose, and how they are written in a query."""

from collections.abc import Iterator, Mapping

from mooring_api.virtualip import LabelSelector, LabelSelectorOperator


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Whether a label selector chooses these labels, by Kubernetes' rules: all of its terms must hold."""
    if any(labels.get(key) != value for key, value in selector.match_labels.items()):
        return False
    for term in selector.match_expressions:
        value = labels.get(term.key)
        match term.operator:
            case LabelSelectorOperator.IN:
                holds = value in term.values
            case LabelSelectorOperator.NOT_IN:
                holds = value not in term.values
            case LabelSelectorOperator.EXISTS:
                holds = value is not None
            case LabelSelectorOperator.DOES_NOT_EXIST:
                holds = value is None
        if not holds:
            return False
    return True


def terms_of(selector: LabelSelector) -> Iterator[str]:
    """The selector's terms as the API server takes them in a query."""
    yield from (f"{key}={value}" for key, value in selector.match_labels.items())
    for term in selector.match_expressions:
        values = f"({','.join(sorted(term.values))})"
        match term.operator:
            case LabelSelectorOperator.IN:
                yield f"{term.key} in {values}"
            case LabelSelectorOperator.NOT_IN:
                yield f"{term.key} notin {values}"
            case LabelSelectorOperator.EXISTS:
                yield term.key
            case LabelSelectorOperator.DOES_NOT_EXIST:
                yield f"!{term.key}"
