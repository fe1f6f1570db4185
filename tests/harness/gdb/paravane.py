# SPDX-License-Identifier: BSD-2-Clause
"""Paravane in gdb: `gdb build/CONF/hyp.elf -x tests/harness/gdb/paravane.py`, then `target remote`.

Makes the symbols of root and of the guest known beside those of hyp, whose addresses do not
overlap, and adds the command `pv`. All layouts come from hyp's own debug information, all names and
numbers of the interface from abi/: nothing is counted by hand. Works on debug and release builds.
"""

import os
import re
import struct
import sys

import gdb

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, os.path.join(TOP, "docs"))
import gen_abi  # noqa: E402

PAGE = 4096
SELF = (1 << 64) - 1
TRAPS = ("#DE #DB NMI #BP #OF #BR #UD #NM #DF - #TS #NP #SS #GP #PF - #MF #AC #MC #XM #VE #CP").split()
REGISTERS = "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip".split()


def abi(name):
    return gen_abi.read(os.path.join(TOP, "abi", name))


def defines(header, prefix):
    """{number: name} of the constants that begin with prefix."""
    found = re.findall(rf"^#define {prefix}(\w+)\s+(?:\(\(uint64_t\))?(\w+?)u?\b", abi(header), re.M)
    return {int(value, 0): name.lower() for name, value in found if value[0].isdigit()}


def constant(header, name):
    return int(re.search(rf"^#define {name}\s+(?:\(\(uint64_t\))?(\d\w*?)u?\b", abi(header), re.M)[1], 0)


CALLS = {c.number: c for c in gen_abi.parse_calls(os.path.join(TOP, "abi", "hypercalls.def"))}
ERRORS = {n: name for n, name, _ in gen_abi.parse_errors(os.path.join(TOP, "abi", "errors.def"))}
EVENTS = {int(n): (name, [w.strip() for w in words.split(",")]) for n, name, words in
          re.findall(r"^HV_TRACE\((\d+), (\w+), (.*)\)$", abi("trace.def"), re.M)}
DOMAIN_STATES = {n: s for n, s in defines("hv_domain.h", "HV_DOMAIN_").items()}
PORT_STATES = defines("hv_event.h", "HV_PORT_")
RUN_STATES, WAITS = defines("hv_vcpu.h", "HV_RUN_"), defines("hv_vcpu.h", "HV_WAIT_")
RIGHTS = {v: k for k, v in defines("hv_memory.h", "HV_MAP_").items()}


# ---- hyp's data ----

def hyp():
    """The object file of hyp: the one with its boot code."""
    for objfile in gdb.objfiles():
        if os.path.basename(objfile.filename or "") == "hyp.elf":
            return objfile
    raise gdb.GdbError("hyp.elf is not loaded: gdb build/CONF/hyp.elf -x ...")


def variable(name):
    """A variable of hyp; root and guests may have others of the same name."""
    symbol = hyp().lookup_global_symbol(name) or hyp().lookup_static_symbol(name)
    if symbol is None:
        raise gdb.GdbError(f"hyp has no variable {name}")
    return symbol.value()


def type_of(name, function):
    """A type as the file that defines a function of hyp knows it."""
    symbol = hyp().lookup_global_symbol(function)
    return gdb.lookup_type(name, symbol.symtab.static_block())


def number(value):
    return int(value) & SELF


def words(address, count):
    data = gdb.selected_inferior().read_memory(address, 8 * count).tobytes()
    return struct.unpack(f"<{count}Q", data)


def direct(mfn):
    return number(variable("frame_direct")) + mfn * PAGE


def domains():
    table = variable("slots")
    for n in range(table.type.range()[1] + 1):
        if number(table[n]):
            yield table[n].dereference()


def domain(text):
    want = int(text, 0)
    for d in domains():
        if number(d["id"]) == want:
            return d
    raise gdb.GdbError(f"no domain {want}; pv domains lists them")


def vcpus(d):
    for n in range(number(d["nr_vcpus"])):
        if number(d["vcpu"][n]):
            yield d["vcpu"][n].dereference()


def vcpu_of(d, text):
    for v in vcpus(d):
        if number(v["id"]) == int(text, 0):
            return v
    raise gdb.GdbError(f"domain {number(d['id'])} has no vCPU {text}")


def loaded(v):
    return number(number(v["cpu"]) and v["cpu"]["vcpu"]) == number(v.address)


def space(d, text):
    want = int(text, 0)
    spaces = d["spaces"]
    if want > spaces.type.range()[1] or not number(spaces[want]):
        raise gdb.GdbError(f"domain {number(d['id'])} has no space {want}")
    return spaces[want].dereference()


# ---- text ----

def symbol_of(address):
    """<function+12>, or nothing."""
    text = gdb.execute(f"info symbol {address:#x}", to_string=True)
    found = re.match(r"(\S+)(?: \+ (\d+))? in section", text)
    return f" <{found[1]}{'+' + found[2] if found[2] else ''}>" if found else ""


def result_text(value):
    signed = value - (1 << 64) if value >> 63 else value
    return f"-HV_E{ERRORS[-signed]}" if -signed in ERRORS else str(signed)


def rights_text(value):
    return "".join(letter if value & RIGHTS[name] else "-"
                   for letter, name in zip("rwx", "read write exec".split()))


def value_text(kind, value):
    if kind == "hv_dom_t":
        return "self" if value == SELF else str(value)
    if kind == "hv_ns_t":
        return f"{value // 10**9}.{value % 10**9:09}"
    if kind == "hv_rights_t":
        return rights_text(value)
    if kind == "hv_result_t":
        return result_text(value)
    if kind == "hv_trap_t":
        return TRAPS[value] if value < len(TRAPS) else str(value)
    if kind == "hv_port_state_t":
        return PORT_STATES.get(value, str(value))
    if kind == "hv_domain_state_t":
        return DOMAIN_STATES.get(value, str(value))
    if kind == "hv_run_state_t":
        waits = ",".join(name for bit, name in WAITS.items() if value >> 8 & bit)
        return RUN_STATES.get(value & 255, str(value & 255)) + (":" + waits if waits else "")
    return str(value) if kind == "uint64_t" and value < 1 << 32 else f"{value:#x}"


def shape_text(name, pairs, values):
    shown = [f"{word}={value_text(kind, v)}" for (kind, word), v in zip(pairs, values) if kind != "hv_none_t"]
    return f"{name}({', '.join(shown)})"


def call_text(nr, values, result):
    if nr not in CALLS:
        return f"number {nr:#x} = {result_text(result)}"
    left = CALLS[nr].name in "return_to_user shutdown".split() and result == 0
    return f"{shape_text(CALLS[nr].name, CALLS[nr].arguments, values)} = {'?' if left else result_text(result)}"


# ---- page tables ----

PTE_FRAME = 0x000FFFFFFFFFF000


def entry_text(entry):
    if not entry & 1:
        return "not present"
    flags = ["w" if entry & 2 else "-", "u" if entry & 4 else "-", "-" if entry >> 63 else "x"]
    return f"frame {(entry & PTE_FRAME) >> 12:#x} {''.join(flags)}"


def frame_text(mfn):
    if mfn >= number(variable("frame_table_count")):
        return f"frame {mfn:#x}: outside of the frame table"
    f = variable("frame_table")[mfn]
    state = str(f["state"].cast(type_of("enum frame_state", "frame_init"))).removeprefix("FRAME_").lower()
    slot = number(f["owner"])
    owner = "the hypervisor" if not slot else f"domain {number(variable('slots')[slot - 1]['id'])}"
    counts = " ".join(f"{name} {number(f[name])}" for name in ("maps", "grants", "pins", "holds", "live"))
    return f"frame {mfn:#x}: {state}, {owner}, {counts}"


def leaves(table, level, base, first, last):
    """(address, entry) of all present leaves below a table."""
    for index, entry in enumerate(words(table, 512)[first:last], first):
        address = base | index << (3 + 9 * level)
        if index >= 256 and level == 4:
            address |= 0xFFFF << 48
        if entry & 1 and level > 1:
            yield from leaves(direct((entry & PTE_FRAME) >> 12), level - 1, address, 0, 512)
        elif entry & 1:
            yield address, entry


# ---- a vCPU as if it were loaded ----

def register(name):
    """Of the processor, whatever type gdb gives it."""
    return int(gdb.execute(f"output/x ${name}", to_string=True), 16)


def guest_registers(v):
    """Where it is in its guest, and whether in user mode. By trap all of it is in its struct; inside a
    hypercall it is on hyp's stack, and what the handlers keep is where the debugger finds it."""
    if not loaded(v):
        return {r: number(v["regs"][r]) for r in REGISTERS}, number(v["user_mode"]) != 0
    user = number(v["cpu"]["user_mode"]) != 0
    if register("cs") & 3:
        return {r: register(r) for r in REGISTERS}, user
    frame, last = gdb.newest_frame(), None
    names = set()
    while frame is not None and (frame.name() or "") != "syscall_entry":
        names.add(frame.name())
        last, frame = frame, frame.older()
    regs = {r: number(v["regs"][r]) for r in REGISTERS}
    if names & {"trap_from_guest", "vcpu_leave", "trap_slow"} or last is None:
        return regs, user
    saved = v["cpu"].cast(type_of("struct call_frame", "hc_trace_read").pointer())[-1]
    for name in ("rax", "r9", "r8", "r10", "rdx", "rsi", "rdi", "rip", "rsp"):
        regs[name] = number(saved[name])
    for name in ("rbp", "rbx", "r12", "r13", "r14", "r15"):
        regs[name] = number((frame or last).read_register(name))
    return regs, user


def set_registers(values):
    """Some are flags to gdb, and take only a value of their own type."""
    for name, value in values.items():
        kind = gdb.parse_and_eval(f"${name}").type
        gdb.set_convenience_variable("pv", gdb.Value(struct.pack("<Q", value), kind))
        gdb.execute(f"set ${name} = $pv", to_string=True)
    gdb.execute("maintenance flush register-cache", to_string=True)


def backtrace_of(v):
    """gdb's own backtrace with the registers and the address space of the vCPU, put back afterwards."""
    regs, user = guest_registers(v)
    want = dict(regs, cr3=number(v["root_user" if user else "root_kernel"]))
    old = {r: register(r) for r in want}
    try:
        set_registers(want)
        return gdb.execute("backtrace 20", to_string=True)
    except gdb.error as why:
        return f"  no more: {why}\n"
    finally:
        set_registers(old)


# ---- commands ----

class Pv(gdb.Command):
    """Look into Paravane: pv domains | vcpus | space D S | walk D S ADDRESS | grants | events |
frame MFN | trace [N] | calls D | regs D | bt [D]"""

    def __init__(self):
        super().__init__("pv", gdb.COMMAND_DATA, gdb.COMPLETE_NONE, True)


class Sub(gdb.Command):
    """One of its commands: a function, whose documentation says what it takes and does."""

    def __init__(self, function):
        self.function = function
        self.most = function.__code__.co_argcount
        self.least = self.most - len(function.__defaults__ or ())
        self.__doc__ = function.__doc__
        super().__init__("pv " + function.__name__.removeprefix("show_"), gdb.COMMAND_DATA)

    def invoke(self, text, _from_tty):
        args = gdb.string_to_argv(text)
        if not self.least <= len(args) <= self.most:
            raise gdb.GdbError(self.__doc__)
        self.function(*args)


def show_domains():
    """pv domains: each domain's state, parent, charge and why it was killed"""
    for d in domains():
        parent = number(d["parent"]["id"]) if number(d["parent"]) else "-"
        report = d["report"].string()
        print(f"domain {number(d['id'])}: {DOMAIN_STATES[number(d['state'])]}, parent {parent}, "
              f"vCPUs {len(list(vcpus(d)))}, frames {number(d['used'])} of {number(d['quota'])}, "
              f"RAM pages {number(d['ram_pages'])}{', ' + report if report else ''}")


# Assembly of hyp, behind which there is no frame of its own.
ENTRIES = ("syscall_entry", "trap_slow", "entry_from_guest", "return_to_user_slow", "arch_run")

WAITS = ((1, "blocked"), (2, "waits for its device model"), (4, "paused"), (8, "offline"),
         (16, "waits for its tracer"), (32, "polls"))


def show_vcpus():
    """pv vcpus: what each vCPU does and where it is"""
    for d in domains():
        for v in vcpus(d):
            regs, user = guest_registers(v)
            waits = [text for bit, text in WAITS if number(v["wait"]) & bit]
            state = ", ".join(waits) or ("loaded" if loaded(v) else "runnable")
            print(f"domain {number(d['id'])} vCPU {number(v['id'])}: {state}, space {number(v['space']['id'])}, "
                  f"{'user' if user else 'kernel'} mode, rip {regs['rip']:#x}"
                  f"{'' if user else symbol_of(regs['rip'])}, hypercalls {number(v['counters']['hypercalls'])}")


def show_regs(dom, vcpu="0"):
    """pv regs DOMAIN [VCPU]: the registers in the guest, also of a domain that has ended"""
    d = domain(dom)
    v = vcpu_of(d, vcpu)
    regs, user = guest_registers(v)
    vector, error = number(v["regs"]["vector"]), number(v["regs"]["error"])
    # 0 is #DE, too, which would have been counted as a fault.
    trapped = vector or number(v["counters"]["faults"])
    trap = f"last trap {value_text('hv_trap_t', vector)} error {error:#x} cr2 {number(d['last_cr2']):#x}"
    print(f"domain {number(d['id'])} vCPU {number(v['id'])}, {'user' if user else 'kernel'} mode, "
          f"{trap if trapped else 'no trap yet'}")
    for at in range(0, len(REGISTERS), 3):
        print("  " + "  ".join(f"{r:3} {regs[r]:016x}" for r in REGISTERS[at:at + 3]))
    print(f"  rip is{symbol_of(regs['rip']) or ' in no function that is known'}")


def show_bt(dom=None, vcpu="0"):
    """pv bt [DOMAIN [VCPU]]: the backtrace in hyp, if the processor is there, and in the guest behind it"""
    if dom is None:
        v = variable("cpus")[0]["vcpu"]
        if register("cs") & 3 == 0:
            depth, frame = 1, gdb.newest_frame()
            while frame.older() is not None and frame.name() not in ENTRIES:
                depth, frame = depth + 1, frame.older()
            print("-- hyp --\n" + gdb.execute(f"backtrace {depth}", to_string=True), end="")
        if not number(v):
            return
        v = v.dereference()
    else:
        v = vcpu_of(domain(dom), vcpu)
    print(f"-- domain {number(v['domain']['id'])} --\n" + backtrace_of(v), end="")


def show_space(dom, spc):
    """pv space DOMAIN SPACE: what it maps, in runs of consecutive pages"""
    s = space(domain(dom), spc)
    first, last = (504, 512) if number(s["id"]) == 0 else (0, 256)
    print(f"domain {dom} space {number(s['id'])}: L4 frames {number(s['l4_kernel']['n']):#x} (kernel view), "
          f"{number(s['l4_user']['n']):#x} (user view), loaded by {number(s['loaded'])}")
    run = None
    for address, entry in leaves(direct(number(s["l4_kernel"]["n"])), 4, 0, first, last):
        frame, bits = (entry & PTE_FRAME) >> 12, entry & 0x8000000000000E06
        if run and address == run[0] + run[2] * PAGE and frame == run[1] + run[2] and bits == run[3]:
            run[2] += 1
            continue
        print_run(run)
        run = [address, frame, 1, bits]
    print_run(run)


KINDS = {1: "RAM", 2: "window", 4: "shared page", 6: "MMIO"}


def print_run(run):
    if run:
        address, frame, pages, bits = run
        print(f"  {address:#x} {pages} pages {entry_text(frame << 12 | bits | 1)} {KINDS.get(bits >> 9 & 7, '?')}")


def show_walk(dom, spc, address):
    """pv walk DOMAIN SPACE ADDRESS: the entries of the kernel view on the way to an address"""
    s = space(domain(dom), spc)
    va = number(gdb.parse_and_eval(address))
    frame = number(s["l4_kernel"]["n"])
    for level in (4, 3, 2, 1):
        index = va >> (3 + 9 * level) & 511
        entry = words(direct(frame) + 8 * index, 1)[0]
        print(f"  L{level}[{index}] in frame {frame:#x}: {entry:#018x} {entry_text(entry)}")
        if not entry & 1:
            return
        frame = (entry & PTE_FRAME) >> 12
    print(f"  {va:#x}: {KINDS.get(entry >> 9 & 7, '?')}, {frame_text(frame)}")


def show_frame(mfn):
    """pv frame MFN: the record of a machine frame"""
    print(frame_text(number(gdb.parse_and_eval(mfn))))


def show_grants():
    """pv grants: each live grant of each domain"""
    kind = type_of("struct grant", "grant_create")
    bits = constant("hv_grant.h", "HV_GRANT_SLOT_BITS")
    for d in domains():
        slots = d["grants"]
        for n in range(number(slots) and number(slots["ever"])):
            page = slots["page"][n * kind.sizeof // PAGE]
            g = (page + n * kind.sizeof % PAGE).cast(kind.pointer()).dereference()
            if not number(g["count"]):
                continue
            mapped = f"window {number(g['window']):#x} of domain {number(g['holder']['id'])}" \
                if number(g["holder"]) else "not mapped"
            print(f"domain {number(d['id'])} grant {number(g['generation']) << bits | n:#x}: "
                  f"gfn {number(g['gfn']):#x} +{number(g['count'])} {rights_text(number(g['rights']))} "
                  f"to domain {number(g['peer'])}, {mapped}")


def show_events():
    """pv events: each port in use of each domain, and whether it is pending"""
    for d in domains():
        table = d["ports"]
        frames = table["frame"] if number(table) else None
        for f in range(frames.type.range()[1] + 1 if frames is not None else 0):
            for n in range(PAGE // frames[f].type.target().sizeof if number(frames[f]) else 0):
                show_port(d, frames[f][n])


def show_port(d, p):
    state = PORT_STATES[number(p["state"])]
    if state == "free":
        return
    index, source = number(p["index"]), number(p["source"])
    pending = any(number(p["vcpu"]["page"]["pending"][i][index // 64]) >> index % 64 & 1 for i in (0, 1))
    what = {"peer": f"domain {number(p['peer'])} port {source}", "unbound": f"for domain {number(p['peer'])}",
            "closed": f"was domain {number(p['peer'])}'s"}.get(state, f"source {source}")
    print(f"domain {number(d['id'])} port {index}: {state}, {what}{', pending' if pending else ''}")


def show_trace(count="20"):
    """pv trace [N]: the last events of each processor, decoded"""
    for n in range(number(variable("cpu_count"))):
        ring = variable("cpus")[n]["trace"]
        for at in range(max(0, number(ring["next"]) - min(int(count, 0), 256)), number(ring["next"])):
            e = ring["entries"][at % (ring["entries"].type.range()[1] + 1)]
            name, pairs = EVENTS[number(e["event"])]
            who = number(e["domain"])
            print(f"{at} tsc {number(e['tsc'])} cpu {n} {'-' if who == 0xFFFFFFFF else who} "
                  + shape_text(name, list(zip(pairs[::2], pairs[1::2])), [number(e["word"][i]) for i in range(3)]))


def show_calls(dom, vcpu="0"):
    """pv calls DOMAIN [VCPU]: the last hypercalls that were recorded, and where they were made"""
    v = vcpu_of(domain(dom), vcpu)
    kept = v["call"].type.range()[1] + 1
    end = number(v["calls_next"])
    for at in range(max(0, end - kept), end):
        e = v["call"][at % kept]
        text = call_text(number(e["nr"]), [number(e["arg"][i]) for i in range(6)], number(e["result"]))
        print(f"{at} tsc {number(e['tsc'])} {text}{symbol_of(number(e['rip']))}")


def start():
    """Defines the commands; root's and the guest's symbols beside hyp's."""
    Pv()
    for function in (show_domains, show_vcpus, show_regs, show_bt, show_space, show_walk, show_frame,
                     show_grants, show_events, show_trace, show_calls):
        Sub(function)
    gdb.execute("set confirm off")
    gdb.execute("set pagination off")
    # What gdb remembers of one address space is wrong in another.
    gdb.execute("set stack-cache off")
    gdb.execute("set code-cache off")
    folder = os.path.dirname(hyp().filename)
    for name in ("root.elf", "pvguest.elf"):
        if os.path.exists(os.path.join(folder, name)):
            gdb.execute(f"add-symbol-file {os.path.join(folder, name)}", to_string=True)


start()
