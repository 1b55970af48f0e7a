"""What a TLS context of ours checks."""

import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from holded_contracts.io.tls import AuthoritiesError, MySQLTlsMode, client_context, mysql_tls


@pytest.mark.parametrize(
    ("mode", "checks_chain", "checks_name"),
    [("Required", False, False), ("VerifyCA", True, False), ("VerifyIdentity", True, True)],
)
def test_modes_check_what_they_promise(mode: MySQLTlsMode, *, checks_chain: bool, checks_name: bool) -> None:
    arguments = mysql_tls("field", mode)
    assert arguments["ssl_disabled"] is False
    assert (arguments["ssl"].verify_mode is ssl.CERT_REQUIRED) is checks_chain
    assert arguments["ssl"].check_hostname is checks_name


def test_only_the_mode_disabled_goes_without_tls() -> None:
    assert mysql_tls("field", "Disabled") == {"ssl": None, "ssl_disabled": True}


def test_given_authorities_are_the_only_ones(tmp_path: Path) -> None:
    pem = trustme.CA().cert_pem.bytes().decode()
    file = tmp_path / "ca.crt"
    file.write_text(pem)
    for context in (client_context("field", pem=pem), client_context("field", file=str(file))):
        assert context.check_hostname
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert len(context.get_ca_certs()) == 1


@pytest.mark.parametrize(
    "text", ["", "nonsense", "\ufffd", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"]
)
def test_authorities_that_are_none_are_refused_by_the_name_of_their_field(text: str, tmp_path: Path) -> None:
    file = tmp_path / "ca.crt"
    file.write_text(text)
    with pytest.raises(AuthoritiesError, match=r"spec\.x\.caSecretRef: no PEM certificates: "):
        client_context("spec.x.caSecretRef", pem=text)
    with pytest.raises(AuthoritiesError, match=rf"spec\.x\.caSecretRef: no PEM certificates in {file}: "):
        client_context("spec.x.caSecretRef", file=str(file))
    with pytest.raises(AuthoritiesError, match="No such file"):
        client_context("spec.x.caSecretRef", file=str(tmp_path / "missing"))


def _signed(
    name: str, key: ec.EllipticCurvePrivateKey, by: ec.EllipticCurvePrivateKey, *, ca: bool
) -> x509.Certificate:
    """Return a certificate with the one extension that MySQL gives to those it makes for itself."""
    subject, issuer = (x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)]) for text in (name, "authority"))
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(by, hashes.SHA256())
    )


def _handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> None:
    inbound, outbound = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        server.wrap_bio(inbound, outbound, server_side=True),
        client.wrap_bio(outbound, inbound, server_hostname=name),
    ]
    for _ in range(4):
        for end in reversed(ends):
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()


def test_the_authority_that_mysql_makes_for_itself_will_do_for_verify_ca_and_no_other(tmp_path: Path) -> None:
    authority, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    pem = _signed("authority", authority, authority, ca=True).public_bytes(Encoding.PEM).decode()
    (tmp_path / "server.pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + _signed("MySQL_Server_Auto_Generated", key, authority, ca=False).public_bytes(Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "server.pem")

    _handshake(server, mysql_tls("field", "VerifyCA", pem=pem)["ssl"], "mysql")
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        _handshake(server, mysql_tls("field", "VerifyIdentity", pem=pem)["ssl"], "mysql")
    foreign = trustme.CA().cert_pem.bytes().decode()
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
        _handshake(server, mysql_tls("field", "VerifyCA", pem=foreign)["ssl"], "mysql")
