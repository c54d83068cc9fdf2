/*
 * The protocol of a charge (ARCHITECTURE.md, "One call followed"): one payment of one request_id,
 * two workers that may die or stall at every step, a client that repeats itself, a gateway whose
 * answers get lost, and its webhooks.  The database is what survives.
 *
 * What holds in every run: the customer is charged at most once; what was answered as a success was
 * charged and posted once; a result is never flipped; and the attempt comes to its end.
 *
 *   KEYS=1  the gateway knows idempotency keys: the same request again does nothing new
 *   KEYS=0  it does not: what was sent once is never sent again, only asked for
 *
 * Defects to be found, one at a time: RESEND (sends again without keys), HASTY (believes "not
 * found" while a request may still be on its way), UNARMED (sends before it has recorded that it
 * may), UNGUARDED (records without looking at the epoch), ASSUME (takes silence for a failure),
 * STUBBORN (never hands over to people).
 *
 *   tests/model/run            all of it; needs spin and gcc
 *   CRASHES, CLAIMS, NOTICES   how often a worker dies, the resolver takes over, the gateway reports
 */
#ifndef KEYS
#define KEYS 1
#endif

#include "moves.pml"

#define ABSENT  15 /* no attempt is recorded */
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef CLAIMS
#define CLAIMS 2
#endif
#ifndef NOTICES
#define NOTICES 2
#endif

/* What the gateway says. */
#define NOTHING  0
#define CHARGED  1
#define REFUSED  2
#define NOT_MADE 3

/* The database. */
byte state = ABSENT;
byte epoch = 0;
bool leased = false;
byte posted = 0;

/* The gateway. */
byte charges = 0;
byte verdict = NOTHING; /* of the key, once it has executed */

/* What is on its way to the gateway, and from whom; what comes back may get lost. */
bool flying[2];
byte reply[2];

/* Between the look at its lease and the wire: a stalled worker may stay here for long. */
bool about_to_send[2];

byte crashes = 0;
bool requested = false;
bool acknowledged = false;

#define is_open(s) (s == SENDING || s == UNKNOWN || s == RESOLVING)
#define is_over(s) (s != ABSENT && !is_open(s))
#define nothing_on_its_way (!flying[0] && !flying[1] && !about_to_send[0] && !about_to_send[1])

/* Every move of the attempt; the table is that of the code. */
inline move(to)
{
    assert(may_move(state, to));
    state = to;
}

/* Step T3 or T4: one commit under the guard of state and epoch. */
inline settle(said, mine)
{
    atomic {
        if
#ifdef UNGUARDED
        :: is_open(state) || state == FAILED ->
#else
        :: is_open(state) && epoch == mine ->
#endif
            if
            :: said == CHARGED -> state = (state == FAILED -> SUCCEEDED : state);
                if
                :: state != SUCCEEDED -> move(SUCCEEDED)
                :: else
                fi;
                posted++;
                assert(posted == 1 && charges == 1)
            :: said == REFUSED -> move(DECLINED)
            :: said == NOT_MADE -> move(FAILED); assert(charges == 0)
            :: said == NOTHING && state != UNKNOWN -> move(UNKNOWN)
            :: said == NOTHING && state == UNKNOWN -> skip
            fi;
            leased = false
        :: else ->
            /* Late: compared with what is recorded.  The opposite would go to people. */
            if
            :: said == CHARGED && (state == DECLINED || state == FAILED) -> move(MANUAL)
            :: said == REFUSED && state == SUCCEEDED -> move(MANUAL)
            :: else
            fi
        fi
    }
}

/* kill -9: what is in memory is gone, what is on the wire is not. */
#define may_crash                                                                                  \
    if                                                                                             \
    :: atomic { crashes < CRASHES -> crashes++; reply[me] = NOTHING }; goto idle                    \
    :: true                                                                                        \
    fi

proctype worker(byte me)
{
    byte mine;
    byte said;

idle:
    mine = 0;
    said = NOTHING;
end_idle:
    if
    :: atomic { requested && state == ABSENT ->
#ifndef UNARMED
                state = SENDING; epoch = 1; leased = true;
#endif
                mine = 1 }
       goto send
    :: atomic { is_open(state) && !leased && epoch <= CLAIMS ->
                move(RESOLVING); epoch++; leased = true; mine = epoch }
#if KEYS == 1 || defined(RESEND)
       if
       :: goto send
       :: goto query /* the window for sending again has passed */
       fi
#else
       goto query
#endif
#ifndef STUBBORN
    :: atomic { is_open(state) && !leased && epoch > CLAIMS -> /* the budget is spent */
                move(MANUAL) }
       goto idle
#endif
    :: atomic { is_over(state) -> skip }
       goto over
    fi;

send:
    may_crash;
    if
#ifndef UNARMED
    :: !leased || epoch != mine -> goto idle /* too little of the lease is left */
    :: atomic { leased && epoch == mine -> about_to_send[me] = true }
#else
    :: about_to_send[me] = true
#endif
    fi;
    /* As long as it likes.  Then the bytes leave. */
    atomic { about_to_send[me] = false; reply[me] = NOTHING; flying[me] = true }
    may_crash;
    atomic {
        if
        :: reply[me] != NOTHING -> said = reply[me]
        :: true -> said = NOTHING /* timeout */
        fi;
        reply[me] = NOTHING
    }
#ifdef UNARMED
    atomic { if :: state == ABSENT -> state = SENDING; epoch = 1 :: else fi }
#endif
#ifdef ASSUME
    if :: said == NOTHING -> said = NOT_MADE :: else fi;
#endif
    may_crash;
    settle(said, mine);
    goto idle;

query:
    if
    :: verdict != NOTHING -> said = verdict
    /* "Not found" says something only when more than the gateway's longest time has passed. */
#ifdef HASTY
    :: verdict == NOTHING -> said = NOT_MADE
#else
    :: verdict == NOTHING && nothing_on_its_way -> said = NOT_MADE
#endif
    :: verdict == NOTHING -> said = NOTHING
    fi;
    may_crash;
    settle(said, mine);
    goto idle;

over:
    skip
}

/* Time passes at any speed: a lease may end whatever its holder does. */
proctype time()
{
end:
    do
    :: leased -> leased = false
    :: is_over(state) -> break
    od
}

/* Executes what arrives; the same key twice is the same charge, where there are keys. */
inline execute()
{
    if
    :: KEYS == 1 && verdict != NOTHING -> skip
    :: else ->
        if
        :: charges++; verdict = CHARGED;
            assert(charges == 1);
            assert(state != DECLINED && state != FAILED && state != ABSENT)
        :: verdict != CHARGED -> verdict = REFUSED
        fi
    fi
}

proctype gateway()
{
    byte from;

end:
    do
    :: atomic { flying[0] -> flying[0] = false; from = 0; execute() }
       if :: reply[from] = verdict :: true fi /* or it is lost */
    :: atomic { flying[1] -> flying[1] = false; from = 1; execute() }
       if :: reply[from] = verdict :: true fi
    od
}

/* Says what is so, several times, also before our own answer arrives; applied under a new epoch. */
proctype webhook()
{
    byte notices = 0;

end:
    do
    :: notices < NOTICES && verdict != NOTHING ->
        notices++;
        atomic {
            if
            :: is_open(state) -> epoch++;
                if
                :: verdict == CHARGED -> move(SUCCEEDED); posted++; assert(posted == 1)
                :: verdict == REFUSED -> move(DECLINED)
                fi;
                leased = false
            :: else
            fi
        }
    :: notices == NOTICES -> break
    od
}

/* Repeats the request until it has an answer. */
proctype client()
{
    requested = true;
end:
    atomic {
        is_over(state) -> acknowledged = (state == SUCCEEDED);
        assert(!acknowledged || (posted == 1 && charges == 1))
    }
}

init
{
    atomic { run worker(0); run worker(1); run time(); run gateway(); run webhook(); run client() }
}

ltl comes_to_its_end { <> is_over(state) }
ltl never_charged_twice { [] (charges <= 1) }
