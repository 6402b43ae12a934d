"""Schedules: the factors at the points that define them."""

from typing import Any

import pytest

from litmus.schedules import Constant, Cosine, Exponential, MultiStep, OneCycle, Staircase, Triangle


def test_warm_up_climbs_linearly_to_one_and_wastes_no_step() -> None:
    factors = [Constant(0.1)(step, 100) for step in range(12)]
    assert factors[0] == pytest.approx(1 / 11)
    assert factors[9] == pytest.approx(10 / 11)
    assert factors[10:] == [1.0, 1.0]


def test_cosine_ends_at_its_final_share() -> None:
    schedule = Cosine(0.0, 0.1)
    assert schedule(0, 100) == 1.0
    assert schedule(50, 100) == pytest.approx(0.55)
    assert schedule(100, 100) == pytest.approx(0.1)


def test_exponential_loses_the_same_share_in_every_step() -> None:
    schedule = Exponential(0.0, 0.5**10)  # ten epochs, each with half the rate of the one before
    assert [schedule(step, 1000) for step in (0, 100, 200, 1000)] == pytest.approx([1, 0.5, 0.25, 0.5**10])
    warm = Exponential(0.1, 0.01)
    assert warm(0, 100) == pytest.approx(1 / 11) and warm(10, 100) == 1.0 and warm(100, 100) == pytest.approx(0.01)
    with pytest.raises(ValueError, match=r"schedule.final=0.0 is not above 0"):
        Exponential(0.0, 0.0)


def test_multistep_falls_at_its_milestones_as_in_the_paper() -> None:
    he = MultiStep(0.0, [0.5, 0.75], 0.1)  # 64,000 steps, divided by 10 at 32,000 and 48,000
    assert [he(step, 64_000) for step in (0, 31_999)] == [1.0, 1.0]
    assert [he(step, 64_000) for step in (32_000, 47_999)] == pytest.approx([0.1, 0.1])
    assert he(48_000, 64_000) == pytest.approx(0.01)


def test_one_cycle_climbs_to_its_peak_and_falls_to_its_end() -> None:
    schedule = OneCycle(0.3, 0.04, 0.001)
    assert schedule(0, 1000) == pytest.approx(0.04)
    assert schedule(300, 1000) == 1.0
    assert schedule(1000, 1000) == pytest.approx(0.001)


@pytest.mark.parametrize("wrong", [{"warmup": 500.0}, {"milestones": [50.0, 75.0]}])
def test_steps_and_epochs_are_not_taken_for_shares(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is not a share of the run's steps"):
        MultiStep(**{"warmup": 0.0, "milestones": [0.5], "gamma": 0.1, **wrong})


def test_a_schedule_keeps_its_shape_in_a_longer_run() -> None:
    schedule = Cosine(0.05, 0.0)
    assert schedule(80, 100) == pytest.approx(schedule(8000, 10_000), abs=1e-3)


def test_a_triangle_climbs_and_falls_in_lines() -> None:
    schedule = Triangle(0.25, 0.2, 0.1)
    assert [schedule(step, 100) for step in (0, 25, 100)] == pytest.approx([0.2, 1.0, 0.1])
    assert schedule(10, 100) == pytest.approx(0.2 + 0.8 * 0.4) and schedule(50, 100) == pytest.approx(1 - 0.9 / 3)


def test_a_staircase_is_held_and_then_falls_after_every_part() -> None:
    schedule = Staircase(5, 2, 0.5)
    assert [schedule(step, 50) for step in (0, 19, 20, 29, 30, 49)] == [1, 1, 0.5, 0.5, 0.25, 0.125]
    assert Staircase(1, 4, 0.5)(49, 50) == 1
    with pytest.raises(ValueError, match=r"schedule\.parts=0"):
        Staircase(0, 2, 0.5)
