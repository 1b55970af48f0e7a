"""TLS of the connections that Python itself makes, to MySQL and the schema registry; Kafka's are librdkafka's own."""

import ssl
from typing import Any, Literal

type MySQLTlsMode = Literal["Disabled", "Required", "VerifyCA", "VerifyIdentity"]


class AuthoritiesError(Exception):
    """What should hold certificates of authorities holds none; the message names the field."""


def client_context(field: str, *, pem: str | None = None, file: str | None = None) -> ssl.SSLContext:
    """Return a context that checks the server's certificate and host name.

    It trusts the authorities in a PEM text or file and no others; without either, the system's.

    Raises
    ------
    AuthoritiesError
        If there is no certificate in what was given. `field` is named in it.
    """
    # Not ssl.create_default_context: it is strict about the extensions that RFC 5280 asks of an authority, and the one
    # that a MySQL server makes for itself has not all of them. Chain, dates and host name are checked all the same.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if pem is None and file is None:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(cafile=file, cadata=pem)
    except (OSError, ValueError, TypeError) as error:  # unreadable or no PEM; empty; not ASCII
        where = "" if file is None else f" in {file}"
        raise AuthoritiesError(f"{field}: no PEM certificates{where}: {error}") from error
    return context


def mysql_tls(
    field: str, mode: MySQLTlsMode, *, pem: str | None = None, file: str | None = None
) -> dict[Literal["ssl", "ssl_disabled"], Any]:
    """Return PyMySQL's arguments for a mode, whose names are MySQL's own; errors as in `client_context`.

    There is no way back to plain text from any mode but Disabled: PyMySQL refuses a server without TLS then.
    """
    if mode == "Disabled":
        return {"ssl": None, "ssl_disabled": True}
    context = client_context(field, pem=pem, file=file)
    context.check_hostname = mode == "VerifyIdentity"
    if mode == "Required":
        context.verify_mode = ssl.CERT_NONE
    return {"ssl": context, "ssl_disabled": False}
