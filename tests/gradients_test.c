/* Gradients of the whole model by finite differences, for every family, with and without LoRA and dropout: thousands of
 * passes, so optimised; sanitizers watch such passes in the tests of the layers. */
#include "tiny_model.h"

static void test_model_gradients_by_finite_differences(void **state)
{
    (void)state;
    for (int f = 0; f < family_count; f++)
        for (int with_lora = 0; with_lora < 2 && !family_repeats(f); with_lora++)
            for (uint32_t variant = 0; variant < 2 * tiny_variants(family_rows[f]); variant++) {
                TinyModel t;
                tiny_open_variant(&t, "plain", family_rows[f], with_lora, variant % 2 ? 0.2f : 0, variant / 2);
                const PassOptions options = {.dropout = true, .seed = 5, .step = 9};
                /* small gradients, of an adapter and below GELU near 0: larger steps stand out from the loss's
                 * rounding; where all is normalised first they are not small, and large steps see how gradients change
                 */
                const bool small = family_rows[f]->head.activation == ACTIVATION_GELU && !family_rows[f]->norm_first;
                const float h = small                      ? 16e-3f
                                : family_rows[f]->relative ? 12e-3f
                                                           : 4e-3f,
                            h_adapter = family_rows[f]->norm_first ? h : 4 * h;
                tiny_loss(&t, &options);
                model_backward(t.workspace, &t.weights, &t.grads, &t.head, &t.batch, &options);
                const f32p w[] = {t.weights.encoder, t.weights.head, t.weights.adapter},
                           g[] = {t.grads.encoder, t.grads.head, t.grads.adapter};
                const size_t floats[] = {t.model.encoder.floats, t.head.layout.floats, t.lora.layout.floats};
                for (size_t i = 0; i < 2 + (size_t)with_lora; i++) {
                    const double error = tiny_error(&t, w[i], g[i], floats[i],
                                                    i == 1   ? 4e-3f
                                                    : i == 2 ? h_adapter
                                                             : h,
                                                    &options);
                    if (!(error < (i == 2 ? 4e-3 : 1e-3)))
                        fail_msg("%s, variant %u, array %zu: %.2g off", family_rows[f]->title, variant, i, error);
                }
                tiny_close(&t);
            }
}

/* Adapters on all linear layers: by finite differences; and the same bits when nothing else is wanted, of each target
 * alone, too, which stops where no adapter lies below. */
static void test_model_gradients_of_all_adapters(void **state)
{
    (void)state;
    const PassOptions options = {.dropout = true, .seed = 5, .step = 9};
    for (int f = 0; f < family_count; f++)
        for (uint32_t variant = 0; variant < tiny_variants(family_rows[f]) && !family_repeats(f); variant++)
            for (int alone = -1; alone < LORA_TARGETS; alone++) {
                const uint32_t all = family_linear(family_rows[f]), targets = alone < 0 ? all : all & 1u << alone;
                TinyModel t;
                if (!targets) continue;
                tiny_open_targets(&t, "plain", family_rows[f], targets, 0.2f, variant);
                const size_t floats = t.lora.layout.floats;
                const Weights only = {.adapter = device_f32(&t.memory, floats)};
                assert_true(t.lora.targets == targets && floats);
                tiny_loss(&t, &options);
                model_backward(t.workspace, &t.weights, &t.grads, &t.head, &t.batch, &options);
                tiny_loss(&t, &options);
                model_backward(t.workspace, &t.weights, &only, &t.head, &t.batch, &options);
                assert_memory_equal(only.adapter, t.grads.adapter, floats * sizeof(float));
                const double error =
                    alone < 0 ? tiny_error_every(&t, t.weights.adapter, t.grads.adapter, floats, 11, 16e-3f, &options)
                              : 0;
                if (!(error < 6e-3)) fail_msg("%s, variant %u: %.2g off", family_rows[f]->title, variant, error);
                tiny_close(&t);
            }
}

static const struct CMUnitTest gradients_tests[] = {
    cmocka_unit_test(test_model_gradients_of_all_adapters),
    cmocka_unit_test(test_model_gradients_by_finite_differences),
};
