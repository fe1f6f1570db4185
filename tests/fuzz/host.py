# SPDX-License-Identifier: BSD-2-Clause
"""`make fuzz-host`: runs the libFuzzer programs, each for some seconds, from a small corpus in the tree.

The corpus of a fuzzer is tests/fuzz/corpus/NAME.hex, an input a line, in hexadecimal. What a run finds
interesting stays in build/fuzz/NAME/ for the next; `--merge` takes the least of it that reaches the same
into the tree, the shortest inputs first and at most LIMIT bytes of them. With `--inputs` a run is as many
inputs as the fuzzer's head comment says, about a minute of them: from the tree's corpus and one seed they are
the same ones on every machine, so that it does not depend on the machine whether one is found that fails. An input that crashes is kept as
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
SAME_LIMIT = 7200  # seconds, on a slow machine


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


def inputs_of(name):
    """What the head comment of a fuzzer says."""
    with open(os.path.join(HERE, name + ".c"), encoding="utf-8") as f:
        return int(re.search(r"^ \* inputs: (\d+)$", f.read(), re.M)[1])


def same_each_time(name, work):
    """Arguments that make a run the same each time: so many inputs, the first of them in a given order."""
    files = ",".join(sorted(os.path.join(work, f) for f in os.listdir(work)))
    listed = work + ".list"
    with open(listed, "w", encoding="ascii") as f:
        f.write(files)
    return [f"-runs={inputs_of(name)}", *([f"-seed_inputs=@{listed}"] if files else [])]


def fixed_addresses():
    """The command that starts a program at the same addresses each time, if it may be used here:
    libFuzzer takes values over that the program compares, and addresses are among them."""
    command = ["setarch", "-R"]
    return command if subprocess.run([*command, "true"], check=False, capture_output=True).returncode == 0 else []


def run(program, seconds, seed):
    """(good, one line) of a run; without seconds it is of so many inputs."""
    name = os.path.basename(program)
    work = os.path.join("build", "fuzz", name if seconds else name + "-same")
    if not seconds:
        shutil.rmtree(work, ignore_errors=True)
    unpack(name, work)
    extent = [f"-max_total_time={seconds}"] if seconds else same_each_time(name, work)
    command = [*([] if seconds else fixed_addresses()), program, *extent, f"-max_len={MAX_LENGTH}", "-len_control=0",
               f"-seed={seed}", "-timeout=300", "-rss_limit_mb=2048", f"-artifact_prefix=build/fuzz/{name}-",
               *([work] if seconds else [])]
    log = os.path.join("build", "fuzz", name + ".log")
    with open(log, "w+", encoding="utf-8", errors="replace") as out:
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                  check=False, timeout=seconds * 4 + 1200 if seconds else SAME_LIMIT)
        except subprocess.TimeoutExpired:
            return False, f"{name}: not done long after its time; log: {log}"
        out.seek(0)
        text = out.read()
    runs = re.search(r"^Done (\d+) runs", text, re.M)
    if done.returncode == 0 and runs and int(runs.group(1)) > 0:
        reached = re.findall(r"cov: (\d+) ft: (\d+)", text)[-1:]
        where = f", {reached[0][0]} branches reached" if reached else ""
        return True, f"{name}: {runs.group(1)} inputs{f' in {seconds} s' if seconds else ''}{where}"
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
    parser.add_argument("--inputs", action="store_true", help="a number of inputs instead, the same each time")
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
        for good, told in pool.map(lambda p: run(p, 0 if args.inputs else args.seconds, args.seed),
                                   args.program):
            passed, failed = passed + good, failed + (not good)
            print(f"{'SUCCESS' if good else 'FAILURE'}  {told}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
