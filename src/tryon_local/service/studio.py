"""Result pictures composed in processes of their own, so that the threads of everything else go on meanwhile."""

import contextlib
import multiprocessing
import os
import resource
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from types import FrameType, TracebackType

from tryon_local.service.picture import compose

MOST_SECONDS = 30
"""Of real time for one picture, after which it cannot be drawn; the stack's time stands still meanwhile."""

MOST_MEGABYTES = 2048
"""Of address space for a drawing process, where the system keeps to it."""


class Studio:
    """A `picture` callable for the stand-in; a context manager that ends its processes at once.

    Raises ValueError for what cannot be drawn, and ConnectionError in threads that wait for a picture when it ends.
    """

    def __init__(self, workers: int | None = None) -> None:
        self._workers = workers or min(4, os.cpu_count() or 1)
        # Spawned, since forking a process that has threads may copy a lock that nobody will free.
        self._context = multiprocessing.get_context("spawn")
        # Nothing is ever sent through it: it closes when this process ends, in whatever way, and they end with it.
        self._line, self._lifeline = self._context.Pipe(duplex=False)
        self._lock = threading.Lock()
        self._closed = False
        self._pool = self._new_pool()

    def __enter__(self) -> "Studio":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the drawing processes, in the middle of a picture too."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._lifeline.close()
        self._pool.shutdown(cancel_futures=True)
        self._line.close()

    def __call__(
        self,
        model: bytes,
        garments: Sequence[tuple[bytes, str]],
        *,
        seed: int,
        parameters: Mapping[str, object],
    ) -> bytes:
        for _ in range(2):
            pool = self._pool
            try:
                with _held_back(signal.SIGINT):
                    drawing: Future[bytes] = pool.submit(_compose, model, list(garments), seed, dict(parameters))
                return drawing.result(2 * MOST_SECONDS)
            except TimeoutError:
                raise ValueError(f"it takes longer than {2 * MOST_SECONDS} seconds") from None
            except (BrokenProcessPool, CancelledError, RuntimeError) as error:
                if self._closed:
                    raise ConnectionAbortedError("the stand-in draws no more") from None
                if not isinstance(error, BrokenProcessPool):
                    raise
                # The system took a process, and its pool with it: perhaps for another picture.
                self._replace(pool)
        raise ValueError("the process that draws it dies")

    def _new_pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(self._workers, mp_context=self._context, initializer=_begin, initargs=(self._line,))

    def _replace(self, broken: ProcessPoolExecutor) -> None:
        with self._lock:
            if self._pool is broken and not self._closed:
                self._pool = self._new_pool()


@contextlib.contextmanager
def _held_back(number: signal.Signals) -> Iterator[None]:
    """Keep a signal from this thread and from the processes that it starts, also while they are still starting."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(line: Connection) -> None:
    # A terminal's Ctrl-C goes to every process; these end with the one that started them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, _give_up)
    if sys.platform == "linux":
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_AS, (MOST_MEGABYTES << 20, MOST_MEGABYTES << 20))
    threading.Thread(target=_end_with, args=(line,), name="lifeline", daemon=True).start()


def _end_with(line: Connection) -> None:
    with contextlib.suppress(OSError, EOFError):
        line.recv_bytes()
    os._exit(0)


def _give_up(number: int, frame: FrameType | None) -> None:
    raise TimeoutError


def _compose(model: bytes, garments: Sequence[tuple[bytes, str]], seed: int, parameters: Mapping[str, object]) -> bytes:
    signal.alarm(MOST_SECONDS)
    try:
        return compose(model, garments, seed=seed, parameters=parameters)
    except TimeoutError:
        raise ValueError(f"it takes longer than {MOST_SECONDS} seconds") from None
    except MemoryError:
        raise ValueError(f"it takes more than {MOST_MEGABYTES} MB") from None
    finally:
        signal.alarm(0)
