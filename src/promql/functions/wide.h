#pragma once

// Marks a function that is compiled for wide vector registers as well; which version runs is
// decided at run time. All give the same results: only lanes are more, not operations fused.
#if defined(__x86_64__)
#define NARTHEX_WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define NARTHEX_WIDE
#endif
