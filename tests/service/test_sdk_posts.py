"""The server that counts what vendors' packages send does with each POST what it is asked to do."""

import pytest
import requests

from benchmarks import sdk_posts


@pytest.mark.parametrize("accident", sdk_posts.ACCIDENTS)
def test_a_post_is_counted_whatever_becomes_of_it(accident: str) -> None:
    with sdk_posts.serving(accident) as server:
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        try:
            status = requests.post(url, data=b"x", timeout=0.3).status_code
        except requests.RequestException:
            status = 0
        assert server.posts == 1
        assert str(status) == ("0" if accident in ("cut after the request", "silence") else accident[:3])
