/*
 * A payment gateway as the house sees it: one interface, one folder an implementation.
 * What it says of a refusal is said in the words of gateway/decline.h.
 *
 * `send` classifies what came back as one of enum gateway_outcome; whoever calls it has already
 * committed "a request may have left".  The same request with the same idempotency key may be sent
 * again within `resend_window_us`; the gateway then answers what happened the first time.
 *
 *   charge ─────────────────────────────────────► refund, refund …
 *   authorize ──► capture, capture (final) ─────► refund, refund …
 *            └──► void
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/call.h"
#include "base/money.h"
#include "gateway/news.h"

enum gateway_operation {
    GATEWAY_CHARGE,    /* take money */
    GATEWAY_AUTHORIZE, /* hold money without taking it */
    GATEWAY_CAPTURE,   /* take money held, all or a part */
    GATEWAY_VOID,   /* let go of what is held and not taken, or of an action that is waited for */
    GATEWAY_REFUND, /* give money back */
    GATEWAY_OPERATION_COUNT
};

enum gateway_outcome {
    GATEWAY_SUCCEEDED,
    GATEWAY_DECLINED,        /* the issuer said no */
    GATEWAY_REQUIRES_ACTION, /* 3-D Secure: the customer must do something */
    GATEWAY_FAILED,          /* not executed and never will be: the request is wrong */
    GATEWAY_NOT_SENT,        /* certainly nothing left: same key again, later */
    GATEWAY_IN_FLIGHT,       /* the gateway works on this key: same key again, later */
    GATEWAY_UNKNOWN,         /* may have happened: resolve, never assume */
};

#define GATEWAY_KEY_LENGTH_MAX 64

struct gateway_request {
    enum gateway_operation operation;
    const char *idempotency_key; /* a pure function of the attempt */
    const char *reference;       /* the attempt's id, so that a query can find it */
    const char *payment;         /* our payment's id, for people who look at the gateway */
    const char *customer;        /* our customer's id, so that news of it can be matched */
    struct money amount;         /* void: what is held and let go of */
    const char *token;           /* charge, authorize: the payment method's token at this gateway */
    /*
     * Capture, void, refund: the gateway's id of the charge or authorization acted on.  In a query
     * about a charge or authorization: its own id as far as it is known, else "".
     */
    const char *transaction;
    bool final;       /* capture: what is not taken is let go of */
    bool off_session; /* the customer is not there (renewals) */
};

/* What the customer must do, and until when. */
enum gateway_action_kind {
    GATEWAY_ACTION_NONE,
    GATEWAY_ACTION_REDIRECT, /* open redirect_url */
    GATEWAY_ACTION_SDK,      /* hand client_secret to the gateway's SDK */
};

struct gateway_action {
    enum gateway_action_kind kind;
    const char *redirect_url;  /* "" when none */
    const char *client_secret; /* "" when none; a secret of the customer's */
    int64_t expires_us;        /* wall time; 0: unknown */
};

/*
 * What became of a request.  What an answer leaves out is "" or 0, and a text that is NULL is taken
 * as "".
 *
 * A success has a transaction; a capture or void may answer with the one that it acted on.  A void
 * of what is not held any more, however that ended, is a success, also when it is only asked about;
 * of money that was taken it is FAILED.  A charge whose customer did not authenticate, or whose
 * action was let go of, is DECLINED as authentication_not_handled.  A refund that failed after it
 * had succeeded is DECLINED with its transaction.
 */
struct gateway_answer {
    enum gateway_outcome outcome;
    const char *transaction; /* the gateway's id; "" when none */
    struct money amount;     /* as the gateway says; must equal the request's */
    /*
     * "" unless declined, or FAILED for what the merchant has to mend.  A code of decline_table; of
     * a refund one of the contract's failure codes.  REQUIRES_ACTION: what the bank wants; "" says
     * authentication_required.
     */
    const char *decline_code;
    const char *network_decline_code; /* the card network's two characters, or "" */
    const char *advice;               /* a decline_advice_name; "" when none */
    const char *evidence;             /* short text for the attempt's row; no secrets */
    /*
     * DECLINED, and yet whoever was given the action's secret may still pay with it, until a void.
     */
    bool is_open;
    /*
     * A query: the gateway has no transaction of the name that was asked about.  No outcome follows
     * from it alone, since with a key of another account that is so of every name.
     */
    bool is_no_transaction;
    /* A capture, FAILED: the gateway has let go of all that was not taken, and holds nothing. */
    bool is_hold_gone;
    struct gateway_action action;     /* REQUIRES_ACTION */
    int64_t authorization_expires_us; /* authorize: wall time; 0: unknown */
};

/* Nothing but an outcome and why; `evidence` is not copied. */
struct gateway_answer gateway_answer_plain(enum gateway_outcome outcome, const char *evidence);

#define GATEWAY_TOKEN_LENGTH_MAX 255

/* What a token stands for: what to charge from now on, and the rest for display only (PCI
 * DSS 3.4.1). */
struct gateway_card {
    char token[GATEWAY_TOKEN_LENGTH_MAX +
               1];  /* a gateway may exchange the form's token for its own */
    char brand[16]; /* "visa" */
    char last4[5];
    int32_t exp_month;
    int32_t exp_year;
    char fingerprint[64]; /* the gateway's name of the card, the same whenever it is stored; "" */
};

/*
 * Where a dispute stands.  An inquiry is the bank's question before it withdraws anything: it is
 * closed, or becomes a dispute in earnest under the same id.
 */
enum gateway_dispute_status {
    GATEWAY_DISPUTE_NEEDS_RESPONSE, /* evidence may be given until it is due */
    GATEWAY_DISPUTE_UNDER_REVIEW,   /* evidence was given, or the time for it is over */
    GATEWAY_DISPUTE_WON,
    GATEWAY_DISPUTE_LOST,
    GATEWAY_DISPUTE_CLOSED, /* an inquiry that came to nothing, or a dispute that was prevented */
};

/* As it stands at the gateway now.  A text that is NULL is taken as "". */
struct gateway_dispute {
    const char *id;          /* the gateway's */
    const char *transaction; /* the charge or authorization, as the attempt's row has it */
    const char *reference;   /* the id of our attempt behind it, as the gateway was told; "" none */
    struct money amount;     /* what the bank's customer wants back */
    /*
     * What the gateway has withdrawn for it by now, in the currency of `amount`: 0 once it was
     * reinstated, and of an inquiry.
     */
    int64_t withdrawn_minor;
    /*
     * What the gateway keeps for its work on it by now.  It is posted with the dispute: whoever
     * posts fees from a gateway's balance leaves those of disputes alone.
     */
    struct money fee;
    enum gateway_dispute_status status;
    bool is_inquiry;
    bool has_evidence;       /* something was submitted */
    const char *reason;      /* "fraudulent", "product_not_received" …: lower case, at most 63 */
    int64_t evidence_due_us; /* wall time; 0: none may be given any more, or unknown */
    int64_t created_us;      /* wall time */
};

#define GATEWAY_DISPUTE_ID_MAX   100
#define GATEWAY_EVIDENCE_TEXTS   16
#define GATEWAY_DISPUTE_PAGE_MAX 100

/* One text of the evidence: `name` is a field of DisputeEvidence in the contract. */
struct gateway_evidence_text {
    const char *name;
    const char *text;
};

/* Asked once, as a request for money: the same again under the same key does nothing new. */
struct gateway_dispute_request {
    const char *idempotency_key;
    const char *dispute;                                           /* the gateway's id */
    struct gateway_evidence_text evidence[GATEWAY_EVIDENCE_TEXTS]; /* submit_evidence */
    size_t evidence_count;
};

/* Ids of disputes, newest first. */
struct gateway_dispute_page {
    const char *ids[GATEWAY_DISPUTE_PAGE_MAX];
    size_t count;
    const char *next; /* the cursor of the next page; "": there is none */
};

struct gateway_expiry {
    int32_t month;
    int32_t year;
};

/* One line of a gateway's books. */
enum gateway_line_kind {
    GATEWAY_LINE_CHARGE,  /* money taken: a charge or a capture */
    GATEWAY_LINE_REFUND,  /* given back, or come again because giving it back failed */
    GATEWAY_LINE_DISPUTE, /* withdrawn by the bank, or given back by it */
    GATEWAY_LINE_FEE,     /* for the gateway's service, without a transaction of its own */
    GATEWAY_LINE_PAYOUT,  /* to our bank, and whatever else is the gateway's and ours alone */
    GATEWAY_LINE_KIND_COUNT
};

struct gateway_transaction {
    const char *id; /* of the line */
    enum gateway_line_kind kind;
    const char *transaction;        /* as attempts have it; "" when there is none */
    const char *acted_on;           /* refund, dispute: the charge's transaction, or "" */
    const char *reference;          /* the attempt that the gateway was told; "" when none */
    const char *acted_on_reference; /* refund, dispute without reference: the charge's, or "" */
    struct money amount;            /* positive is what came to us */
    struct money fee;               /* kept of it; may be in the currency of the settlement */
    int64_t created_us;
};

/* A line that cannot be told in our terms. */
struct gateway_unread_line {
    const char *id; /* "" when it has none */
    const char *why;
};

struct gateway_transaction_page {
    struct gateway_transaction *list;
    size_t count;
    struct gateway_unread_line *unread; /* NULL when there are none */
    size_t unread_count;
    const char *next; /* the cursor of the next page; "" after the last */
};

struct gateway {
    const char *name; /* "sandbox": stored with each attempt */
    int64_t resend_window_us;
    /* How long after it succeeded a refund may still fail; 0: never, nobody looks again. */
    int64_t refund_watch_us;
    /* INVALID_ARGUMENT INVALID_FIELD payment_method.gateway_token when the gateway does not know
     * it. */
    const struct error *(*describe)(const struct gateway *gateway, struct call *call,
                                    const char *token, struct gateway_card *card);
    /* Parks the fiber as long as it takes, at most the gateway timeout. */
    void (*send)(const struct gateway *gateway, struct call *call,
                 const struct gateway_request *request, struct gateway_answer *answer);
    /*
     * What became of the request, by its key or reference, or by the transaction when that is
     * known; also what the customer did meanwhile, and what the bank did later.  It never does
     * anything.  GATEWAY_FAILED: it certainly never executed.
     */
    void (*query)(const struct gateway *gateway, struct call *call,
                  const struct gateway_request *request, struct gateway_answer *answer);

    /* ---- What a gateway need not be able to do: NULL ---- */

    /*
     * How a dispute stands.  GATEWAY_SUCCEEDED: it is in `*dispute`, in the call's arena.
     * GATEWAY_FAILED: there is none with this id.  Else nothing is known now: ask later.
     */
    enum gateway_outcome (*get_dispute)(const struct gateway *gateway, struct call *call,
                                        const char *id, struct gateway_dispute *dispute);
    /*
     * Gives the bank our evidence, once for all; gives the dispute up.  GATEWAY_SUCCEEDED: done,
     * and
     * `*dispute` is how it stands now.  GATEWAY_FAILED: refused and not done, as it is over or too
     * late.  NOT_SENT, IN_FLIGHT, UNKNOWN as with money: the same again, later.
     */
    enum gateway_outcome (*submit_evidence)(const struct gateway *gateway, struct call *call,
                                            const struct gateway_dispute_request *request,
                                            struct gateway_dispute *dispute);
    enum gateway_outcome (*accept_dispute)(const struct gateway *gateway, struct call *call,
                                           const struct gateway_dispute_request *request,
                                           struct gateway_dispute *dispute);
    /* Disputes made at `since_us` (wall time) or later.  False: nothing is known now. */
    bool (*list_disputes)(const struct gateway *gateway, struct call *call, int64_t since_us,
                          const char *cursor, struct gateway_dispute_page *page);
    /*
     * Is the letter the gateway's, and what does it say?  Its signature is verified over the raw
     * bytes before any of them is read.  `*news`, in the call's arena, only when it is genuine.
     */
    enum gateway_letter_verdict (*read_news)(const struct gateway *gateway, struct call *call,
                                             const struct gateway_letter *letter,
                                             struct gateway_news *news);
    /*
     * Whose object the news are about, of a kind that has an object, as the gateway says now.
     * GATEWAY_SUCCEEDED: in `*owner`, and of a refund whether it has come back.  GATEWAY_FAILED: it
     * bears no mark of ours.  Else: ask later.
     */
    enum gateway_outcome (*find_owner)(const struct gateway *gateway, struct call *call,
                                       const struct gateway_news *news,
                                       struct gateway_owner *owner);
    /* The card behind a token of ours as it stands now; changes nothing.  Errors as describe. */
    const struct error *(*look_at_card)(const struct gateway *gateway, struct call *call,
                                        const char *token, struct gateway_card *card);
    /*
     * Forgets the card behind a token of ours; tells the expiry that its owner gave us.  The same
     * again does no harm.  `key`: for the gateway to know a repeated request by.
     * GATEWAY_SUCCEEDED: so it is, or was before.  GATEWAY_FAILED: refused, and it stays so.  Else:
     * the same again, later.
     */
    enum gateway_outcome (*detach_card)(const struct gateway *gateway, struct call *call,
                                        const char *token, const char *key);
    enum gateway_outcome (*update_card)(const struct gateway *gateway, struct call *call,
                                        const char *token, const struct gateway_expiry *expiry,
                                        const char *key);
    /*
     * The gateway's books of a time, a page of at most GATEWAY_LINES_MAX; `cursor` is "" for the
     * first.  Within the call's arena.  False: nothing is known now.
     */
    bool (*list_transactions)(const struct gateway *gateway, struct call *call, int64_t from_us,
                              int64_t until_us, const char *cursor,
                              struct gateway_transaction_page *page);
    void *state;
};

#define GATEWAYS_MAX      8
#define GATEWAY_LINES_MAX 200

struct gateways {
    const struct gateway *list[GATEWAYS_MAX]; /* the first is where new payment methods go */
    int32_t count;
};

/* "CHARGE", "CAPTURE" …: as an attempt's row has it. */
const char *gateway_operation_name(enum gateway_operation operation);
/* False leaves `*operation` alone. */
bool gateway_operation_parse(const char *name, enum gateway_operation *operation);

/* "CHARGE", "REFUND" …: of a line. */
const char *gateway_line_kind_name(enum gateway_line_kind kind);

/* "SUCCEEDED", "DECLINED" …: what the step functions understand. */
const char *gateway_outcome_name(enum gateway_outcome outcome);

/* NULL when no gateway has this name. */
const struct gateway *gateway_find(const struct gateways *gateways, const char *name);
