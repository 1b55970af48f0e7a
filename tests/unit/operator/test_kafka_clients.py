"""How long the Kafka gateway keeps its clients."""

from holded_operator.gateways.kafka import CLIENTS_KEPT, _Kept


def test_a_client_in_use_is_kept_and_one_of_a_former_password_is_let_go() -> None:
    patient, impatient = _Kept[str, object](3600), _Kept[str, object](0)
    before = patient.get("former", object), impatient.get("former", object)
    for kept in (patient, impatient):
        kept.get("present", object)
    assert patient.get("former", object) is before[0]
    assert impatient.get("former", object) is not before[1]


def test_there_are_never_too_many_and_the_longest_unused_goes_first() -> None:
    kept = _Kept[int, object](3600)
    made = [kept.get(number, object) for number in range(CLIENTS_KEPT)]
    kept.get(0, object)
    kept.get(CLIENTS_KEPT, object)
    assert kept.get(0, object) is made[0]
    assert kept.get(1, object) is not made[1]
    assert len(kept.clear()) == CLIENTS_KEPT
