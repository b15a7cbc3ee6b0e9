import pytest

from sessiond.core.roles import ALLOWED, Role, may_call

AGENT = "/sessiond.v1.AgentService/"
PEER = "/sessiond.v1.PeerService/"


@pytest.mark.parametrize(
    ("role", "may"),
    [
        (
            Role.LOCAL,
            (
                "Hosts Create Apply GetSpec Status Watch SetGain SetTitle SetMute "
                "Leave Resume Handover Stop Doctor Invite Remove Join"
            ),
        ),
        (
            Role.OPERATOR,
            (
                "Hosts Apply GetSpec Status Watch SetGain SetTitle SetMute Handover "
                "Stop Doctor Invite Remove"
            ),
        ),
        (Role.VIEWER, "GetSpec Status Watch"),
        (Role.ACQUAINTANCE, "Create"),
        (Role.HOST, "Apply SetGain SetTitle Handover Stop Invite Remove"),
        (None, ""),
    ],
)
def test_what_each_may_ask_of_an_agent(role: Role | None, may: str) -> None:
    asked = {path.removeprefix(AGENT) for path in ALLOWED if path.startswith(AGENT)}
    assert {name for name in asked if may_call(AGENT + name, role)} == set(may.split())


@pytest.mark.parametrize("role", [*Role, None])
def test_only_a_member_speaks_as_a_peer_and_its_studio_asks_it(
    role: Role | None,
) -> None:
    may = {
        Role.HOST: "Hello Tell Consider GiveSecrets Report SetMute Admit",
        Role.ACQUAINTANCE: "Hello Tell Consider",
    }
    peers = {path.removeprefix(PEER) for path in ALLOWED if path.startswith(PEER)}
    allowed = {name for name in peers if may_call(PEER + name, role)}
    assert allowed == set((may.get(role, "") if role else "").split())


@pytest.mark.parametrize("role", [*Role, None])
def test_whoever_belongs_may_ask_for_the_health(role: Role | None) -> None:
    assert may_call("/grpc.health.v1.Health/Check", role) == (role is not None)


@pytest.mark.parametrize("role", [*Role, None])
@pytest.mark.parametrize(
    "path",
    [
        "",
        "Status",
        AGENT,
        AGENT + "status",
        AGENT + "Status/",
        "/sessiond.v1.NoService/Status",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ],
)
def test_what_is_in_no_table_is_nobodys(path: str, role: Role | None) -> None:
    assert not may_call(path, role)
