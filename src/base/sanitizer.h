/*
 * Which sanitizer is this compiled under?  gcc and clang say it differently.
 */
#pragma once

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DUES_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define DUES_TSAN 1
#endif
#endif

#if defined(__SANITIZE_ADDRESS__) && !defined(DUES_ASAN)
#define DUES_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__) && !defined(DUES_TSAN)
#define DUES_TSAN 1
#endif

#ifndef DUES_ASAN
#define DUES_ASAN 0
#endif
#ifndef DUES_TSAN
#define DUES_TSAN 0
#endif
