#pragma once

// NARTHEX_WIDE marks a function that is compiled for wide vector registers as well; which version
// runs is decided at run time. All give the same results: only lanes are more, not operations
// fused. Not under ThreadSanitizer: the choice is made before it is there, and would end the
// program.

#if defined(__SANITIZE_THREAD__)
#define NARTHEX_UNDER_TSAN
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NARTHEX_UNDER_TSAN
#endif
#endif

#if defined(__x86_64__) && !defined(NARTHEX_UNDER_TSAN)
#define NARTHEX_WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define NARTHEX_WIDE
#endif
