/*
 * A fuzz target: tests/fuzz/fuzz_<name>.c defines fuzz_one, tests/fuzz/corpus/<name>/ holds its
 * seeds, one input a file.  CMake finds both by themselves.
 *
 *   scripts/fuzz --seconds 30 [NAME …]     builds with clang's libFuzzer, ASan and UBSan, and looks
 *                                          for new inputs
 *
 * Every other build links a main() of our own instead, which runs the seeds once (ctest -L fuzz).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* One input; answers 0.  A broken promise aborts (base/bug.h).  libFuzzer knows another name. */
int fuzz_one(const uint8_t *data, size_t size) __asm__("LLVMFuzzerTestOneInput");
