"""The house's commands without the product: data folders, the demo's clock, private servers, children."""

import fcntl
import io
import json
import os
import random
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from yejibao import devserv, house
from yejibao.core.management.commands import run_product
from yejibao.core.supervisor import Supervisor

CHECKOUT = Path(__file__).resolve().parent.parent
ZERO = timedelta(0)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=house.SHANGHAI)


# ---------------------------------------------------------------- the demo's clock


@pytest.mark.parametrize(
    ("real", "offset", "demo"),
    [
        ("2026-11-21 09:40", ZERO, "2026-11-21 09:40"),  # daytime: nothing changes
        ("2026-11-21 20:29", ZERO, "2026-11-21 20:29"),
        ("2026-11-21 20:30", ZERO, "2026-11-22 10:10"),  # evening: the next morning
        ("2026-11-21 23:59", ZERO, "2026-11-22 10:10"),
        ("2026-11-21 03:00", ZERO, "2026-11-21 10:10"),  # before dawn: the morning that comes
        ("2026-11-21 09:39", ZERO, "2026-11-21 10:10"),
        ("2026-11-22 15:00", timedelta(hours=3), "2026-11-22 18:00"),  # an earlier jump is kept
        ("2026-11-22 15:00", timedelta(hours=12), "2026-11-23 10:10"),
        ("2026-12-31 22:00", ZERO, "2027-01-01 10:10"),
    ],
)
def test_it_is_always_daytime_in_the_demo(real: str, offset: timedelta, demo: str) -> None:
    new = house.demo_offset(at(real), offset)
    assert at(real) + new == at(demo)
    assert new >= offset


def test_the_demo_clock_never_goes_back() -> None:
    offset, before = ZERO, at("2026-11-21 00:00")
    for hours in range(0, 24 * 14, 5):
        real = at("2026-11-21 00:00") + timedelta(hours=hours)
        offset = house.demo_offset(real, offset)
        assert real + offset >= before
        before = real + offset


# ---------------------------------------------------------------- the data folder


@pytest.mark.parametrize(
    ("given", "rest", "data"),
    [
        (["migrate"], ["migrate"], ".data"),
        (["--data", "/x/y", "migrate", "tasks"], ["migrate", "tasks"], "/x/y"),
        (["--data=/x/y", "import_orders", "--data", "file"], ["import_orders", "--data", "file"], "/x/y"),
        (["run_product", "--port", "8010", "--data", "/x/y"], ["run_product", "--port", "8010"], "/x/y"),
        (["import_orders", "--data", "file"], ["import_orders", "--data", "file"], ".data"),
    ],
)
def test_data_is_an_option_of_the_house(
    given: list[str], rest: list[str], data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("YEJIBAO_DATA", raising=False)
    assert house._take_data(["manage.py", *given]) == (["manage.py", *rest], CHECKOUT / data)


def test_secrets_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    first, again = house._secrets(tmp_path), house._secrets(tmp_path)
    assert first == again
    assert set(first) == {"YEJIBAO_SECRET_KEY", "YEJIBAO_DATA_KEYS", "YEJIBAO_INDEX_KEY"}
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600


def start_product(data: Path, *options: str, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_URL", "REDIS_URL"))}
    return subprocess.run(
        [sys.executable, "manage.py", "run_product", "--data", str(data), *options],
        cwd=CHECKOUT, env=clean | env, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port in use whose lower neighbour is free and stays so: both lie below those that others are given by chance."""
    for port in random.sample(range(15_000, 30_000), 200):
        with socket.socket() as s, socket.socket() as neighbour:
            try:
                s.bind(("127.0.0.1", port))
                neighbour.bind(("127.0.0.1", port - 1))
            except OSError:
                continue
            neighbour.close()
            s.listen()
            yield port
            return


def test_a_taken_port_is_said_in_one_sentence(tmp_path: Path, taken_port: int) -> None:
    done = start_product(tmp_path, "--port", str(taken_port))
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"× 端口 {taken_port} 已被占用，请换一个：bin/run --port {taken_port + 10}。(port in use)"
    ]


def test_the_sandbox_port_is_checked_too(tmp_path: Path, taken_port: int) -> None:
    done = start_product(tmp_path, "--port", str(taken_port - 1))
    assert f"× 端口 {taken_port} 已被占用" in done.stderr


def test_a_port_that_does_not_exist(tmp_path: Path) -> None:
    assert "没有端口 70000" in start_product(tmp_path, "--port", "70000").stderr


def test_a_data_folder_in_use_is_said_with_its_address(tmp_path: Path) -> None:
    house.write_notes(tmp_path, {"PUBLIC_BASE_URL": "http://127.0.0.1:8123"})
    with open(tmp_path / "run.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = start_product(tmp_path)
    assert done.stderr.splitlines() == [
        f"× 数据目录 {tmp_path} 正被 http://127.0.0.1:8123 使用；请先停止它，或换一个 --data。"
    ]


def test_a_full_disk_is_said_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 5 * 2**20))  # type: ignore[attr-defined]
    with pytest.raises(SystemExit), house.opened(["manage.py", "run_product", "--data", str(tmp_path)]):
        pass
    assert "磁盘空间不足" in capsys.readouterr().err


def test_who_waits_for_a_slow_start_is_told_so_and_at_the_end_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run_product, "PATIENCE_SECONDS", 0.8)
    monkeypatch.setattr(run_product, "SAID_EVERY_SECONDS", 0.3)
    said = io.StringIO()
    command = run_product.Command(stdout=said)
    supervisor = Supervisor(tmp_path, cwd=CHECKOUT, say=command.say)
    with socket.socket() as s:  # bound and not listening: nobody answers there
        s.bind(("127.0.0.1", 0))
        with pytest.raises(SystemExit):
            command._wait_for(supervisor, "web", f"http://127.0.0.1:{s.getsockname()[1]}/readyz")
    assert "web 还在启动，已等" in said.getvalue()
    end = capsys.readouterr().err
    assert "urlopen" not in end and "没有应答" in end
    assert f"先看日志 {tmp_path / 'web.log'}" in end and "再运行一次 bin/run" in end


# ---------------------------------------------------------------- private servers


HOLD = """
import sys
from pathlib import Path
from yejibao.devserv import Servers
with Servers(Path(sys.argv[1])).lease():
    print("up", flush=True)
    sys.stdin.readline()
"""


def hold(folder: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", HOLD, str(folder)]
    return subprocess.Popen(command, cwd=CHECKOUT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def is_up(servers: devserv.Servers) -> bool:
    import psycopg

    try:
        psycopg.connect(servers.database_url, connect_timeout=3).close()
    except psycopg.OperationalError:
        return False
    return servers._valkey("PING") == b"+PONG"


@pytest.fixture
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[devserv.Servers]:
    # Short and enterable: as root the server runs as 'nobody'.
    made = devserv.Servers(Path(f"/var/tmp/yejibao-t-{os.getpid()}"))
    yield made
    with made._lock():
        made._stop()
    shutil.rmtree(made.home)


@pytest.mark.slow
def test_the_last_one_out_stops_the_servers(servers: devserv.Servers, wait_until: Callable[..., None]) -> None:
    holders = [hold(servers.home) for _ in range(3)]  # all at once: one makes the cluster, three get it
    assert [holder.stdout.readline() for holder in holders if holder.stdout] == ["up\n"] * 3
    assert is_up(servers)
    holders[0].kill()  # gives its lease back by dying
    holders[0].wait()
    holders[1].communicate("\n", timeout=30)
    assert is_up(servers)
    holders[2].communicate("\n", timeout=30)
    assert not is_up(servers)


@pytest.mark.slow
def test_rows_stay_and_a_killed_server_comes_back(servers: devserv.Servers) -> None:
    import psycopg

    with servers.lease():
        with psycopg.connect(servers.database_url) as connection:
            connection.execute("create table kept as select '导购' as word")
            trigrams = "select count(*) from unnest(show_trgm('导购业绩'))"
            connection.execute("create extension pg_trgm")
            assert connection.execute(trigrams).fetchone() == (5,)  # 0 in a cluster of locale C
        postmaster = int((servers._cluster() / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, 9)
        with servers.lease(), psycopg.connect(servers.database_url) as connection:
            assert connection.execute("select word from kept").fetchone() == ("导购",)


# ---------------------------------------------------------------- children


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, said: list[str]) -> Iterator[Supervisor]:
    made = Supervisor(tmp_path / "logs", cwd=CHECKOUT, say=said.append)
    yield made
    made.stop(patience=1)


def test_a_child_that_dies_starts_again_and_says_why_after_three(
    supervisor: Supervisor, said: list[str], wait_until: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor.start("web", ["/bin/sh", "-c", "echo nothing works; exit 7"])
    for deaths in (1, 2, 3):
        wait_until(lambda: not supervisor.children["web"].is_alive)
        supervisor.watch()
        assert supervisor.children["web"].deaths == deaths
        supervisor.children["web"].start_again_at = 0.0  # the pause (1, 2, 4 seconds) is over
        supervisor.watch()
    assert said[:2] == ["! web 意外退出（7），1 秒后重新启动", "! web 意外退出（7），2 秒后重新启动"]
    assert said[-1].splitlines()[-1] == "nothing works"


def test_stop_ends_children_that_do_not_want_to(supervisor: Supervisor, wait_until: Callable[..., None]) -> None:
    supervisor.start("willing", ["sleep", "60"])
    supervisor.start("deaf", ["/bin/sh", "-c", "trap '' TERM; echo deaf; sleep 60 & wait; sleep 60"])
    wait_until(lambda: "deaf" in supervisor.tail_of("deaf"))
    started = time.monotonic()
    supervisor.stop(patience=0.5)
    assert time.monotonic() - started < 5
    assert [child.is_alive for child in supervisor.children.values()] == [False, False]


@pytest.mark.skipif(sys.platform != "linux", reason="needs the kernel's parent-death signal")
def test_children_end_when_the_supervisor_is_killed(tmp_path: Path, wait_until: Callable[..., None]) -> None:
    program = (
        "import sys, time; from pathlib import Path; from yejibao.core.supervisor import Supervisor;"
        "s = Supervisor(Path(sys.argv[1]), cwd=Path('.'), say=print); s.start('a', ['sleep', '60']);"
        "print(s.children['a'].process.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    wait_until(lambda: not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text())


def test_notes_are_what_manage_starts_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_BASE_URL", "http://kept.example")
    monkeypatch.delenv("WECOM_API_BASE", raising=False)
    house.write_notes(
        tmp_path, {"PUBLIC_BASE_URL": "http://127.0.0.1:1", "WECOM_API_BASE": "http://127.0.0.1:2/cgi-bin/"}
    )
    house._remember(tmp_path)
    assert os.environ["PUBLIC_BASE_URL"] == "http://kept.example"
    assert os.environ.pop("WECOM_API_BASE") == "http://127.0.0.1:2/cgi-bin/"
    assert json.loads((tmp_path / "house.json").read_text())["PUBLIC_BASE_URL"] == "http://127.0.0.1:1"


def test_every_template_compiles() -> None:
    from django.core.management import call_command

    call_command("check_templates", stdout=open(os.devnull, "w"))


def test_a_command_takes_an_installations_settings_as_they_stand_there(tmp_path: Path) -> None:
    """`bin/manage --env FILE`: the file systemd reads, without its comments; a shell would have expanded these values."""
    (tmp_path / "env").write_text("# 必填\nYEJIBAO_THROWAWAY=1\n\nBRAND_NAME=衡 $HOME & 裁;\nMETRICS_TOKEN=a=b")
    told = subprocess.run(
        ["sh", "bin/manage", "--env", str(tmp_path / "env"), "diffsettings"],
        cwd=CHECKOUT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "BRAND_NAME = '衡 $HOME & 裁;'" in told
    assert "METRICS_TOKEN = 'a=b'" in told
    refused = subprocess.run(["sh", "bin/manage", "--env", "/nowhere", "help"], cwd=CHECKOUT, capture_output=True)
    assert refused.returncode == 1
