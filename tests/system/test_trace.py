# SPDX-License-Identifier: BSD-2-Clause
"""What happened, at root's prompt: trace and strace."""

import re

import conf

PROMPT = r"paravane> "
TIME = r"^ *\d+\.\d{6} "


def command(machine, line, *answers):
    machine.expect(PROMPT)
    machine.send(line + "\r")
    for answer in answers:
        machine.expect(answer)


def section(machine, line):
    """What a command prints: all up to what the prompt says about a word that is no command."""
    machine.marks = getattr(machine, "marks", 0) + 1
    start = machine.seen
    machine.send(f"{line}\rmark{machine.marks}\r")
    end = machine.expect(rf"^no command 'mark{machine.marks}'").start()
    return machine.text[start:end]


def entries(text):
    """The lines of a trace: who ran, event, words."""
    return re.findall(TIME + r"cpu \d+ (\S+) +(\w+)\((.*)\)$", text, re.M)


def test_trace(system):
    "trace shows the last events, of all or one domain, decoded; on and off choose which come"
    text = conf.domain("a", "idle", memory="8M") + conf.COUNTER
    with system.boot_demo(text, talk=True, cpus=1, timeout=40.0) as machine:
        machine.expect(r"\[b\] counter: \d+")
        lines = entries(section(machine, "trace 200"))
        system.check(30 < len(lines) <= 200, f"as many as there are, not {len(lines)}")
        system.check({"switch", "irq", "timer"} <= {event for _, event, _ in lines},
                     "switches, interrupts and timers")
        system.check(("to=b, vcpu=0" in {words for _, _, words in lines}), "a switch to b, by name")
        system.check(len(entries(section(machine, "trace 7"))) == 7, "seven lines")
        mine = entries(section(machine, "trace b 5"))
        system.check(len(mine) == 5 and all(who == "b" or "=b" in words for who, _, words in mine),
                     f"five entries that concern b, not {mine}")
        section(machine, "destroy a")
        system.check(("root", "end", "domain=1, state=dying, reason=0") in entries(section(machine, "trace 250")),
                     "the end of a domain that is no more, by its number")
        off = section(machine, "trace off all")
        system.check(re.search(r"^recorded:$", off, re.M), f"nothing is recorded: {off}")
        before = entries(section(machine, "trace 3"))
        system.check(entries(section(machine, "trace 3")) == before, "then nothing new comes")
        on = section(machine, "trace on create end")
        system.check("recorded: create end" in on, f"two are recorded: {on}")
        section(machine, "create a")
        section(machine, "pause a")
        last = entries(section(machine, "trace 1"))
        system.check(last == [("root", "create", "domain=a, result=0")], f"a was created: {last}")
        command(machine, "trace off sleep", r"no event 'sleep'")
        command(machine, "trace x", r"no domain 'x'")
        command(machine, "trace b x", r"trace: 'x' is no number")
        command(machine, "quit")
        end = machine.wait()
    system.check(end.orderly and end.reason == 0, f"a good end, not {end}")


def test_strace(system):
    "strace shows each hypercall of a domain, decoded, in order, and lets it go afterwards"
    image = system.random_image(1 << 20, seed=21)
    drives, _ = conf.drives(system, image)
    with system.boot_demo(conf.READER + conf.COUNTER + conf.domain("c", "idle", memory="8M"), talk=True, drives=drives, timeout=55.0) as machine:
        machine.expect(PROMPT)
        known = entries(section(machine, "trace 300"))
        system.check({event for _, event, _ in known} & {"port", "create", "switch"}, f"what root did: {known}")
        # It is told before it has begun: later there may not be as many left.
        text = section(machine, "destroy a\rcreate a\rstrace a 300")
        calls = re.findall(TIME + r"a (\w+)\((.*)\) = (\S+)$", text, re.M)
        system.check(len(calls) == 300, f"300 calls, not {len(calls)}: {text}")
        system.check({"event_send", "block"} & {name for name, _, _ in calls}, f"known calls: {calls[:9]}")
        machine.expect(r"\[a\] DISKBENCH ok")
        machine.expect(r"root: a ended well")
        command(machine, "strace a 5", r"^a: no more calls, it has ended \(shutdown\)")
        quiet = section(machine, "pause c\rstrace c 1")
        system.check("c: no call within 5 s" in quiet, f"a domain that waits: {quiet}")
        command(machine, "strace b", r"the calls of b; any key ends it", r"b counters\(dom=self, gpa=0x\w+\) = 0", r"b event_send\(port=\d+\) = 0")
        machine.send("x")
        command(machine, "list", r"2 +b +running")
        command(machine, "strace b x", r"strace: 'x' is no number")
        command(machine, "strace nobody", r"no domain 'nobody'")
        machine.expect(r"\[b\] counter: \d+")
        command(machine, "quit")
        end = machine.wait()
    system.check(conf.results(machine.text)["split"]["sha256"] == system.sha256(image), "right data")
    system.check(end.orderly and end.reason == 0, f"a good end, not {end}")
