"""A lab of computers inside one: each host has its own network and JACK.

A `Lab` is a switch and some hosts. A host is three kernel namespaces (network,
mounts with a private ``/dev/shm``, host name) kept alive by one holder process,
and whatever programs are started in them. Nothing here knows what a session is, and
nothing here imports the agent: the lab only starts programs.

Nothing of a lab is visible on the machine's own network, so labs never clash.
"""

from sessiond.cli.lab.hosts import LabHost
from sessiond.cli.lab.lab import Lab, leaks
from sessiond.cli.lab.programs import Program
from sessiond.cli.lab.waiting import until

__all__ = ["Lab", "LabHost", "Program", "leaks", "until"]
