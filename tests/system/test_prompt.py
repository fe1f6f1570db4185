# SPDX-License-Identifier: BSD-2-Clause
"""A session at root's prompt."""

import random
import re
import time

import conf

PROMPT = r"paravane> "


def command(machine, line, *answers):
    machine.expect(PROMPT)
    machine.send(line + "\r")
    for answer in answers:
        machine.expect(answer)


def test_session(system):
    "list, info, pause, unpause, destroy, create and quit do what they say"
    text = conf.domain("a", "idle", memory="8M") + conf.COUNTER
    with system.boot_demo(text, talk=True, timeout=40.0) as machine:
        command(machine, "help", r"destroy +NAME")
        command(machine, "list", r"1 +a +running", r"2 +b +running")
        command(machine, "info b", r"b: domain \d+, running", r"hypercalls \d+")
        command(machine, "pause b", r"b: paused")
        command(machine, "list", r"2 +b +paused")
        command(machine, "pause b", r"b: refused \(HV_EINVAL\): it is paused")
        command(machine, "unpause b", r"b: runs again")
        machine.expect(r"\[b\] counter: \d+")
        command(machine, "destroy b", r"b: destroyed")
        command(machine, "list", r"1 +a +running", r"2 +b +-")
        command(machine, "info b", r"b: does not exist")
        command(machine, "create b", r"b: started")
        machine.expect(r"\[b\] counter: \d+")
        command(machine, "create b", r"b: exists already")
        command(machine, "list", r"2 +b +running")
        command(machine, "frobnicate", r"no command 'frobnicate'")
        command(machine, "info nobody", r"no domain 'nobody'")
        command(machine, "destroy", r"destroy needs the name")
        command(machine, "quit", r"root: all went well")
        end = machine.wait()
    system.check(end.orderly and end.reason == 0, f"a good end, not {end}")


def test_editing(system):
    "backspace takes back what was typed, Ctrl-U and Ctrl-C the line; an arrow key is no text"
    with system.boot_demo(conf.domain("a", "idle", memory="8M"), talk=True) as machine:
        command(machine, "lisx\x7ft", r"1 +a +running")
        command(machine, "junk\x15list", r"1 +a +running")
        command(machine, "junk\x03list", r"1 +a +running")
        command(machine, "\x1b[5~li\x1b[Zs\x1bOPt", r"1 +a +running")
        command(machine, "x" * 300, r"no command 'x{199}'; help")
        command(machine, "quit")
        end = machine.wait()
    system.check(end.orderly and end.reason == 0, f"a good end, not {end}")


def test_keys(system):
    "the cursor moves in the line, lines come back, names are completed"
    home, end, left, right, up, down, delete = (
        "\x1b[H", "\x1bOF", "\x1b[D", "\x1bOC", "\x1b[A", "\x1b[B", "\x1b[3~")
    text = conf.domain("alpha", "idle", memory="8M") + conf.domain("alps", "idle", memory="8M")
    with system.boot_demo(text, talk=True) as machine:
        command(machine, "st" + home + "i" + left + "l" + end + right + "\x02\x06", r"1 +alpha +run")
        command(machine, "pinfo roott" + left + delete + "\x01\x04", r"root: domain 0")
        command(machine, "nonsense root" + "\x1bb" + "\x15info ", r"root: domain 0")
        command(machine, "info root alpha beta\x17\x17 ", r"root: domain 0")
        command(machine, "listen" + left * 2 + "\x0b", r"1 +alpha +running")
        command(machine, up * 2 + "x" + down, r"1 +alpha +running")
        command(machine, up * 2, r"root: domain 0")
        command(machine, "pa\tal\t", r"no domain 'alp' in")
        command(machine, "pa\talpha\t", r"alpha: paused")
        # Nothing to add: what there is is listed, and the line comes back behind it.
        machine.expect(PROMPT)
        machine.send("un\t al\t\t")
        machine.expect(r"alpha  alps$")
        machine.expect(r"unpause  alp$")
        machine.send("ha\r")
        machine.expect(r"alpha: runs again")
        command(machine, "help unp\t", r"unpause NAME +let it go on")
        command(machine, "info r\t", r"root: domain 0")
        command(machine, "quit", r"root: all went well")
        end = machine.wait()
    system.check(end.orderly and end.reason == 0, f"a good end, not {end}")


def test_guests_print_in_between(system):
    "a line that is being edited comes back whole behind what guests print, cut to its row"
    text = conf.domain("a", "idle", memory="8M") + conf.COUNTER
    with system.boot_demo(text, talk=True, timeout=40.0) as machine:
        machine.expect(PROMPT)
        machine.send("info nobody at all")
        machine.expect(r"\[b\] counter: \d+[^\n]*\n" + PROMPT + "info nobody at all")
        machine.send("\x1b[D" * 7 + "\x0b")
        machine.expect(r"\[b\] counter: \d+[^\n]*\n" + PROMPT + r"info nobody(?! )")
        machine.send("\x15" + "y" * 100)
        machine.expect(r"\[b\] counter: \d+[^\n]*\n" + PROMPT + "<y+")
        machine.send("\x01")
        machine.expect(r"\[b\] counter: \d+[^\n]*\n" + PROMPT + "y{68}>")
        machine.send("\r")
        machine.expect(r"no command 'y{100}'; help")
        machine.send("quit\r")
        end = machine.wait()
    system.check(end.orderly and end.reason == 0, f"a good end, not {end}")


def test_script(system):
    "lines that come all at once, ended by both characters, are all done in order"
    lines = ["list", "info root", "pause a", "list"] + [f"pause no{n}" for n in range(100)]
    with system.boot_demo(conf.domain("a", "idle", memory="8M"), talk=True) as machine:
        machine.expect(PROMPT)
        machine.send("\r\n".join(lines + ["unpause a", "quit"]) + "\r\n")
        end = machine.wait()
    order = [r"1 +a +running", r"root: domain 0", r"a: paused", r"1 +a +paused"] + \
            [rf"no domain 'no{n}' in" for n in range(100)] + [r"a: runs again", r"all went well"]
    at = 0
    for pattern in order:
        found = re.compile(pattern).search(machine.text, at)
        system.check(found is not None, f"'{pattern}' in its place")
        at = found.end()
    system.check(end.orderly and end.reason == 0, f"a good end, not {end}")


def test_last_state(system):
    "info of a killed domain says of what it died, with all registers; of a living one it does not"
    text = conf.domain("a", "overflow", memory="8M") + conf.domain("b", "idle", memory="8M")
    with system.boot_demo(text, talk=True) as machine:
        machine.expect(r"root: a was killed: double fault")
        command(machine, "info a", r"a: domain \d+, killed")
        found = machine.expect(r"double fault: page fault \(14\), error (\w+), write at (\w+), space 0\n"
                               r"  rip (\w{16}) rsp (\w{16}) rflags 0\w{7}\n"
                               r"  rax (\w{16}) rbx \w{16} rcx \w{16}\n"
                               r"(?:  (?:r\w+ +\w{16} ?){3}\n){4}")
        error, address, rip, rsp, _ = (int(g, 16) for g in found.groups())
        system.check(error == 7, "a write to what is there and may not be written")
        # It pushed on a stack that had reached the image's text.
        system.check(0 <= rsp - address <= 4096, f"rsp {rsp:x} at {address:x}")
        system.check(rip >> 31 == 0x1ffffffff, f"rip {rip:x} in the image")
        command(machine, "info b", r"b: domain \d+, running")
        machine.expect(PROMPT)
        said = machine.text[machine.text.rindex("b: domain"):]
        system.check("rax" not in said, "no registers of one that lives")
        machine.send("destroy a\rinfo a\r")
        machine.expect(r"a: does not exist now")
        command(machine, "quit", r"root: all went well")
        end = machine.wait()
    system.check(end.orderly and end.reason == 0, f"a good end, not {end}")


def log_of(machine, name):
    """The lines that `log NAME` prints, without the echo of the command."""
    mark = f"mark{machine.seen}"
    machine.expect(PROMPT)
    machine.send(f"log {name}\r")
    machine.expect(rf"log {name}\n")
    start = machine.seen
    machine.send(f"{mark}\r")
    machine.expect(rf"no command '{mark}'")
    text = re.sub(r"\x1b\[K|paravane> [^\n]*", "", machine.text[start:machine.seen])
    return [line for line in text.splitlines() if line][:-1]


def test_log(system):
    "what a console has shown can be read again, of a domain that is gone too, until it is created"
    text = conf.domain("a", "selftest", memory="8M") + conf.COUNTER + \
        conf.domain("c", "exit console=uart", memory="8M", more=("emulate = uart",))
    with system.boot_demo(text, talk=True, timeout=40.0) as machine:
        machine.expect(r"root: a ended well")
        machine.expect(r"\[b\] counter: \d+")
        # Of the two that end either may be the first.
        last, machine.seen = machine.seen, 0
        machine.expect(r"root: c ended well")
        machine.seen = max(last, machine.seen)
        live = re.findall(r"\[a\] [^\n]*", machine.text)
        system.check("[a] SELFTEST ok" in live, "the test ran")
        # What other domains print meanwhile stands between.
        only = [line for line in log_of(machine, "a") if line.startswith("[a]")]
        system.check(only == live, f"{only} is what was printed: {live}")
        command(machine, "destroy a", r"a: destroyed")
        only = [line for line in log_of(machine, "a") if line.startswith("[a]")]
        system.check(only == live, "all of it is there when the domain is gone")
        system.check("[c.uart] exit" in log_of(machine, "c"), "a UART's is told with its domain's")
        lines = log_of(machine, "root")
        system.check("root: a ended well" in lines and "a: destroyed" in lines, f"root's: {lines}")
        system.check(not [line for line in lines if line.startswith("[a]")], "and only root's")
        command(machine, "log nobody", r"no domain 'nobody'")
        command(machine, "create a", r"a: started")
        machine.expect(r"root: a ended well")
        again = [line for line in log_of(machine, "a") if line.startswith("[a]")]
        system.check(len(again) == len(live), "a new domain's log begins anew")
        machine.send("quit\r")
        end = machine.wait()
    system.check(end.orderly and end.reason == 0, f"a good end, not {end}")


def test_bad_neighbour(system):
    "nothing that a guest prints reaches the terminal but as text behind its name, by log neither"
    text = conf.domain("a", "shout lines=300", memory="8M")
    with system.boot_demo(text, talk=True, timeout=50.0) as machine:
        # What is beyond its rate root may show after it has told the end.
        start = machine.seen
        machine.expect(r"\[a\] shout 300: the quick")
        last, machine.seen = machine.seen, start
        machine.expect(r"root: a ended well")
        machine.seen = max(last, machine.seen)
        lines = log_of(machine, "a")
        lost = re.fullmatch(r"a: (\d+) older lines are lost", lines[0])
        shouts = [line for line in lines[1:] if not line.startswith("root: ")]
        system.check(lost is not None and shouts[-1].startswith("[a] shout 300: "), "the end is there")
        found = [re.match(r"\[a\] shout (\d+): the quick", line) for line in shouts]
        numbers = [int(one[1]) for one in found if one]
        system.check(numbers == sorted(set(numbers)), "in order")
        # It may write faster than root reads; then it says so, maybe in two lines.
        if "bytes lost]" not in re.sub(r"\s*(paravane> )?(\x1b\[K)?\[a\] ", "", machine.text):
            system.check(all(found) and numbers == list(range(numbers[0], 301)), "without a gap")
            # What it began with came before them: six lines and the long one.
            system.check(int(lost[1]) == numbers[0] - 1 + 7, f"{lines[0]}, and the first is {shouts[0]}")
        command(machine, "list", r"1 +a +shutdown")
        machine.send("quit\r")
        end = machine.wait()
    check_harmless(system, machine)
    system.check(end.orderly and end.reason == 0, f"a good end, not {end}")


def check_harmless(system, machine):
    """Of what a terminal obeys there is only what the prompt itself sends."""
    with open(machine.log, "rb") as f:
        raw = f.read()
    seen = set(re.findall(rb"\x1b(?!\[(?:\d\d[CD]|K))|[\x00-\x07\x0b-\x0c\x0e-\x1a\x1c-\x1f\x7f-\xff]", raw))
    system.check(not seen, f"{seen} on the terminal")
    forged = [line for line in machine.text.splitlines() if "forged by" in line]
    system.check(len(forged) >= 4 and all(re.match(r"\[[ab]\] ", line) for line in
                 (re.sub(r".*\x1b\[K", "", line) for line in forged)), f"{forged}")
    row = max(len(line) for line in machine.text.splitlines() if "xxxxxxxx" in line)
    system.check(row <= 512 + 40, f"a line of {row}")


def test_flood(system):
    "root's prompt answers while a guest floods its console, and log ends"
    text = conf.domain("a", "shout", memory="8M") + conf.domain("b", "shout", memory="8M")
    with system.boot_demo(text, talk=True, timeout=50.0) as machine:
        for _ in range(260):  # more than its log keeps
            machine.expect(r"\[a\] shout \d+: the quick brown fox jumps")
        for n in range(3):
            machine.send("log a\r")
            machine.expect(r"a: \d+ older lines are lost")
            machine.send(f"mark{n}\rlist\r")
            machine.expect(rf"no command 'mark{n}'")
            machine.expect(r"2 +b +running")
        machine.send("destroy a\r")
        machine.expect(r"a: destroyed")
        machine.send("quit\r")
        end = machine.wait()
    check_harmless(system, machine)
    system.check(end.orderly and end.reason == 0, f"a good end, not {end}")


def check_vcpus(system, machine, booted):
    """The table of vCPUs: each one that there is, what it had and what others took from it. `booted`: a
    second has passed since all of them began."""
    machine.expect(r"^vCPU +cpu state +share +steal wake/s +move weight +cap affinity\n")
    vcpus = {}
    for name in ("root.0", "a.0", "a.1", "b.0"):
        line = machine.expect(rf"{name} +(\d+) (\w+) +(\d+)\.(\d)% +(\d+)\.(\d)% +(\d+) +(\d+) +(\d+) +(\S+) (\S+)\n")
        vcpus[name] = line.groups()
        cpu, state, share, tenth, steal, tenths, _, _, weight, cap, affinity = line.groups()
        system.check(int(cpu) < 64 and (weight, cap, affinity) == ("256", "-", "all"), f"{name}: {line.group()}")
        system.check(int(share) * 10 + int(tenth) + int(steal) * 10 + int(tenths) <= 1000,
                     f"no more than all of the time: {line.group()}")
    system.check(vcpus["root.0"][1] == "running", "root asks, so it runs")
    system.check(not booted or vcpus["a.1"][1:6] == ("blocked", "0", "0", "0", "0"), f"nobody wakes a.1: {vcpus}")


def test_top(system):
    "top shows who uses the machine: shares that add up, nothing of one that is not there, and ends"
    text = conf.domain("a", "idle", memory="8M", more=("vcpus = 2",)) + conf.COUNTER + conf.domain("c", "exit", memory="8M")
    row = r" +(\d+)\.(\d)%" + r" +(\d+)" * 6 + "\n"
    with system.boot_demo(text, talk=True, timeout=50.0) as machine:
        machine.expect(r"root: c ended well")
        command(machine, "destroy c", r"c: destroyed")
        for form, tables in (("once", 1), ("2", 2)):
            machine.expect(PROMPT)
            machine.send(f"top {form}\r")
            for _ in range(tables):
                machine.expect(r"  #  name +share  events   calls   traps   ports  copied   memory\n")
                found = {}
                for name in ("  0  root", "  1  a", "  2  b"):
                    numbers = machine.expect(name + row).groups()
                    found[name[-1]] = [int(n) for n in numbers]
                machine.expect(r"  3  c +-\n")
                idle = [int(n) for n in machine.expect(r"idle +(\d+)\.(\d)%\n").groups()]
                total = [int(n) for n in machine.expect(r"sum" + row).groups()]
                share = {k: v[0] * 10 + v[1] for k, v in found.items()}
                system.check(share["b"] > 500 > share["a"], f"b computes, a idles: {share}")
                system.check(sum(share.values()) == total[0] * 10 + total[1], "the sum of the shares")
                system.check(total[0] * 10 + total[1] + idle[0] * 10 + idle[1] >= 1000, "and idle")
                for n in range(2, 8):
                    system.check(sum(v[n] for v in found.values()) == total[n] or n == 6,
                                 f"the sum of column {n}: {found}, {total}")
                system.check(found["t"][3] > 0 and found["t"][4] >= found["t"][3],
                             "root made calls, each of them an entry")
                system.check(found["a"][7] >= 8192 and found["a"][5] == 0, "a's memory; no ports")
                check_vcpus(system, machine, form == "2")
        # A cap of a quarter: then it is the others', or nobody's.
        command(machine, "sched b weight=300 cap=25", r"b: weight 300, cap 25% of a processor")
        # Time in which the host stands still is b's as well; that is paid back, but behind this second.
        for _ in range(20):
            machine.expect(PROMPT)
            machine.send("top once\r")
            row_b = machine.expect(r"b\.0 +\d+ \w+ +(\d+)\.\d% +(\d+)\.\d% +\d+ +\d+ +300 +25% all\n")
            if int(row_b[1]) <= 50 <= int(row_b[2]) + 1:
                break
        system.check(int(row_b[1]) <= 50 <= int(row_b[2]) + 1, f"b has little, and wants more: {row_b.group()}")
        command(machine, "top sideways", r"'sideways' is neither")
        command(machine, "top 0", r"'0' is neither")
        machine.expect(PROMPT)
        machine.send("top\r")
        machine.expect(r"q or Enter ends it")
        machine.send("xyz\x1b[A")
        machine.expect(r"q or Enter ends it")
        machine.send("qpause b\r")
        machine.expect(r"b: paused")
        # With nobody that computes the machine idles, and a key is heard all the same.
        while True:  # it may have been on its way out yet
            command(machine, "top 1")
            row_b = machine.expect(r"  2  b +(\d+\.\d)%.*\n")
            machine.expect(r"idle +\d+\.\d%")
            if row_b[1] == "0.0":
                break
        machine.send("top\r")
        machine.expect(r"q or Enter ends it")
        machine.send("\r")
        command(machine, "quit", r"root: all went well")
        end = machine.wait()
    system.check(end.orderly and end.reason == 0, f"a good end, not {end}")


def test_sched(system):
    "sched shows and sets weight, cap and affinity; what it does not understand changes nothing"
    text = conf.domain("a", "idle", memory="8M", more=("vcpus = 2", "weight = 100")) + conf.COUNTER
    with system.boot_demo(text, talk=True, cpus=2, timeout=50.0) as machine:
        machine.expect(r"\[a\] idle")
        command(machine, "sched a", r"^a: weight 100, no cap$", r"^  a\.0: \w+, processor [01], affinity all$",
                r"^  a\.1: \w+, processor [01], affinity all$")
        command(machine, "sched root", r"^root: weight 256, no cap$", r"^  root\.0: \w+, processor [01], affinity all$")
        command(machine, "sched a weight=512 cap=150", r"^a: weight 512, cap 150% of a processor$")
        command(machine, "sched a weight=513", r"^a: weight 513, cap 150% of a processor$")
        command(machine, "sched a.1 affinity=1", r"^  a\.1: \w+, processor [01], affinity 1$")
        command(machine, "sched a", r"^a: weight 513", r"^  a\.0: .* affinity all$", r"^  a\.1: .* affinity 1$")
        command(machine, "sched a affinity=0,0 cap=none", r"^a: weight 513, no cap$", r"^  a\.0: .* affinity 0$",
                r"^  a\.1: .* affinity 0$")
        command(machine, "sched a affinity=0-1", r"^  a\.0: .* affinity all$")
        for words, answer in (("a.2", "a has no vCPU '2'"), ("a.x affinity=0", "a has no vCPU 'x'"),
                              ("a.1 weight=3", "weight and cap are a domain's"), ("a weight=0", "'0' is no weight: 1 to 65535"),
                              ("a weight=65536", "'65536' is no weight"), ("a weight=7x", "'7x' is no weight"),
                              ("a weight=7 cap=6401", "'6401' is no cap"), ("a cap=", "'' is no cap"),
                              ("a weight=7 affinity=2", "'2' is no list of processors"), ("a affinity=1-0", "'1-0' is no list"),
                              ("a affinity=", "'' is no list"), ("a affinity=0,", "'0,' is no list"),
                              ("a affinity=0-", "'0-' is no list"), ("a affinity=64", "'64' is no list"),
                              ("a affinity=0x1", "'0x1' is no list"), ("a wight=7", "'wight=7' is none of"),
                              ("a weight=7 weight=8", "'weight=8' comes twice"), ("root weight=7", "root's weight stays"),
                              ("x", "no domain 'x' in"), ("x.1", "no domain 'x' in")):
            command(machine, "sched " + words, re.escape(answer))
        command(machine, "sched a", r"^a: weight 513, no cap$", r"^  a\.0: .* affinity all$", r"^  a\.1: .* affinity all$")
        # Where it may run it is found, and nowhere else.
        for cpu in (0, 1, 0):
            command(machine, f"sched b affinity={cpu}", rf"affinity {cpu}$", r"\[b\] counter")
            command(machine, "sched b", rf"^  b\.0: \w+, processor {cpu}, affinity {cpu}$")
        command(machine, "sched root affinity=1", r"^  root\.0: \w+, processor [01], affinity 1$")
        command(machine, "sched root.0", r"^  root\.0: \w+, processor 1, affinity 1$")
        command(machine, "quit", r"root: all went well")
        end = machine.wait()
    system.check(end.orderly and end.reason == 0, f"a good end, not {end}")


def test_switch_key(system):
    "Ctrl-T leads to a guest's console and back"
    with system.boot_demo(conf.domain("a", "idle", memory="8M") + conf.COUNTER, talk=True,
                          timeout=40.0) as machine:
        machine.expect(r"\[b\] counter: \d+")
        machine.send("\x142")
        machine.expect(r"-- console of b; Ctrl-T 0 leads back to root's prompt --")
        machine.expect(r"^counter: \d+")
        machine.send("quit\r")
        machine.expect(r"root: b ended well")
        machine.send("\x140")
        command(machine, "list", r"2 +b +shutdown")
        command(machine, "console b", r"b: nobody reads there, it has ended \(shutdown\); log b shows its lines")
        command(machine, "console a", r"-- console of a")
        machine.send("\x14\x14\x140")
        command(machine, "quit", r"root: all went well")
        end = machine.wait()
    system.check(end.orderly and end.reason == 0, f"a good end, not {end}")


def test_destroy_under_load(system):
    "a guest is destroyed and built again in the middle of its disk requests"
    image = system.random_image(8 << 20, seed=11)
    drives, _ = conf.drives(system, image)
    with system.boot_demo(conf.READER, talk=True, drives=drives, timeout=55.0) as machine:
        for _ in range(3):
            machine.expect(r"\[a\] split driver: \d+%")
            machine.send("destroy a\r")
            machine.expect(r"a: destroyed")
            machine.send("create a\r")
            machine.expect(r"a: started")
        machine.expect(r"\[a\] DISKBENCH ok")
        machine.send("quit\r")
        end = machine.wait()
    system.check(conf.results(machine.text)["ide_dma"]["sha256"] == system.sha256(image), "right data")
    system.check(end.orderly and end.reason == 0, f"a good end, not {end}")


def test_nothing_is_lost(system):
    "a guest destroyed at random points of its work gives back all memory, root's own included"
    image = system.random_image(2 << 20, seed=12)
    drives, _ = conf.drives(system, image)
    chance = random.Random(5)
    left = []
    with system.boot_demo(conf.READER, talk=True, drives=drives, timeout=58.0) as machine:
        machine.expect(PROMPT)
        for turn in range(14):
            if turn == 1:
                machine.expect(r"\[a\] DISKBENCH ok")
            elif turn:
                time.sleep(chance.random() * 0.4)
            machine.send("destroy a\r")
            machine.expect(r"a: destroyed")
            machine.send("info root\r")
            found = machine.expect(r"memory (\d+) of (\d+) KiB, in quarantine (\d+) KiB, "
                                   r"own free pages (\d+);")
            left.append(tuple(map(int, found.groups())))
            machine.send("create a\r")
            machine.expect(r"a: started")
        machine.send("quit\r")
        end = machine.wait()
    # The first turn may leave what later ones use again: slabs, a thread's stack.
    system.check(len(set(left[2:])) == 1, f"used, quota, quarantine, free pages of each turn: {left}")
    system.check(left[-1][2] == 0, "nothing stays in quarantine")
    system.check(end.orderly and end.reason == 0, f"a good end, not {end}")
