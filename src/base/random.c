#include "base.h"

#include <math.h>

void philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    /* cppcheck-suppress ctuArrayIndex ; every caller gives room for four words */
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

static void random_words(uint64_t seed, uint64_t stream, uint64_t index, uint32_t out[4])
{
    const uint32_t counter[4] = {(uint32_t)index, (uint32_t)(index >> 32), (uint32_t)stream, (uint32_t)(stream >> 32)};
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    philox4x32(counter, key, out);
}

float random_uniform(uint64_t seed, uint64_t stream, uint64_t index)
{
    uint32_t words[4];
    random_words(seed, stream, index, words);
    return (float)(words[0] >> 8) * 0x1p-24f;
}

float random_normal(uint64_t seed, uint64_t stream, uint64_t index)
{
    uint32_t words[4];
    random_words(seed, stream, index, words);
    double radius = sqrt(-2 * math_log(((double)words[0] + 1) * 0x1p-32));
    return (float)(radius * math_cos_turn(words[1]));
}

/* MT19937 (Matsumoto and Nishimura 1998), seeded as PyTorch's CPU generator does. */
typedef struct Mt19937 {
    uint32_t state[624];
    int next;
} Mt19937;

static void mt19937_seed(Mt19937 *mt, uint32_t seed)
{
    mt->state[0] = seed;
    for (uint32_t i = 1; i < 624; i++) mt->state[i] = 1812433253u * (mt->state[i - 1] ^ (mt->state[i - 1] >> 30)) + i;
    mt->next = 624;
}

static uint32_t mt19937_next(Mt19937 *mt)
{
    if (mt->next == 624) {
        for (int i = 0; i < 624; i++) {
            uint32_t y = (mt->state[i] & 0x80000000u) | (mt->state[(i + 1) % 624] & 0x7fffffffu);
            mt->state[i] = mt->state[(i + 397) % 624] ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfu : 0);
        }
        mt->next = 0;
    }
    uint32_t y = mt->state[mt->next++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

void random_permutation(uint32_t seed, uint32_t n, uint32_t *order)
{
    Mt19937 mt;
    mt19937_seed(&mt, seed);
    for (uint32_t i = 0; i < n; i++) order[i] = i;
    for (uint32_t i = 0; i + 1 < n; i++) {
        uint32_t j = i + mt19937_next(&mt) % (n - i), swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
}

void random_order(uint64_t seed, uint64_t stream, uint32_t n, uint32_t *order)
{
    uint32_t words[4];
    for (uint32_t i = 0; i < n; i++) order[i] = i;
    for (uint32_t i = 0; i + 1 < n; i++) { /* Fisher and Yates; 64 bits make the bias of the remainder negligible */
        random_words(seed, stream, i, words);
        const uint32_t j = i + (uint32_t)(((uint64_t)words[1] << 32 | words[0]) % (n - i)), swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
}
