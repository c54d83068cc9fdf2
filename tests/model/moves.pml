/*
 * The legal moves of an attempt, a bit for each state it may come to: attempt_may_move of
 * src/payment/payment_rules.c.  unit_payment_test_model compares them.
 */
#define SENDING         0
#define UNKNOWN         1
#define RESOLVING       2
#define SUCCEEDED       3
#define DECLINED        4
#define FAILED          5
#define REQUIRES_ACTION 6
#define MANUAL          7

#define MOVES_SENDING         254
#define MOVES_UNKNOWN         252
#define MOVES_RESOLVING       254
#define MOVES_SUCCEEDED       128
#define MOVES_DECLINED        128
#define MOVES_FAILED          128
#define MOVES_REQUIRES_ACTION 132
#define MOVES_MANUAL          0

#define moves_of(from)                                                                             \
    (from == SENDING -> MOVES_SENDING : (from == UNKNOWN -> MOVES_UNKNOWN :                        \
    (from == RESOLVING -> MOVES_RESOLVING : (from == SUCCEEDED -> MOVES_SUCCEEDED :                \
    (from == DECLINED -> MOVES_DECLINED : (from == FAILED -> MOVES_FAILED :                        \
    (from == REQUIRES_ACTION -> MOVES_REQUIRES_ACTION : MOVES_MANUAL)))))))

#define may_move(from, to) (((moves_of(from) >> to) & 1) == 1)
