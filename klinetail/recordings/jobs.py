"""Work that several processes share."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, Final, TypeVar

from klinetail.errors import KlinetailError

Item = TypeVar("Item")
Result = TypeVar("Result")

_FORK: Final = multiprocessing.get_context("fork")
"""Functions and items are in each process from its start; only results are sent."""


class JobFailed(KlinetailError):
    """A process of `mapped` ended without its result."""


def mapped(
    function: Callable[[Item], Result], items: Sequence[Item], jobs: int
) -> Iterator[Result]:
    """Yield the results of a function for each item, in the order of the items.

    With one job, or one item, everything happens in this process. The processes end
    with this process: each one then reads the end of its pipe.

    Args:
        function: what is to be done with an item; its results can be pickled.
        items: the items.
        jobs: processes that work at the same time, at most.

    Raises:
        JobFailed: a process ended without its result, for want of memory perhaps.
    """
    if jobs == 1 or len(items) < 2:
        yield from map(function, items)
        return
    pipes: list[Connection] = []
    processes = []
    try:
        for _ in range(min(jobs, len(items))):
            ours, theirs = _FORK.Pipe()
            pipes.append(ours)
            process = _FORK.Process(
                target=_work, args=(function, items, theirs, pipes), daemon=True
            )
            process.start()
            theirs.close()
            processes.append(process)
        yield from _in_order([*pipes], len(items))
    finally:
        for pipe in pipes:
            pipe.close()
        for process in processes:
            process.terminate()
            process.join()


def _work(
    function: Callable[[Item], object],
    items: Sequence[Item],
    pipe: Connection,
    others: Sequence[Connection],
) -> None:
    """Answer each number of an item with its result, until the pipe ends.

    Args:
        function: what is to be done with an item.
        items: the items.
        pipe: brings numbers, and takes results.
        others: the ends of pipes that only the first process may hold open.
    """
    for other in others:
        other.close()
    try:
        while True:
            number = pipe.recv()
            pipe.send((number, function(items[number])))
    except (EOFError, OSError):
        pass


def _in_order(idle: list[Connection], items: int) -> Iterator[Any]:
    """Give each number of an item to a process, and yield the results in order."""
    given = 0
    asked: list[Connection] = []
    done: dict[int, Any] = {}
    for number in range(items):
        while number not in done:
            while idle and given < items:
                idle[-1].send(given)
                asked.append(idle.pop())
                given += 1
            for pipe in wait(asked):
                if not isinstance(pipe, Connection):
                    raise RuntimeError("only connections are waited for")
                try:
                    which, result = pipe.recv()
                except (EOFError, OSError):
                    raise JobFailed(
                        "a process of --jobs ended before its work was done; with fewer"
                        " jobs less memory is needed"
                    ) from None
                done[which] = result
                asked.remove(pipe)
                idle.append(pipe)
        yield done.pop(number)
