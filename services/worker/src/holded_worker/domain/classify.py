"""Giving an event its business context by ordered rules; the first that matches wins."""

import tomllib
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from importlib import resources
from typing import NamedTuple

from holded_contracts.settings import ClassificationRule
from holded_worker.domain.event_type import EventType

UNCLASSIFIED = "other"
"""Business context of events that no rule matches."""
_MAX_REMEMBERED = 8192


@cache
def default_rules() -> tuple[ClassificationRule, ...]:
    """Return the built-in rules of default_rules.toml."""
    text = resources.files("holded_worker.domain").joinpath("default_rules.toml").read_text("utf-8")
    return tuple(ClassificationRule.model_validate(rule) for rule in tomllib.loads(text)["rule"])


class Attempt(NamedTuple):
    """A rule that was tried."""

    context: str
    """What the rule gives to events that it matches."""
    mismatch: str | None
    """The first of domain, entity and action that is not in the rule's list; None when the rule matches."""


class Classifier:
    """Ordered rules, with the answer for each kind of event remembered."""

    def __init__(self, rules: Sequence[ClassificationRule]) -> None:
        self._rules = [
            (rule.context, _folded(rule.domains), _folded(rule.entities), _folded(rule.actions)) for rule in rules
        ]
        self._remembered: dict[EventType, str] = {}

    def classify(self, event_type: EventType) -> str:
        """Return the business context."""
        context = self._remembered.get(event_type)
        if context is None:
            context = self._first_match(event_type)
            if len(self._remembered) < _MAX_REMEMBERED:
                self._remembered[event_type] = context
        return context

    def attempts(self, event_type: EventType) -> Iterator[Attempt]:
        """Yield the rules in the order in which they are tried; only the last one can match."""
        domain, entity, action = (part.casefold() for part in event_type)
        for context, domains, entities, actions in self._rules:
            if domains and domain not in domains:
                yield Attempt(context, "domain")
            elif entities and entity not in entities:
                yield Attempt(context, "entity")
            elif actions and action not in actions:
                yield Attempt(context, "action")
            else:
                yield Attempt(context, None)
                return

    def _first_match(self, event_type: EventType) -> str:
        matching = (attempt.context for attempt in self.attempts(event_type) if attempt.mismatch is None)
        return next(matching, UNCLASSIFIED)


@lru_cache(maxsize=64)
def classifier(rules: tuple[ClassificationRule, ...]) -> Classifier:
    """Return the classifier that tries these rules before the built-in ones."""
    return Classifier(rules + default_rules())


def _folded(values: Sequence[str]) -> frozenset[str]:
    return frozenset(value.casefold() for value in values)
