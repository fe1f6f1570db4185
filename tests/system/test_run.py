# SPDX-License-Identifier: BSD-2-Clause
"""The host's side of `make run`: which disks it refuses, before anything is booted."""

import contextlib
import io
import os
import sys


def refused(system, disk, message, *more):
    """Runs the demonstration on disk and expects a refusal that says message."""
    done = system.run("/usr/bin/python3", "tests/harness/demo.py", "--build", system.build,
                      "--disk", disk, *more)
    system.check(done.returncode == 2, f"exit status 2, not {done.returncode}: {done.stdout}")
    system.check(message in done.stdout, f"{message!r}, not {done.stdout!r}")
    system.check(len(done.stdout.splitlines()) == 1, f"one line, not {done.stdout!r}")


def test_refuses_an_odd_size(system):
    "an image whose size is no multiple of 512 is refused, with the way out"
    refused(system, system.write("odd.img", b"x" * 1000), "1000 bytes; a disk is a positive multiple")
    refused(system, system.write("empty.img", b""), "0 bytes; a disk is a positive multiple")


def test_refuses_what_is_no_image(system):
    "a missing file and a folder are refused by name"
    refused(system, system.path("missing.img"), "missing.img: no such file")
    refused(system, system.scratch, "not a regular file")


def test_refuses_wrong_words(system):
    "make refuses a word of a variable that it does not know, says which there are, and builds nothing"
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    for words, message in ((("example", "E=nosuch"), "there is no example 'nosuch', only: blockread"),
                           (("fuzz-host", "F=nosuch"), "there is no fuzzer 'nosuch', only: config"),
                           (("test", "SMP=1 4"), "SMP is how many processors, not '1 4'"),
                           (("test-repeat", "SMP=1 4", "N=x"), "N is a number, not 'x'"),
                           (("fuzz", "N=abc"), "N is a number, not 'abc'"),
                           (("fuzz", "SEED=-1"), "SEED is a number, not '-1'"),
                           (("fuzz-host", "SECONDS=1m"), "SECONDS is a number, not '1m'"),
                           (("fuzz-host", "SAME=yes"), "SAME is 0 or 1, not 'yes'"),
                           (("run", "UEFI=yes"), "UEFI is 0 or 1, not 'yes'"),
                           (("lint", "T=nosuch"), "no test here is named lint/nosuch"),
                           (("install", "PREFIX="), "PREFIX is the whole path of a folder"),
                           (("install", "PREFIX=a"), "PREFIX is the whole path of a folder"),
                           (("install", "PREFIX=/a b"), "PREFIX is the whole path of a folder")):
        done = system.run("make", "--no-print-directory", *words, env=env)
        system.check(done.returncode == 2 and message in done.stdout, f"{words}: {done.returncode}, {done.stdout!r}")
        system.check(len(done.stdout.splitlines()) <= 2, f"{words}: nothing else, not {done.stdout!r}")


def test_killed_by_the_debugger(system):
    "a machine that gdb has ended is not taken for a triple fault"
    sys.path.insert(0, os.path.join(system.top, "tests", "harness"))
    import demo
    import qemu
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        status = demo.judge(qemu.Exit(0, False), "hyp: \n", "0" * 64, "image", True, True)
    system.check(status == 1 and "gdb's kill" in said.getvalue() and "triple" not in said.getvalue(),
                 f"gdb's doing, not {status}: {said.getvalue()!r}")
