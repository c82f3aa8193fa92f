"""$(NAME) in commands and values, as Kubernetes' third_party/forked/golang/expansion reads it. Pure."""

from collections.abc import Mapping


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`$(NAME)` becomes its value; an unknown one stays as it stands, and `$$` is a `$` that expands nothing."""
    result: list[str] = []
    at = 0
    while at < len(text):
        if text[at] != "$" or at + 1 == len(text):
            result.append(text[at])
            at += 1
            continue
        following = text[at + 1]
        end = text.find(")", at + 2) if following == "(" else -1
        if following == "$":
            result.append("$")
            at += 2
        elif end >= 0:
            name = text[at + 2 : end]
            result.append(variables.get(name, text[at : end + 1]))
            at = end + 1
        else:
            # A lone $ stays, and so does what follows it: kubelet writes both without looking at the second.
            result.append(text[at : at + 2])
            at += 2
    return "".join(result)
