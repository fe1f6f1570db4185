# SPDX-License-Identifier: BSD-2-Clause
"""`make run-native`: the guest's kernel on the bare machine reads a disk through its IDE controller.

The same image, sums and exit status as `make run`: 0 when the kernel ended in order with reason 0 and
printed the SHA-256 of the image; 1 when not; 2 when it could not be started.
"""

import argparse
import os
import re
import sys

import demo
import qemu


def machine(args, image):
    limit = args.timeout or 60 + 2 * (os.path.getsize(image) >> 20)
    return qemu.Machine(args.build, os.path.join(args.build, "log", "native.log"),
                        kernel="native.elf", append="role=diskbench console=uart", kind="pc",
                        memory=args.memory, drives=[qemu.ide_drive(image)], timeout=limit,
                        cpus=args.cpus, echo=demo.Screen().show)


def judge(end, text, expected, image):
    """Prints what was compared; returns the exit status."""
    sums = re.findall(r"^SHA-256 \(.*\) ([0-9a-f]{64})$", text, re.M)
    print(f"\nsha256sum of {demo.name_of(image)}: {expected}")
    print(f"printed by the kernel: {' '.join(sums) or 'none'}"
          f"{', equal' if sums and set(sums) == {expected} else ''}")
    well = end.orderly and end.reason == 0
    if not well:
        print(f"the machine ended badly: {end}")
    return 0 if well and set(sums) == {expected} else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, help="build/CONF")
    parser.add_argument("--disk", help="image to read instead of the default one")
    parser.add_argument("--memory", type=int, default=256, help="MiB")
    parser.add_argument("--cpus", type=int, default=1)
    parser.add_argument("--timeout", type=float, help="seconds")
    args = parser.parse_args()
    args.build = os.path.abspath(args.build)
    folder = os.path.join(args.build, "demo")
    os.makedirs(folder, exist_ok=True)
    try:
        image = demo.checked_image(args.disk, False) if args.disk else None
        lock = demo.alone(folder)
        image = image or demo.default_image(folder)
    except demo.Refused as why:
        print(f"make run-native: {why}", file=sys.stderr)
        return 2
    expected = demo.sha256(image)
    print(f"disk: {demo.name_of(image)}, {os.path.getsize(image)} bytes", flush=True)
    with lock, machine(args, image) as qm:
        end = qm.wait()
    if qm.errors:
        print(qm.errors.decode("utf-8", "replace").strip(), file=sys.stderr)
    return judge(end, qm.text, expected, image)


if __name__ == "__main__":
    demo.end_with(main)
