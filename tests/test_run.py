"""The runner behind `make run`, as a real process."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest

from tools import supervisor
from tools.environment import PORTS, write_environment
from tools.processes import LOOPBACK, free_ports, port_is_free, redis_answers, wait_until
from tools.stack import STOP_S, Stack, run_command, running_stack, stack_environment
from tools.supervisor import ROOT

pytestmark = pytest.mark.services

SLEEPER = "import time; time.sleep(1000)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(1000)"


@pytest.fixture
def procfile(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "Procfile"
        path.write_text(text)
        return path

    return write


@contextmanager
def listening(port: int) -> Iterator[None]:
    with socket.create_server((LOOPBACK, port)):
        yield


def run_to_the_end(var: Path, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        run_command(f"--var={var}"),
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=STOP_S,
        check=False,
    )


def pids(stack: Stack, words: str) -> set[int]:
    """Return the processes of the run with these words in their command line."""
    return {pid for pid, command in stack.processes().items() if words in command}


def the_pid(stack: Stack, words: str) -> int:
    wait_until(lambda: len(pids(stack, words)) == 1, f"there is one process of {words}")
    [pid] = pids(stack, words)
    return pid


def answers(url: str) -> bool:
    with build_opener(ProxyHandler({})).open(url, timeout=10) as response:
        return bool(response.status == 200)


def test_a_free_port_is_given_out_once_and_no_connection_can_take_it() -> None:
    ports = [*free_ports(3), *free_ports(3)]
    assert all(port_is_free(port) and port < 32_768 for port in ports)
    assert len(set(ports)) == 6


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing could listen there")
def test_a_given_port_stays_ours_while_nothing_listens_on_it() -> None:
    [port] = free_ports(1)
    for _ in range(2):
        with listening(port):
            pass
        with socket.socket() as other, pytest.raises(OSError, match="already in use"):
            other.bind((LOOPBACK, port))


@pytest.mark.parametrize("variable", PORTS)
def test_a_taken_port_is_named_with_what_to_do_and_nothing_starts(
    variable: str, tmp_path: Path
) -> None:
    environment = stack_environment()
    port = int(environment[variable])
    with listening(port):
        ended = run_to_the_end(tmp_path, environment)
    assert ended.returncode == 1
    assert ended.stdout == ""
    [sentence] = ended.stderr.splitlines()
    assert f"port {port} ({variable.removeprefix('PORT_').lower()}) is in use" in sentence
    [another] = re.findall(rf"`make run {variable}=(\d+)`", sentence)
    assert port_is_free(int(another))


def test_all_taken_ports_are_named_at_once(tmp_path: Path) -> None:
    environment = stack_environment()
    web, redis = int(environment["PORT_WEB"]), int(environment["PORT_REDIS"])
    with listening(web), listening(redis):
        ended = run_to_the_end(tmp_path, environment)
    assert f"ports {web} (web) and {redis} (redis) are in use" in ended.stderr


def test_a_port_that_is_not_a_number_is_refused(tmp_path: Path) -> None:
    ended = run_to_the_end(tmp_path, stack_environment(PORT_WEB="http"))
    assert ended.returncode == 1
    assert "PORT_WEB is 'http'" in ended.stderr


def test_one_port_for_two_processes_is_refused(tmp_path: Path) -> None:
    ended = run_to_the_end(tmp_path, stack_environment(PORT_WEB="18123", PORT_FLOWER="18123"))
    assert ended.returncode == 1
    assert "PORT_FLOWER is 18123, which another port has already" in ended.stderr


@pytest.mark.parametrize("where", ["the environment", "the file"])
def test_a_machine_set_up_for_staging_is_not_given_the_demo(where: str, tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("ENVIRONMENT=staging\n" if where == "the file" else "")
    variables = {} if where == "the file" else {"ENVIRONMENT": "staging"}
    environment = stack_environment(ENV_FILE=str(file), **variables)
    if where == "the file":
        del environment["ENVIRONMENT"]
    ended = run_to_the_end(tmp_path, environment)
    assert ended.returncode == 1
    assert "ENVIRONMENT is staging" in ended.stderr
    assert not (tmp_path / "db.sqlite3").exists()


def test_a_second_run_in_one_folder_is_refused(
    tmp_path: Path, procfile: Callable[[str], Path]
) -> None:
    path = procfile(f'sleeper: python -c "{SLEEPER}"\n')
    with running_stack(tmp_path / "var", f"--procfile={path}"):
        ended = run_to_the_end(tmp_path / "var", stack_environment())
        assert ended.returncode == 1
        assert "another `make run` uses" in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_every_process_and_their_children(
    number: signal.Signals, tmp_path: Path, procfile: Callable[[str], Path]
) -> None:
    path = procfile(f'parent: sh -c "sleep 1001 & sleep 1001"\nsleeper: python -c "{SLEEPER}"\n')
    with running_stack(tmp_path / "var", f"--procfile={path}") as stack:
        wait_until(
            lambda: list(stack.processes().values()).count("sleep 1001") == 2,
            "the parent started its children",
        )
        the_pid(stack, SLEEPER)
        stack.process.send_signal(number)
        assert stack.process.wait(STOP_S) == 0
        assert stack.processes() == {}


def test_a_second_interrupt_kills_what_does_not_end(
    tmp_path: Path, procfile: Callable[[str], Path]
) -> None:
    path = procfile(f'deaf: python -c "{DEAF}"\n')
    with running_stack(tmp_path / "var", f"--procfile={path}") as stack:
        the_pid(stack, DEAF)
        stack.process.send_signal(signal.SIGINT)
        wait_until(lambda: "Stopping" in stack.output, "the run is stopping")
        stack.process.send_signal(signal.SIGINT)
        # Sooner than without the second signal.
        assert stack.process.wait(supervisor.STOP_S - 5) == 0
        assert stack.processes() == {}


def test_the_processes_end_with_a_runner_that_is_killed(
    tmp_path: Path, procfile: Callable[[str], Path]
) -> None:
    path = procfile(f'sleeper: python -c "{SLEEPER}"\n')
    with running_stack(tmp_path / "var", f"--procfile={path}") as stack:
        the_pid(stack, SLEEPER)
        stack.process.kill()
        stack.process.wait()
        wait_until(lambda: not stack.processes(), "no process is left")


def test_a_killed_process_is_started_again(tmp_path: Path, procfile: Callable[[str], Path]) -> None:
    path = procfile(f'sleeper: python -c "{SLEEPER}"\n')
    with running_stack(tmp_path / "var", f"--procfile={path}") as stack:
        first = the_pid(stack, SLEEPER)
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: pids(stack, SLEEPER) - {first}, "it was started again")
        assert "ended by SIGKILL; starting it again" in stack.output


def test_a_process_that_cannot_start_ends_the_run_and_shows_why(
    tmp_path: Path, procfile: Callable[[str], Path]
) -> None:
    path = procfile("broken: sh -c 'echo no such table; exit 3'\n")
    with running_stack(tmp_path / "var", f"--procfile={path}") as stack:
        assert stack.process.wait(STOP_S) == 1
        ended = stack.output.rpartition("make run: ")[2]
        assert "broken ended 5 times without ever being up" in ended
        assert "exit status 3" in ended
        assert "    no such table" in ended


def test_a_killed_redis_comes_back_and_a_stopped_one_stays_away(
    tmp_path: Path, procfile: Callable[[str], Path]
) -> None:
    path = procfile(f'sleeper: python -c "{SLEEPER}"\n')
    with running_stack(tmp_path / "var", f"--procfile={path}") as stack:
        port = int(stack.environment["PORT_REDIS"])
        first = the_pid(stack, "redis-server")
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: pids(stack, "redis-server") - {first}, "Redis was started again")
        wait_until(lambda: redis_answers(port), "Redis answers")

        stack.redis("stop")
        assert port_is_free(port)
        sleeper = the_pid(stack, SLEEPER)
        os.kill(sleeper, signal.SIGKILL)
        wait_until(lambda: pids(stack, SLEEPER) - {sleeper}, "the runner did its rounds")
        assert port_is_free(port)

        stack.redis("start")
        assert redis_answers(port)


def test_the_whole_stack_answers_and_outlives_its_worker(tmp_path: Path) -> None:
    with running_stack(tmp_path / "var with a space") as stack:
        flower = f"http://{LOOPBACK}:{stack.environment['PORT_FLOWER']}"
        for url in (f"{stack.url}/healthz", f"{stack.url}/sandbox/", f"{flower}/workers"):
            assert answers(url)
            assert url.rpartition("/")[0] in stack.output

        worker = min(pids(stack, "rs_systems worker"))
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: "worker  | ended by SIGKILL" in stack.output, "its end is noticed")
        # One process is the worker's own, the others are its pool.
        wait_until(lambda: len(pids(stack, "rs_systems worker")) > 1, "there is another worker")
        assert worker not in pids(stack, "rs_systems worker")


def test_a_run_writes_the_variables_that_a_command_beside_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = {"PORT_WEB": "8300", "EMAIL_TRANSPORT": "ses-api"}
    for name, value in shell.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "run.env"
    ours = shell | {"SITE_URL": "http://localhost:8300", "PATH": "x", "ENV_FILE": "y"}
    write_environment(path, ours)
    assert path.read_text() == "EMAIL_TRANSPORT=ses-api\nSITE_URL=http://localhost:8300\n"
