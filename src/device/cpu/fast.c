/* Fast versions of ops on vectors of LANES floats; see vector.c. No include guard: cpu.c includes this several times.
 */
#include "vector.c"

#include "product.c"

#include "lora.c"

#include "attention.c"
#include "relative.c"
#include "attention_local.c"
#include "elementwise.c"
#include "rows.c"

static void (*const V(ops)[OP_COUNT])(const void *args) = {
    [OP_gemm] = V(gemm),
    [OP_gelu] = V(gelu),
    [OP_gelu_grad] = V(gelu_grad),
    [OP_tanh] = V(tanh),
    [OP_tanh_grad] = V(tanh_grad),
    [OP_relu] = V(relu),
    [OP_relu_grad] = V(relu_grad),
    [OP_layernorm] = V(layernorm),
    [OP_layernorm_dx] = V(layernorm_dx),
    [OP_layernorm_dw] = V(layernorm_dw),
    [OP_column_sum] = V(column_sum),
    [OP_attention] = V(attention),
    [OP_attention_grad] = V(attention_grad),
    [OP_relative_bias] = V(relative_bias),
    [OP_relative_bias_grad] = V(relative_bias_grad),
    [OP_relative_attention] = V(relative_attention),
    [OP_relative_attention_grad] = V(relative_attention_grad),
    [OP_embed] = V(embed),
    [OP_embed_grad] = V(embed_grad),
    [OP_gather_rows] = V(gather_rows),
    [OP_scatter_rows] = V(scatter_rows),
    [OP_dropout] = V(dropout),
    [OP_axpby] = V(axpby),
    [OP_copy] = V(copy),
    [OP_fill] = V(fill),
    [OP_zero_rows] = V(zero_rows),
    [OP_dot] = V(dot),
    [OP_quadratic_penalty] = V(quadratic_penalty),
    [OP_path_integral] = V(path_integral),
    [OP_consolidate] = V(consolidate),
    [OP_gemm_importance] = V(gemm_importance),
    [OP_column_importance] = V(column_importance),
    [OP_embed_importance] = V(embed_importance),
    [OP_lora_down] = V(lora_down),
    [OP_lora_dx] = V(lora_dx),
    [OP_lora_dw] = V(lora_dw),
    [OP_adamw] = V(adamw),
    [OP_adamw_rows] = V(adamw_rows),
    [OP_wake_rows] = V(wake_rows),
    [OP_geglu] = V(geglu),
    [OP_geglu_grad] = V(geglu_grad),
    [OP_rope] = V(rope),
    [OP_attention_local] = V(attention_local),
    [OP_attention_local_grad] = V(attention_local_grad),
    [OP_average] = V(average),
    [OP_average_grad] = V(average_grad),
};

#undef PANEL
#undef X86
#undef NEON
#undef LOG_LANES
#undef LOW
#undef HIGH
#undef LOW_U64
#undef HIGH_U64
#undef COUNT_UP
#undef COUNT_UP_U64
