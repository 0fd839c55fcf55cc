"""Where the command begins: Ctrl-C ends it quietly while the rest is being imported."""

import signal


def main() -> int:
    """Run one command; returns its exit code."""
    # The imports take about a second. Cut short they leave a traceback, and nothing has begun that must be ended.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    from tryon_cli.main import main as command

    signal.signal(signal.SIGINT, before)
    return command()
