/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flush epoch (hyp/core/epoch.c, hyp/include/epoch.h): a frame is unmapped and freed
 * (hyp/core/space_leaf.c, space_flush_others; frame_free, enter_limbo, memory_settle in
 * hyp/core/frame.c) and taken again (frame_alloc, reclaim, frame_force, HC_AGAIN), while two
 * processors run guests, send events without a lock, switch, idle and wake up. Each piece names the
 * function that it is.
 *
 * One frame is an own page of a domain and the record of a port: a leaf and a pointer name it.
 * Either may unmap it, and free it in the same call, and wants to have it then. Claims:
 *  - who gets it finds no translation to it in any TLB, and no processor inside the hypervisor with
 *    a pointer to it;
 *  - when the call that unmapped it is over, no guest can use a translation any more;
 *  - who lacks memory gets what is in limbo, at the second try;
 *  - no two wait for each other, nor anybody for a processor that idles: nobody waits for ever. (A
 *    wait is no loop here, and nothing is done more than a number of times: what never ends is
 *    seen as a state in which nobody can move.)
 *
 * A processor may look at the tables that it has loaded at any moment, inside the hypervisor, too.
 *
 * Not in it: that the counter wraps, large leaves, more than two processors. Nobody is interrupted inside
 * a call: interrupts are off there.
 *
 * In CASE_SWITCH one of both loads another vCPU meanwhile, in CASE_IDLE it idles, and wakes up by a kick or
 * for another reason. A macro DEFECT_… takes one step away; the checker has to find the error then, in:
 * CASE_SWITCH: DEFECT_COUNTER_AFTER_FLUSH DEFECT_SEEN_BEFORE_FLUSH DEFECT_ROOT_BEFORE_VCPU
 * CASE_SWITCH: DEFECT_NO_BARRIER_BEFORE_STAMP DEFECT_NO_BARRIER_BEFORE_LOOK_AT_OTHERS
 * CASE_SWITCH: DEFECT_FREE_AT_ONCE DEFECT_ASK_WITHOUT_KICK DEFECT_WAITS_IN_A_CIRCLE
 * CASE_IDLE: DEFECT_IDLE_WITH_ITS_TRANSLATIONS DEFECT_IN_BEHIND_THE_HANDLER DEFECT_IN_WITHOUT_BARRIER
 * CASE_IDLE: DEFECT_WAITED_FOR_NOTHING
 */
#define CPUS 2

/* The frame is somebody's, was freed, is free, is somebody else's. */
#define OWNED  0
#define LIMBO  1
#define FREE   2
#define REUSED 3

#ifdef CASE_IDLE
#define IDLES    me
#define SWITCHES 0
#define TAKES    other
#else
#define IDLES    0
#define SWITCHES me
#define TAKES    1
#endif

#define LEAF    0              /* the page table's entry */
#define RECORD  1              /* the pointer that a send follows */
#define LOCK    2              /* memory_lock */
#define VCPU    3              /* cpu.vcpu: is it one of the space's? */
#define SEEN    (VCPU + CPUS)  /* cpu.epoch_seen */
#define OUTSIDE (SEEN + CPUS)  /* cpu.outside */
#define KICK    (OUTSIDE + CPUS)
#define CELLS   (KICK + CPUS)

#include "tso.pml"

chan buffers[CPUS] = [4] of { byte, byte };
byte frame = OWNED, stamp, epoch_now = 1;
bool root[CPUS]; /* is a table of the space's loaded? */
bool tlb[CPUS], held[CPUS], asked[CPUS], over; /* the call that has unmapped it */

#define other (1 - me)

/* A processor looks at the tables that it has loaded whenever it likes to, inside the hypervisor, too. */
active proctype walk()
{
end:
    do
    :: atomic { root[0] && mem[LEAF] && !tlb[0] -> tlb[0] = true; assert(frame != REUSED) }
    :: atomic { root[1] && mem[LEAF] && !tlb[1] -> tlb[1] = true; assert(frame != REUSED) }
    od
}

/* epoch_flush, epoch_load_root: the counter, then the flush, then what is seen. */
inline pass(new_root) {
#ifdef DEFECT_COUNTER_AFTER_FLUSH
    atomic { empty(mine) -> tlb[me] = false; root[me] = new_root };
    atomic { empty(mine) -> epoch_now++; next = epoch_now };
#else
    atomic { empty(mine) -> epoch_now++; next = epoch_now };
#ifdef DEFECT_SEEN_BEFORE_FLUSH
    store(mine, SEEN + me, next);
#endif
    atomic { empty(mine) -> tlb[me] = false; root[me] = new_root }; /* writing the root serializes */
#endif
#ifndef DEFECT_SEEN_BEFORE_FLUSH
    store(mine, SEEN + me, next);
#endif
    next = 0
}

/* epoch_serve */
inline serve() {
    atomic { empty(mine) -> found = asked[me]; asked[me] = false };
    if
    :: found -> pass(root[me])
    :: else
    fi;
    found = false
}

/* passed() of the other one */
#define has_passed(since) (mem[SEEN + other] > since || mem[OUTSIDE + other])

/* epoch_wait, for the other one */
inline epoch_wait() {
    fence(mine);
    since = epoch_now;
#ifndef DEFECT_WAITS_IN_A_CIRCLE
    pass(root[me]);
#endif
    if
    :: has_passed(since)
    :: else ->
        atomic { empty(mine) -> asked[other] = true };
#ifndef DEFECT_ASK_WITHOUT_KICK
        store(mine, KICK + other, 1);
#endif
        do
        :: has_passed(since) -> break
#ifndef DEFECT_WAITS_IN_A_CIRCLE
        :: asked[me] -> serve()
#endif
        od
    fi
}

/* event_send, port_raise: no lock, and a pointer in the hands for some time */
inline send() {
    held[me] = mem[RECORD];
    held[me] = false
}

/* epoch_enter */
inline enter() {
#ifdef DEFECT_IN_WITHOUT_BARRIER
    store(mine, OUTSIDE + me, 0)
#else
    atomic { empty(mine) -> mem[OUTSIDE + me] = 0 }
#endif
}

inline lock() { atomic { empty(mine) && !mem[LOCK] -> mem[LOCK] = 1 } }
inline unlock() { store(mine, LOCK, 0) }

proctype processor(byte me; chan mine)
{
    byte next, since, tries, sends = me, switches = SWITCHES, idles = IDLES, takes = TAKES;
    bool found, due;

    goto end_guest;

load: /* arch_switch, space_set: another vCPU, of this space or not */
    if
    :: found = true
    :: found = false
    fi;
#ifdef DEFECT_ROOT_BEFORE_VCPU
    pass(found);
    store(mine, VCPU + me, found);
#else
    store(mine, VCPU + me, found);
    pass(found);
#endif
    found = false;

end_guest:
    if
    :: atomic { mem[KICK + me] -> mem[KICK + me] = 0 }; /* kick_handler */
        serve()
    :: atomic { tlb[me] && over -> assert(false) }
    :: sends > 0 -> sends--; send()
    :: switches > 0 -> switches--; goto load
    :: frame == OWNED && mem[LEAF] -> goto free
    :: takes > 0 -> takes--; tries = 2; goto alloc
    :: idles > 0 -> idles--; goto idle
    fi;
    goto end_guest;

free:
    lock();
    if
    :: frame == OWNED ->
        store(mine, LEAF, 0);
        store(mine, RECORD, 0);
        if
        :: true -> goto flush /* it was not the last leaf */
        :: true
        fi;
        /* enter_limbo */
#ifndef DEFECT_NO_BARRIER_BEFORE_STAMP
        fence(mine);
#endif
        stamp = epoch_now;
#ifdef DEFECT_FREE_AT_ONCE
        frame = FREE;
#else
        frame = LIMBO;
#endif
flush: /* space_flush, space_flush_others */
#ifndef DEFECT_NO_BARRIER_BEFORE_LOOK_AT_OTHERS
        fence(mine);
#endif
        due = mem[VCPU + other];
        atomic { empty(mine) -> tlb[me] = false };
        unlock();
        /* memory_settle */
        if
        :: due -> due = false; epoch_wait(); since = 0
        :: else
        fi;
        over = true
    :: else -> unlock()
    fi;
    goto end_guest;

alloc: /* frame_alloc, reclaim, epoch_passed */
    lock();
    if
    :: frame == LIMBO ->
        if
#ifndef DEFECT_WAITED_FOR_NOTHING
        :: tries == 1 && since >= stamp -> frame = FREE /* frame_force */
#endif
        :: mem[SEEN + me] > stamp && has_passed(stamp) -> frame = FREE
        :: else
        fi
    :: else
    fi;
    if
    :: atomic { frame == FREE -> frame = REUSED; assert(!tlb[0] && !tlb[1] && !held[0] && !held[1]) };
        tries = 0
    :: frame == LIMBO -> tries--; assert(tries > 0)
    :: frame != FREE && frame != LIMBO -> tries = 0
    fi;
    unlock();
    if
    :: tries > 0 -> epoch_wait(); goto alloc /* frame_force */
    :: else -> since = 0; goto end_guest
    fi;

idle: /* arch_unload, epoch_idle */
    store(mine, VCPU + me, 0);
#ifndef DEFECT_IDLE_WITH_ITS_TRANSLATIONS
    atomic { empty(mine) -> tlb[me] = false; root[me] = false };
#endif
    atomic { empty(mine) -> mem[OUTSIDE + me] = 1 };
end_idle:
    if
    :: atomic { mem[KICK + me] -> mem[KICK + me] = 0 }
    :: true /* a timer's or a line's */
    fi;
    /* trap_from_hyp, irq_timer_idle */
#ifndef DEFECT_IN_BEHIND_THE_HANDLER
    enter();
#endif
    if
    :: sends > 0 -> sends--; send()
    :: true
    fi;
    serve();
    enter();
    goto load
}

init
{
    atomic {
        mem[LEAF] = 1; mem[RECORD] = 1; mem[VCPU] = 1; root[0] = true;
        if
        :: mem[VCPU + 1] = 1; root[1] = true
        :: true
        fi;
        run store_buffer(buffers[0]); run store_buffer(buffers[1]);
        run processor(0, buffers[0]); run processor(1, buffers[1])
    }
}
