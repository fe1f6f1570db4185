/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device page (libhypercall/src/device.c): a front end that makes OFFERS offers, each of which it may
 * withdraw at any moment, and a back end that takes or refuses each, and may give up one that runs. State,
 * generation, what is offered and what is answered are words of their own. Claims: who is refused was
 * refused in this generation, who is acknowledged is answered with what it offered in this one, and every
 * offer that is not withdrawn is answered.
 *
 * A macro DEFECT_… takes one step of the protocol away; the checker has to find the error then.
 */
#ifndef OFFERS
#define OFFERS 3
#endif
#ifndef IDLE_LOOKS
#define IDLE_LOOKS 2 /* of the back end, without an event: a disk was done */
#endif

#define RESET 0
#define OFFER 1
#define ACK   2
#define RUN   3
#define DEAD  4

/* Shared memory: the two lines of the page. */
#define FRONT_STATE      0
#define FRONT_GENERATION 1
#define FRONT_OFFER      2
#define BACK_STATE       3
#define BACK_GENERATION  4
#define BACK_ANSWER      5
#define CELLS            6

#include "tso.pml"

chan front_buffer = [4] of { byte, byte };
chan back_buffer = [4] of { byte, byte };
bool front_told, back_told; /* the event ports */
bool finished;
bool refused[OFFERS + 1]; /* by the back end's own choice */

/* An event is a locked operation on the other side's pending word. */
#define send(buffer, told) fence(buffer); told = true

/* The other end's line: `with` is its generation. */
inline look_at(its_state, its_generation, state, with)
{
#ifdef DEFECT_STATE_READ_BEFORE_GENERATION
    state = load(its_state);
    with = load(its_generation)
#else
    with = load(its_generation);
    state = load(its_state)
#endif
}

proctype front()
{
    byte generation = 0, mine = RESET, theirs, with;

    do
    :: generation == OFFERS -> break
    :: else ->
        generation++;
#ifndef DEFECT_OFFER_WITHOUT_RESET
        store(front_buffer, FRONT_STATE, RESET);
#endif
        store(front_buffer, FRONT_GENERATION, generation);
        store(front_buffer, FRONT_OFFER, generation);
        store(front_buffer, FRONT_STATE, OFFER);
        mine = OFFER;
        send(front_buffer, back_told);
        do
        :: look_at(BACK_STATE, BACK_GENERATION, theirs, with);
#ifdef DEFECT_ANSWER_TO_AN_OLDER_OFFER
            with = generation;
#endif
            if
            :: mine == OFFER && (with != generation || theirs == RESET) -> skip
            :: mine == OFFER && with == generation && theirs == ACK ->
                assert(load(BACK_ANSWER) == generation);
                mine = RUN;
                store(front_buffer, FRONT_STATE, RUN);
                send(front_buffer, back_told)
            :: mine == RUN && with == generation && (theirs == ACK || theirs == RUN) -> skip
            :: else ->
                assert(refused[generation]);
                break
            fi;
            if
            :: mine == OFFER || theirs == ACK ->
                front_told -> front_told = false
            :: theirs == RUN && generation == OFFERS -> break
            :: generation < OFFERS -> break /* forget everything, and offer anew */
            fi
        od;
        if
        :: store(front_buffer, FRONT_STATE, RESET); send(front_buffer, back_told)
        :: true
        fi
    od;
    finished = true
}

/* What this end says belongs to the offer with `with` from here on. */
inline answer_to(with)
{
#ifndef DEFECT_GENERATION_UNDER_AN_OLDER_STATE
    store(back_buffer, BACK_STATE, RESET);
#endif
    generation = with;
    store(back_buffer, BACK_GENERATION, generation)
}

inline note(state)
{
    mine = state;
    store(back_buffer, BACK_STATE, state)
}

inline say(state)
{
    note(state);
    send(back_buffer, front_told)
}

inline refuse()
{
    refused[generation] = true;
    say(DEAD)
}

/* What was copied is one offer or, when the front end goes on meanwhile, one that nobody waits for. */
inline take_offer()
{
    offered = load(FRONT_OFFER);
    after = load(FRONT_GENERATION);
#ifdef DEFECT_GENERATION_NOT_READ_AGAIN
    after = with;
#endif
    answer_to(with);
    if
    :: after != generation -> say(DEAD)
    :: after == generation -> assert(offered == generation); refuse()
    :: after == generation ->
        assert(offered == generation);
#ifdef DEFECT_STATE_BEFORE_ANSWER
        say(ACK);
        store(back_buffer, BACK_ANSWER, offered)
#else
        store(back_buffer, BACK_ANSWER, offered);
        say(ACK)
#endif
    fi
}

proctype back()
{
    byte generation = 0, mine = RESET, theirs, with, offered, after, idle;
    bool again;

end:
    do
    :: if
        :: back_told -> back_told = false
        :: idle < IDLE_LOOKS -> idle++
        fi;
        do
        :: again = false;
            look_at(FRONT_STATE, FRONT_GENERATION, theirs, with);
            if
            :: theirs == RESET && (mine == ACK || mine == RUN) -> say(RESET)
            :: theirs == RESET && mine != ACK && mine != RUN -> note(RESET)
            :: theirs != RESET && (mine == ACK || mine == RUN) && with == generation ->
                if
                :: theirs == RUN && mine == ACK -> say(RUN)
                :: theirs == RUN && mine == RUN -> refuse() /* its ring is broken */
                :: theirs == RUN && mine == RUN -> skip
                :: theirs == OFFER -> skip
                fi
            :: theirs != RESET && (mine == ACK || mine == RUN) && with != generation ->
                say(RESET);
                again = true
            :: theirs == OFFER && (mine == RESET || (mine == DEAD && with != generation)) -> take_offer()
            :: theirs == RUN && (mine == RESET || mine == DEAD) -> say(DEAD)
            :: theirs == OFFER && mine == DEAD && with == generation -> send(back_buffer, front_told)
            fi;
            if
            :: again
            :: !again -> break
            fi
        od
    od
}

init
{
    atomic {
        run store_buffer(front_buffer); run store_buffer(back_buffer);
        run front(); run back()
    }
}

/* Whatever happens, the front end comes to an end with its offers. Processes are scheduled fairly. */
ltl answered { <> finished }
