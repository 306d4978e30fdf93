/* embed: files inside the program, by the assembler: ELF (Linux), COFF (Windows) and Mach-O (macOS) alike. */
#ifndef LETHE_EMBED_H
#define LETHE_EMBED_H

#include <stdint.h>

typedef struct Embedded {
    const char *at;
    const uint64_t *size; /* stands apart, since a linker may move symbols: a second one could not mark the end */
} Embedded;

#if defined(__APPLE__)
#define EMBED_SECTION ".section __TEXT,__const\n"
#define EMBED_BACK ".text\n"
#define EMBED_C "_" /* before the names of C */
#define EMBED_LOCAL "L"
#elif defined(_WIN32)
#define EMBED_SECTION ".section .rdata,\"dr\"\n"
#define EMBED_BACK ".text\n"
#define EMBED_C ""
#define EMBED_LOCAL ".L"
#else
#define EMBED_SECTION ".section .rodata\n"
#define EMBED_BACK ".previous\n"
#define EMBED_C ""
#define EMBED_LOCAL ".L"
#endif

/* Defines `symbol` and `symbol`_size: the bytes of `path`, aligned to 64 bytes, with a 0 byte after them. */
#define EMBED_FILE(symbol, path)                                                 \
    extern const char symbol[];                                                  \
    extern const uint64_t symbol##_size;                                         \
    __asm__(EMBED_SECTION ".balign 64\n" EMBED_C #symbol ":\n"                   \
                          ".incbin \"" path "\"\n" EMBED_LOCAL #symbol "_end:\n" \
                          ".byte 0\n"                                            \
                          ".balign 8\n" EMBED_C #symbol "_size:\n"               \
                          ".quad " EMBED_LOCAL #symbol "_end - " EMBED_C #symbol "\n" EMBED_BACK);
#define EMBEDDED(symbol)       \
    {                          \
        symbol, &symbol##_size \
    }

#endif
