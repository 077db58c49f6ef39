"""How the command ends as a process: closed pipes, full disks, Ctrl-C, standard input."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from sge.cli import inputs as inputs_module
from sge.cli.inputs import find
from sge.errors import BrokenImageError, ImageError
from tests.conftest import ROOT
from tests.drawn_images import encoded, noise

COMMAND = """
import sys, time
import sge.__main__ as main
from sge.cli.lazy_commands import LazyCommand
sys.modules["work"] = sys.modules["__main__"]
def lines():
    from sge.cli.console import emit, say
    say("begun")
    for number in range(1000):
        emit(f"line {number}")
def wait():
    import signal
    from sge.cli.console import say
    # A shell that starts the tests in the background lets its children ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    say("begun")
    time.sleep(60)
def gone():
    open("/nowhere/at/all")
def table():
    from rich.text import Text
    from sge.cli.console import emit
    for number in range(1000):
        emit(Text(f"line {number}"))
def echo():
    import typer
    for number in range(1000):
        typer.echo(f"line {number}")
def odd():
    from sge.cli.console import emit, say
    for print_ in (emit, say):
        print_("a\\udcff\\x1b[31m \\u72ac [bold]:cat:[/bold]")
names = ("lines", "table", "echo", "wait", "gone", "odd")
main._Commands.table = tuple(LazyCommand(name, "work", name, "A test.") for name in names)
main.main()
"""


def start(command: str, **options):
    arguments = [sys.executable, "-c", COMMAND, command]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(arguments, cwd=ROOT, text=True, encoding="utf-8", **pipes | options)


@pytest.mark.parametrize("command", ["lines", "table", "echo"])
def test_a_closed_pipe_ends_in_silence(command):
    process = start(command)
    assert process.stdout.readline() == "line 0\n"
    process.stdout.close()
    assert process.stderr.read() == ("begun\n" if command == "lines" else "")
    assert process.wait(60) == 0


def test_closed_messages_do_not_end_the_results():
    process = start("lines")
    process.stderr.close()
    assert len(process.stdout.read().splitlines()) == 1000
    assert process.wait(60) == 0


def test_a_full_disk_is_told():
    with open("/dev/full", "w") as full:
        process = start("lines", stdout=full)
        _, messages = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "error: The results cannot be written to standard output: No space left on device." in messages
    assert "Traceback" not in messages


def test_ctrl_c():
    process = start("wait")
    assert process.stderr.readline() == "begun\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == 130
    assert messages.startswith("Stopped by Ctrl-C.")
    assert "Traceback" not in messages


def test_an_error_of_the_system_is_a_sentence():
    process = start("gone")
    _, messages = process.communicate(timeout=60)
    assert process.returncode == 1
    assert messages.startswith("error: /nowhere/at/all: No such file or directory. Check the path")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_names_cannot_write_to_the_terminal(encoding):
    process = start("odd", env={"PYTHONIOENCODING": encoding, "PATH": "/usr/bin"})
    shown = "a\\udcff\\x1b[31m 犬 [bold]:cat:[/bold]\n"
    expected = shown if encoding == "utf-8" else shown.replace("犬", "\\u72ac")
    assert process.communicate(timeout=60) == (expected, expected)
    assert process.returncode == 0


class Stdin(SimpleNamespace):
    def isatty(self) -> bool:
        return self.terminal


@pytest.fixture
def stdin(monkeypatch):
    def put(data: bytes, terminal: bool = False):
        monkeypatch.setattr(sys, "stdin", Stdin(buffer=io.BytesIO(data), terminal=terminal))
        (image,) = find(["-", "-"])
        return image

    return put


def test_standard_input_is_an_image(stdin):
    image = stdin(encoded(noise(40, 30))).decode()
    assert (image.name, image.width, image.height) == ("stdin", 40, 30)


def test_standard_input_that_is_none(stdin, monkeypatch):
    with pytest.raises(BrokenImageError, match="empty"):
        stdin(b"").decode()
    with pytest.raises(ImageError, match="Standard input is a terminal"):
        stdin(b"", terminal=True).decode()
    monkeypatch.setattr(inputs_module, "MAX_STREAM", 100)
    with pytest.raises(ImageError, match="which is no image"):
        stdin(bytes(101)).decode()


def test_named_pipes_are_read_and_devices_are_not(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_bytes, args=(encoded(noise(40, 30)),), daemon=True).start()
    (image, device) = find([str(pipe), "/dev/zero"])
    assert image.decode().width == 40
    with pytest.raises(ImageError, match="device or socket"):
        device.decode()
