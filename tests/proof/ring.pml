/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two rings of a device (libhypercall/src/ring.c): a front end that asks for ITEMS things, a back
 * end that answers each, both going to sleep whenever they may. Claims: every slot that is read holds
 * what was written for it; every answer comes; nobody sleeps while there is something for it.
 *
 * The indices start so that they wrap. The front end puts as many as it likes before it publishes, and
 * sleeps for any number of answers that it can expect; the back end answers as many as it likes before
 * it publishes. The choice is the model checker's.
 *
 * A macro DEFECT_… takes one step of the protocol away; the checker has to find the error then.
 */
#define SLOTS 2
#define TURN  8 /* indices count modulo this; 2^32 in reality */
#define START 6
#ifndef ITEMS
#define ITEMS 4
#endif

/* Shared memory: producer index, event index and slots of each ring. */
#define FRONT_PROD  0
#define FRONT_EVENT 1
#define FRONT_SLOT  2
#define BACK_PROD   (FRONT_SLOT + SLOTS)
#define BACK_EVENT  (BACK_PROD + 1)
#define BACK_SLOT   (BACK_PROD + 2)
#define CELLS       (BACK_SLOT + SLOTS)

#include "tso.pml"

chan front_buffer = [3] of { byte, byte };
chan back_buffer = [3] of { byte, byte };
bool front_told, back_told; /* the event ports */
bool finished;

#define minus(a, b) ((a + TURN - b) % TURN)
#define plus(a, b)  ((a + b) % TURN)

#ifdef DEFECT_NO_FENCE_AFTER_PUSH
#define push_fence(buffer) true
#else
#define push_fence(buffer) fence(buffer)
#endif
#ifdef DEFECT_NO_FENCE_BEFORE_LOOK
#define sleep_fence(buffer) true
#else
#define sleep_fence(buffer) fence(buffer)
#endif
#ifdef DEFECT_TELL_ONLY_AT_THE_EVENT
#define wanted(event, old, new) (event == new)
#else
#ifdef DEFECT_EVENT_OFF_BY_ONE
#define wanted(event, old, new) (minus(event, old) < minus(new, old))
#else
#define wanted(event, old, new) (minus(event, plus(old, 1)) < minus(new, old))
#endif
#endif

/* An event is a locked operation on the other side's pending word. */
#define send(buffer, told) fence(buffer); told = true

proctype front()
{
    byte prod = START, pushed = START, cons = START, seen = START;
    byte next = 0, got = 0, want, event;

    do
    :: got == ITEMS -> break
    :: else ->
        do
        :: next < ITEMS && minus(prod, cons) < SLOTS ->
            next++;
            store(front_buffer, FRONT_SLOT + prod % SLOTS, next);
            prod = plus(prod, 1)
        :: prod != cons -> break
        od;
        if
        :: prod != pushed ->
            store(front_buffer, FRONT_PROD, prod);
            push_fence(front_buffer);
            event = load(BACK_EVENT);
            if
            :: wanted(event, pushed, prod) -> send(front_buffer, back_told)
            :: else
            fi;
            pushed = prod
        :: else
        fi;
        seen = load(BACK_PROD);
        assert(minus(seen, cons) <= minus(pushed, cons));
        if
        :: seen == cons -> /* sleep, for as many answers as one likes */
            want = 1;
            do
            :: want < minus(pushed, cons) -> want++
            :: break
            od;
            store(front_buffer, FRONT_EVENT, plus(cons, want));
            sleep_fence(front_buffer);
            seen = load(BACK_PROD);
#ifdef DEFECT_NO_LOOK_BEFORE_SLEEP
            seen = cons;
#endif
            if
            :: minus(seen, cons) >= want
            :: else -> front_told -> front_told = false; seen = load(BACK_PROD)
            fi
        :: else
        fi;
        do
        :: seen != cons ->
            got++;
            assert(load(BACK_SLOT + cons % SLOTS) == got);
            cons = plus(cons, 1)
        :: else -> break
        od
    od;
    finished = true
}

proctype back()
{
    byte prod = START, pushed = START, cons = START, seen = START;
    byte served = 0, event, item;

    do
    :: seen != cons && minus(cons, pushed) < SLOTS ->
        served++;
        item = load(FRONT_SLOT + cons % SLOTS);
        assert(item == served);
        cons = plus(cons, 1);
#ifdef DEFECT_INDEX_BEFORE_SLOT
        store(back_buffer, BACK_PROD, plus(prod, 1));
#endif
        store(back_buffer, BACK_SLOT + prod % SLOTS, item);
        prod = plus(prod, 1)
    :: prod != pushed ->
        store(back_buffer, BACK_PROD, prod);
        push_fence(back_buffer);
        event = load(FRONT_EVENT);
        if
        :: wanted(event, pushed, prod) -> send(back_buffer, front_told)
        :: else
        fi;
        pushed = prod
    :: seen == cons && prod == pushed ->
        seen = load(FRONT_PROD);
        assert(minus(seen, cons) <= SLOTS);
        if
        :: seen != cons
        :: else ->
            store(back_buffer, BACK_EVENT, plus(cons, 1));
            sleep_fence(back_buffer);
            seen = load(FRONT_PROD);
#ifdef DEFECT_NO_LOOK_BEFORE_SLEEP
            seen = cons;
#endif
            if
            :: seen != cons
            :: else ->
end:            back_told -> back_told = false; seen = load(FRONT_PROD)
            fi
        fi
    od
}

init
{
    atomic {
        mem[FRONT_PROD] = START; mem[BACK_PROD] = START;
        mem[FRONT_EVENT] = START; mem[BACK_EVENT] = START;
        run store_buffer(front_buffer); run store_buffer(back_buffer);
        run front(); run back()
    }
}

/* Whatever happens, the front end gets all its answers: no sleep is for ever, no cycle makes no
 * progress. Processes are scheduled fairly. */
ltl answered { <> finished }
