# SPDX-License-Identifier: BSD-2-Clause
"""Machines with several processors: those that come up run, and guests run on them."""

import os
import socket
import time

import conf
import tour

GUEST = conf.domain("a", "exit", memory="8M", more=("vcpus = all",))


def test_boots_on_one_to_eight(system):
    "all processors of the machine run, and a guest may have as many"
    for cpus in (1, 2, 4, 8):
        with system.boot_demo(GUEST, root="poweroff=a", cpus=cpus, timeout=60) as machine:
            end = machine.wait()
        system.check(f"hyp: cpus: {cpus} run, 0 left out\n" in machine.text, f"{cpus} processors run")
        system.check((f"] {cpus} CPUs\n" in machine.text) == (cpus > 1), f"the guest has {cpus}")
        system.check(end.orderly and end.reason == 0, f"{cpus}: a good end, not {end}")


class Debugger:
    """QEMU's own, which can let some processors go on and others not; gdb cannot say so."""

    def __init__(self, machine, path):
        self.machine = machine
        self.socket = socket.socket(socket.AF_UNIX)
        while True:  # it is there soon after QEMU is
            try:
                self.socket.connect(path)
                return
            except (FileNotFoundError, ConnectionRefusedError):
                if machine.remaining() < 0:
                    raise
                time.sleep(0.05)

    def send(self, data):
        self.socket.sendall(b"+" + data)

    def say(self, text):
        self.send(f"${text}#{sum(text.encode()) & 0xff:02x}".encode())

    def hear(self, what):
        """Waits for an answer that begins so; whether there may be one is the protocol's business."""
        heard = b""
        while b"$" + what not in heard:
            self.socket.settimeout(max(1.0, self.machine.remaining()))
            heard += self.socket.recv(4096)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def test_one_that_does_not_come_up(system):
    "a processor that does not come up is reported and left out, and stays so when it comes late"
    path = system.path("gdb.sock")
    start = tour.symbols(os.path.join(system.build, "hyp.elf"))["smp_start"]
    with system.boot_demo(GUEST, cpus=3, talk=True, timeout=60,
                          extra=["-S", "-gdb", f"unix:{path},server=on,wait=off"]) as machine, \
            Debugger(machine, path) as debugger:
        debugger.say(f"Z1,{start:x},1")  # the firmware has to find all of them
        debugger.hear(b"OK")
        debugger.say("vCont;c")
        debugger.hear(b"T")
        debugger.say(f"z1,{start:x},1")
        debugger.hear(b"OK")
        debugger.say("vCont;c:1;c:3")
        machine.expect(r"^hyp: cpu with APIC number 1 did not come up: left out$")
        machine.expect(r"^hyp: cpus: 2 run, 1 left out$")
        machine.expect(r"\] 2 CPUs$")
        machine.expect(r"root: a ended well$")
        debugger.send(b"\x03")
        debugger.hear(b"T")
        debugger.say("vCont;c")  # the one that was left out has its messages now
        machine.send("destroy a\rcreate a\r")
        machine.expect(r"\] 2 CPUs$")
        machine.expect(r"root: a ended well$")
        machine.send("quit\r")
        end = machine.wait()
    system.check(end.orderly and end.reason == 0, f"a good end, not {end}")
