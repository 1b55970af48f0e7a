"""Giving an event its business context by ordered rules; the first that matches wins."""

import tomllib
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib import resources

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

    def _first_match(self, event_type: EventType) -> str:
        domain, entity, action = (part.casefold() for part in event_type)
        for context, domains, entities, actions in self._rules:
            if (
                (not domains or domain in domains)
                and (not entities or entity in entities)
                and (not actions or action in actions)
            ):
                return context
        return UNCLASSIFIED


@lru_cache(maxsize=64)
def classifier(rules: tuple[ClassificationRule, ...]) -> Classifier:
    """Return the classifier that tries these rules before the built-in ones."""
    return Classifier(rules + default_rules())


def _folded(values: Sequence[str]) -> frozenset[str]:
    return frozenset(value.casefold() for value in values)
