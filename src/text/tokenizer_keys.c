#include "text.h"

/* Every key of the tokenizer's files that is known, and what lethe does with it. docs/model-folders.md says the same to
 * users, and a test compares both.
 *
 * Sources: transformers 5 (tokenization_utils_base.py, tokenization_utils_tokenizers.py, BertTokenizer,
 * RobertaTokenizer), what transformers 2 to 4 wrote, and tokenizers 0.23 (serialization.rs). */

#define SPECIAL_KEYS                                                                   \
    {"bos_token", KEY_APPLIED, TYPE_TEXT | TYPE_OBJECT | TYPE_NULL, NULL},             \
        {"eos_token", KEY_APPLIED, TYPE_TEXT | TYPE_OBJECT | TYPE_NULL, NULL},         \
        {"unk_token", KEY_APPLIED, TYPE_TEXT | TYPE_OBJECT | TYPE_NULL, NULL},         \
        {"sep_token", KEY_APPLIED, TYPE_TEXT | TYPE_OBJECT | TYPE_NULL, NULL},         \
        {"pad_token", KEY_APPLIED, TYPE_TEXT | TYPE_OBJECT | TYPE_NULL, NULL},         \
        {"cls_token", KEY_APPLIED, TYPE_TEXT | TYPE_OBJECT | TYPE_NULL, NULL},         \
        {"mask_token", KEY_APPLIED, TYPE_TEXT | TYPE_OBJECT | TYPE_NULL, NULL},        \
        {"additional_special_tokens", KEY_APPLIED, TYPE_LIST | TYPE_NULL, NULL},       \
    {                                                                                  \
        "extra_special_tokens", KEY_APPLIED, TYPE_LIST | TYPE_OBJECT | TYPE_NULL, NULL \
    }

static const FileKey tokenizer_config_key_list[] = {
    {"tokenizer_class", KEY_APPLIED, TYPE_TEXT | TYPE_NULL, NULL},
    {"do_lower_case", KEY_APPLIED, TYPE_FLAG, NULL},
    {"strip_accents", KEY_APPLIED, TYPE_FLAG | TYPE_NULL, NULL},
    {"tokenize_chinese_chars", KEY_APPLIED, TYPE_FLAG, NULL},
    {"add_prefix_space", KEY_APPLIED, TYPE_FLAG, NULL},
    {"keep_accents", KEY_APPLIED, TYPE_FLAG, NULL},
    {"unk_id", KEY_APPLIED, TYPE_WHOLE | TYPE_NULL, NULL},
    {"model_max_length", KEY_APPLIED, TYPE_NUMBER | TYPE_NULL, NULL},
    {"max_len", KEY_APPLIED, TYPE_NUMBER | TYPE_NULL, NULL},
    {"truncation_side", KEY_APPLIED, TYPE_TEXT | TYPE_NULL, NULL},
    {"model_input_names", KEY_APPLIED, TYPE_LIST | TYPE_NULL, NULL},
    {"added_tokens_decoder", KEY_APPLIED, TYPE_OBJECT, NULL},
    SPECIAL_KEYS,
    {"do_basic_tokenize", KEY_ONLY, 0, "true"},
    {"clean_text", KEY_ONLY, 0, "true"},
    {"handle_chinese_chars", KEY_ONLY, 0, "true"},
    {"wordpieces_prefix", KEY_ONLY, 0, "\"##\""},
    {"split_special_tokens", KEY_ONLY, 0, "false"},
    {"split_by_punct", KEY_ONLY, 0, "false"},
    {"sp_model_kwargs", KEY_EMPTY, 0, NULL},
    {"never_split", KEY_EMPTY, 0, NULL},
    {"init_inputs", KEY_EMPTY, 0, NULL},
    {"auto_map", KEY_EMPTY, 0, NULL},
    {"fast_tokenizer_files", KEY_EMPTY, 0, NULL},
    {"model_specific_special_tokens", KEY_EMPTY, 0, NULL},
    {"padding_side", KEY_HARMLESS, 0, NULL},
    {"pad_token_type_id", KEY_HARMLESS, 0, NULL},
    {"pad_to_multiple_of", KEY_HARMLESS, 0, NULL},
    {"padding", KEY_HARMLESS, 0, NULL},
    {"truncation", KEY_HARMLESS, 0, NULL},
    {"truncation_strategy", KEY_HARMLESS, 0, NULL},
    {"max_length", KEY_HARMLESS, 0, NULL},
    {"stride", KEY_HARMLESS, 0, NULL},
    {"add_bos_token", KEY_HARMLESS, 0, NULL},
    {"add_eos_token", KEY_HARMLESS, 0, NULL},
    {"errors", KEY_HARMLESS, 0, NULL},
    {"trim_offsets", KEY_HARMLESS, 0, NULL},
    {"clean_up_tokenization_spaces", KEY_HARMLESS, 0, NULL},
    {"chat_template", KEY_HARMLESS, 0, NULL},
    {"response_template", KEY_HARMLESS, 0, NULL},
    {"response_schema", KEY_HARMLESS, 0, NULL},
    {"processor_class", KEY_HARMLESS, 0, NULL},
    {"name_or_path", KEY_HARMLESS, 0, NULL},
    {"special_tokens_map_file", KEY_HARMLESS, 0, NULL},
    {"tokenizer_file", KEY_HARMLESS, 0, NULL},
    {"vocab_file", KEY_HARMLESS, 0, NULL},
    {"merges_file", KEY_HARMLESS, 0, NULL},
    {"vocab_type", KEY_HARMLESS, 0, NULL},
    {"remove_space", KEY_HARMLESS, 0, NULL},
    {"full_tokenizer_file", KEY_HARMLESS, 0, NULL},
    {"use_fast", KEY_HARMLESS, 0, NULL},
    {"backend", KEY_HARMLESS, 0, NULL},
    {"is_local", KEY_HARMLESS, 0, NULL},
    {"local_files_only", KEY_HARMLESS, 0, NULL},
    {"files_loaded", KEY_HARMLESS, 0, NULL},
    {"verbose", KEY_HARMLESS, 0, NULL},
    {"transformers_version", KEY_HARMLESS, 0, NULL},
    {"_commit_hash", KEY_HARMLESS, 0, NULL},
};
static const FileKeys tokenizer_config_keys = {"tokenizer_config.json", tokenizer_config_key_list,
                                               COUNT(tokenizer_config_key_list), false, NULL};

static const FileKey special_map_key_list[] = {SPECIAL_KEYS};
static const FileKeys special_map_keys = {"special_tokens_map.json", special_map_key_list, COUNT(special_map_key_list),
                                          false, NULL};
#undef SPECIAL_KEYS

/* added_tokens.json has no keys of its own: each is a token, its value the token's id. */

/* Of one added token: in tokenizer.json's added_tokens, in added_tokens_decoder, and as a special token's value. */
static const FileKey added_token_key_list[] = {
    {"content", KEY_APPLIED, TYPE_TEXT, NULL},
    {"id", KEY_APPLIED, TYPE_WHOLE, NULL},
    {"single_word", KEY_APPLIED, TYPE_FLAG | TYPE_NULL, NULL},
    {"lstrip", KEY_APPLIED, TYPE_FLAG | TYPE_NULL, NULL},
    {"rstrip", KEY_APPLIED, TYPE_FLAG | TYPE_NULL, NULL},
    {"normalized", KEY_APPLIED, TYPE_FLAG | TYPE_NULL, NULL},
    {"special", KEY_HARMLESS, TYPE_FLAG | TYPE_NULL, NULL},
    {"__type", KEY_ONLY, 0, "\"AddedToken\""},
};
static const FileKeys added_token_keys = {"an added token", added_token_key_list, COUNT(added_token_key_list), false,
                                          NULL};

static const FileKey tokenizer_json_key_list[] = {
    {"version", KEY_ONLY, 0, "\"1.0\""},
    {"model", KEY_APPLIED, TYPE_OBJECT, NULL},
    {"added_tokens", KEY_APPLIED, TYPE_LIST, NULL},
    {"normalizer", KEY_APPLIED, TYPE_OBJECT | TYPE_NULL, NULL},
    {"pre_tokenizer", KEY_APPLIED, TYPE_OBJECT | TYPE_NULL, NULL},
    {"post_processor", KEY_APPLIED, TYPE_OBJECT | TYPE_NULL, NULL},
    {"truncation", KEY_APPLIED, TYPE_OBJECT | TYPE_NULL, NULL},
    {"padding", KEY_APPLIED, TYPE_OBJECT | TYPE_NULL, NULL},
    {"decoder", KEY_HARMLESS, 0, NULL},
};
static const FileKeys tokenizer_json_keys = {"tokenizer.json", tokenizer_json_key_list, COUNT(tokenizer_json_key_list),
                                             false, NULL};

static const FileKey tokenizer_model_key_list[] = {
    {"type", KEY_APPLIED, TYPE_TEXT, NULL},
    {"vocab", KEY_APPLIED, TYPE_OBJECT | TYPE_LIST, NULL},
    {"unk_id", KEY_APPLIED, TYPE_WHOLE | TYPE_NULL, NULL},
    {"merges", KEY_APPLIED, TYPE_LIST, NULL},
    {"unk_token", KEY_APPLIED, TYPE_TEXT | TYPE_NULL, NULL},
    {"continuing_subword_prefix", KEY_APPLIED, TYPE_TEXT | TYPE_NULL, NULL},
    {"max_input_chars_per_word", KEY_APPLIED, TYPE_WHOLE, NULL},
    {"fuse_unk", KEY_APPLIED, TYPE_FLAG | TYPE_NULL, NULL},
    {"end_of_word_suffix", KEY_APPLIED, TYPE_TEXT | TYPE_NULL, NULL},
    {"byte_fallback", KEY_APPLIED, TYPE_FLAG | TYPE_NULL, NULL},
    {"ignore_merges", KEY_APPLIED, TYPE_FLAG | TYPE_NULL, NULL},
    {"dropout", KEY_APPLIED, TYPE_NUMBER | TYPE_NULL, NULL},
};
static const FileKeys tokenizer_model_keys = {"tokenizer.json, model", tokenizer_model_key_list,
                                              COUNT(tokenizer_model_key_list), false, NULL};

/* Of a normalizer, a pre_tokenizer or a post_processor, whatever its type. */
static const FileKey tokenizer_part_key_list[] = {
    {"type", KEY_APPLIED, TYPE_TEXT, NULL},
    {"clean_text", KEY_APPLIED, TYPE_FLAG | TYPE_NULL, NULL},
    {"handle_chinese_chars", KEY_APPLIED, TYPE_FLAG | TYPE_NULL, NULL},
    {"strip_accents", KEY_APPLIED, TYPE_FLAG | TYPE_NULL, NULL},
    {"lowercase", KEY_APPLIED, TYPE_FLAG | TYPE_NULL, NULL},
    {"normalizers", KEY_APPLIED, TYPE_LIST, NULL},
    {"add_prefix_space", KEY_APPLIED, TYPE_FLAG | TYPE_NULL, NULL},
    {"use_regex", KEY_APPLIED, TYPE_FLAG | TYPE_NULL, NULL},
    {"single", KEY_APPLIED, TYPE_LIST, NULL},
    {"pair", KEY_APPLIED, TYPE_LIST, NULL},
    {"special_tokens", KEY_APPLIED, TYPE_OBJECT, NULL},
    {"processors", KEY_APPLIED, TYPE_LIST, NULL},
    {"cls", KEY_APPLIED, TYPE_LIST, NULL},
    {"sep", KEY_APPLIED, TYPE_LIST, NULL},
    {"precompiled_charsmap", KEY_APPLIED, TYPE_TEXT, NULL},
    {"pattern", KEY_APPLIED, TYPE_OBJECT, NULL},
    {"content", KEY_APPLIED, TYPE_TEXT, NULL},
    {"strip_left", KEY_APPLIED, TYPE_FLAG, NULL},
    {"strip_right", KEY_APPLIED, TYPE_FLAG, NULL},
    {"prepend", KEY_APPLIED, TYPE_TEXT, NULL},
    {"pretokenizers", KEY_APPLIED, TYPE_LIST, NULL},
    {"replacement", KEY_APPLIED, TYPE_TEXT, NULL},
    {"prepend_scheme", KEY_APPLIED, TYPE_TEXT, NULL},
    {"split", KEY_APPLIED, TYPE_FLAG | TYPE_NULL, NULL},
    {"str_rep", KEY_HARMLESS, TYPE_TEXT | TYPE_NULL, NULL},
    {"trim_offsets", KEY_HARMLESS, TYPE_FLAG | TYPE_NULL, NULL},
};
static const FileKeys tokenizer_part_keys = {"tokenizer.json, parts", tokenizer_part_key_list,
                                             COUNT(tokenizer_part_key_list), false, NULL};

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
