/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event notification: senders raise ports (hyp/core/event.c), a vCPU masks, unmasks, is preempted and
 * blocks (hyp/hc/hc_sched.c, libhypercall/src/event.c and its return path). Claim: after the last send
 * of a port its handler runs once more, wherever the vCPU was: no wake-up is lost.
 *
 * Every sender is on a processor of its own, and an interrupt may come between any two steps of the
 * guest: this is the protocol as it has to hold with several processors, too. A macro DEFECT_… takes one
 * step away; the checker has to find the error then.
 */
#define SENDERS 2
#ifndef SENDS
#define SENDS 2
#endif

#define MASKED  0 /* the vCPU's page: no upcalls */
#define WAITING 1 /* hyp: the vCPU is in block */
#define LOADED  2 /* hyp: it is on its processor */
#define CELLS   3

#include "tso.pml"

chan buffer = [3] of { byte, byte }; /* of the vCPU's processor */
byte pending, selector;              /* changed by locked instructions alone */
bool work;                           /* its processor is to look for an upcall: an interrupt */
byte sent[SENDERS], seen[SENDERS];   /* what the claim is about */

#ifdef DEFECT_NO_FENCE_AFTER_UNMASK
#define unmask_fence true
#else
#define unmask_fence fence(buffer)
#endif
#ifdef DEFECT_NO_FENCE_IN_BLOCK
#define block_fence true
#else
#define block_fence fence(buffer)
#endif

#define selected(old) atomic { old = selector; selector = 1 }

proctype sender(byte port)
{
    byte was, masked, left = SENDS;

    do
    :: left == 0 -> break
    :: else ->
        left--;
        sent[port]++;
#ifdef DEFECT_LOOK_BEFORE_RAISE
        masked = load(MASKED);
#endif
#ifdef DEFECT_SELECTOR_BEFORE_WORD
        selected(was);
        pending = pending | (1 << port);
#else
        pending = pending | (1 << port);
        selected(was);
#endif
        if
        :: was
        :: else ->
            if
            :: load(WAITING) -> mem[WAITING] = 0 /* under the run queue's lock */
            :: else ->
#ifndef DEFECT_LOOK_BEFORE_RAISE
                masked = load(MASKED);
#endif
                if
                :: !masked && load(LOADED) -> work = true
                :: else
                fi
            fi
        fi
    od
}

proctype vcpu()
{
    byte bits, words, port;
    bool upcalls = true; /* what this processor last stored in MASKED, inverted */

handler: /* masked: the selector first, then the word */
#ifdef DEFECT_WORD_BEFORE_SELECTOR
    atomic { fence(buffer) -> bits = pending; pending = 0 };
    atomic { words = selector; selector = 0 };
#else
    atomic { fence(buffer) -> words = selector; selector = 0 };
    if
    :: words -> atomic { bits = pending; pending = 0 }
    :: else -> bits = 0
    fi;
#endif
    port = 0;
    do
    :: port == SENDERS -> break
    :: else ->
        if
        :: bits & (1 << port) -> seen[port] = sent[port]
        :: else
        fi;
        port++
    od;
    bits = 0;
    if
    :: work -> fence(buffer); work = false /* an interrupt while masked changes nothing */
    :: true
    fi;

    upcalls = true;
    store(buffer, MASKED, 0);
    if
    :: work -> goto interrupt
    :: true
    fi;
look:
    unmask_fence;
#ifndef DEFECT_NO_LOOK_AFTER_UNMASK
    if
    :: selector -> upcalls = false; store(buffer, MASKED, 1); goto handler
    :: else
    fi;
#endif
idle: /* in the guest's own code, or on the way to block */
    if
    :: true -> goto block
    :: true ->
end_running:
        work -> goto interrupt
    fi;

interrupt: /* hyp: the processor's work flag is cleared by a locked instruction, then it looks */
    fence(buffer);
    work = false;
    if
    :: true
    :: true -> /* another vCPU runs for a while, and what is told it in between is lost */
        store(buffer, LOADED, 0);
        fence(buffer);
        work = false;
        store(buffer, LOADED, 1);
#ifdef DEFECT_NO_LOOK_AFTER_LOAD
        goto idle;
#endif
        fence(buffer)
    fi;
    if
    :: upcalls && selector -> upcalls = false; store(buffer, MASKED, 1); goto handler
    :: else -> goto look
    fi;

block: /* hyp: unmask and wait; then look */
    store(buffer, MASKED, 0);
#ifdef DEFECT_LOOK_BEFORE_WAIT
    words = selector;
#endif
    store(buffer, WAITING, 1);
    block_fence;
#ifndef DEFECT_LOOK_BEFORE_WAIT
    words = selector;
#endif
    if
    :: words -> fence(buffer); mem[WAITING] = 0; goto interrupt
    :: else ->
end_blocked:
        empty(buffer) && !mem[WAITING] -> goto interrupt
    fi
}

/* When nothing can move any more, all has been seen. */
proctype judge()
{
    byte port = 0;

    timeout;
    do
    :: port == SENDERS -> break
    :: else -> assert(seen[port] == sent[port]); port++
    od
}

init
{
    atomic {
        mem[MASKED] = 1; mem[LOADED] = 1;
        run store_buffer(buffer);
        run vcpu(); run sender(0); run sender(1); run judge()
    }
}
