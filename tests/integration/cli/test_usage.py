"""What every command owes its user: help with an example, and each foreseen error as one line."""

import importlib
import socket

import pytest
import typer

from burstlens import __version__
from burstlens.cli import COMMANDS
from support.commands import Done, Home

pytestmark = pytest.mark.anyio


def complaint(done: Done) -> str:
    """The one line on standard error."""
    assert done.code not in {0, None}
    (line,) = done.err.splitlines()
    assert line.startswith("burstlens: ")
    return line


async def test_version(home: Home) -> None:
    assert await home.run("--version") == Done(0, f"burstlens {__version__}\n", "")


async def test_help_lists_every_command_and_so_does_no_argument_at_all(home: Home) -> None:
    helped, bare = await home.run("--help"), await home.run()

    assert (helped.code, helped.err) == (bare.code, bare.err) == (0, "")
    assert helped.out == bare.out
    for command in COMMANDS:
        assert f" {command} " in helped.out


def single_commands() -> list[str]:
    """Every command, with those of a group one by one."""
    names: list[str] = []
    for name in COMMANDS:
        variable = name.replace("-", "_")
        command = getattr(importlib.import_module(f"burstlens.cli.{variable}"), variable)
        names += members(name, command) if isinstance(command, typer.Typer) else [name]
    return names


def members(name: str, group: typer.Typer) -> list[str]:
    """The commands of a group, and of the groups in it."""
    own = [member.name or getattr(member.callback, "__name__", "") for member in group.registered_commands]
    names = [f"{name} {member}" for member in own]
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        names += members(f"{name} {inner.name}", inner.typer_instance)
    return names


def test_commands_of_groups_in_groups_are_looked_at_too() -> None:
    assert {"deploy aws plan", "deploy aws down", "image bake", "web"} <= set(single_commands())


@pytest.mark.parametrize("command", single_commands())
async def test_the_help_of_every_command_holds_an_example(home: Home, command: str) -> None:
    done = await home.run(*command.split(), "--help")

    assert (done.code, done.err) == (0, "")
    assert f"Example: burstlens {command} " in done.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("nope", "No such command 'nope'"),
        ("--nope", "No such option: --nope"),
        ("classify", "Missing argument"),
        ("classify photo.jpg --top-k none", "Invalid value for '--top-k'"),
        ("classify photo.jpg --top-k 0", "Invalid value for '--top-k'"),
        ("web --prot 80", "No such option: --prot"),
        ("web --port 99999", "Invalid value for '--port'"),
        ("web --config nowhere.toml", "nowhere.toml: there is no such file"),
        ("worker --processes 0", "Invalid value for '--processes'"),
        ("autoscale --max-instances -1", "Invalid value for '--max-instances'"),
        ("load --num-request many", "Invalid value for '--num-request'"),
    ],
)
async def test_bad_usage_is_one_line(home: Home, arguments: str, says: str) -> None:
    assert says in complaint(await home.run(*arguments.split()))


@pytest.mark.parametrize(
    ("command", "toml", "says"),
    [
        ("web", "[web]\nprot = 1", "burstlens.toml: web.prot: there is no such setting; did you mean port?"),
        ("web", "[web]\nhost = '203.0.113.1'", "cannot listen on 203.0.113.1"),
        ("worker --processes 1", "[model]\nname = 'lite9'", "there is no model 'lite9'; the models are: lite0"),
        ("autoscale", "[scaling]\npolicy = 'magic'", "there is no policy 'magic'"),
        ("autoscale --max-instances 0", "[scaling]\nmin_instances = 1", "min_instances (1) is more than max_instances"),
        ("up", "[queue]\nurl = 'carrier-pigeon:x'", "queue.url: 'carrier-pigeon:x' is no known kind of queue"),
        ("up", "data = '/dev/null/data'", "cannot open the bucket"),
    ],
)
async def test_a_setting_that_cannot_work_is_one_line(home: Home, command: str, toml: str, says: str) -> None:
    (home.folder / "burstlens.toml").write_text(toml)
    assert says in complaint(await home.run(*command.split()))


async def test_a_folder_that_cannot_be_used_is_one_line(home: Home) -> None:
    home.data.mkdir()
    (home.data / "fleet").touch()
    assert "fleet" in complaint(await home.run("autoscale"))


@pytest.mark.parametrize("command", ["web", "up"])
async def test_a_port_in_use_is_one_line_and_leaves_nothing_running(home: Home, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in complaint(
            await home.run(command, "--port", port)
        )
    assert home.processes() == set()


async def test_r2_a_second_up_is_refused_and_a_second_autoscaler_waits_as_standby(home: Home) -> None:
    first = await home.start("up", "--port", "0")
    await first.url()

    assert f"process {first.process.pid} holds" in complaint(await home.run("up", "--port", "0"))
    second = await home.start("autoscale")
    await second.logged("standby: another autoscaler runs this fleet")
    assert first.process.returncode is None
