/* base: what every layer may use. Errors, arenas, strings, UTF-8, random numbers, the pool of threads. */
#ifndef LETHE_BASE_H
#define LETHE_BASE_H

#include <stdarg.h>

#include "../platform/platform.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define PRINTF(format_at, args_at) __attribute__((format(printf, format_at, args_at)))

/* ---- Our own fault: always checked, never switched off. Prints the place and aborts. ---- */
#define ASSERT(condition) ((condition) ? (void)0 : assert_failed(#condition, __FILE__, __LINE__))
_Noreturn void assert_failed(const char *condition, const char *file, int line);

/* ---- The world's fault: file, flag, device, memory. ----
 * Functions that can fail return false (or NULL) and describe the failure in `err`: what, which file and row, what to
 * do, in one line without a full stop or newline at the end. The first error wins; later calls change nothing. */
enum { EXIT_OK = 0, EXIT_WORLD = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };
typedef struct Err {
    int code; /* 0: no error yet; else the exit code that main will use */
    char text[1024];
} Err;
bool fail(Err *err, const char *format, ...) PRINTF(2, 3);       /* exit code 1; always returns false */
bool fail_usage(Err *err, const char *format, ...) PRINTF(2, 3); /* exit code 2; always returns false */
/* The user pressed Ctrl-C: exit code 130. Always returns false. */
bool fail_interrupted(Err *err);
/* Puts "context: " in front of the text of an error that has just been set; always returns false. */
bool fail_within(Err *err, const char *format, ...) PRINTF(2, 3);

/* ---- Arenas: memory by lifetime. ----
 * Memory is zeroed and aligned to 64 bytes and is given back all at once. Large blocks come straight from the kernel,
 * in huge pages where it has them: those that are never touched cost nothing. When the machine has no memory left,
 * prints one line and exits 1 (the only place beside main that does: results so far are on disk). A zeroed Arena is
 * empty and ready. */
typedef struct Arena {
    struct ArenaBlock *blocks;
    size_t total_bytes; /* handed out since the arena was last empty */
} Arena;
void *arena_alloc(Arena *arena, size_t count, size_t size); /* count * size bytes, overflow checked */
#define arena_new(arena, type, count) ((type *)arena_alloc(arena, count, sizeof(type)))
char *arena_copy(Arena *arena, const void *bytes, size_t count); /* a copy with a 0 byte after it */
char *arena_printf(Arena *arena, const char *format, ...) PRINTF(2, 3);
void arena_free(Arena *arena); /* gives everything back; the arena is empty and usable again */
/* As arena_free, but keeps one block for what comes next: for work that is done over and over, row by row. */
void arena_clear(Arena *arena);
/* realloc (old null: malloc) for libraries that would fail in the dark: without memory ends the program as arenas do.
 */
void *memory_need(void *old, size_t size);

/* A growing array inside an arena: DYN(Row) rows = {0}; *dyn_push(arena, &rows) = row; the old copy stays until the
 * arena is freed. */
#define DYN(type)               \
    struct {                    \
        type *at;               \
        size_t count, capacity; \
    }
#define dyn_push(arena, dyn)                                                                             \
    ((dyn)->count == (dyn)->capacity                                                                     \
         ? ((dyn)->at = arena_grow(arena, (dyn)->at, (dyn)->count, &(dyn)->capacity, sizeof *(dyn)->at)) \
         : (dyn)->at,                                                                                    \
     &(dyn)->at[(dyn)->count++])
void *arena_grow(Arena *arena, void *old, size_t count, size_t *capacity, size_t size);

/* ---- Strings: bytes with a length; not 0-terminated, not necessarily UTF-8. ---- */
typedef struct Str {
    const char *at;
    size_t size;
} Str;
#define S(literal) ((Str){"" literal, sizeof(literal) - 1})
#define STR_ARG(str) (int)(str).size, (str).at /* for "%.*s" */
Str str(const char *zero_terminated);
bool str_equal(Str a, Str b);
bool str_ends(Str s, Str end);
char ascii_lower(char c);
bool str_ends_as(Str s, Str end);  /* ASCII letters in any case */
bool str_equal_as(Str a, Str b);   /* ASCII letters in any case */
bool str_holds(Str s, Str wanted); /* somewhere in it */
Str str_trim(Str s);               /* without Unicode white space at either end */
int str_compare(Str a, Str b);     /* bytewise, as strcmp */
/* A printable, shortened form for messages: "..." when cut; control characters, those that steer the direction of text,
 * and what is not UTF-8 as \xHH, and in a locale without UTF-8 all that is not ASCII. Kept in a ring of a few static
 * buffers: use it only as an argument of a message. */
const char *str_show(Str s);
bool parse_int(Str s, int64_t low, int64_t high, int64_t *value); /* decimal, whole string, within [low, high] */
bool parse_double(Str s, double *value);                          /* finite, whole string, '.' whatever the locale */

/* ---- UTF-8 (Unicode 15, table 3-7) ---- */
#define UTF8_INVALID UINT32_MAX
/* Bytes of the code point, or of the maximal invalid subpart (Unicode, chapter 3.9), at the start of at[size]; size
 * >= 1. *code: the code point, or UTF8_INVALID. */
size_t utf8_decode(const char *at, size_t size, uint32_t *code);
size_t utf8_length(const char *at, size_t size); /* bytes of the valid code point there, or 0; size may be 0 */
static inline bool utf8_continues(char byte) { return ((uint8_t)byte & 0xc0) == 0x80; } /* not the first of its code */
Str utf8_cut(Str text, size_t most_bytes); /* valid text, cut so as not to be longer nor to end within a code point */

/* ---- Numbers ---- */
/* In the kernels' loops, too: a part of the function that calls them, whatever processor that one is for. */
#define NUMBER static inline __attribute__((always_inline))
NUMBER int least_int(int a, int b) { return a < b ? a : b; }
NUMBER uint32_t least_u32(uint32_t a, uint32_t b) { return a < b ? a : b; }
NUMBER size_t least_size(size_t a, size_t b) { return a < b ? a : b; }
/* How many parts, the last of them full or not. */
NUMBER size_t ceil_div(size_t whole, size_t part) { return (whole + part - 1) / part; }
#undef NUMBER
/* Functions in double precision: the same bits from every compiler and on every system, where those of libm differ. The
 * comments state the largest error found, in units in the last place. */
double math_exp(double x);               /* 0.9; below -708: 0 */
double math_log(double x);               /* 0.9 */
double math_erf(double x);               /* 1.9 */
double math_tanh(double x);              /* 2.5 */
double math_atan(double x);              /* 5 */
double math_cos_turn(uint32_t turn);     /* cos(2 pi turn / 2^32): 1.5, of 1 where that is more */
double math_log_factorial(double n);     /* log n!, n a whole number, at least 0: 3 */
double math_power(double x, uint32_t n); /* x^n by repeated multiplication: n / 2 */
float math_one_minus(float a, float b);  /* 1 - a b, rounded once */
/* p [classes]: the softmax of the logits z [classes], in double precision; NULL: not wanted. Returns the logarithm of
 * the sum of exp(z): minus log p[c] is that minus z[c]. */
double softmax(const float *z, uint32_t classes, double *p);

/* ---- Did you mean? ---- The name nearest to a word that is none of them, if one is near: at most a quarter of its
 * letters differ, or it begins with the word. */
enum { NEAREST_MOST_BYTES = 64 }; /* longer words and names are near to nothing */
typedef struct Nearest {
    Str word;
    const char *name; /* NULL: none is near */
    int distance;
    char hint[128];
} Nearest;
Nearest nearest_to(Str word);
void nearest_offer(Nearest *nearest, const char *name);         /* kept, not copied; of two equally near the first */
const char *nearest_hint(Nearest *nearest, const char *before); /* "; did you mean BEFORE and the name?", or "" */

/* ---- Random numbers ---- */
/* Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): out = f(counter, key). */
void philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);
float random_normal(uint64_t seed, uint64_t stream, uint64_t index);  /* N(0, 1), by Box-Muller on Philox */
float random_uniform(uint64_t seed, uint64_t stream, uint64_t index); /* [0, 1) */
/* torch.randperm(n) of an MT19937 seeded with `seed` (PyTorch's CPU generator), n < 2^32: order[0..n-1]. */
void random_permutation(uint32_t seed, uint32_t n, uint32_t *order);
/* A permutation of 0 .. n - 1 by Philox: other seeds and other streams draw independent ones. */
void random_order(uint64_t seed, uint64_t stream, uint32_t n, uint32_t *order);

/* ---- Threads: one pool for the process ---- */
void threads_start(int count); /* count >= 1, the calling thread included; called again: changes the count */
int threads_count(void);
void threads_stop(void);
/* Calls work(context, item, thread) once for each item in [0, items), on all threads (thread in [0, threads_count())),
 * and returns when all are done. Which thread takes which item is not fixed: results must not depend on it. Not
 * reentrant. Denormal numbers are flushed to zero on the pool's threads, the caller's included. */
void parallel(size_t items, void (*work)(void *context, size_t item, int thread), void *context);

#endif
