"""What thinks in tryon: manifests, plans, cadence, gate, ledger, pictures, the try-on service.

Nothing in here knows a Lambda event or reads the environment; handlers pass in clients, settings and the clock.
"""

import platform
from pathlib import Path

_BUILT_FOR = Path(__file__).resolve().parent.parent / "PROCESSOR"
"""What `sam build` leaves in the layers: the processor whose packages it took. Not there outside of Lambda."""


def check_processor(built_for: Path = _BUILT_FOR) -> None:
    """Raises ImportError with what to do, where the layers are for another processor than the function's.

    Else the first package with compiled code fails, with a name that says nothing.
    """
    if built_for.is_file() and (built := built_for.read_text().strip()) != platform.machine():
        raise ImportError(
            f"the layers were built for {built} and this function runs on {platform.machine()}: give `sam build` and "
            "`sam deploy` the same Architecture, in [default.global.parameters] of samconfig.toml"
        )


check_processor()
