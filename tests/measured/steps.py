"""Random schedules: the contract's model, many steps in one run."""

import time

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.contract import test_series

STEPS = 100


def measure(quick, seed):
    examples = 50 if quick else 2_000
    taken = [0]

    class Counted(test_series.Line):
        def check_invariants(self, *arguments, **options):
            taken[0] += 1
            super().check_invariants(*arguments, **options)

    began = time.monotonic()
    run_state_machine_as_test(
        Counted,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            derandomize=False,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
        _min_steps=STEPS,
    )
    return {
        "schedules": examples,
        "steps": taken[0],
        "violations": 0,
        "steps_per_second": round(taken[0] / (time.monotonic() - began)),
    }
