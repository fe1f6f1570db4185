/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vCPUs on several processors: who waits, who wakes, who runs where (hyp/core/sched.c; what raises
 * and waits: hyp/core/event.c, hyp/hc/hc_sched.c; what loads and saves: hyp/arch/x86_64/switch.c,
 * vcpu_leave; what takes down: hyp/core/domain_vcpu.c). Each piece names the function that it is.
 *
 * Two processors run two vCPUs: A waits, in block or in poll with a limit of time, and B sends to it.
 * A device's interrupt and the end of a slice may come at any moment, on either. A third processor,
 * on which neither may run, takes A down, gives it new registers, and brings it up again. Which of
 * those that wait is chosen, and whether one preempts, is the checker's choice: the policy's is one
 * of them. Claims:
 *  - no vCPU is on two processors or in two places of the queues; none runs with registers that are
 *    not its newest, and none that is down, once vcpu_down has answered 0;
 *  - when nothing can move any more, no vCPU waits for what has come, none that is ready waits for
 *    a processor that has nothing to do, and the third one has got its answer.
 *
 * What a lock guards becomes visible to those who read it without, and with it the lock's release, at
 * any moment up to its holder's next locked instruction: that is what a store buffer (total store order)
 * does to it. What else one processor stores and another reads without a lock goes by the same buffers
 * in event.pml. There are no ticks but the one: what a slice's end would heal counts as lost.
 *
 * Not in it: which vCPU is the right one to choose, affinity, caps, balance, sched_yield_to,
 * ports that are closed or moved amid a poll.
 *
 * In CASE_BLOCK A blocks, in CASE_POLL it polls, masked or not, in CASE_DOWN it is taken down meanwhile. A
 * macro DEFECT_… takes one step away; the checker has to find the error then, in:
 * CASE_BLOCK: DEFECT_LOOK_BEFORE_BLOCK DEFECT_LOOK_BEFORE_IDLE DEFECT_NO_KICK DEFECT_UPCALL_WITHOUT_KICK
 * CASE_BLOCK: DEFECT_NO_BARRIER_BEFORE_LOOK_FOR_IDLE DEFECT_NO_LOOK_FOR_IDLE DEFECT_NO_WAIT_FOR_SAVE
 * CASE_BLOCK: DEFECT_NO_LOOK_FOR_IDLE_AFTER_WAKE DEFECT_CLAIM_IS_NOT_ASKED_FOR
 * CASE_POLL: DEFECT_LOOK_BEFORE_POLL DEFECT_QUEUE_IS_NOT_ASKED_AGAIN DEFECT_READY_IS_NOT_ASKED_AGAIN
 * CASE_DOWN: DEFECT_STOPPED_IS_ENOUGH DEFECT_CONTEXT_KEEPS_LOADED_ON DEFECT_IDLE_KEEPS_THE_VCPU
 * CASE_DOWN: DEFECT_CLAIM_IS_FORGOTTEN DEFECT_PLACE_IS_NOT_ASKED_AGAIN
 */
#define CPUS 2
#define A    0
#define B    1
#define NONE 2 /* no vCPU, no processor */

#define BLOCKED 1 /* vcpu.wait */
#define POLLING 2
#define OFFLINE 4

#define RESCHED 1 /* cpu.work */
#define UPCALL  2

#define IN_IDLE  1 /* where an interrupt came, or whether a call was made */
#define IN_GUEST 2
#define IN_CALL  3

/* How often B sends, A waits again, a device interrupts, a slice is over, the time of a poll is up. */
#ifdef CASE_DOWN
#define WAITS 0
#define TICKS 0
#else
#define WAITS 2
#define TICKS 1
#endif
#ifdef CASE_BLOCK
#define IRQS  1
#else
#define IRQS  0
#endif
#ifdef CASE_POLL
#define ENDS  1
#else
#define ENDS  0
#endif
#define SENDS 1
/* run_queue.lock: free, held, or given up and not yet seen to be. */
#define HELD     1
#define RELEASED 2

#define IN_MEMORY (1 << CPUS)

byte lock_of[CPUS], holder[CPUS];
bool first[CPUS];               /* waiting.first != NULL, for who reads it without the lock */
byte current[CPUS];             /* s.current */
byte cpu_of[2], loaded_on[2];   /* vcpu.cpu, vcpu.loaded_on */
byte on[CPUS];                  /* cpu.vcpu */
bool kicked[CPUS];              /* its local APIC has one for it */
byte newest[2];                 /* bit n: processor n has the vCPU's registers as they are now; IN_MEMORY */
byte work[CPUS], wait[2], queued[CPUS];
byte idle_mask, selector, pending; /* of A; bit 1: the port that it polls, 2: another */
bool is_down, masked = 1;          /* of A; masked as its own processor sees it */
bool halted[CPUS], in_guest[CPUS], finished;
byte sends = SENDS, irqs = IRQS, ticks = TICKS, ends = ENDS, waits = WAITS;

#define bit(n)      (1 << (n))
#define is_ready(v) (wait[v] == 0 && !(queued[0] & bit(v)) && !(queued[1] & bit(v)) && current[q] != v)

/* A locked instruction, or a fence, of `me`. */
#define published(q) (lock_of[q] != RELEASED || holder[q] != me)
#define fence        published(0) && published(1)

#ifdef DEFECT_NO_BARRIER_BEFORE_LOOK_FOR_IDLE
#define look_fence true
#else
#define look_fence fence
#endif

/* The store buffers. */
active proctype publish()
{
end:
    do
    :: d_step { lock_of[0] == RELEASED -> first[0] = queued[0] != 0; lock_of[0] = 0; holder[0] = 0 }
    :: d_step { lock_of[1] == RELEASED -> first[1] = queued[1] != 0; lock_of[1] = 0; holder[1] = 0 }
    od
}

#define can_lock(q) (fence && lock_of[q] == 0)
#define take(q)     lock_of[q] = HELD; holder[q] = me

/* What is to be seen is seen already, or will be. */
inline unlock(q) {
    atomic {
        if
        :: first[q] != (queued[q] != 0) -> lock_of[q] = RELEASED
        :: else -> lock_of[q] = 0; holder[q] = 0
        fi
    }
}

/* cpu_kick */
inline kick(cpu) {
#ifndef DEFECT_NO_KICK
    kicked[cpu] = true
#else
    skip
#endif
}

/* queue_lock */
inline queue_lock(v) {
    do
    :: q = cpu_of[v];
       atomic { can_lock(q) -> take(q) };
#ifdef DEFECT_QUEUE_IS_NOT_ASKED_AGAIN
       break
#else
       atomic {
           if
           :: cpu_of[v] == q -> break
           :: else -> unlock(q)
           fi
       }
#endif
    od
}

/* queue_changed, with resched */
inline resched(queue) {
    atomic {
        fence -> work[queue] = work[queue] | RESCHED;
        if
        :: queue != me -> kick(queue)
        :: else
        fi
    }
}

/* call_idle: `at` is a processor other than that of the queue */
inline call_idle(queue, at) {
    look_fence;
    at = 1 - queue;
    if
    :: idle_mask & bit(at) ->
        atomic { can_lock(queue) -> found = queued[queue] != 0; take(queue) };
        unlock(queue);
        atomic {
            if
            :: found ->
                fence -> found = (idle_mask & bit(at)) != 0;
                idle_mask = idle_mask & ~bit(at)
            :: else
            fi
        };
        if
        :: found -> kick(at)
        :: else
        fi
    :: else
    fi
}

/* queue_ready; q is locked */
inline queue_ready(v) {
    atomic {
        assert(!((queued[0] | queued[1]) & bit(v)) && current[0] != v && current[1] != v);
        queued[q] = queued[q] | bit(v);
        found = current[q] == NONE;
        if
        :: !found -> found = true /* it preempts */
        :: true
        fi
    };
    unlock(q);
    if
    :: found -> resched(q)
    :: else ->
#ifndef DEFECT_NO_LOOK_FOR_IDLE_AFTER_WAKE
        call_idle(q, to)
#else
        skip
#endif
    fi
}

/* place: claims what is idle, its own first */
inline place(v) {
    atomic {
        to = q;
        found = (idle_mask & bit(q)) == 0 && (idle_mask & bit(1 - q)) != 0
    };
    if
    :: found ->
        atomic {
            fence ->
            if
            :: idle_mask & bit(1 - q) -> to = 1 - q; idle_mask = idle_mask & ~bit(to)
            :: else
            fi
        }
    :: else -> atomic { fence -> idle_mask = idle_mask & ~bit(q) }
    fi
}

/* Has another moved it between the two locks? */
#ifdef DEFECT_PLACE_IS_NOT_ASKED_AGAIN
#define is_elsewhere(v) false
#else
#define is_elsewhere(v) (cpu_of[v] != q)
#endif

/* sched_wake, with move_ready */
inline sched_wake(v, why) {
    queue_lock(v);
    wait[v] = wait[v] & ~(why);
    if
    :: is_ready(v) ->
        place(v);
        if
        :: to != q ->
            unlock(q);
            atomic { can_lock(0) && can_lock(1) -> take(0); take(1) };
            if
#ifndef DEFECT_READY_IS_NOT_ASKED_AGAIN
            :: is_elsewhere(v) || !is_ready(v) ->
                unlock(to);
                unlock(q);
#ifndef DEFECT_CLAIM_IS_FORGOTTEN
                kick(to)
#endif
#endif
            :: else ->
                cpu_of[v] = to;
                unlock(q);
                q = to;
                queue_ready(v)
            fi
        :: else -> queue_ready(v)
        fi
    :: else -> unlock(q)
    fi
}

/* sched_sleep */
inline sched_sleep(v, why) {
    queue_lock(v);
    atomic {
        wait[v] = wait[v] | why;
        found = current[q] == v;
        queued[q] = queued[q] & ~bit(v)
    };
    unlock(q);
    if
    :: found -> resched(q)
    :: else
    fi
}

/* arch_switch's save, and arch_unload */
inline save() {
    if
    :: on[me] != NONE ->
        newest[on[me]] = newest[on[me]] | IN_MEMORY;
        on[me] = NONE
    :: else
    fi
}

proctype processor(byte me)
{
    byte q, to, next, was, last = NONE, port, why, at;
    bool found, due, again;

    if
    :: me == 0 -> last = B; goto guest
    :: else -> goto pick
    fi;

leave: /* vcpu_leave */
    atomic {
        fence -> found = work[me] & RESCHED; work[me] = 0;
        q = 0; to = 0; next = 0; was = 0;
        if
        :: found || on[me] == NONE -> found = false; goto pick
        :: else
        fi
    };
    if
    :: wait[on[me]] != 0 -> goto pick
    :: else -> goto guest
    fi;

pick: /* take_next, with policy_pick */
    atomic {
        can_lock(me) -> take(me);
        q = 0; to = 0; found = false;
        was = current[me];
        if
        :: was != NONE && wait[was] == 0 -> next = was
        :: else -> next = NONE
        fi;
        if
        :: queued[me] != 0 ->
            if
            :: next == NONE || true -> /* one of those that wait */
                if
                :: queued[me] & bit(A) -> to = A
                :: queued[me] & bit(B) -> to = B
                fi;
                queued[me] = queued[me] & ~bit(to);
                if
                :: next != NONE -> queued[me] = queued[me] | bit(next)
                :: else
                fi;
                next = to
            :: next != NONE
            fi
        :: else
        fi;
        current[me] = next;
        was = 0; to = 0
    };
    unlock(me);
#ifndef DEFECT_NO_LOOK_FOR_IDLE
    if
    :: queued[me] != 0 -> call_idle(me, to)
    :: else
    fi;
#endif
    if
    :: next != NONE -> goto switch
    :: else
    fi;

    /* idle, steal */
#ifdef DEFECT_LOOK_BEFORE_IDLE
    found = first[1 - me] && current[1 - me] != NONE; /* who is idle comes for its own */
#endif
    atomic { fence -> idle_mask = idle_mask | bit(me) };
#ifndef DEFECT_LOOK_BEFORE_IDLE
    found = first[1 - me] && current[1 - me] != NONE; /* who is idle comes for its own */
#endif
    if
    :: found ->
        /* spin_lock_pair, policy_steal, migrate */
        atomic {
            can_lock(0) && can_lock(1) -> take(0); take(1);
            if
            :: queued[1 - me] & bit(A) -> to = A
            :: queued[1 - me] & bit(B) -> to = B
            :: queued[1 - me] == 0 -> to = NONE
            fi;
            if
            :: to != NONE ->
                queued[1 - me] = queued[1 - me] & ~bit(to);
                queued[me] = queued[me] | bit(to);
                cpu_of[to] = me
            :: else
            fi;
            found = queued[me] != 0
        };
        unlock(1 - me);
        unlock(me)
    :: else
    fi;
    if
    :: found -> atomic { fence -> idle_mask = idle_mask & ~bit(me) }; goto pick
    :: else
    fi;
#ifndef DEFECT_IDLE_KEEPS_THE_VCPU
    save();
#endif
    if
    :: atomic { kicked[me] -> kicked[me] = false } /* arch_poll, amid the clearing of frames */
    :: true
    fi;
    if
#ifndef DEFECT_CLAIM_IS_NOT_ASKED_FOR
    :: !first[me] && idle_mask & bit(me) -> /* epoch_idle: interrupts come from here on */
#else
    :: !first[me] ->
#endif
        atomic { fence -> halted[me] = true };
end_idle:
        if
        :: atomic { kicked[me] -> kicked[me] = false; halted[me] = false }
        :: atomic { irqs > 0 -> irqs--; halted[me] = false; port = 2; at = IN_IDLE };
            goto raise
        :: atomic { ends > 0 && wait[A] & POLLING -> ends--; halted[me] = false; why = POLLING; at = IN_IDLE };
            goto wake
        fi
    :: else
    fi;
idle_over:
    atomic { fence -> idle_mask = idle_mask & ~bit(me) };
    work[me] = work[me] & ~RESCHED;
    goto pick;

switch: /* arch_switch */
    if
    :: next == on[me] -> goto leave
    :: else
    fi;
    to = loaded_on[next];
    save();
#ifndef DEFECT_NO_WAIT_FOR_SAVE
    if
    :: to != NONE && to != me -> on[to] != next
    :: else
    fi;
#endif
    atomic {
        assert(on[0] != next && on[1] != next);
        /* state_load; what was stored by this processor itself is what it loads */
        if
        :: last != next || to != me ->
            assert(newest[next] & IN_MEMORY);
            newest[1 - next] = newest[1 - next] & ~bit(me);
            newest[next] = newest[next] | bit(me)
        :: else
        fi;
        last = next;
        loaded_on[next] = me
    };
    on[me] = next;
    fence; /* epoch_load_root */
    goto leave;

guest: /* the end of vcpu_leave, and the guest from there on */
    atomic {
        assert(on[1 - me] != on[me]);
        assert(on[me] != A || !is_down);
        assert(newest[on[me]] & bit(me));
        newest[on[me]] = bit(me);
        due = on[me] == A && !masked && selector
    };
stay:
    in_guest[me] = true;
    if
    :: due -> /* its upcall */
        in_guest[me] = false;
        atomic { fence -> selector = 0; pending = 0; due = false };
        goto stay
    :: else
    fi;
end_guest:
    if
    :: atomic { kicked[me] -> kicked[me] = false; in_guest[me] = false };
        goto leave
    :: atomic { irqs > 0 -> irqs--; in_guest[me] = false; port = 2; at = IN_GUEST };
        goto raise
    :: atomic { on[me] == A && waits > 0 -> waits = 0 } /* it waits no more */
    :: atomic { ticks > 0 -> ticks--; in_guest[me] = false; work[me] = work[me] | RESCHED };
        goto leave
    :: atomic { ends > 0 && wait[A] & POLLING -> ends--; in_guest[me] = false; why = POLLING; at = IN_GUEST };
        goto wake
    :: atomic {
            on[me] == B && sends > 0 -> sends--; in_guest[me] = false; at = IN_CALL;
            if
            :: port = 1
            :: port = 2
            fi
        };
        goto raise
#ifdef CASE_POLL
    :: atomic { on[me] == A && masked -> masked = false; in_guest[me] = false };
        fence; /* hv_unmask */
        if
        :: selector -> due = true
        :: else
        fi
    :: atomic { on[me] == A && !masked -> masked = true }
    :: atomic { on[me] == A && waits > 0 -> waits--; in_guest[me] = false }; /* hc_poll */
#ifdef DEFECT_LOOK_BEFORE_POLL
        due = pending & 1 || (!masked && selector);
#endif
        atomic { fence -> wait[A] = wait[A] | POLLING; work[me] = work[me] | RESCHED };
#ifndef DEFECT_LOOK_BEFORE_POLL
        due = pending & 1 || (!masked && selector);
#endif
        if
        :: atomic { due -> due = false; why = POLLING; at = IN_CALL }; goto wake
        :: else
        fi
#else
    :: atomic { on[me] == A && waits > 0 -> waits--; in_guest[me] = false }; /* hc_block */
        masked = false;
#ifdef DEFECT_LOOK_BEFORE_BLOCK
        due = selector;
#endif
        atomic { fence -> wait[A] = wait[A] | BLOCKED; work[me] = work[me] | RESCHED };
#ifndef DEFECT_LOOK_BEFORE_BLOCK
        due = selector;
#endif
        if
        :: atomic { due -> due = false; why = BLOCKED; at = IN_CALL }; goto wake
        :: else
        fi
#endif
    fi;
exit: /* hypercall_exit */
    if
    :: work[me] != 0 -> goto leave
    :: else -> goto stay
    fi;

raise: /* event_send, line_handler: port_raise, polled_raise, word_raise, waiter_raise, upcall */
    atomic { fence -> pending = pending | port };
    if
    :: atomic { port == 1 && wait[A] & POLLING -> again = true; why = POLLING }; goto wake
    :: else
    fi;
word:
    atomic {
        fence -> found = selector; selector = 1;
        again = false; port = 0;
        if
        :: found -> found = false; goto back
        :: else
        fi
    };
    if
    :: wait[A] & (BLOCKED | POLLING) ->
        atomic {
            if
            :: wait[A] & BLOCKED || !masked -> why = BLOCKED | POLLING; goto wake
            :: else -> goto back
            fi
        }
    :: else
    fi;
    if
    :: masked -> goto back
    :: else
    fi;
    to = cpu_of[A];
    if
    :: on[to] == A ->
        atomic {
            fence -> work[to] = work[to] | UPCALL;
            if
#ifndef DEFECT_UPCALL_WITHOUT_KICK
            :: to != me -> kick(to)
#endif
            :: else
            fi
        }
    :: else
    fi;
    goto back;

wake:
    sched_wake(A, why);
    if
    :: again -> goto word
    :: else
    fi;

back:
    atomic {
        q = 0; to = 0; found = false; why = 0; port = 0;
        if
        :: at == IN_IDLE -> at = 0; goto idle_over
        :: at == IN_GUEST -> at = 0; goto leave
        :: at == IN_CALL -> at = 0; goto exit
        fi
    }
}

/* domain_vcpu_down until it answers 0, domain_vcpu_context, domain_vcpu_up. */
#ifdef CASE_DOWN
proctype controller(byte me)
{
    byte q, to, why = OFFLINE;
    bool found;

    sched_sleep(A, OFFLINE);
    atomic { q = 0; found = false };
    /* vcpu_loaded, sched_stopped: each word once more until it is so */
    to = cpu_of[A];
    current[to] != A;
#ifndef DEFECT_STOPPED_IS_ENOUGH
    to = loaded_on[A];
    if
    :: to != NONE -> on[to] != A
    :: else
    fi;
#endif
    atomic { is_down = true; to = 0; assert(on[0] != A && on[1] != A) };
    if
    :: true -> /* vcpu_set_context */
        atomic { newest[A] = IN_MEMORY; masked = true; why = BLOCKED | POLLING };
#ifndef DEFECT_CONTEXT_KEEPS_LOADED_ON
        loaded_on[A] = NONE
#endif
    :: true -> is_down = false
    :: true -> goto over
    fi;
up:
    sched_wake(A, why);
    if
    :: why != OFFLINE -> atomic { why = OFFLINE; is_down = false; q = 0; to = 0; found = false }; goto up
    :: else
    fi;
over:
    finished = true
}
#endif

/* When nothing can move any more. */
proctype judge()
{
    timeout;
    assert(finished);
    assert(!halted[0] || idle_mask & 1);
    assert(!halted[1] || idle_mask & 2);
    assert((queued[0] | queued[1]) == 0 || !(halted[0] || halted[1]));
    assert(wait[A] != 0 || in_guest[0] && on[0] == A || in_guest[1] && on[1] == A);
    assert(wait[B] != 0 || in_guest[0] && on[0] == B || in_guest[1] && on[1] == B);
    assert(!(wait[A] & BLOCKED) || !selector);
    assert(!(wait[A] & POLLING) || !(pending & 1) && (masked || !selector));
    assert(wait[A] != 0 || masked || !selector)
}

/* B runs on processor 0, A waits, in whatever queue; the other processor is about to look. */
init
{
    atomic {
        current[0] = B; on[0] = B; loaded_on[B] = 0; newest[B] = bit(0); wait[B] = 0;
        current[1] = NONE; on[1] = NONE; loaded_on[A] = NONE; newest[A] = IN_MEMORY;
        if
        :: cpu_of[A] = 0
        :: cpu_of[A] = 1
        fi;
#ifdef CASE_POLL
        wait[A] = POLLING;
#else
        wait[A] = BLOCKED; masked = false;
#endif
        run processor(0); run processor(1);
#ifdef CASE_DOWN
        run controller(2);
#else
        finished = true;
#endif
        run judge()
    }
}
