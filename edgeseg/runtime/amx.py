"""Keeps XNNPACK off AMX, the matrix unit of some server processors, for small networks.

XNNPACK takes AMX for int8 convolutions wherever Linux grants it. Its tiles are 64
output channels wide, and a mobile network has 8 to 96: most of each tile is
thrown away. Measured on such a processor, one thread, the bundled int8 network
takes 1.4 times as long with AMX as with AVX-512 VNNI, longer than in float.

XNNPACK has no switch for it. It asks the kernel for permission once, when its first
network is opened, and goes without where the answer is no; and the kernel says no
while a thread has an alternate signal stack too small to save AMX's registers on
(https://docs.kernel.org/arch/x86/xstate.html). Such a stack is lent to the calling
thread for that moment. The process may ask again later, so that nothing is taken
from other libraries, and where it holds the permission already nothing happens.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import sys
from collections.abc import Iterator

# Set to "1" to let XNNPACK use AMX: for wide networks it pays.
VARIABLE = "EDGESEG_AMX"
# Enough for AVX-512's registers (3.6 KB), too little for AMX's 8 KB on top.
STACK_BYTES = 8192


class _Stack(ctypes.Structure):
    """`stack_t` of Linux's <signal.h>."""

    _fields_ = (("sp", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@contextlib.contextmanager
def without_amx() -> Iterator[None]:
    """While inside, this process is not granted AMX. Does nothing off x86-64 Linux."""
    if not _wanted():
        yield
        return
    libc = ctypes.CDLL(None)
    memory = ctypes.create_string_buffer(STACK_BYTES)
    small = _Stack(ctypes.cast(memory, ctypes.c_void_p), 0, STACK_BYTES)
    before = _Stack()
    if libc.sigaltstack(ctypes.byref(small), ctypes.byref(before)):
        # AMX is granted already (or a handler runs on the stack): nothing to be done.
        yield
        return
    try:
        yield
    finally:
        libc.sigaltstack(ctypes.byref(before), None)


def _wanted() -> bool:
    return (
        sys.platform == "linux"
        and platform.machine() == "x86_64"
        and os.environ.get(VARIABLE, "") != "1"
    )
