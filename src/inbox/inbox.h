/*
 * Where gateways tell their news: an HTTPS server of its own (settings.gateway_news_listen).
 *
 *   POST /v1/gateways/<gateway>/news
 *     200   stored, or had been stored before        400   not the gateway's
 *     404   no such gateway, or it tells no news     405   not a POST
 *     413   too large                                429   too many: the gateway comes again
 *     503   it could not be stored: the gateway comes again
 *
 * A letter is verified over its raw bytes before anything of it is read, and answered with 2xx only
 * after it was committed; what follows from it is payment/news.h's.
 */
#pragma once

#include <stdbool.h>

#include "base/house.h"

#define INBOX_PROBLEM_SIZE 512

struct inbox;
struct measures;

/*
 * Takes the address; nobody is answered yet.  `*opened` is NULL when the setting is "off".  False
 * and one line in `problem`: the address cannot be had.
 */
bool inbox_open(const struct house *house, struct inbox **opened, char problem[INBOX_PROBLEM_SIZE]);

/* Answers.  False and one line in `problem`: the certificate is of no use.  NULL for "off". */
bool inbox_start(struct inbox *inbox, char problem[INBOX_PROBLEM_SIZE]);

/* The port of the listener; 0: a unix socket, or "off". */
int inbox_port(const struct inbox *inbox);

/* Certificate and key from their files, at once.  False and one line in `problem`. */
bool inbox_reload(struct inbox *inbox, char problem[INBOX_PROBLEM_SIZE]);

/* dues_news_… */
void inbox_measure(struct inbox *inbox, struct measures *out);

/* Ends the listener and waits for letters that are being stored; before lanes and fibers. */
void inbox_close(struct inbox *inbox);
