"""The promise that no result is held whole in memory, measured in processes of their own."""

from benchmarks.download_memory import run


def test_a_download_over_https_takes_the_same_memory_at_any_size() -> None:
    added = run(ways=("https",), sizes_mb=(32,))
    # Megabytes over a first download of 64 KB; the stand-in has also compared the SHA-256 with what it received.
    assert added["https", 32] < 3
