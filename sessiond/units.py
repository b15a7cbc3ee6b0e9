"""Types that carry a unit or a meaning where a bare number or string would not."""

from typing import NewType

HostName = NewType("HostName", str)
"""A host's label, unique within a session: ``^[a-z0-9][a-z0-9-]{0,31}$``."""

HostId = NewType("HostId", str)
"""An identity: the first 32 hexadecimal digits of its public key's SHA-256."""

Certificate = NewType("Certificate", str)
"""One X.509 certificate as PEM text; nothing before or after it."""

TokenId = NewType("TokenId", str)
JoinMark = NewType("JoinMark", str)
"""The public half of an invitation: ``^[hov][0-9a-f]{24}$``."""

SessionName = NewType("SessionName", str)
"""``^[a-z0-9][a-z0-9-]{0,47}$``."""

MountPath = NewType("MountPath", str)
"""An Icecast mount point with its slash, such as ``/dj1.ogg``."""

ProcName = NewType("ProcName", str)
"""The name of a process that we own, such as ``link-bob`` or ``source-dj1.ogg``."""

PortName = NewType("PortName", str)
"""A full JACK port name, ``client:port``."""

Address = NewType("Address", str)
"""``HOST:PORT``; an IPv6 host stands in brackets."""

UdpPort = NewType("UdpPort", int)

Seconds = NewType("Seconds", float)
"""A duration, or an instant on this host's monotonic clock; never wall-clock time."""

Hertz = NewType("Hertz", int)
Frames = NewType("Frames", int)
Kbps = NewType("Kbps", int)
Decibels = NewType("Decibels", float)
"""Relative to full scale for levels, a factor for gains; −inf is silence."""

Term = NewType("Term", int)
