"""Spending the weight of a budget, one request after another."""

from __future__ import annotations

from klinetail.collector.budget import Budget


def spend_all(budget: Budget, weights: list[int], start: float = 1000.0) -> list:
    """Send these one after another, as soon as each may be; when each was sent."""
    now = start
    sent = []
    for weight in weights:
        while (delay := budget.delay(weight, now)) > 0:
            now += delay + 1e-9
        budget.spend(weight, now)
        sent.append((now, weight))
    return sent
