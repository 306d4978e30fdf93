#include "text.h"

/* Every key of the tokenizer's files that is known, and what lethe does with it. docs/model-folders.md says the same to
 * users, and a test compares both.
 *
 * Sources: transformers 5 (tokenization_utils_base.py, tokenization_utils_tokenizers.py, BertTokenizer,
 * RobertaTokenizer), what transformers 2 to 4 wrote, and tokenizers 0.23 (serialization.rs). */

#define SPECIAL_KEYS                                                                   \
    {"bos_token", KEY_APPLIED, NULL, TYPE_TEXT | TYPE_OBJECT | TYPE_NULL},             \
        {"eos_token", KEY_APPLIED, NULL, TYPE_TEXT | TYPE_OBJECT | TYPE_NULL},         \
        {"unk_token", KEY_APPLIED, NULL, TYPE_TEXT | TYPE_OBJECT | TYPE_NULL},         \
        {"sep_token", KEY_APPLIED, NULL, TYPE_TEXT | TYPE_OBJECT | TYPE_NULL},         \
        {"pad_token", KEY_APPLIED, NULL, TYPE_TEXT | TYPE_OBJECT | TYPE_NULL},         \
        {"cls_token", KEY_APPLIED, NULL, TYPE_TEXT | TYPE_OBJECT | TYPE_NULL},         \
        {"mask_token", KEY_APPLIED, NULL, TYPE_TEXT | TYPE_OBJECT | TYPE_NULL},        \
        {"additional_special_tokens", KEY_APPLIED, NULL, TYPE_LIST | TYPE_NULL},       \
    {                                                                                  \
        "extra_special_tokens", KEY_APPLIED, NULL, TYPE_LIST | TYPE_OBJECT | TYPE_NULL \
    }

static const FileKey tokenizer_config_key_list[] = {
    {"tokenizer_class", KEY_APPLIED, NULL, TYPE_TEXT | TYPE_NULL},
    {"do_lower_case", KEY_APPLIED, NULL, TYPE_FLAG},
    {"strip_accents", KEY_APPLIED, NULL, TYPE_FLAG | TYPE_NULL},
    {"tokenize_chinese_chars", KEY_APPLIED, NULL, TYPE_FLAG},
    {"add_prefix_space", KEY_APPLIED, NULL, TYPE_FLAG},
    {"model_max_length", KEY_APPLIED, NULL, TYPE_NUMBER | TYPE_NULL},
    {"max_len", KEY_APPLIED, NULL, TYPE_NUMBER | TYPE_NULL},
    {"truncation_side", KEY_APPLIED, NULL, TYPE_TEXT | TYPE_NULL},
    {"model_input_names", KEY_APPLIED, NULL, TYPE_LIST | TYPE_NULL},
    {"added_tokens_decoder", KEY_APPLIED, NULL, TYPE_OBJECT},
    SPECIAL_KEYS,
    {"do_basic_tokenize", KEY_ONLY, "true", 0},
    {"clean_text", KEY_ONLY, "true", 0},
    {"handle_chinese_chars", KEY_ONLY, "true", 0},
    {"wordpieces_prefix", KEY_ONLY, "\"##\"", 0},
    {"split_special_tokens", KEY_ONLY, "false", 0},
    {"never_split", KEY_EMPTY, NULL, 0},
    {"init_inputs", KEY_EMPTY, NULL, 0},
    {"auto_map", KEY_EMPTY, NULL, 0},
    {"fast_tokenizer_files", KEY_EMPTY, NULL, 0},
    {"model_specific_special_tokens", KEY_EMPTY, NULL, 0},
    {"padding_side", KEY_HARMLESS, NULL, 0},
    {"pad_token_type_id", KEY_HARMLESS, NULL, 0},
    {"pad_to_multiple_of", KEY_HARMLESS, NULL, 0},
    {"padding", KEY_HARMLESS, NULL, 0},
    {"truncation", KEY_HARMLESS, NULL, 0},
    {"truncation_strategy", KEY_HARMLESS, NULL, 0},
    {"max_length", KEY_HARMLESS, NULL, 0},
    {"stride", KEY_HARMLESS, NULL, 0},
    {"add_bos_token", KEY_HARMLESS, NULL, 0},
    {"add_eos_token", KEY_HARMLESS, NULL, 0},
    {"errors", KEY_HARMLESS, NULL, 0},
    {"trim_offsets", KEY_HARMLESS, NULL, 0},
    {"clean_up_tokenization_spaces", KEY_HARMLESS, NULL, 0},
    {"chat_template", KEY_HARMLESS, NULL, 0},
    {"response_template", KEY_HARMLESS, NULL, 0},
    {"response_schema", KEY_HARMLESS, NULL, 0},
    {"processor_class", KEY_HARMLESS, NULL, 0},
    {"name_or_path", KEY_HARMLESS, NULL, 0},
    {"special_tokens_map_file", KEY_HARMLESS, NULL, 0},
    {"tokenizer_file", KEY_HARMLESS, NULL, 0},
    {"vocab_file", KEY_HARMLESS, NULL, 0},
    {"merges_file", KEY_HARMLESS, NULL, 0},
    {"full_tokenizer_file", KEY_HARMLESS, NULL, 0},
    {"use_fast", KEY_HARMLESS, NULL, 0},
    {"backend", KEY_HARMLESS, NULL, 0},
    {"is_local", KEY_HARMLESS, NULL, 0},
    {"local_files_only", KEY_HARMLESS, NULL, 0},
    {"files_loaded", KEY_HARMLESS, NULL, 0},
    {"verbose", KEY_HARMLESS, NULL, 0},
    {"transformers_version", KEY_HARMLESS, NULL, 0},
    {"_commit_hash", KEY_HARMLESS, NULL, 0},
};
static const FileKeys tokenizer_config_keys = {"tokenizer_config.json", tokenizer_config_key_list,
                                               COUNT(tokenizer_config_key_list), false};

static const FileKey special_map_key_list[] = {SPECIAL_KEYS};
static const FileKeys special_map_keys = {"special_tokens_map.json", special_map_key_list, COUNT(special_map_key_list),
                                          false};
#undef SPECIAL_KEYS

/* added_tokens.json has no keys of its own: each is a token, its value the token's id. */

/* Of one added token: in tokenizer.json's added_tokens, in added_tokens_decoder, and as a special token's value. */
static const FileKey added_token_key_list[] = {
    {"content", KEY_APPLIED, NULL, TYPE_TEXT},
    {"id", KEY_APPLIED, NULL, TYPE_WHOLE},
    {"single_word", KEY_APPLIED, NULL, TYPE_FLAG | TYPE_NULL},
    {"lstrip", KEY_APPLIED, NULL, TYPE_FLAG | TYPE_NULL},
    {"rstrip", KEY_APPLIED, NULL, TYPE_FLAG | TYPE_NULL},
    {"normalized", KEY_APPLIED, NULL, TYPE_FLAG | TYPE_NULL},
    {"special", KEY_HARMLESS, NULL, TYPE_FLAG | TYPE_NULL},
    {"__type", KEY_ONLY, "\"AddedToken\"", 0},
};
static const FileKeys added_token_keys = {"an added token", added_token_key_list, COUNT(added_token_key_list), false};

static const FileKey tokenizer_json_key_list[] = {
    {"version", KEY_ONLY, "\"1.0\"", 0},
    {"model", KEY_APPLIED, NULL, TYPE_OBJECT},
    {"added_tokens", KEY_APPLIED, NULL, TYPE_LIST},
    {"normalizer", KEY_APPLIED, NULL, TYPE_OBJECT | TYPE_NULL},
    {"pre_tokenizer", KEY_APPLIED, NULL, TYPE_OBJECT | TYPE_NULL},
    {"post_processor", KEY_APPLIED, NULL, TYPE_OBJECT | TYPE_NULL},
    {"truncation", KEY_APPLIED, NULL, TYPE_OBJECT | TYPE_NULL},
    {"padding", KEY_APPLIED, NULL, TYPE_OBJECT | TYPE_NULL},
    {"decoder", KEY_HARMLESS, NULL, 0},
};
static const FileKeys tokenizer_json_keys = {"tokenizer.json", tokenizer_json_key_list, COUNT(tokenizer_json_key_list),
                                             false};

static const FileKey tokenizer_model_key_list[] = {
    {"type", KEY_APPLIED, NULL, TYPE_TEXT},
    {"vocab", KEY_APPLIED, NULL, TYPE_OBJECT},
    {"merges", KEY_APPLIED, NULL, TYPE_LIST},
    {"unk_token", KEY_APPLIED, NULL, TYPE_TEXT | TYPE_NULL},
    {"continuing_subword_prefix", KEY_APPLIED, NULL, TYPE_TEXT | TYPE_NULL},
    {"max_input_chars_per_word", KEY_APPLIED, NULL, TYPE_WHOLE},
    {"fuse_unk", KEY_APPLIED, NULL, TYPE_FLAG | TYPE_NULL},
    {"end_of_word_suffix", KEY_APPLIED, NULL, TYPE_TEXT | TYPE_NULL},
    {"byte_fallback", KEY_APPLIED, NULL, TYPE_FLAG | TYPE_NULL},
    {"ignore_merges", KEY_APPLIED, NULL, TYPE_FLAG | TYPE_NULL},
    {"dropout", KEY_APPLIED, NULL, TYPE_NUMBER | TYPE_NULL},
};
static const FileKeys tokenizer_model_keys = {"tokenizer.json, model", tokenizer_model_key_list,
                                              COUNT(tokenizer_model_key_list), false};

/* Of a normalizer, a pre_tokenizer or a post_processor, whatever its type. */
static const FileKey tokenizer_part_key_list[] = {
    {"type", KEY_APPLIED, NULL, TYPE_TEXT},
    {"clean_text", KEY_APPLIED, NULL, TYPE_FLAG | TYPE_NULL},
    {"handle_chinese_chars", KEY_APPLIED, NULL, TYPE_FLAG | TYPE_NULL},
    {"strip_accents", KEY_APPLIED, NULL, TYPE_FLAG | TYPE_NULL},
    {"lowercase", KEY_APPLIED, NULL, TYPE_FLAG | TYPE_NULL},
    {"normalizers", KEY_APPLIED, NULL, TYPE_LIST},
    {"add_prefix_space", KEY_APPLIED, NULL, TYPE_FLAG | TYPE_NULL},
    {"use_regex", KEY_APPLIED, NULL, TYPE_FLAG | TYPE_NULL},
    {"single", KEY_APPLIED, NULL, TYPE_LIST},
    {"pair", KEY_APPLIED, NULL, TYPE_LIST},
    {"special_tokens", KEY_APPLIED, NULL, TYPE_OBJECT},
    {"processors", KEY_APPLIED, NULL, TYPE_LIST},
    {"cls", KEY_APPLIED, NULL, TYPE_LIST},
    {"sep", KEY_APPLIED, NULL, TYPE_LIST},
    {"trim_offsets", KEY_HARMLESS, NULL, TYPE_FLAG | TYPE_NULL},
};
static const FileKeys tokenizer_part_keys = {"tokenizer.json, parts", tokenizer_part_key_list,
                                             COUNT(tokenizer_part_key_list), false};

/* ---- Values ---- */

/* object[key], or `otherwise` when it is missing or null. */
static bool tokjson_flag(const json_t *object, const char *what, const char *key, bool otherwise, bool *out, Err *err)
{
    const json_t *value = json_object_get(object, key);
    if (value && !json_is_boolean(value) && !json_is_null(value))
        return fail(err, "%s: \"%s\" must be true or false", what, key);
    *out = json_is_boolean(value) ? json_is_true(value) : otherwise;
    return true;
}

static bool tokjson_text(const json_t *object, const char *what, const char *key, Str otherwise, Str *out, Err *err)
{
    const json_t *value = json_object_get(object, key);
    if (value && !json_is_string(value) && !json_is_null(value))
        return fail(err, "%s: \"%s\" must be a text", what, key);
    *out = json_is_string(value) ? (Str){json_string_value(value), json_string_length(value)} : otherwise;
    return true;
}

/* The "type" of a part of the tokenizer, "" when there is none. */
static const char *tokjson_type(const json_t *part)
{
    const char *type = json_string_value(json_object_get(part, "type"));
    return type ? type : "";
}
