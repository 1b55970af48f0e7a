"""Types are read into domain, entity and action, or refused."""

import pytest

from holded_worker.domain.event_type import parse_type


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            r"Holded\Wallet\Domain\Transaction\Events\WalletTransactionCreatedEvent",
            ("Wallet", "Transaction", "created"),
        ),
        (r"Holded\Products\Domain\Product\Events\ProductUpdatedEvent", ("Products", "Product", "updated")),
        (r"Holded\Users\Domain\User\Events\UserLoggedInEvent", ("Users", "User", "logged_in")),
        (r"Holded\Invoicing\Domain\Payment\Events\InvoicePaidEvent", ("Invoicing", "Payment", "invoice_paid")),
        (r"Holded\Crm\Domain\Lead\Events\LeadStageChangedEvent", ("Crm", "Lead", "stage_changed")),
        (r"Holded\Sales\Domain\SalesOrder\Events\SalesOrderConfirmedEvent", ("Sales", "SalesOrder", "confirmed")),
        (
            r"Holded\Wallet\Domain\Transaction\Events\WalletTransactionEvent",
            ("Wallet", "Transaction", "wallet_transaction"),
        ),
        (r"Holded\Tax\Domain\Report\Events\VATReportV2SentEvent", ("Tax", "Report", "vat_report_v_2_sent")),
    ],
)
def test_type_is_read(text, expected):
    assert parse_type(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "WalletTransactionCreatedEvent",
        r"Holded\Wallet\Transaction\Events\WalletTransactionCreatedEvent",
        r"Acme\Wallet\Domain\Transaction\Events\TransactionCreatedEvent",
        r"Holded\Wallet\Domain\Transaction\Events\TransactionCreated",
        r"Holded\Wallet\Domain\Transaction\Events\Event",
        "Holded/Wallet/Domain/Transaction/Events/TransactionCreatedEvent",
        r"Holded\Wallet\Domain\Transaction\Events\TransactionCreatedEvent" + "\n",
        r"Holded\Wallet\Domain\Transaktiön\Events\TransactionCreatedEvent",
        r"Holded\Users\Domain\User\Events\x'; DROP TABLE events;--Event",
        rf"Holded\{'W' * 260}\Domain\Transaction\Events\TransactionCreatedEvent",
        rf"Holded\{'W' * 129}\Domain\Transaction\Events\TransactionCreatedEvent",
    ],
)
def test_other_forms_are_refused(text):
    assert parse_type(text) is None
