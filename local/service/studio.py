"""Result pictures composed in processes of their own, so that the threads of everything else go on meanwhile."""

import multiprocessing
import os
import signal
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from types import TracebackType

from local.service.picture import compose


class Studio:
    """A `picture` callable for the stand-in; a context manager that ends its processes."""

    def __init__(self, workers: int | None = None) -> None:
        # Spawned, since forking a process that has threads may copy a lock that nobody will free.
        self._pool = ProcessPoolExecutor(
            workers or min(4, os.cpu_count() or 1),
            mp_context=multiprocessing.get_context("spawn"),
            # A terminal's Ctrl-C goes to every process; these end with the pool.
            initializer=signal.signal,
            initargs=(signal.SIGINT, signal.SIG_IGN),
        )

    def __enter__(self) -> "Studio":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def __call__(
        self,
        model: bytes,
        garments: Sequence[tuple[bytes, str]],
        *,
        seed: int,
        parameters: Mapping[str, object],
    ) -> bytes:
        return self._pool.submit(_compose, model, list(garments), seed, dict(parameters)).result()


def _compose(model: bytes, garments: Sequence[tuple[bytes, str]], seed: int, parameters: Mapping[str, object]) -> bytes:
    return compose(model, garments, seed=seed, parameters=parameters)
