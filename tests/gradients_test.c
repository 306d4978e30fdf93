/* Gradients of the whole model by finite differences, for every family, with and without LoRA and dropout: thousands of
 * passes, so optimised; sanitizers watch such passes in the tests of the layers. */
#include "tiny_model.h"

static void test_model_gradients_by_finite_differences(void **state)
{
    (void)state;
    for (int f = 0; f < family_count; f++)
        for (int with_lora = 0; with_lora < 2 && !family_repeats(f); with_lora++)
            for (int drop = 0; drop < 2; drop++) {
                TinyModel t;
                tiny_open(&t, "plain", family_rows[f], with_lora, drop ? 0.2f : 0);
                const PassOptions options = {.dropout = true, .seed = 5, .step = 9};
                /* small gradients, of an adapter and below GELU near 0: larger steps stand out from the loss's rounding
                 */
                const bool wide = family_rows[f]->head.activation == ACTIVATION_GELU;
                const float h = wide ? 16e-3f : family_rows[f]->relative ? 12e-3f : 4e-3f;
                tiny_loss(&t, &options);
                model_backward(t.workspace, &t.weights, &t.grads, &t.head, &t.batch, &options);
                assert_true(tiny_error(&t, t.weights.encoder, t.grads.encoder, t.model.encoder.floats, h, &options) <
                            1e-3);
                assert_true(tiny_error(&t, t.weights.head, t.grads.head, t.head.layout.floats, 4e-3f, &options) < 1e-3);
                if (with_lora)
                    assert_true(tiny_error(&t, t.weights.adapter, t.grads.adapter, t.lora.layout.floats, 4 * h,
                                           &options) < 4e-3);
                tiny_close(&t);
            }
}

static const struct CMUnitTest gradients_tests[] = {
    cmocka_unit_test(test_model_gradients_by_finite_differences),
};
