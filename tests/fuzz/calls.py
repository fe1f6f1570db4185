# SPDX-License-Identifier: BSD-2-Clause
"""`make fuzz`: millions of random hypercalls by two hostile domains at once, in QEMU.

The guest is attack/x7-random-calls, which makes its calls by the lists: numbers and arguments' names from
hypercalls.def. Each boot runs some pairs of domains with seeds of their own, destroys them at whatever
point they have got to, and demands its memory back; in a debug build the audit recounts everything at the
end. Boots go on until so many calls were made. Time is the count of instructions, so that a finding comes
again from its seed: `make fuzz SEED=… N=1`.

With `SMP=4` the machine has four processors and each domain as many vCPUs, which call at once. Then time is
the host's: what was found may not come again from its seed, but the log of its boot stays.
"""

import argparse
import concurrent.futures
import os
import re
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "harness"))
import qemu  # noqa: E402

IMAGE = "tests/attack/x7-random-calls.elf"
ROUNDS, ROUNDS_SMP = 48, 8
VCPUS = 4  # of a domain, at most, as the guest has it
SECONDS = 3600  # of wall clock for a boot, on a slow and busy machine


def rounds(cpus):
    return ROUNDS if cpus == 1 else ROUNDS_SMP


def boot(build, seed, cpus):
    """(calls, good calls, what is wrong or "") of one boot."""
    log = os.path.join(build, "log", "fuzz", f"{seed}.log" if cpus == 1 else f"{seed}-smp{cpus}.log")
    vcpus = f" vcpus={min(cpus, VCPUS)}" if cpus > 1 else ""
    initrd = qemu.modules(f"{IMAGE} root first={seed} rounds={rounds(cpus)}{vcpus}", f"{IMAGE} second")
    with qemu.Machine(build, log, initrd=initrd, timeout=SECONDS, cpus=cpus, icount=cpus == 1) as machine:
        end = machine.wait()
        text = machine.text
    counts = re.search(r"^(\d+) calls, (\d+) of them good", text, re.M)
    audits = re.findall(r"^hyp: audit: (.*)$", text, re.M)
    verdict = re.findall(r"^TEST: (.*)$", text, re.M)[-1:] or ["no verdict"]
    wrong = ""
    if not end.orderly or verdict != ["SUCCESS"]:
        wrong = f"{verdict[0]}; {end}"
    elif build.endswith("-debug") and (not audits or not all(a.startswith("ok") for a in audits)):
        wrong = f"audit: {audits[0] if audits else 'missing'}"
    elif not counts:
        wrong = "no count of calls"
    calls, good = map(int, counts.groups()) if counts else (0, 0)
    return calls, good, f"{wrong}; log: {os.path.relpath(log)}" if wrong else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, help="build/CONF")
    parser.add_argument("--calls", type=int, default=10000000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cpus", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    started, lock = time.monotonic(), threading.Lock()
    state = {"next": args.seed, "calls": 0, "good": 0, "passed": 0, "failed": 0}

    def worker():
        while True:
            with lock:
                if state["calls"] >= args.calls or state["failed"]:
                    return
                seed, state["next"] = state["next"], state["next"] + rounds(args.cpus)
            calls, good, wrong = boot(args.build, seed, args.cpus)
            with lock:
                state["calls"] += calls
                state["good"] += good
                state["failed" if wrong else "passed"] += 1
                print(f"seed {seed}: {calls} calls, {good} good; {state['calls']} in all"
                      f"{'; ' + wrong if wrong else ''}", flush=True)
                if wrong:
                    smp = f" SMP={args.cpus}" if args.cpus > 1 else ""
                    print(f"again: make fuzz SEED={seed} N=1{smp}", flush=True)

    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for future in [pool.submit(worker) for _ in range(args.jobs)]:
            future.result()
    print(f"{state['calls']} calls, {state['good']} of them good, in {time.monotonic() - started:.0f} s")
    print(f"{state['passed']} passed, {state['failed']} failed")
    return 1 if state["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
