/* Lease, handoff and confirmation of one session: two engines, one database, one Bot API server.
 *
 * Checked exhaustively by spin (tests/simulation/test_model.py). Each flag plants a mistake that the check must find:
 * NOFENCE, NOTIMER, NOMARGIN, EARLYCONFIRM.
 *
 * Time is abstract. A lease may expire whenever its holder cannot act on it any more: the holder is stopped or gone, or
 * its own timer has fired and its poll is closed (the margin between the two deadlines is for that).
 */
#ifndef UPDATES
#define UPDATES 3
#endif
#ifndef FAULTS
#define FAULTS 3
#endif

#ifndef STOPS
#define STOPS 2
#endif

byte stops = STOPS;        /* planned handoffs that may still happen */
byte faults = FAULTS;      /* crashes, pauses, lost answers, missed renewals that may still happen */

/* The server: ids tail-1 .. head wait; asking for `offset` forgets everything below it. */
byte tail = 0;
byte head = 0;
bool flight[3] = false;    /* a getUpdates of this engine is on its way */
byte wanted[3] = 0;        /* its offset */
bool waits[3] = false;     /* it has arrived and waits for updates */
byte answer[3] = 0;        /* 1 + the end of the batch that is on its way back; 0: none */

/* The database. */
byte owner = 0;
byte fence = 0;
bool expired = false;
bool stored[UPDATES] = false;
byte cursor = 0;

/* The engines, as the others see them. */
bool running[3] = false;   /* not stopped by SIGSTOP */
bool late[3] = false;      /* its timer has fired: the lease is not trusted any more */
bool asking[3] = false;    /* it waits for the answer to a poll */
byte held[3] = 0;          /* the fence that it believes in; 0: none */

#define OTHER(e) (3 - e)

inline forget(e) {
    asking[e] = false; held[e] = 0; late[e] = false; waits[e] = false; answer[e] = 0
}

inline check_poll(e) {
    assert(!(asking[OTHER(e)] && running[OTHER(e)]))   /* never two polls by us at once */
}

/* When a process goes on, its timers fire before it does anything else. */
inline resume(e) {
    running[e] = true;
#ifndef NOTIMER
    if
    :: held[e] != 0 && (late[e] || expired || owner != e || fence != held[e]) ->
       late[e] = true; asking[e] = false; waits[e] = false; answer[e] = 0
    :: else -> skip
    fi
#endif
}

proctype Engine(byte me) provided (running[me]) {
    byte offset, got, told;

end_idle:
    atomic {
        owner == 0 || expired ->
        owner = me; fence++; expired = false;
        held[me] = fence; late[me] = false;
        offset = cursor; told = cursor
    };

poll:
    if
#ifndef NOTIMER
    :: atomic { late[me] -> forget(me) }; goto end_idle
#endif
    :: atomic {
#ifndef NOTIMER
        !late[me] ->
#endif
        check_poll(me);
        asking[me] = true; flight[me] = true; wanted[me] = offset; told = offset
       }
    fi;

end_waiting:
    if
    :: atomic { answer[me] != 0 -> got = answer[me] - 1; answer[me] = 0; asking[me] = false };
       if
       :: got > offset -> goto commit
       :: else -> goto poll
       fi
#ifndef NOTIMER
    :: atomic { late[me] -> forget(me) }; goto end_idle
#endif
    :: atomic { stops > 0 -> stops--; asking[me] = false; waits[me] = false; answer[me] = 0 }; goto leave   /* asked to stop */
    :: atomic { faults > 0 -> faults--; forget(me) }; goto end_idle                                             /* killed */
    :: atomic { faults > 0 -> faults--; asking[me] = false; waits[me] = false; answer[me] = 0 }; goto poll   /* no answer */
    fi;

commit:
#ifdef EARLYCONFIRM
    atomic { flight[me] = true; wanted[me] = got };
    !flight[me];
    waits[me] = false; answer[me] = 0;
#endif
    /* One transaction; a shield lets it finish, late or not. */
    if
    :: atomic {
#ifndef NOFENCE
        owner == me && fence == held[me] ->
#else
        true ->
#endif
        assert(owner == me && fence == held[me]);   /* no write under a lease that ended */
        byte i = offset;
        do
        :: i < got -> assert(i == 0 || stored[i - 1]); stored[i] = true; i++
        :: else -> break
        od;
        cursor = got;
        if
        :: offset = got                              /* the answer came */
        :: faults > 0 -> faults--; i = 0; goto commit    /* it was lost: the same is committed again */
        fi;
        i = 0
       }
    :: atomic { owner != me || fence != held[me] -> forget(me) }; goto end_idle   /* LeaseLost */
    :: atomic { faults > 0 -> faults--; goto commit }                         /* the database did not answer */
    :: atomic { faults > 0 -> faults--; forget(me) }; goto end_idle               /* killed before or after its commit */
    fi;
    goto poll;

leave:   /* everything received is stored: confirm it, then release */
    if
    :: offset != told && !late[me] ->
       atomic { flight[me] = true; wanted[me] = offset };
       if
       :: !flight[me]
       :: faults > 0 -> faults--; flight[me] = false     /* no answer within its deadline */
       fi;
       atomic { waits[me] = false; answer[me] = 0 }
    :: else -> skip
    fi;
    atomic {
        if
        :: owner == me && fence == held[me] -> owner = 0; expired = false
        :: else -> skip
        fi;
        forget(me)
    };
    goto end_idle
}

active proctype Server() {
    byte e;
end_loop:
    do
    :: atomic { tail < UPDATES -> tail++ }
    :: atomic {
        (flight[1] || flight[2]) ->
        if
        :: flight[1] -> e = 1
        :: flight[2] -> e = 2
        fi;
        flight[e] = false;
        if
        :: wanted[e] > head ->
           assert(stored[wanted[e] - 1]);               /* confirmed only if stored */
           head = wanted[e]
        :: else -> skip
        fi;
        waits[e] = asking[e]
       }
    :: atomic { waits[1] && (tail > wanted[1] || tail > head) -> waits[1] = false; answer[1] = 1 + tail }
    :: atomic { waits[2] && (tail > wanted[2] || tail > head) -> waits[2] = false; answer[2] = 1 + tail }
    od
}

/* Renewals that do not come through, SIGSTOP and SIGCONT, SIGKILL and a restart. */
active proctype Trouble() {
    byte e;
end_loop:
    do
    :: atomic {
        faults > 0 ->
        if
        :: e = 1
        :: e = 2
        fi;
        if
        :: held[e] != 0 && running[e] && !late[e] -> faults--; late[e] = true    /* its timer fires */
        :: running[e] -> faults--; running[e] = false                            /* paused */
        :: else -> skip
        fi;
        e = 0
       }
    :: atomic { !running[1] -> resume(1) }
    :: atomic { !running[2] -> resume(2) }
    od
}

/* The database's clock. */
active proctype Expiry() {
end_loop:
    do
    :: atomic {
        owner != 0 && !expired &&
#if !defined(NOMARGIN) && !defined(NOTIMER)
        (!running[owner] || (late[owner] && !asking[owner]) || held[owner] != fence) ->
#else
        (!running[owner] || late[owner] || held[owner] != fence) ->
#endif
        expired = true
       }
    od
}

/* A process that is killed comes back with nothing but a name; what it sent before is on its way still. */
init {
    atomic {
        running[1] = true; running[2] = true;
        run Engine(1); run Engine(2)
    }
}

ltl delivered { <> (head == UPDATES) }
