"""The certificate of the admission webhook: made, renewed and replaced here, as values. Pure: no clock, no I/O.

The serving certificate is signed by an authority of our own, and the API server trusts the authorities in the webhook's
`caBundle`. A new serving certificate of the same authority needs no other step. A new authority does: it is first added
to the trusted ones, and signs only once it is published there. So each replica's certificate, the old or the new, is
trusted at every moment.
"""

import secrets
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFE: Final = timedelta(days=730)
SERVING_LIFE: Final = timedelta(days=90)
RENEW_AT: Final = 1 / 3
"""A certificate with less than this share of its life before it is replaced: a month for the serving one."""
SKEW: Final = timedelta(hours=1)
"""Certificates are valid from this long before they are made: clocks differ."""

_FILES: Final = ("ca.crt", "ca.key", "tls.crt", "tls.key", "token")


@dataclass(frozen=True)
class Bundle:
    """What the replicas share, as it stands in the Secret."""

    authorities: tuple[x509.Certificate, ...]
    """The newest first; older ones stay until they end, since they may have signed what a replica still serves."""
    authority_key: ec.EllipticCurvePrivateKey
    """Of the newest."""
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    token: str
    """Lower-case end of the URL's path, which only the API server is told: whoever knows it can make us log in."""

    @property
    def trusted(self) -> bytes:
        """The authorities in PEM, as `caBundle` has them before base64."""
        return b"".join(_pem(certificate) for certificate in self.authorities)

    def as_data(self) -> dict[str, bytes]:
        """Return the content of the Secret."""
        contents = (
            self.trusted,
            _key_pem(self.authority_key),
            _pem(self.certificate),
            _key_pem(self.key),
            self.token.encode(),
        )
        return dict(zip(_FILES, contents, strict=True))

    @classmethod
    def from_data(cls, data: dict[str, bytes]) -> "Bundle | None":
        """Read the content of the Secret; None when there is none yet, or nothing that can be used."""
        if not all(data.get(name) for name in _FILES):
            return None
        try:
            authority_key, key = (
                serialization.load_pem_private_key(data[name], None) for name in ("ca.key", "tls.key")
            )
            authorities = tuple(x509.load_pem_x509_certificates(data["ca.crt"]))
            certificate, token = x509.load_pem_x509_certificate(data["tls.crt"]), data["token"].decode("ascii")
        except ValueError:
            return None
        if not isinstance(authority_key, ec.EllipticCurvePrivateKey) or not isinstance(key, ec.EllipticCurvePrivateKey):
            return None
        if authorities[0].public_key() != authority_key.public_key() or certificate.public_key() != key.public_key():
            return None
        return cls(authorities, authority_key, certificate, key, token)


def tended(bundle: Bundle | None, *, now: datetime, names: Collection[str], published: bytes) -> Bundle:
    """Return the bundle as it shall be now: the same one while nothing is due.

    `names` are the host names to serve under, `published` is what `caBundle` has now, in PEM.
    """
    if bundle is None:
        authority, authority_key = _authority(now)
        return _signed((authority,), authority_key, now=now, names=names, token=secrets.token_hex(16))
    bundle = _without_ended(bundle, now)
    if not bundle.authorities or _is_due(bundle.authorities[0], now):
        authority, authority_key = _authority(now)
        bundle = replace(bundle, authorities=(authority, *bundle.authorities), authority_key=authority_key)
    newest, certificate = bundle.authorities[0], bundle.certificate
    wanted = _is_due(certificate, now) or not _signed_by(certificate, newest) or _names(certificate) != set(names)
    usable = now < certificate.not_valid_after_utc and any(_signed_by(certificate, one) for one in bundle.authorities)
    if wanted and (_pem(newest) in published or not usable):
        return _signed(bundle.authorities, bundle.authority_key, now=now, names=names, token=bundle.token)
    return bundle


def _without_ended(bundle: Bundle, now: datetime) -> Bundle:
    left = tuple(one for one in bundle.authorities if now < one.not_valid_after_utc)
    return bundle if left == bundle.authorities else replace(bundle, authorities=left)


def _is_due(certificate: x509.Certificate, now: datetime) -> bool:
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return certificate.not_valid_after_utc - now < life * RENEW_AT


def _signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError):
        return False
    return True


def _names(certificate: x509.Certificate) -> set[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(names.get_values_for_type(x509.DNSName))


def _authority(now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    # A name of its own: verifiers look an issuer up by name, and two of one name could be taken for each other.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"holded-operator-{secrets.token_hex(4)}")])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    usage = x509.KeyUsage(
        key_cert_sign=True,
        crl_sign=True,
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        _builder(name, name, key, now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate, key


def _signed(
    authorities: tuple[x509.Certificate, ...],
    authority_key: ec.EllipticCurvePrivateKey,
    *,
    now: datetime,
    names: Collection[str],
    token: str,
) -> Bundle:
    """Return a bundle with a new serving certificate of the newest authority."""
    key, authority = ec.generate_private_key(ec.SECP256R1()), authorities[0]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "holded-operator")])
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    certificate = (
        _builder(subject, authority.subject, key, now, SERVING_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in sorted(names)]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(issuer, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    return Bundle(authorities, authority_key, certificate, key, token)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + life)
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
