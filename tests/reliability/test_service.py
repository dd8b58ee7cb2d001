"""The section about the server under load, where it can be tested without one."""

from reliability.clients import Outcome
from reliability.service import End, Run


def test_lost_is_what_was_asked_before_the_signal_and_what_was_taken_after_it():
    before, after = 1.0, 3.0
    answered = [Outcome("gRPC", before), Outcome("gRPC", after)]
    refused = Outcome("gRPC", after, "nobody listens", refused=True)
    lost = [Outcome("gRPC", before, "nobody listens", refused=True), Outcome("REST", after, "reset"), Outcome("REST", before, "reset")]
    assert End([*answered, refused, *lost], signalled=2.0, seconds=1.0).lost == lost


def test_growth_is_from_the_warm_up_to_the_end():
    run = Run([], [800.0, 900.0, 840.0], 1.0)
    assert abs(run.growth - 0.05) < 1e-12
    assert str(run) == "800 MB, then 840 MB (+5.0%), at most 900 MB"
