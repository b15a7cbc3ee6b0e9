"""A jam of real agents in a lab: hosts, a station with Icecast and a time server.

The station is a host of its own without an agent: somebody's Icecast. Each musician
plays a sine of its own, so that the ear knows who is heard where.
"""

import json
import re
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from sessiond.cli.lab import Lab, LabHost, Program, agentfile
from sessiond.cli.lab.agentfile import Tables
from sessiond.core.icecast_config import StationSettings, icecast_xml
from sessiond.core.specfile import parse_spec
from sessiond.core.stamped import Secrets
from sessiond.units import Frames, Hertz, Seconds
from tests.support.ear import Heard, decode, listen, tones
from tests.support.eventually import eventually, steadily
from tests.support.jackhost import start_phones

STATION: Final = "station"
ICECAST_PORT: Final = 8000
SESSION: Final = "jam"

MONITORED: Final[Mapping[str, str]] = {"listen": "127.0.0.1:7780"}
"""The ``[health]`` table of hosts whose page `Jam.page` reads."""


SESSIOND: Final = str(Path(sys.executable).parent / "sessiond")

SOURCE_PASSWORD: Final = "s0urce \"&<'#@^%"
ADMIN_PASSWORD: Final = "4dmin"

SINES: Final[Mapping[str, int]] = {
    "alice": 440,
    "bob": 550,
    "carol": 660,
    "dave": 770,
    "erin": 880,
    "frank": 990,
}
"""What each host plays, Hz; no two of them, and no overtones, coincide."""

# Long enough for a machine with two cores that is busy with other tests.
_AGENT_WITHIN: Final = 20.0

# Icecast 2.4.4 that is connected to earlier crashes in one of ten starts (SIGSEGV).
_ICECAST_READY: Final = "get_ssl_certificate"

# Ports, JACK's graph and children's answers are looked at at least once a second.
_SETTLED_FOR: Final = 1.5
_SETTLED_WITHIN: Final = 20.0

_COMMAND_WITHIN: Final = Seconds(60.0)

# What every test's session has unless it says otherwise.
PERIOD: Final = Frames(512)
RATE: Final = Hertz(48000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a command wrote and how it ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:  # noqa: ANN401  JSON has no narrower type
        return json.loads(self.out)


@dataclass(slots=True, kw_only=True)
class Jam:
    """The lab with its station running, and what tests do in it.

    Attributes:
        tables: What every agent.toml has on top of the lab's own file.
        envs: What a host's agent has in its environment, by host.
        studio: All agents know the lab's studio; else they are strangers to each
            other, have no peers and no multicast, and only a link brings them together.
    """

    lab: Lab
    musicians: tuple[str, ...]
    agents: dict[str, Program] = field(default_factory=dict)
    tables: Tables = field(default_factory=dict)
    envs: dict[str, Mapping[str, str]] = field(default_factory=dict)
    studio: bool = True

    @property
    def station(self) -> LabHost:
        return self.lab.host(STATION)

    # --- hosts ------------------------------------------------------------------

    def start_audio(self, name: str, period: Frames = PERIOD) -> None:
        """Start a host's JACK server, its musician and its headphones."""
        host = self.lab.host(name)
        host.start_jackd(RATE, period)
        host.start_player("--sine", str(SINES[name]))
        start_phones(host)

    def start_agent(self, name: str, overrides: Tables | None = None) -> None:
        """Start a host's agent; does not wait for it."""
        alone: Tables = {"": {"peers": [], "mdns": False, "join_token_file": ""}}
        met: Tables = {"": {"peers": self._peers_of(name)}}
        known: Tables = {
            **(met if self.studio else alone),
            "clock": {"servers": [self.station.address]},
        }
        wanted = {**self.tables, **(overrides or {})}
        host = self.lab.host(name)
        self.agents[name] = host.start_agent(
            agentfile.merged(known, wanted), self.envs.get(name)
        )

    def page(self, name: str, path: str, port: int = 0) -> tuple[str, str]:
        """Return what a host answers there: status line, payload.

        Args:
            name: Who is asked, on its own loopback.
            path: What for.
            port: By default that of the page for monitoring, `MONITORED`.
        """
        host = self.lab.host(name)
        port = port or int(MONITORED["listen"].rpartition(":")[2])
        with host.connect("127.0.0.1", port) as line, line.makefile("rwb") as stream:
            stream.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            stream.flush()
            head, _, payload = stream.read().partition(b"\r\n\r\n")
        return head.split(b"\r\n")[0].decode(), payload.decode()

    def _peers_of(self, name: str) -> list[str]:
        others = (host for host in self.lab.hosts if host.name not in {name, STATION})
        return [f"{host.address}:7700" for host in others]

    def await_agents(self, names: Iterable[str]) -> None:
        """Return once each of these agents answers a command."""
        for name in names:
            eventually(partial(self._answers, name), within=_AGENT_WITHIN)

    def _answers(self, name: str) -> bool:
        agent = self.agents[name]
        assert agent.exit_code is None, f"{name}'s agent ended: {agent.text[-2000:]}"
        return self.lab.host(name).agent_socket.is_socket() and (
            self.operate(name, "hosts").code == 0
        )

    def start_all(self) -> None:
        """Start everything on every musician's host; agents answer on return."""
        for name in self.musicians:
            self.start_agent(name)
        with ThreadPoolExecutor() as starts:
            list(starts.map(self.start_audio, self.musicians))
        self.await_agents(self.musicians)

    # --- the operator -----------------------------------------------------------

    def operate(self, name: str, *arguments: str) -> Said:
        """Run ``sessiond`` against a host's agent, from outside."""
        where = f"unix:{self.lab.host(name).agent_socket}"
        argv = (SESSIOND, "--agent", where)
        done = subprocess.run(
            (*argv, *arguments),
            capture_output=True,
            text=True,
            check=False,
            timeout=_COMMAND_WITHIN,
        )
        return Said(code=done.returncode, out=done.stdout, err=done.stderr)

    def personally(self, name: str, identity: Path, *arguments: str) -> Said:
        """Run ``sessiond`` on a host as somebody who is not the owner of its agent.

        Args:
            name: The host.
            identity: The person's folder.
            arguments: Of the command line.
        """
        argv = as_person(identity, *arguments)
        try:
            said = self.lab.host(name).run(argv, within=_COMMAND_WITHIN)
        except subprocess.CalledProcessError as e:
            return Said(code=e.returncode, out=e.stdout, err=e.stderr)
        return Said(code=0, out=said, err="")

    def status(self, name: str | None = None) -> dict[str, Any]:
        """Return ``status --json`` as one host sees it; the first by default."""
        said = self.operate(name or self.musicians[0], "status", "--json")
        assert said.code == 0, said.err
        document: dict[str, Any] = said.document
        return document

    def session_file(
        self,
        mounts: Mapping[str, Sequence[str]],
        extra: Mapping[str, str] | None = None,
    ) -> Path:
        """Write a session file and return where it is.

        Args:
            mounts: Path → the hosts heard on it.
            extra: Table header (``""`` for the top) → lines of TOML under it.
        """
        more = dict(extra or {})
        folder = self.lab.folder
        (folder / "source.password").write_text(SOURCE_PASSWORD + "\n")
        (folder / "admin.password").write_text(ADMIN_PASSWORD + "\n")
        lines = [
            f"name = {json.dumps(SESSION)}",
            f"hosts = {json.dumps(self.musicians)}",
            more.pop("", ""),
            "[icecast]",
            f"host = {json.dumps(self.station.address)}",
            f"port = {ICECAST_PORT}",
            'source_password_file = "source.password"',
            'admin_password_file = "admin.password"',
        ]
        for path, sources in mounts.items():
            lines += [
                "[[mount]]",
                f'path = "{path}"',
                f"sources = {json.dumps(sources)}",
            ]
        for header, text in more.items():
            lines += [f"[{header}]", text]
        file = folder / "session.toml"
        file.write_text("\n".join(lines) + "\n")
        return file

    # --- the station ------------------------------------------------------------

    def start_icecast(self, session_file: Path, port: int = ICECAST_PORT) -> Program:
        """Start Icecast as its owner would, with the file of ``icecast-config``."""
        spec = parse_spec(session_file.read_text()).spec
        secrets = Secrets(source=SOURCE_PASSWORD, admin=ADMIN_PASSWORD)
        settings = StationSettings(hostname=self.station.address, port=port)
        config = self.station.folder / "icecast.xml"
        config.write_text(icecast_xml(spec, secrets, settings))
        icecast = self.station.spawn(("icecast2", "-c", str(config)))
        eventually(lambda: _ICECAST_READY in icecast.text, within=5)
        eventually(lambda: self._icecast_answers(port), within=5)
        return icecast

    def _icecast_answers(self, port: int) -> bool:
        try:
            return self.feeding(port) == {}
        except (OSError, json.JSONDecodeError):  # its first pages are no JSON yet
            return False

    def feeding(self, port: int = ICECAST_PORT) -> dict[str, str]:
        """Return who feeds each mount, as its source told Icecast."""
        opened = self.station.connect(self.station.address, port)
        with opened, opened.makefile("rwb") as stream:
            stream.write(b"GET /status-json.xsl HTTP/1.0\r\n\r\n")
            stream.flush()
            page = stream.read().partition(b"\r\n\r\n")[2]
        found = json.loads(page)["icestats"].get("source", [])
        sources = found if isinstance(found, list) else [found]
        return {
            "/" + source["listenurl"].rpartition("/")[2]: _host_in(source)
            for source in sources
            # A mount without a source is listed while its fallback has one.
            if "stream_start_iso8601" in source
        }

    async def listen(self, path: str, seconds: float) -> Heard:
        """Listen to a mount from the station's own host."""
        return await listen(
            self.station.address,
            ICECAST_PORT,
            path,
            seconds=seconds,
            connect=self.station.connect,
        )

    async def sines_on(self, path: str, seconds: float = 2.5) -> frozenset[int]:
        """Return which sines a new listener of a mount hears at the end.

        What a mount hands out first is the past, so only the last second counts.
        """
        pcm = decode((await self.listen(path, seconds)).body)
        return tones(pcm.part(max(pcm.duration - 1.0, 0.0), pcm.duration))

    # --- the end state ----------------------------------------------------------

    def pids_of(self, name: str) -> dict[str, int]:
        """Return each running proc of a host with its pid, as its agent says."""
        hosts = self.status(name)["hosts"]
        (own,) = (host for host in hosts if host["name"] == name)
        return {p["name"]: p["pid"] for p in own["procs"] if p["state"] == "running"}

    def settles(self) -> None:
        """Fail unless every agent's turns come to have nothing left to do."""
        eventually(self._is_settled, within=_SETTLED_WITHIN)

    def _is_settled(self) -> bool:
        before = self._changes()
        steadily(lambda: self._changes() == before, during=_SETTLED_FOR)
        return True

    def _changes(self) -> dict[str, list[str]]:
        """Return each agent's turns that changed something, as its log has them."""
        logs = {name: agent.text.splitlines() for name, agent in self.agents.items()}
        return {
            name: [line for line in log if "turn.changed" in line]
            for name, log in logs.items()
        }

    def ours_on(self, name: str) -> frozenset[str]:
        """Return the programs on a host that a session started."""
        started = ("jacktrip", "ffmpeg", "agent.mixdown", "agent.source")
        lines = (command_line(pid) for pid in self.lab.host(name).processes())
        return frozenset(word for line in lines for word in started if word in line)


def _host_in(source: Mapping[str, str]) -> str:
    """Return the host in the label of a source: ``[session=… host=bob role=…]``."""
    label = re.search(r" host=(\S+) ", source.get("server_description", ""))
    return label[1] if label else ""


def command_line(pid: int) -> str:
    """Return a process's arguments; empty once it is gone."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return raw.replace(b"\0", b" ").decode(errors="replace")


def as_person(identity: Path, *arguments: str) -> tuple[str, ...]:
    """Return a command of somebody who has an identity of their own, and no agent."""
    return ("env", f"SESSIOND_IDENTITY={identity}", SESSIOND, *arguments)


def expected(names: Iterable[str]) -> frozenset[int]:
    """Return the sines of these hosts."""
    return frozenset(SINES[name] for name in names)


@contextmanager
def jamming(
    folder: Path, *musicians: str, studio: bool = True, far: Collection[str] = ()
) -> Iterator[Jam]:
    """Open a lab for these musicians with a time server; agents are not started.

    Args:
        folder: Where everything is kept.
        musicians: Their hosts' names.
        studio: As in `Jam`.
        far: Who of them is in a second network, behind a router.
    """
    hosts = (*musicians, STATION)
    with Lab("test-jam", hosts=hosts, far=far, folder=folder) as lab:
        lab.host(STATION).start_chronyd()
        yield Jam(lab=lab, musicians=musicians, studio=studio)
