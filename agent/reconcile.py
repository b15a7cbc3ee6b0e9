"""The turn: gather, plan, changes, perform, judge, publish.

One turn at a time; whatever takes long is a state of a lifecycle, never an await in
here. A failed effect is seen by the next turn; nothing is remembered of it otherwise.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from signal import SIGHUP
from typing import Final, assert_never

import structlog

from agent.bell import TurnBell
from agent.doors import Jack, Procs
from agent.host import Host
from agent.link_watch import LinkWatch
from agent.mixdown.messages import order_request
from agent.observe import Observer
from agent.records import save_records
from agent.source.steer import send_order
from agent.steering import ask
from sessiond.core.changes import (
    Connect,
    Disconnect,
    Effect,
    OrderMix,
    OrderSource,
    changes,
)
from sessiond.core.encodercare import cared_for, unheard
from sessiond.core.judge import Circumstances, judge
from sessiond.core.lifecycle import forgiven
from sessiond.core.plan import on_air, plan_host
from sessiond.core.proc import ProcPlan, Program
from sessiond.core.procsight import Forget, Signal, Spawn, SpawnFailed
from sessiond.core.procstates import Lifecycle, named
from sessiond.core.sourcing import SourceOrder
from sessiond.core.stamped import Stamp
from sessiond.core.view import SessionView
from sessiond.core.wires import MIXDOWN
from sessiond.errors import Broken, SessiondError, Unavailable
from sessiond.units import HostName, ProcName, Seconds

# A JACK call or an answer of a child that takes longer is a fault, and the next turn's.
EFFECT_LIMIT: Final = Seconds(2.0)

_log = structlog.get_logger()


class Reconciler:
    """Keeps this host as its plan says.

    Args:
        host: The state that turns read and write.
        namesakes: Returns members' names that several agents carry.
        shut_out_by: Returns the members that let this host in no more.
        prepare_station: Writes the embedded Icecast's configuration, and says
            whether it changed.
        remove_station: Deletes it; there may be none.
        publish: Called after each turn.
        sources_changed: Called when a source came, went, or was told its mount.
    """

    def __init__(
        self,
        *,
        host: Host,
        observer: Observer,
        procs: Procs,
        jack: Jack,
        bell: TurnBell,
        namesakes: Callable[[], Mapping[HostName, tuple[str, ...]]],
        shut_out_by: Callable[[], tuple[HostName, ...]],
        prepare_station: Callable[[], bool],
        remove_station: Callable[[], None],
        publish: Callable[[], None],
        sources_changed: Callable[[], None],
    ) -> None:
        self._host = host
        self._observer = observer
        self._procs = procs
        self._jack = jack
        self._bell = bell
        self._namesakes = namesakes
        self._shut_out_by = shut_out_by
        self._prepare_station = prepare_station
        self._remove_station = remove_station
        self._publish = publish
        self._sources_changed = sources_changed
        self._sources: frozenset[ProcName] = frozenset()
        self._passwords: dict[ProcName, str] = {}
        self._links = LinkWatch(host)
        self._forgiven_at: tuple[Stamp | None, Seconds | None] = (None, None)

    async def run(self) -> None:
        """Take turns for ever."""
        while True:
            pause = await self.turn()
            await self._bell.wait(pause)

    async def turn(self) -> Seconds:
        """Take one turn and return how long the next one may wait."""
        host = self._host
        self._forget_old_passwords()
        host.observed = await self._observer.gather()
        now = host.clock.now()
        self._note_jack(now)
        self._links.look(now)
        view = host.view()
        self._forgive(view)
        view = self._care_for_encoders(view, now)
        host.plan = plan_host(view)
        decision = changes(
            host.plan, host.observed, host.lifecycles, host.setup.audio, now
        )
        self._log_states(decision.lifecycles)
        host.lifecycles = decision.lifecycles
        self._forget_strangers()
        # First, so that the filler finds what it reads.
        self._reload_station()
        for effect in decision.effects:
            await self._perform_within(effect)
            # Starts in a row take a tenth of a second; the election waits for none.
            await asyncio.sleep(0)
        host.turns += 1
        self._tell_of_sources(decision.effects)
        host.settled = not decision.effects
        if decision.effects:
            _log.info("turn.changed", did=[_told(e) for e in decision.effects])
        host.conditions = judge(
            view, host.plan, host.observed, host.lifecycles, self._around(now), now
        )
        if any(isinstance(e, Spawn | Forget) for e in decision.effects):
            save_records(host, self._procs)
        self._publish()
        return Seconds(decision.wake_at - host.clock.now())

    def _tell_of_sources(self, effects: Sequence[Effect]) -> None:
        """Have the leases looked at when a source came, went, or knows its mount."""
        before, self._sources = self._sources, self._host.sources_running()
        ordered = any(isinstance(effect, OrderSource) for effect in effects)
        if ordered or self._sources != before:
            self._sources_changed()

    def _forget_strangers(self) -> None:
        """Drop what is known of processes that nobody wants any more.

        A link's log is told of for as long as the link is planned, dead or alive.
        """
        host = self._host
        wanted = {plan.name for plan in host.plan.procs} | host.lifecycles.keys()
        self._observer.keep_only(wanted)
        for known in (host.restarts, self._passwords):
            for stranger in known.keys() - wanted:
                del known[stranger]

    def _forgive(self, view: SessionView) -> None:
        """Let what gave up begin anew when its cause may have gone.

        That is when somebody changed the session, and when JACK is back.
        """
        at = (view.stamped.stamp if view.stamped else None, self._host.jack_since)
        if at != self._forgiven_at:
            self._forgiven_at = at
            self._host.lifecycles = forgiven(self._host.lifecycles)

    def _care_for_encoders(self, view: SessionView, now: Seconds) -> SessionView:
        """Return the view with encoders to be started anew that nobody hears."""
        host, doc = self._host, view.running
        fed = doc.spec.mounts if doc and on_air(view) else ()
        before = host.encoder_care
        host.encoder_care = cared_for(
            before, [m.path for m in fed], unheard(view), host.observed.mix, now
        )
        if host.encoder_care.generations == before.generations:
            return view
        _log.warning("encoder.unheard", again=dict(host.encoder_care.generations))
        return replace(view, encoders=host.encoder_care.generations)

    def _forget_old_passwords(self) -> None:
        """Have a source ordered anew whose password was changed since its order."""
        for name, order in list(self._observer.ordered.items()):
            told = self._passwords.get(name)
            if told is not None and self._password(order) not in (None, told):
                del self._observer.ordered[name]

    def _password(self, order: SourceOrder) -> str | None:
        return self._host.password(order.path, order.address, order.port, tls=order.tls)

    async def _perform_within(self, effect: Effect) -> None:
        try:
            async with asyncio.timeout(EFFECT_LIMIT):
                await self._perform(effect)
        except TimeoutError:
            _log.warning("effect.late", effect=type(effect).__name__)
        except SessiondError as e:
            # A port that appears can be wired only once its client is active: the
            # next turn tries again.
            tell = _log.debug if isinstance(effect, Connect) else _log.warning
            tell("effect.failed", effect=type(effect).__name__, why=e.sentence)

    async def _perform(self, effect: Effect) -> None:
        match effect:
            case Spawn(plan=plan):
                await self._spawn(plan)
            case Signal(name=name, number=number):
                self._procs.signal(name, number)
            case Forget(name=name):
                self._procs.forget(name)
                self._observer.forget(name)
            case Connect(wire=wire):
                await self._jack.connect(wire)
            case Disconnect(wire=wire):
                await self._jack.disconnect(wire)
            case OrderMix(order=order):
                socket = self._socket(ProcName(MIXDOWN))
                await ask(socket, order_request(order), within=EFFECT_LIMIT)
            case OrderSource(name=name, order=order):
                await self._order_source(name, order)
            case _:
                assert_never(effect)

    async def _order_source(self, name: ProcName, order: SourceOrder) -> None:
        password = self._password(order)
        if password is None:
            raise Unavailable(f"No password for {order.address} is known here.")
        await send_order(self._socket(name), order, password)
        self._passwords[name] = password
        self._observer.ordered[name] = order

    async def _spawn(self, plan: ProcPlan) -> None:
        host = self._host
        self._observer.failed.pop(plan.name, None)
        if plan.program is Program.ICECAST:
            self._prepare_station()
        if plan.name in host.restarts:
            host.restarts[plan.name] += 1
        else:
            host.restarts[plan.name] = 0
        try:
            await self._procs.spawn(plan)
        except SessiondError as e:
            self._observer.failed[plan.name] = SpawnFailed(
                complaint=e.sentence, permanent=isinstance(e, Broken)
            )
            raise

    def _reload_station(self) -> None:
        """Have a running Icecast read its configuration again when it changed."""
        plan = self._host.plan
        if plan.station is None and ProcName("icecast") not in self._host.lifecycles:
            self._remove_station()
        if plan.station is None or ProcName("icecast") not in self._host.observed.procs:
            return
        try:
            if self._prepare_station():
                self._procs.signal(ProcName("icecast"), SIGHUP)
        except SessiondError as e:
            # A full disk, say: Icecast goes on with what it has read.
            _log.warning("station.stale", why=e.sentence)

    def _around(self, now: Seconds) -> Circumstances:
        since = self._host.jack_since
        return Circumstances(
            running_for=Seconds(0 if since is None else now - since),
            store_error=self._host.store_error,
            namesakes=self._namesakes(),
            shut_out_by=self._shut_out_by(),
            clock_reason=self._host.clock_verdict.reason,
            codecs_missing=self._host.codecs_missing,
            titles=self._host.titles,
        )

    def _note_jack(self, now: Seconds) -> None:
        if self._host.observed.graph is None:
            self._host.jack_since = None
        elif self._host.jack_since is None:
            self._host.jack_since = now

    def _log_states(self, after: Mapping[ProcName, Lifecycle]) -> None:
        before = self._host.lifecycles
        for name, state in after.items():
            old = before.get(name)
            if old is None or type(old) is not type(state):
                _log.info(
                    "proc.state",
                    proc=name,
                    was=named(old).value if old else "none",
                    to=named(state).value,
                )

    def _socket(self, name: ProcName) -> Path:
        return Path(self._host.setup.run_folder) / f"{name}.sock"


def _told(effect: Effect) -> str:
    """Return an effect as a word or two of the turn's one log line."""
    kind = type(effect).__name__
    match effect:
        case Spawn(plan=plan):
            return f"{kind} {plan.name}"
        case Signal(name=name, number=number):
            return f"{kind} {name} {number}"
        case Forget(name=name) | OrderSource(name=name):
            return f"{kind} {name}"
        case Connect(wire=wire) | Disconnect(wire=wire):
            return f"{kind} {wire.source} {wire.destination}"
        case OrderMix():
            return kind
        case _:
            assert_never(effect)
