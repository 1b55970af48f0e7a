"""Rules are tried in order; those of the resource before the built-in ones."""

import pytest

from holded_contracts.settings import ClassificationRule
from holded_worker.domain.classify import UNCLASSIFIED, Classifier, default_rules
from holded_worker.domain.event_type import EventType


@pytest.mark.parametrize(
    ("event_type", "context"),
    [
        (EventType("Users", "User", "logged_in"), "user_activity"),
        (EventType("Products", "Product", "updated"), "product_management"),
        (EventType("Wallet", "Transaction", "created"), "financial_operations"),
        (EventType("Invoicing", "Invoice", "sent"), "financial_operations"),
        (EventType("Sales", "Estimate", "accepted"), "sales_management"),
        (EventType("Inventory", "Warehouse", "created"), "inventory"),
        (EventType("Products", "Stock", "adjusted"), "inventory"),
        (EventType("Team", "Member", "invited"), "team_management"),
        (EventType("Projects", "Task", "completed"), "project_management"),
        (EventType("Accounting", "JournalEntry", "posted"), "accounting"),
        (EventType("CRM", "Lead", "won"), "crm"),
        (EventType("HumanResources", "Employee", "hired"), "human_resources"),
        (EventType("Spaceships", "Rocket", "launched"), UNCLASSIFIED),
    ],
)
def test_built_in_rules(event_type, context):
    assert Classifier(default_rules()).classify(event_type) == context


def test_given_rules_come_first_and_match_without_case():
    rule = ClassificationRule(context="big_money", domains=("wallet",), actions=("CREATED", "deleted"))
    classifier = Classifier((rule, *default_rules()))
    assert classifier.classify(EventType("Wallet", "Transaction", "created")) == "big_money"
    assert classifier.classify(EventType("Wallet", "Transaction", "reconciled")) == "financial_operations"


def test_a_rule_without_lists_matches_everything():
    assert Classifier((ClassificationRule(context="all"),)).classify(EventType("A", "B", "c")) == "all"
