"""`python -m tryon_local.service`: the stand-in alone, on the machine's own clock."""

import argparse
import signal
import sys
import threading
from pathlib import Path

from tryon.clock import SystemClock
from tryon_local.service import admin
from tryon_local.service.faults import FaultFileError, FaultPlan, read_faults
from tryon_local.service.server import serve
from tryon_local.service.tasks import TypicalLatency
from tryon_local.service.volcengine.standin import StandIn


def main(arguments: list[str] | None = None) -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m tryon_local.service",
        description="The try-on service's stand-in on 127.0.0.1: nothing is paid, no picture leaves.",
        epilog=admin.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=8790, help="0 for any free one (default: %(default)s)")
    parser.add_argument("--slots", type=int, default=1, help="tasks at once (default: %(default)s)")
    parser.add_argument(
        "--requests-per-second",
        type=float,
        default=2.0,
        help="submit and result together (default: %(default)s)",
    )
    parser.add_argument("--latency", type=float, default=27.0, help="a task's usual seconds (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn (default: %(default)s)")
    parser.add_argument(
        "--faults", type=Path, help="JSON file of what shall go wrong (fields: tryon_local.service.faults)"
    )
    options = parser.parse_args(arguments)
    try:
        faults = read_faults(options.faults) if options.faults else ()
    except (FaultFileError, OSError) as error:
        parser.error(str(error))
    standin = StandIn(
        SystemClock(),
        slots=options.slots,
        requests_per_second=options.requests_per_second,
        latency=TypicalLatency(options.seed, mean=options.latency),
        faults=FaultPlan(*faults, seed=options.seed),
        seed=options.seed,
    )
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    access_key, secret_key = standin.keys
    with serve(standin, options.port) as served:
        sys.stdout.write(f"try-on stand-in at {served.url}\naccess key {access_key}\nsecret key {secret_key}\n")
        sys.stdout.write(f"what it saw: {served.url}{admin.PREFIX}tasks\n")
        sys.stdout.flush()
        try:
            stopped.wait()
        except KeyboardInterrupt:
            sys.stdout.write("\n")


if __name__ == "__main__":
    main()
