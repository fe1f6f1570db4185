# SPDX-License-Identifier: BSD-2-Clause
"""`make trace`: a schedule that one can look at. Boots domains that compete for the processors, has root record
what the scheduler does, and makes of it a trace for Perfetto or Chrome's tracing, held against the format, and a
picture. SMP= says how many processors, MS= how long.
"""

import argparse
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "harness"))
import chart  # noqa: E402
import check  # noqa: E402
import convert  # noqa: E402
import qemu  # noqa: E402
import tour  # noqa: E402

# One that reads a disk with pauses, two that compute with shares of 1 to 2, one whose vCPUs share one.
DOMAINS = """[domain reader]
image   = pvguest.elf
memory  = 16M
vcpus   = 2
cmdline = role=paced reads=1000000 ms=1 disk=vda
disk    = vda split

[domain light]
image   = pvguest.elf
memory  = 8M
weight  = 128
cmdline = role=counter

[domain heavy]
image   = pvguest.elf
memory  = 8M
weight  = 256
cmdline = role=counter
"""


def machine(build, folder, log, cpus):
    """The machine, with a disk that takes its time: a read is then asleep for a while."""
    folder = os.path.abspath(folder)
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "paravane.conf")
    with open(path, "w", encoding="ascii") as f:
        f.write(DOMAINS)
    here = os.path.abspath(build) + os.sep
    modules = qemu.modules("root.elf", "pvguest.elf pvguest.elf", f"{path.removeprefix(here)} paravane.conf")
    return qemu.Machine(build, log, initrd=modules, cpus=cpus, timeout=60 * qemu.PATIENCE, talk=True,
                        drives=[tour.slow_disk("disk0")])


def record(build, folder, log, cpus, ms):
    """What root has printed about so many milliseconds."""
    with machine(build, folder, log, cpus) as m:
        m.expect(r"\] 2 CPUs")  # the reader's second may be late
        for name in ("light", "heavy"):
            m.expect(rf"\[{name}\] counter: ")  # they all run
        m.send(f"record {ms}\r")
        m.expect(r"^(?:record: .*|RECORD end .*)\n")
        m.send("quit\r")
        end = m.wait()
    if not (end.orderly and end.reason == 0):
        raise SystemExit(f"make trace: the machine ended badly: {end}; log: {log}")
    return m.text


def write(text, folder):
    """trace.json and schedule.svg of what root has printed; what is wrong with the trace."""
    trace = convert.convert(text)
    with open(os.path.join(folder, "trace.json"), "w", encoding="utf-8") as f:
        json.dump(trace, f, indent=None, separators=(",", ":"))
    problems = check.check(trace)
    if not problems:
        chart.draw(trace, os.path.join(folder, "schedule.svg"))
    return trace, problems


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, help="build/CONF")
    parser.add_argument("--out", required=True)
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--ms", type=int, default=200)
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    text = record(args.build, os.path.join(args.build, "trace"), os.path.join(args.out, "console.log"), args.cpus,
                  args.ms)
    try:
        trace, problems = write(text, args.out)
    except convert.Broken as why:
        print(f"make trace: {why}", file=sys.stderr)
        return 1
    for problem in problems[:10]:
        print(f"make trace: {problem}", file=sys.stderr)
    about = trace["otherData"]
    print(f"{os.path.join(args.out, 'trace.json')}: {len(trace['traceEvents']):,} events of "
          f"{(float(about['to_us']) - float(about['from_us'])) / 1000:.1f} ms on {args.cpus} processors, "
          f"{about['lost']} entries lost; for ui.perfetto.dev or chrome://tracing, which keep it on your machine\n"
          f"{os.path.join(args.out, 'schedule.svg')}: who ran where")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
