#include "base.h"

#include <stdlib.h>
#include <string.h>

enum { ARENA_ALIGN = 64 };
#ifndef ARENA_BLOCK_BYTES /* the fuzzer has blocks so small that each allocation gets its own */
#define ARENA_BLOCK_BYTES (1 << 18)
#endif

/* AddressSanitizer knows blocks only; with ARENA_GUARD what lies between two allocations is forbidden ground, too. */
#ifdef ARENA_GUARD
#include <sanitizer/asan_interface.h>
enum { ARENA_GUARD_BYTES = ARENA_ALIGN };
#else
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
enum { ARENA_GUARD_BYTES = 0 };
#endif

typedef struct ArenaBlock {
    struct ArenaBlock *next;
    size_t size, used; /* of the bytes after this header */
    void *raw;         /* what calloc returned */
} ArenaBlock;

static char *arena_data(ArenaBlock *block) { return (char *)block + ARENA_ALIGN; }
_Static_assert(sizeof(ArenaBlock) <= ARENA_ALIGN, "the header fits in front of aligned data");

/* Training walks through hundreds of megabytes at every step: with pages of 4 kB the processor spends a good part of
 * its time on finding them (a step of roberta-base's shape takes 8% longer). Only a wish, which the kernel may ignore.
 */
static void arena_want_huge_pages(char *raw, size_t size)
{
    if (size < 2 * HUGE_PAGE_BYTES) return;
    char *begin = raw + (-(uintptr_t)raw & (HUGE_PAGE_BYTES - 1));
    memory_want_huge_pages(begin, (size_t)(raw + size - begin));
}

static _Noreturn void memory_out(size_t size)
{
    fprintf(
        stderr,
        "lethe: out of memory: the system refused %zu bytes; close other programs or use a smaller model or batch\n",
        size);
    exit(EXIT_WORLD);
}

void *memory_need(void *old, size_t size)
{
    void *at = realloc(old, size ? size : 1);
    if (!at) memory_out(size);
    return at;
}

static ArenaBlock *arena_block(size_t size)
{
    /* calloc takes large blocks from mmap: zero pages that cost nothing until touched. */
    char *raw = size < PTRDIFF_MAX - 2 * ARENA_ALIGN ? calloc(1, size + 2 * ARENA_ALIGN) : NULL;
    if (!raw) memory_out(size);
    arena_want_huge_pages(raw, size);
    ArenaBlock *block = (ArenaBlock *)(void *)(raw + (-(uintptr_t)raw & (ARENA_ALIGN - 1)));
    block->size = size;
    block->raw = raw;
    return block;
}

void *arena_alloc(Arena *arena, size_t count, size_t size)
{
    size_t exact;
    if (__builtin_mul_overflow(count, size, &exact) || exact > SIZE_MAX / 2) exact = SIZE_MAX / 2;
    const size_t bytes = (exact + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1), taken = bytes + ARENA_GUARD_BYTES;
    ArenaBlock *head = arena->blocks;
    if (!head || head->size - head->used < taken) {
        bool own = taken > ARENA_BLOCK_BYTES / 4; /* a large allocation leaves the current block in use */
        ArenaBlock *fresh = arena_block(own ? taken : ARENA_BLOCK_BYTES);
        if (own && head) {
            fresh->next = head->next;
            head->next = fresh;
        } else {
            fresh->next = head;
            arena->blocks = fresh;
        }
        head = fresh;
    }
    char *at = arena_data(head) + head->used;
    ASAN_POISON_MEMORY_REGION(at + exact, taken - exact);
    head->used += taken;
    arena->total_bytes += bytes;
    return at;
}

void arena_free(Arena *arena)
{
    for (ArenaBlock *block = arena->blocks, *next; block; block = next) {
        next = block->next;
        free(block->raw);
    }
    *arena = (Arena){0};
}

void arena_clear(Arena *arena)
{
    ArenaBlock *kept = NULL;
    for (ArenaBlock *block = arena->blocks, *next; block; block = next) {
        next = block->next;
        if (!kept && block->size == ARENA_BLOCK_BYTES)
            kept = block;
        else
            free(block->raw);
    }
    *arena = (Arena){.blocks = kept};
    if (!kept) return;
    ASAN_UNPOISON_MEMORY_REGION(arena_data(kept), kept->used);
    memset(arena_data(kept), 0, kept->used);
    kept->used = 0;
    kept->next = NULL;
}

void *arena_grow(Arena *arena, void *old, size_t count, size_t *capacity, size_t size)
{
    *capacity = count ? count * 2 : 16;
    void *fresh = arena_alloc(arena, *capacity, size);
    if (count) memcpy(fresh, old, count * size);
    return fresh;
}

char *arena_copy(Arena *arena, const void *bytes, size_t count)
{
    char *copy = arena_alloc(arena, count + 1, 1);
    if (count) memcpy(copy, bytes, count);
    return copy;
}

char *arena_printf(Arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    ASSERT(size >= 0);
    char *text = arena_alloc(arena, (size_t)size + 1, 1);
    va_start(args, format);
    vsnprintf(text, (size_t)size + 1, format, args);
    va_end(args);
    return text;
}
