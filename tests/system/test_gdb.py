# SPDX-License-Identifier: BSD-2-Clause
"""The debugger's commands, against what root's prompt says of the same machine."""

import os
import re
import subprocess

import conf

SCRIPT = "tests/harness/gdb/paravane.py"
PROMPT = r"paravane> "
COMMANDS = ("pv domains", "pv vcpus", "pv bt", "pv bt 2", "pv regs 2", "pv calls 2", "pv trace 250", "pv grants",
            "pv events", "pv space 2 0", "pv walk 2 0 &role_counter", "pv walk 2 0 0", "pv walk 9 0 0",
            "pv frame", "pv bt 2", "pv bt")


def ask(system, machine, socket):
    """Stops the machine where root asks for a domain's info; what each command says."""
    line = ["gdb", "-nx", "-batch", os.path.join(system.build, "hyp.elf"), "-x", SCRIPT,
            "-ex", f"target remote {socket}", "-ex", "hbreak hc_domain_info", "-ex", "echo ATTACHED\\n",
            "-ex", "continue"]
    for n, command in enumerate(COMMANDS):
        line += ["-ex", f"echo \\n=={n}==\\n", "-ex", command]
    line += ["-ex", "echo \\n==end==\\n", "-ex", "delete"]
    gdb = subprocess.Popen(line, cwd=system.top, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True)
    try:
        text = ""
        while "ATTACHED" not in text:
            piece = gdb.stdout.readline()
            system.check(piece, f"gdb ended before it was attached: {text}")
            text += piece
        machine.send("info b\r")
        text += gdb.communicate(timeout=machine.remaining())[0]
    finally:
        gdb.kill()
        gdb.wait()
    system.check("==end==" in text, f"gdb did not come to its end: {text}")
    system.write("gdb.txt", text)
    parts = re.split(r"^==(?:\d+|end)==\n", text, flags=re.M)
    system.check("Python Exception" not in text, f"an error in the script: {text}")
    return parts[1:-1]


def test_commands(system):
    "each command of the debugger says what the prompt says, and what is so"
    socket = system.path("gdb.sock")
    text = conf.domain("a", "idle", memory="8M") + conf.COUNTER
    with system.boot_demo(text, talk=True, cpus=1, timeout=58.0,
                          extra=["-gdb", f"unix:{socket},server=on,wait=off"]) as machine:
        machine.expect(PROMPT)
        machine.expect(r"\[b\] counter: ")
        machine.send("strace b 3\r")
        for _ in range(3):
            machine.expect(r" b (counters|event_send)\(")
        machine.send("pause b\r")
        machine.expect(r"b: paused")
        said = ask(system, machine, socket)
        found = machine.expect(r"memory (\d+) of (\d+) KiB(?s:.*?)hypercalls (\d+),")
        used, quota, hypercalls = map(int, found.groups())
        machine.send("quit\r")
        end = machine.wait()
    (doms, vcpus, here, back, regs, calls, trace, grants, events, space, walk, hole, nobody, usage, again,
     still) = said
    system.check(f"domain 2: paused, parent 0, vCPUs 1, frames {used // 4} of {quota // 4}, RAM pages 2048" in doms,
                 f"{used} KiB of {quota}: {doms}")
    system.check(len(doms.strip().splitlines()) == 3, f"three domains: {doms}")
    system.check(re.search(rf"^domain 2 vCPU 0: paused, .*hypercalls {hypercalls}$", vcpus, re.M),
                 f"{hypercalls} hypercalls: {vcpus}")
    system.check(re.search(r"^domain 0 vCPU 0: loaded, space 0, kernel mode", vcpus, re.M), f"root runs: {vcpus}")
    system.check(re.search(r"-- hyp --\n#0 +hc_domain_info \(.*\n#1 .*syscall_entry", here), f"in hyp: {here}")
    system.check(re.search(r"-- domain 0 --\n(.*\n)*.* prompt_run \((.*\n)*.* kernel_main ", here), f"and root: {here}")
    last = re.findall(r"^#\d+ .*", here, re.M)[-1]
    system.check(re.search(r" (_start|context_start) \(", last), f"a backtrace ends where its thread began: {here}")
    system.check(re.search(r"-- domain 2 --\n(.*\n)*.* role_counter \((.*\n)*.* kernel_main ", back), f"b: {back}")
    system.check(again == back and still == here, "the second look shows the same")
    system.check(re.search(r"^domain 2 vCPU 0, kernel mode, .*\n(.*\n)* +rip is <", regs), f"registers: {regs}")
    # Three were asked for; another may be made before the recording ends.
    system.check(len(re.findall(r"^\d tsc \d+ \w+\(.*\) = 0 <", calls, re.M)) >= 3, f"the three calls: {calls}")
    system.check("#DE" not in regs, f"nobody divided by zero: {regs}")
    for word in (r"switch\(to=2, vcpu=0\)", r"timer\(deadline=\d+\.\d{9}, waiting=\d\)", r"irq\(vector=\d+\)"):
        system.check(re.search(rf"^\d+ tsc \d+ cpu 0 \S+ {word}$", trace, re.M), f"{word} in the trace: {trace}")
    system.check(re.search(r"^domain 2 grant 0x\w+: gfn 0x\w+ \+\d+ rw- to domain 0, window 0x\w+ of domain 0$",
                           grants, re.M), f"a grant to root: {grants}")
    system.check(re.search(r"^domain 2 port 1: peer, domain 0 port \d+", events, re.M) and
                 re.search(r"^domain 0 port \d+: peer, domain 2 port 1\b", events, re.M), f"both ends: {events}")
    frame = re.search(r"RAM, frame (0x\w+): ram, domain 2, maps 1 grants 0", walk)
    system.check(len(re.findall(r"^ +L[4321]\[\d+\] in frame ", walk, re.M)) == 4 and frame, f"four levels: {walk}")
    address = int(re.search(r"^ +(0x\w+): RAM", walk, re.M)[1], 16)
    runs = [(int(a, 16), int(n), int(f, 16)) for a, n, f in
            re.findall(r"^ +(0x\w+) (\d+) pages frame (0x\w+) -ux RAM", space, re.M)]
    system.check(any(a <= address < a + n * 4096 and f + (address - a) // 4096 == int(frame[1], 16)
                     for a, n, f in runs), f"{address:#x} is in executable RAM of the list: {space}")
    system.check(re.fullmatch(r" +L4\[0\] in frame 0x\w+: 0x0{16} not present\n+", hole), f"a hole: {hole}")
    system.check("no domain 9" in nobody and "pv frame MFN" in usage, f"what is not there: {nobody} {usage}")
    system.check(end.orderly and end.reason == 0, f"a good end, not {end}")
