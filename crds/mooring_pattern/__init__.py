"""The patterns of health checks: grammar and engine, standard library only, in time linear in the text.

Python's `re` tries one way after the other, so that a hostile text of 30 letters can keep `(a+)+$` busy for minutes.
Here all ways are followed at once. The contract reads a pattern by the same grammar that the checks match by.
"""

from mooring_pattern.automaton import Automaton
from mooring_pattern.grammar import PatternError
from mooring_pattern.memory import Memory

__all__ = ["Automaton", "Memory", "PatternError"]
