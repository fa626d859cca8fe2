"""Exchange time is real time, faster, within its bounds."""

from klinetail.sim.clock import Clock


class Monotonic:
    seconds = 100.0

    def __call__(self):
        return self.seconds


def test_it_stands_until_it_runs():
    real = Monotonic()
    clock = Clock(5_000, None, 60.0, real)
    real.seconds += 3
    assert clock.now() == 5_000
    clock.run()
    assert clock.now() == 5_000
    real.seconds += 0.5
    assert clock.now() == 35_000


def test_it_stops_at_the_end():
    real = Monotonic()
    clock = Clock(0, 1_500, 1.0, real)
    clock.run()
    real.seconds += 1.5
    assert clock.now() == 1_500
    real.seconds += 1
    assert clock.now() == 1_500


def test_the_limits_minutes_are_real():
    real = Monotonic()
    clock = Clock(5_000, None, 60.0, real)
    assert (clock.elapsed(), clock.unhurried()) == (0.0, 5_000)
    clock.run()
    real.seconds += 2.5
    assert (clock.elapsed(), clock.unhurried()) == (2.5, 7_500)
