# SPDX-License-Identifier: BSD-2-Clause
"""A session at root's prompt."""

import random
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
        command(machine, "\x1b[Ali\x1b[1;5Ds\x1bOBt", r"1 +a +running")
        command(machine, "x" * 200, r"no command 'x{69}'; help")
        command(machine, "quit")
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
        command(machine, "console b", r"-- console of b")
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
        machine.expect(r"\[a\] DISKBENCH ok", timeout=50)
        machine.send("quit\r")
        end = machine.wait()
    system.check(conf.results(machine.text)["ide"]["sha256"] == system.sha256(image), "right data")
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
