"""Addresses as registered, resolved to one target a replica."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

from quorate.errors import InvalidInput


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT` or `[IPV6]:PORT`."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise InvalidInput(f"address {address!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


def literal_target(address: str) -> str | None:
    """Return gRPC's target for an address that needs no resolving (an IP, a Unix socket), else None."""
    if address.startswith("unix:"):
        return address
    host, port = split_address(address)
    try:
        return _target(ipaddress.ip_address(host), port)
    except ValueError:
        return None


async def resolve(address: str) -> tuple[str, ...]:
    """Return a target for each machine that the address's name stands for, sorted.

    IPv4 alone where a name has both, since the two are the same machine. OSError where the name is not known.
    """
    if literal := literal_target(address):
        return (literal,)
    host, port = split_address(address)
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    machines = {ipaddress.ip_address(str(entry[4][0])) for entry in found}
    preferred = {machine for machine in machines if machine.version == 4} or machines
    return tuple(sorted(_target(machine, port) for machine in preferred))


def _target(ip: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> str:
    return f"ipv4:{ip}:{port}" if ip.version == 4 else f"ipv6:[{ip}]:{port}"
