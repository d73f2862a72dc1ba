"""`burstlens load` as a user calls it: a process of its own, against a real server."""

import asyncio
import json
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web

from support.load_peer import Peer, Received, Servers

pytestmark = pytest.mark.anyio

COMMAND = "import typer; from burstlens.cli.load import load; typer.run(load)"


@dataclass(frozen=True)
class Finished:
    code: int | None
    out: str
    err: str


async def start(*arguments: str | Path, prelude: str = "") -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", prelude + COMMAND, *map(str, arguments)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def finish(process: asyncio.subprocess.Process) -> Finished:
    out, err = await process.communicate()
    return Finished(process.returncode, out.decode(), err.decode())


async def load(*arguments: str | Path, prelude: str = "") -> Finished:
    return await finish(await start(*arguments, prelude=prelude))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    images = tmp_path / "images"
    images.mkdir()
    for index in range(3):
        (images / f"test_{index:02}.jpg").write_bytes(f"image {index}".encode())
    return images


@pytest.fixture
def expected(tmp_path: Path) -> Path:
    path = tmp_path / "expected.csv"
    write_expectations(path, test_00="Paul", test_01="Paul", test_02="Paul")
    return path


def write_expectations(path: Path, **labels: str) -> None:
    path.write_text("Image,Results\n" + "".join(f"{name},{label}\n" for name, label in labels.items()))


def named(received: Received, _: int) -> web.Response:
    return web.Response(text=f"{Path(received.filename).stem}:Paul")


async def test_called_as_the_first_course_generator_it_understands_bare_labels(servers: Servers, folder: Path) -> None:
    peer = await servers.start(Peer())
    done = await load("--num_request", "7", "--url", peer.url, "--image_folder", folder, "--verbose")
    assert (done.code, done.err) == (0, "")
    assert done.out.count("uploaded! Classification result: bathtub\n") == 7
    assert "7 of 7" in done.out
    assert {received.field for received in peer.received} == {"myfile"}
    names = sorted(received.filename for received in peer.received)
    assert names == ["test_00.jpg"] * 3 + ["test_01.jpg"] * 2 + ["test_02.jpg"] * 2


async def test_the_second_course_format_is_judged_by_its_csv(servers: Servers, folder: Path, expected: Path) -> None:
    peer = await servers.start(Peer(answer=named))
    options = ("--num-request", "3", "--url", peer.url, "--image-folder", folder, "--format", "inputFile")
    done = await load(*options, "--expect", expected)
    assert (done.code, done.err) == (0, "")
    assert "3 of 3" in done.out
    write_expectations(expected, test_00="Paul", test_01="Ringo", test_02="Paul")
    done = await load(*options, "--expect", expected)
    assert done.code == 1
    assert "2 of 3" in done.out
    assert "Paul (right: Ringo)" in done.out


async def test_without_a_folder_it_sends_the_bundled_photos_and_knows_their_labels(servers: Servers) -> None:
    peer = await servers.start(Peer(answer=lambda _, __: web.Response(text="koala")))
    done = await load("--num-request", "5", "--url", peer.url, "--format", "myfile", "--concurrency", "2")
    assert done.code == 1
    assert "right labels" in done.out
    assert peer.most_under_way <= 2
    assert all(received.data for received in peer.received)


async def test_reports_are_written(servers: Servers, folder: Path, tmp_path: Path) -> None:
    peer = await servers.start(Peer())
    report, picture = tmp_path / "report.json", tmp_path / "report.png"
    options = ("--num-request", "6", "--url", peer.url, "--image-folder", folder, "--rate", "200", "--seed", "5")
    done = await load(*options, "--json", report, "--png", picture)
    assert (done.code, done.err) == (0, "")
    document = json.loads(report.read_text())
    assert document["answered"] == 6
    assert document["workload"] == {
        "url": peer.url,
        "format": "myfile",
        "requests": 6,
        "images": 3,
        "arrivals": "poisson",
        "concurrency": None,
        "rate_per_second": 200.0,
        "seed": 5,
        "timeout_seconds": None,
        "retries": 0,
    }
    assert picture.read_bytes().startswith(b"\x89PNG")


async def test_failures_are_explained_and_the_exit_code_is_1(servers: Servers, folder: Path) -> None:
    peer = await servers.start(Peer(answer=lambda _, __: web.Response(status=503, text="The queue is full.")))
    done = await load("--num-request", "3", "--url", peer.url, "--image-folder", folder)
    assert (done.code, done.err) == (1, "")
    assert "3 × http-503, the first test_00.jpg: The queue is full." in done.out
    assert "\x1b" not in done.out  # no terminal, so no colour and no progress bar


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--num-request", "0"], "--num-request must be at least 1"),
        (["--concurrency", "0"], "--concurrency must be at least 1"),
        (["--rate", "0"], "--rate must be above 0"),
        (["--rate", "nan"], "--rate must be above 0"),
        (["--rate", "5", "--concurrency", "5"], "cannot be bounded by --concurrency"),
        (["--timeout", "0"], "--timeout must be above 0"),
        (["--retries", "-1"], "--retries must not be negative"),
        (["--url", "nowhere:8000"], "the URL must be like http://host:port/"),
        (["--image-folder", "no-such-folder"], "the image folder no-such-folder does not exist"),
        (["--expect", "no-such.csv"], "cannot read the expectations no-such.csv"),
        (["--json", "no-such-folder/report.json"], "its folder does not exist"),
    ],
)
async def test_bad_usage_is_one_line_and_exit_code_2(arguments: list[str], complaint: str) -> None:
    done = await load(*arguments)
    assert (done.code, done.out) == (2, "")
    assert len(done.err.splitlines()) == 1
    assert done.err.startswith("burstlens load: ")
    assert complaint in done.err


async def test_an_image_without_expectation_is_bad_usage(folder: Path, expected: Path) -> None:
    write_expectations(expected, test_00="Paul")
    done = await load("--image-folder", folder, "--expect", expected)
    assert done.code == 2
    assert "no expectation for 2 of 3 images, the first is 'test_01'" in done.err


async def test_without_matplotlib_a_picture_is_refused_before_anything_is_sent(folder: Path, tmp_path: Path) -> None:
    hidden = "import sys; sys.modules['matplotlib'] = None\n"
    done = await load("--image-folder", folder, "--png", tmp_path / "report.png", prelude=hidden)
    assert (done.code, done.out) == (2, "")
    assert done.err == "burstlens load: a PNG report needs matplotlib: pip install 'burstlens[simulate]'\n"


async def test_ctrl_c_reports_what_came_so_far(servers: Servers, folder: Path, tmp_path: Path) -> None:
    peer = Peer()

    async def hold_after_five(request: web.Request) -> web.Response:
        if len(peer.received) >= 5:
            peer.gate = peer.gate or asyncio.Event()
        return await peer.handle(request)

    await servers.start(peer, web.post("/", hold_after_five))
    report = tmp_path / "report.json"
    options = (
        "--url",
        peer.url,
        "--image-folder",
        folder,
        "--format",
        "myfile",
        "--concurrency",
        "2",
        "--json",
        report,
    )
    process = await start("--num-request", "50", *options)
    await peer.until_held(2)
    process.send_signal(signal.SIGINT)
    done = await finish(process)
    assert done.code == 130
    assert done.err == ""
    document = json.loads(report.read_text())
    assert document["answered"] == len(peer.received) - 2 > 0
    assert document["unanswered"] == 50 - document["answered"]
    assert f"{document['answered']} of 50" in done.out
    await peer.until_under_way(0)


async def test_ctrl_c_is_heard_while_the_server_is_still_asked_for_its_format(servers: Servers, folder: Path) -> None:
    asked = asyncio.Event()

    async def never(request: web.Request) -> web.Response:
        asked.set()
        await asyncio.sleep(60)
        return web.Response()

    peer = await servers.start(Peer(), web.get("/v1/recognitions", never))
    process = await start("--num-request", "3", "--url", peer.url, "--image-folder", folder)
    await asked.wait()
    process.send_signal(signal.SIGINT)
    done = await finish(process)
    assert (done.code, done.err) == (130, "")
    assert "0 of 3" in done.out


async def test_help_holds_an_example() -> None:
    done = await load("--help")
    assert done.code == 0
    assert "burstlens load --num-request 100 --url" in done.out
    assert "--num_request" in done.out
