#include "model.h"

/* Every key of adapter_config.json that is known, and what lethe does with it (those of config.json: src/family).
 * docs/model-folders.md says the same to users, and a test compares both.
 *
 * Source: LoraConfig of PEFT 0.3 to 0.21. */

static const FileKey adapter_key_list[] = {
    {"peft_type", KEY_APPLIED, TYPE_TEXT, NULL},
    {"r", KEY_APPLIED, TYPE_WHOLE, NULL},
    {"lora_alpha", KEY_APPLIED, TYPE_NUMBER, NULL},
    {"lora_dropout", KEY_APPLIED, TYPE_NUMBER, NULL},
    {"use_rslora", KEY_APPLIED, TYPE_FLAG | TYPE_NULL, NULL},
    {"target_modules", KEY_APPLIED, TYPE_LIST | TYPE_TEXT, NULL},
    {"modules_to_save", KEY_APPLIED, TYPE_LIST | TYPE_NULL, NULL},
    {"init_lora_weights", KEY_ONLY, 0, "true false \"gaussian\" \"orthogonal\" \"eva\""},
    {"bias", KEY_ONLY, 0, "\"none\""},
    {"fan_in_fan_out", KEY_ONLY, 0, "false"},
    {"lora_bias", KEY_ONLY, 0, "false"},
    {"use_dora", KEY_ONLY, 0, "false"},
    {"use_qalora", KEY_ONLY, 0, "false"},
    {"use_bdlora", KEY_EMPTY, 0, NULL},
    {"rank_pattern", KEY_EMPTY, 0, NULL},
    {"alpha_pattern", KEY_EMPTY, 0, NULL},
    {"layers_to_transform", KEY_EMPTY, 0, NULL},
    {"layer_replication", KEY_EMPTY, 0, NULL},
    {"exclude_modules", KEY_EMPTY, 0, NULL},
    {"target_parameters", KEY_EMPTY, 0, NULL},
    {"trainable_token_indices", KEY_EMPTY, 0, NULL},
    {"ensure_weight_tying", KEY_EMPTY, 0, NULL},
    {"megatron_config", KEY_EMPTY, 0, NULL},
    {"alora_invocation_tokens", KEY_EMPTY, 0, NULL},
    {"arrow_config", KEY_EMPTY, 0, NULL},
    {"kasa_config", KEY_EMPTY, 0, NULL},
    {"velora_config", KEY_EMPTY, 0, NULL},
    {"monteclora_config", KEY_EMPTY, 0, NULL},
    {"enable_lora", KEY_EMPTY, 0, NULL},
    {"merge_weights", KEY_EMPTY, 0, NULL},
    {"auto_mapping", KEY_HARMLESS, 0, NULL},
    {"base_model_name_or_path", KEY_HARMLESS, 0, NULL},
    {"revision", KEY_HARMLESS, 0, NULL},
    {"task_type", KEY_HARMLESS, 0, NULL},
    {"inference_mode", KEY_HARMLESS, 0, NULL},
    {"peft_version", KEY_HARMLESS, 0, NULL},
    {"layers_pattern", KEY_HARMLESS, 0, NULL},
    {"megatron_core", KEY_HARMLESS, 0, NULL},
    {"runtime_config", KEY_HARMLESS, 0, NULL},
    /* details of an init_lora_weights or a use_... that is refused by itself, or leaves the base as it is */
    {"eva_config", KEY_HARMLESS, 0, NULL},
    {"corda_config", KEY_HARMLESS, 0, NULL},
    {"loftq_config", KEY_HARMLESS, 0, NULL},
    {"lora_ga_config", KEY_HARMLESS, 0, NULL},
    {"qalora_group_size", KEY_HARMLESS, 0, NULL},
};
static const FileKeys adapter_keys = {"adapter_config.json", adapter_key_list, COUNT(adapter_key_list), false, NULL};
