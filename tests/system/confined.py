"""Run a command under the filter of system calls that a unit of systemd asks for.

Usage: python confined.py NUMBER[,NUMBER...] COMMAND...

The numbers are the calls that are let through. As RestrictAddressFamilies= and
MemoryDenyWriteExecute= of the units have it, sockets are of three families and no memory is both
written and executed. For x86_64. Source: seccomp(2), and systemd's src/shared/seccomp-util.c.
"""

import ctypes
import os
import socket
import struct
import sys
from errno import EAFNOSUPPORT, EPERM

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
AUDIT_ARCH_X86_64 = 0xC000003E
NR, ARCH, ARGUMENTS = 0, 4, 16  # in struct seccomp_data
MMAP, MPROTECT, SOCKET = 9, 10, 41
PROT_WRITE, PROT_EXEC = 2, 4
KILL, ERRNO, ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
LOAD, AND, EQUAL, ANY_BIT, RETURN = 0x20, 0x54, 0x15, 0x45, 0x06


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


def _argument(index: int) -> bytes:
    return _step(LOAD, ARGUMENTS + 8 * index)


def _only_for(call: int, steps: list[bytes]) -> list[bytes]:
    """Steps for one call; the next ones find its number loaded."""
    steps = [*steps, _step(LOAD, NR)]
    return [_step(EQUAL, call, 0, len(steps)), *steps]


def program(allowed: list[int]) -> bytes:
    writable_code = PROT_WRITE | PROT_EXEC
    families = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)
    steps = [
        _step(LOAD, ARCH),
        _step(EQUAL, AUDIT_ARCH_X86_64, 1, 0),
        _step(RETURN, KILL),
        _step(LOAD, NR),
        *_only_for(
            MMAP,
            [
                _argument(2),
                _step(AND, writable_code),
                _step(EQUAL, writable_code, 0, 1),
                _step(RETURN, ERRNO | EPERM),
            ],
        ),
        *_only_for(
            MPROTECT,
            [_argument(2), _step(ANY_BIT, PROT_EXEC, 0, 1), _step(RETURN, ERRNO | EPERM)],
        ),
        *_only_for(
            SOCKET,
            [
                _argument(0),
                *(_step(EQUAL, family, 3 - index) for index, family in enumerate(families)),
                _step(RETURN, ERRNO | EAFNOSUPPORT),
            ],
        ),
    ]
    for call in allowed:
        steps += [_step(EQUAL, call, 0, 1), _step(RETURN, ALLOW)]
    return b"".join([*steps, _step(RETURN, ERRNO | EPERM)])


def confine(allowed: list[int]) -> None:
    code = program(allowed)
    buffer = ctypes.create_string_buffer(code, len(code))
    libc = ctypes.CDLL(None, use_errno=True)
    filter_of = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter_of
    ):
        raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    confine([int(number) for number in sys.argv[1].split(",")])
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 (the command is the caller's)
