/*
 * application/x-www-form-urlencoded with nested names, as gateways of this kind read it:
 * `a[b][c]=1`, `list[]=x`, `list[0][key]=x`.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

#define FORM_PROBLEM_SIZE 256
#define FORM_PAIRS_MAX    1000
#define FORM_DEPTH_MAX    6

/*
 * A new reference to an object whose leaves are strings.  Of a scalar given twice the last one
 * counts.  NULL and one line in `problem`: bad percent encoding, no UTF-8, a NUL, a name that is
 * both a value and a container, too many pairs, too deep.
 */
json_t *form_parse(struct arena *arena, const char *bytes, size_t size,
                   char problem[FORM_PROBLEM_SIZE]);
