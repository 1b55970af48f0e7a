"""What a TLS context of ours checks."""

import ssl
from pathlib import Path

import pytest
import trustme

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
