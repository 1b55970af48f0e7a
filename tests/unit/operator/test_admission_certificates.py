"""The webhook's certificate through the years: whoever serves whichever copy, the API server trusts it."""

import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from holded_operator.admission.certificates import AUTHORITY_LIFE, SERVING_LIFE, Bundle, tended
from holded_operator.exceptions import StaleObjectError
from holded_operator.handlers.certificates import CertificateKeeper
from tests.support.fake_own_objects import FakeOwnObjects

NAMES = ("operator.tests", "operator.tests.svc", "operator.tests.svc.cluster.local")
START = datetime(2026, 1, 1, tzinfo=UTC)


def trusts(published: bytes, certificate: x509.Certificate, now: datetime) -> bool:
    """Tell whether a client that trusts `published` takes the certificate for the webhook's Service."""
    store = Store(x509.load_pem_x509_certificates(published))
    verifier = PolicyBuilder().store(store).time(now).build_server_verifier(x509.DNSName("operator.tests.svc"))
    try:
        verifier.verify(certificate, [])
    except VerificationError:
        return False
    return True


def made(now: datetime = START) -> Bundle:
    return tended(None, now=now, names=NAMES, published=b"")


def test_the_first_certificate_is_for_the_service_and_signed_by_an_authority_of_its_own() -> None:
    bundle = made()
    assert trusts(bundle.trusted, bundle.certificate, START)
    assert not trusts(made().trusted, bundle.certificate, START)


def test_nothing_is_renewed_while_nothing_is_due() -> None:
    bundle = made()
    later = START + SERVING_LIFE * 0.6
    assert tended(bundle, now=later, names=NAMES, published=bundle.trusted) is bundle


def test_a_secret_gives_back_what_was_put_into_it() -> None:
    data = made().as_data()
    found = Bundle.from_data(data)
    assert found is not None
    assert found.as_data() == data


@pytest.mark.parametrize("damage", ["ca.crt", "ca.key", "tls.crt", "tls.key", "token"])
@pytest.mark.parametrize("content", [b"", b"no PEM \xff", None])
def test_a_damaged_secret_is_made_anew(damage: str, content: bytes | None) -> None:
    data = made().as_data()
    data[damage] = made().as_data()[damage] if content is None else content
    found = Bundle.from_data(data)
    if damage == "token" and content is None:
        assert found is not None
    else:
        assert found is None


def test_over_eight_years_every_replica_is_trusted_at_every_moment() -> None:
    """Two replicas look in turn, each every other day: worse than the minute in which they really do."""
    bundle, published = made(), b""
    served = [bundle.certificate, bundle.certificate]
    published = bundle.trusted
    renewals, authorities = 0, {bundle.authorities[0].serial_number}
    for day in range(8 * 365):
        now = START + timedelta(days=day)
        for certificate in served:
            assert trusts(published, certificate, now), f"day {day}"
        before, after = bundle, tended(bundle, now=now, names=NAMES, published=published)
        bundle = Bundle.from_data(after.as_data()) or pytest.fail("unreadable")
        renewals += before.certificate != bundle.certificate
        authorities |= {one.serial_number for one in bundle.authorities}
        served[day % 2] = bundle.certificate
        for certificate in served:
            assert trusts(published, certificate, now), f"day {day}, before it is published"
        published = bundle.trusted
        assert len(bundle.authorities) <= 2, "those that ended are forgotten"
    assert renewals >= 8 * 365 / SERVING_LIFE.days
    assert len(authorities) >= 8 * 365 / AUTHORITY_LIFE.days


def test_a_certificate_that_ended_while_nobody_looked_is_replaced_at_once() -> None:
    bundle = made()
    late = START + AUTHORITY_LIFE * 2
    renewed = tended(bundle, now=late, names=NAMES, published=bundle.trusted)
    assert trusts(renewed.trusted, renewed.certificate, late)


def test_other_names_get_another_certificate_of_the_same_authority() -> None:
    bundle = made()
    renamed = tended(bundle, now=START, names=("other.tests.svc",), published=bundle.trusted)
    assert renamed.authorities == bundle.authorities
    assert not trusts(bundle.trusted, renamed.certificate, START)


def keeper(objects: FakeOwnObjects, days: float = 0) -> CertificateKeeper:
    return CertificateKeeper(
        objects, service="operator", namespace="tests", now=lambda: datetime.now(UTC) + timedelta(days=days)
    )


def published_by(objects: FakeOwnObjects) -> tuple[str, str]:
    config = objects.webhooks["webhooks"][0]["clientConfig"]
    return config["caBundle"], config["service"]["path"]


def test_replicas_share_one_certificate_and_one_path() -> None:
    objects = FakeOwnObjects()
    first, second = keeper(objects), keeper(objects)
    first.tend()
    before = published_by(objects)
    second.tend()
    assert published_by(objects) == before
    assert first.token == second.token
    assert before[1] == f"/validate/{first.token}"


def test_quiet_rounds_write_nothing() -> None:
    objects = FakeOwnObjects()
    one = keeper(objects)
    one.tend()
    versions = (objects.secret["metadata"]["resourceVersion"], objects.patches)
    one.tend()
    assert (objects.secret["metadata"]["resourceVersion"], objects.patches) == versions


def test_whoever_is_second_serves_what_the_first_made(monkeypatch: pytest.MonkeyPatch) -> None:
    objects = FakeOwnObjects()
    slow, fast = keeper(objects), keeper(objects)
    stale = objects.read_certificate()
    fast.tend()
    monkeypatch.setattr(objects, "read_certificate", lambda: stale)
    with pytest.raises(StaleObjectError):
        slow.tend()
    monkeypatch.undo()
    slow.tend()
    assert slow.token == fast.token


def test_what_somebody_took_out_of_the_configuration_is_put_back() -> None:
    objects = FakeOwnObjects()
    one = keeper(objects)
    one.tend()
    wanted = published_by(objects)
    del objects.webhooks["webhooks"][0]["clientConfig"]["caBundle"]
    one.tend()
    assert published_by(objects) == wanted


def test_only_tls_that_is_still_safe_is_spoken() -> None:
    assert keeper(FakeOwnObjects()).context.minimum_version >= ssl.TLSVersion.TLSv1_2
