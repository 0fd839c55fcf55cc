"""The merchandiser's whole job from one link, start to finish: looking, choosing, taking away, sending, paying again.

The page alone is driven for the first four; the fifth is one command of whoever runs tryon. The stack is the local one,
with the stand-in for the service.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.local_stack import local_up
from tests.workflow.pipeline import manifest, picture
from tryon.keys import RunFolder
from tryon_cli.main import main
from tryon_cli.target import Target, connect


@pytest.fixture(scope="module")
def port(browser: Any) -> Iterator[int]:
    with local_up(60) as (free, _):
        yield free


@pytest.fixture(scope="module")
def stack(port: int) -> Target:
    return connect("local", port=port)


@pytest.fixture
def told(stack: Target) -> Callable[[], list[str]]:
    """What arrives at whoever gets the stack's alarms."""
    sqs, sns = stack.client("sqs"), stack.client("sns")
    queue = sqs.create_queue(QueueName="reviews")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=stack.outputs["AlarmTopicArn"], Protocol="sqs", Endpoint=arn)

    def received() -> list[str]:
        found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=10).get("Messages", [])
        return [json.loads(one["Body"])["Message"] for one in found]

    return received


def run(stack: Target, port: int, folder: Path) -> str:
    """A run of two models and two garments, one of which has a name in another script."""
    for name, number in (("m0", 1), ("m1", 2), ("g0", 101), ("g1", 102)):
        stack.s3.put_object(Bucket=stack.bucket, Key=f"inputs/{name}.jpg", Body=picture(number))
    wanted = manifest(2, 2)
    wanted["garments"][0]["name"] = "Leinenhemd, weiß / 亚麻衬衫"
    path = folder / "spring.json"
    path.write_text(json.dumps(wanted))
    assert main(["run", str(path), "--port", str(port)]) == 0
    return stack.ledger.runs(1)[0].run_id


def shared(run_id: str, port: int, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(["share", run_id, "--print", "--port", str(port)]) == 0
    address = capsys.readouterr().out.strip()
    assert len(address) < 2000
    return address


def test_from_one_link_to_pictures_made_again(
    stack: Target,
    port: int,
    browser: Any,
    tmp_path: Path,
    told: Callable[[], list[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_id = run(stack, port, tmp_path)
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(30_000)
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(shared(run_id, port, capsys))
    page.wait_for_selector("#shown:not(:empty)")

    # Looking: whole, and to the pixel of the file, which is asked for only now.
    assert not [url for url in asked[1:] if url.startswith("http")]
    page.locator(".cell").first.click()
    page.keyboard.press("z")
    page.wait_for_selector("#stage img[data-full]")
    entry = next(iter(stack.ledger.entries(run_id)))
    assert page.locator("#stage img[data-full]").evaluate("one => one.naturalWidth") == entry.results[0].width
    page.keyboard.press("z")

    # Choosing: in the order of models, two picked and two rejected, one with a reason and one without.
    for key in ("p", "h", "x", "p"):
        page.keyboard.press(key)
    page.keyboard.press("Escape")

    # Taking away: the full files under readable names.
    page.click("#review-open")
    page.fill("#reviewer", "Lin")
    with page.expect_download() as first, page.expect_download(lambda one: "m1" in one.suggested_filename) as second:
        page.click("#take-away")
    assert first.value.suggested_filename == "Leinenhemd, weiß _ 亚麻衬衫 - m0.png"
    assert second.value.suggested_filename == "g1 - m1.png"
    kept = stack.s3.get_object(Bucket=stack.bucket, Key=entry.results[0].key)["Body"].read()
    assert Path(first.value.path()).read_bytes() == kept

    # Sending: one upload, and whoever runs tryon is told.
    page.click("#send")
    page.locator("#imported:not(:empty)").wait_for()
    assert page.inner_text("#imported").startswith("Sent."), complaints
    listed = stack.s3.list_objects_v2(Bucket=stack.bucket, Prefix=RunFolder(run_id).reviews)["Contents"]
    assert len(listed) == 1
    assert any(listed[0]["Key"] in message for message in told())
    host = f"http://127.0.0.1:{port}/"
    assert [url for url in asked if not url.startswith((host, "data:", "blob:"))] == []
    assert complaints == []

    # Paying: one command, the price first; the same again pays nothing.
    again = ["retry", run_id, "--review", "sent", "--yes", "--port", str(port)]
    assert main(again) == 0
    out = capsys.readouterr().out
    assert "2 combinations will be made again, for 2.00 CNY to the service" in out
    assert "2 of 2" in out
    assert main(again) == 0
    assert "nothing is to be made again" in capsys.readouterr().out
    assert main(["pick", "sent", "--run", run_id, "--save", str(tmp_path / "out"), "--port", str(port)]) == 0
    assert sorted(path.suffix for path in (tmp_path / "out").iterdir()) == [".csv", ".png", ".png"]

    # The remake beside what was rejected; what was picked stays picked.
    page.goto(shared(run_id, port, capsys))
    page.wait_for_selector("#shown:not(:empty)")
    assert page.locator(".cell .mark.pick").count() == 2
    page.locator(".cell", has_text="×2").first.click()
    page.keyboard.press("d")
    captions = page.locator("#stage figcaption span").all_inner_texts()
    assert captions == ["Take 1 · ✕ rejected", "Take 2"]
    context.close()


SENT = """async ({send, key, kind, size, more}) => {
  const {fields, url, prefix} = send;
  const body = new FormData();
  for (const [name, value] of Object.entries({...fields, ...more})) body.append(name, value);
  body.append('key', (key ?? prefix) + 'r1.json');
  body.append('Content-Type', kind);
  body.append('file', new Blob(['x'.repeat(size)], {type: kind}));
  return (await fetch(url, {method: 'POST', body})).status;
}"""


def test_an_upload_of_another_kind_size_or_place_is_refused(
    stack: Target, port: int, browser: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the signature does not allow, sent as the browser's own form."""
    run_id = run(stack, port, tmp_path)
    page = browser.new_page()
    page.goto(shared(run_id, port, capsys))
    page.wait_for_selector("#shown:not(:empty)")
    text = stack.s3.get_object(Bucket=stack.bucket, Key=RunFolder(run_id).shared)["Body"].read().decode()
    send = json.loads(text.split('id="data">')[1].split("</script>")[0])["share"]["send"]

    def status(**different: Any) -> int:
        sent = {"send": send, "key": None, "kind": "application/json", "size": 100, "more": {}} | different
        return int(page.evaluate(SENT, sent))

    assert status(kind="text/html") == 403
    assert status(key="manifests/") == 403, "no manifest is dropped by a reviewer"
    assert status(key="runs/") == 403
    assert status(key="reviews/20260101T000000Z-another-1a2b3c4d/") == 403
    assert status(more={"acl": "public-read"}) == 403
    assert status(size=5_000_001) == status(size=1) == 400
    listed = stack.s3.list_objects_v2(Bucket=stack.bucket, Prefix=RunFolder(run_id).reviews)
    assert "Contents" not in listed
    assert status() in (200, 201, 204)
    page.close()
