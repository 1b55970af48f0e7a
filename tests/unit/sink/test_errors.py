import pytest

from holded_sink.errors import RefusedContentError, SystemicError, TransientError, classify


@pytest.mark.parametrize(
    "code", [1205, 1213, 1290, 1836, 1021, 1114, 1040, 2003, 2006, 2013, 2055, 0, "", None, "Packet"]
)
def test_faults_that_pass_are_transient(code):
    assert classify(code) is TransientError


@pytest.mark.parametrize("code", [1264, 1292, 1366, 1406, 3140, 3157, 1153, 1048])
def test_errors_of_one_row_are_refusals(code):
    assert classify(code) is RefusedContentError


@pytest.mark.parametrize("code", [1146, 1054, 1044, 1045, 1142, 1049, 1064, 1305, 1062, 1526, 99_999])
def test_everything_else_stops_the_stage_rather_than_making_dead_letters(code):
    assert classify(code) is SystemicError
