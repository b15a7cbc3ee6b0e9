"""What each host would do for a spec, before anything runs.

The planner is the real one; only its view is made up: every host is there, with the
default agent file, and the best rank leads.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sessiond.core.election import Leadership, Role, Why
from sessiond.core.plan import HostPlan, plan_host
from sessiond.core.spec import SessionSpec
from sessiond.core.stamped import Member, Stamp, StampedSpec, Station
from sessiond.core.topology import hubs, pairs, settle_links
from sessiond.core.view import HostSetup, SessionView
from sessiond.units import HostName, Term

# Where the embedded Icecast answers when nothing else is said, its own default.
STATION_PORT: Final = 8000


def rehearse(spec: SessionSpec) -> Mapping[HostName, HostPlan]:
    """Return the plan of every host, in the session's order.

    Embedded Icecast is planned on the first host, as if that one created the session;
    a host without an address of its own stands by its name.
    """
    ranked = (*spec.preference, *spec.host_names)
    leader = ranked[0]
    others = [name for name in spec.preference if name != leader]
    standby = others[0] if others else None
    doc = _document(spec, leader, standby)
    return MappingProxyType(
        {
            name: plan_host(
                SessionView(
                    setup=HostSetup(name=name),
                    stamped=doc,
                    leadership=_leadership(doc, name, leader, standby),
                )
            )
            for name in spec.host_names
        }
    )


def _document(
    spec: SessionSpec, leader: HostName, standby: HostName | None
) -> StampedSpec:
    members = tuple(Member(name=h.name, address=h.address) for h in spec.hosts)
    wanted = pairs(spec, hubs(spec, leader, standby))
    return StampedSpec(
        stamp=Stamp(Term(1), 1),
        spec=spec,
        members=members,
        links=settle_links(wanted, members, (), {}),
        station=_station(spec),
    )


def _station(spec: SessionSpec) -> Station:
    if spec.icecast is not None:
        server = spec.icecast
        return Station(address=server.host, port=server.port, tls=server.tls)
    first = spec.host_names[0]
    return Station(address=first, port=STATION_PORT, host=first)


def _leadership(
    doc: StampedSpec, me: HostName, leader: HostName, standby: HostName | None
) -> Leadership:
    leads = me == leader
    return Leadership(
        term=doc.stamp.term,
        stamped=doc,
        leader=leader,
        role=Role.LEADER,
        broadcaster=leader,
        standby=standby,
        my_role=Role.LEADER if leads else None,
        right=leads and bool(doc.spec.mounts),
        grant=1,
        why=Why.LEADS if leads else Why.FOLLOWS,
        heard_leader_ago=None,
        heard_member=True,
        liveness={},
        watch=False,
        fence=None,
        unmerged=False,
    )
