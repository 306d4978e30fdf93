#include "base.h"

/* UTF-8: the one place that takes it apart. */

size_t utf8_decode(const char *at, size_t size, uint32_t *code)
{
    const uint8_t *s = (const uint8_t *)at;
    *code = s[0];
    if (s[0] < 0x80) return 1;
    *code = UTF8_INVALID;
    if (s[0] < 0xc2 || s[0] > 0xf4) return 1;
    const size_t length = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    /* no overlong forms, no surrogates, nothing above U+10FFFF */
    const uint8_t low = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
    const uint8_t high = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;
    uint32_t value = s[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if (i == size || s[i] < (i == 1 ? low : 0x80) || s[i] > (i == 1 ? high : 0xbf)) return i;
        value = value << 6 | (s[i] & 0x3f);
    }
    *code = value;
    return length;
}

size_t utf8_length(const char *at, size_t size)
{
    uint32_t code;
    const size_t n = size ? utf8_decode(at, size, &code) : 0;
    return n && code != UTF8_INVALID ? n : 0;
}

Str utf8_cut(Str text, size_t most_bytes)
{
    if (text.size <= most_bytes) return text;
    text.size = most_bytes;
    while (text.size && utf8_continues(text.at[text.size])) text.size--;
    return text;
}

static bool code_is_space(uint32_t c)
{
    return c == ' ' || (c >= 9 && c <= 13) || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200b) ||
           c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000 || c == 0xfeff;
}

Str str_trim(Str s)
{
    size_t n;
    uint32_t code;
    while (s.size && (n = utf8_decode(s.at, s.size, &code)) && code_is_space(code)) s = (Str){s.at + n, s.size - n};
    while (s.size) {
        for (n = 1; n < 4 && n < s.size && utf8_continues(s.at[s.size - n]);) n++;
        const char *last = s.at + s.size - n;
        if (utf8_decode(last, n, &code) != n || !code_is_space(code)) break;
        s.size -= n;
    }
    return s;
}

/* Characters that print nothing, or change how what follows them is printed. */
static bool code_is_hidden(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xe0000 && c < 0xe1000);
}
