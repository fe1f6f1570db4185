# SPDX-License-Identifier: BSD-2-Clause
"""`make fuzz-host`: runs the libFuzzer programs, each for some seconds, from a small corpus in the tree.

The corpus of a fuzzer is tests/fuzz/corpus/NAME.hex, an input a line, in hexadecimal. What a run finds
interesting stays in build/fuzz/NAME/ for the next; `--merge` takes the least of it that reaches the same
into the tree, the shortest inputs first and at most LIMIT bytes of them. An input that crashes is kept as
build/fuzz/NAME-crash-…; give that file to the program to see it again.
"""

import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
LIMIT = 6000
MAX_LENGTH = 4096


def tree_corpus(name):
    return os.path.join(HERE, "corpus", name + ".hex")


def unpack(name, folder):
    """Puts the tree's inputs into the working corpus."""
    os.makedirs(folder, exist_ok=True)
    if os.path.exists(tree_corpus(name)):
        with open(tree_corpus(name), encoding="ascii") as f:
            for n, line in enumerate(f):
                with open(os.path.join(folder, f"tree-{n:03}"), "wb") as out:
                    out.write(bytes.fromhex(line))


def run(program, seconds, seed):
    """(good, one line) of a run."""
    name = os.path.basename(program)
    work = os.path.join("build", "fuzz", name)
    unpack(name, work)
    command = [program, f"-max_total_time={seconds}", f"-max_len={MAX_LENGTH}", "-len_control=0",
               f"-seed={seed}", "-timeout=300", "-rss_limit_mb=2048", f"-artifact_prefix=build/fuzz/{name}-", work]
    log = os.path.join("build", "fuzz", name + ".log")
    with open(log, "w+", encoding="utf-8", errors="replace") as out:
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                  check=False, timeout=seconds * 4 + 1200)
        except subprocess.TimeoutExpired:
            return False, f"{name}: not done long after its {seconds} s; log: {log}"
        out.seek(0)
        text = out.read()
    runs = re.search(r"^Done (\d+) runs", text, re.M)
    if done.returncode == 0 and runs and int(runs.group(1)) > 0:
        reached = re.findall(r"cov: (\d+) ft: (\d+)", text)[-1:]
        where = f", {reached[0][0]} branches reached" if reached else ""
        return True, f"{name}: {runs.group(1)} inputs in {seconds} s{where}"
    kept = re.search(r"Test unit written to (\S+)", text)
    first = re.search(r"^.*(?:ERROR|runtime error|hyp: audit|:\d+: ).*$", text, re.M)
    return False, (f"{name}: {first.group(0).strip() if first else 'ended with ' + str(done.returncode)}; "
                   f"input: {kept.group(1) if kept else 'none kept'}; log: {log}")


def merge(program):
    """Rewrites the tree's corpus of a fuzzer from its working corpus."""
    name = os.path.basename(program)
    work, least = os.path.join("build", "fuzz", name), os.path.join("build", "fuzz", name + "-least")
    unpack(name, work)
    shutil.rmtree(least, ignore_errors=True)
    os.makedirs(least)
    subprocess.run([program, "-merge=1", f"-max_len={MAX_LENGTH}", least, work], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    inputs = []
    for file in os.listdir(least):
        with open(os.path.join(least, file), "rb") as f:
            inputs.append(f.read())
    lines, room = [], LIMIT
    for data in sorted(filter(None, inputs), key=lambda d: (len(d), d)):
        room -= len(data)
        if room < 0:
            break
        lines.append(data.hex())
    os.makedirs(os.path.dirname(tree_corpus(name)), exist_ok=True)
    with open(tree_corpus(name), "w", encoding="ascii") as f:
        f.write("".join(line + "\n" for line in lines))
    return f"{name}: {len(lines)} of {len(inputs)} inputs, {LIMIT - max(room, 0)} bytes"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--merge", action="store_true", help="write the corpora of the tree")
    parser.add_argument("program", nargs="+")
    args = parser.parse_args()
    if args.merge:
        print("\n".join(merge(p) for p in args.program))
        return 0
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for good, told in pool.map(lambda p: run(p, args.seconds, args.seed), args.program):
            passed, failed = passed + good, failed + (not good)
            print(f"{'SUCCESS' if good else 'FAILURE'}  {told}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
