"""What a host does: the daemon that turns plans into processes and wires."""
