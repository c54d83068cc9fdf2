/*
 * What stands behind a function of ours that took its name.
 */
#pragma once

/* The next definition in the order of the dynamic linker: a sanitizer's, where there is one, else
 * the library's own.  Ends the process when there is none. */
void *interpose_next(const char *name);
