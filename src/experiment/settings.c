#include "experiment.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Which options change what is computed: the one table of them. The run event, the identity in config.json and the
 * joining of folders follow it. A strategy's own options are those of its row in src/strategy. Values are texts as the
 * command line takes them. */

/* Whose trainings an option changes. */
typedef enum SettingOf {
    SETTING_OF_ALL,     /* every method */
    SETTING_OF_ENCODER, /* methods that train the encoder at the common rate */
    SETTING_OF_ADAPTER, /* methods with an adapter */
} SettingOf;

typedef enum SettingKind { SETTING_COUNT, SETTING_REAL, SETTING_CHOICE, SETTING_TARGETS } SettingKind;

static const char *const setting_orders[] = {[ORDER_INDEPENDENT] = "independent", [ORDER_HF] = "hf", NULL};
static const char *const setting_epochs[] = {
    [KEEP_EPOCH_LAST] = "last", [KEEP_EPOCH_HELD_OUT] = "held-out", [KEEP_EPOCH_EVAL] = "eval", NULL};

#define PLAN_SETTING(name, of, kind, field, choices)   \
    {                                                  \
        name, of, kind, offsetof(Plan, field), choices \
    }
static const struct PlanSetting {
    const char *name; /* of the option */
    SettingOf of;
    SettingKind kind;
    size_t at; /* in Plan */
    const char *const *choices;
} plan_settings[] = {
    PLAN_SETTING("train-rows", SETTING_OF_ALL, SETTING_COUNT, train_rows, NULL),
    PLAN_SETTING("eval-rows", SETTING_OF_ALL, SETTING_COUNT, eval_rows, NULL),
    PLAN_SETTING("max-length", SETTING_OF_ALL, SETTING_COUNT, max_length, NULL),
    PLAN_SETTING("epochs", SETTING_OF_ALL, SETTING_COUNT, hyper.epochs, NULL),
    PLAN_SETTING("max-steps", SETTING_OF_ALL, SETTING_COUNT, hyper.max_steps, NULL),
    PLAN_SETTING("batch-size", SETTING_OF_ALL, SETTING_COUNT, hyper.batch_size, NULL),
    PLAN_SETTING("eval-batch-size", SETTING_OF_ALL, SETTING_COUNT, hyper.eval_batch_size, NULL),
    PLAN_SETTING("weight-decay", SETTING_OF_ALL, SETTING_REAL, hyper.weight_decay, NULL),
    PLAN_SETTING("row-order", SETTING_OF_ALL, SETTING_CHOICE, hyper.order, setting_orders),
    PLAN_SETTING("keep-epoch", SETTING_OF_ALL, SETTING_CHOICE, keep_epoch, setting_epochs),
    PLAN_SETTING("learning-rate", SETTING_OF_ENCODER, SETTING_REAL, hyper.learning_rate, NULL),
    PLAN_SETTING("lora-learning-rate", SETTING_OF_ADAPTER, SETTING_REAL, lora_learning_rate, NULL),
    PLAN_SETTING("lora-r", SETTING_OF_ADAPTER, SETTING_COUNT, lora_r, NULL),
    PLAN_SETTING("lora-alpha", SETTING_OF_ADAPTER, SETTING_REAL, lora_alpha, NULL),
    PLAN_SETTING("lora-dropout", SETTING_OF_ADAPTER, SETTING_REAL, lora_drop, NULL),
    PLAN_SETTING("lora-targets", SETTING_OF_ADAPTER, SETTING_TARGETS, lora_targets, NULL),
};
#undef PLAN_SETTING

/* The shortest decimal text that reads back as the same number, "5e-5", "1000"; `single`: as the same float. */
static const char *setting_real(Arena *arena, double x, bool single)
{
    char text[40];
    if (x == floor(x) && fabs(x) < 1e7) return arena_printf(arena, "%.0f", x);
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (single ? strtof(text, NULL) == (float)x : strtod(text, NULL) == x) break;
    }
    char *zero = strstr(text, "e-0"); /* printf writes two digits of an exponent */
    if (zero) memmove(zero + 2, zero + 3, strlen(zero + 3) + 1);
    return arena_printf(arena, "%s", text);
}

static const char *setting_text(Arena *arena, const Plan *plan, const struct PlanSetting *s)
{
    const void *at = (const char *)plan + s->at;
    const char *text = "";
    switch (s->kind) {
    case SETTING_COUNT: return arena_printf(arena, "%u", *(const uint32_t *)at);
    case SETTING_REAL: return setting_real(arena, (double)*(const float *)at, true);
    case SETTING_CHOICE: return s->choices[*(const unsigned *)at];
    case SETTING_TARGETS:
        for (size_t i = 0; i < COUNT(peft_targets); i++)
            if (*(const uint32_t *)at >> i & 1) text = text_join(arena, text, ",", peft_targets[i]);
    }
    return text;
}

static bool setting_is_of(const struct PlanSetting *s, const Method *method)
{
    const bool adapter = method->trains == TRAINS_ADAPTER || method->trains == TRAINS_ADAPTER_EACH;
    if (s->of == SETTING_OF_ADAPTER) return adapter;
    return s->of == SETTING_OF_ENCODER && !adapter && !method->own_rate;
}

/* Adds a setting, and its name to `beside` when its value is not the preset's. */
static void setting_add(json_t *settings, json_t *beside, const char *name, const char *value, const char *standard)
{
    json_object_set_new(settings, name, json_string(value));
    if (standard && strcmp(value, standard) != 0) json_array_append_new(beside, json_string(name));
}

/* Name to value of what changes the results of every method (method null), or of this one beyond that. beside: names of
 * those that differ from the preset's are added. */
static json_t *plan_settings_of(const Plan *plan, const Method *method, json_t *beside)
{
    Arena arena = {0};
    json_t *settings = json_object();
    for (size_t i = 0; i < COUNT(plan_settings); i++) {
        const struct PlanSetting *s = &plan_settings[i];
        if (method ? setting_is_of(s, method) : s->of == SETTING_OF_ALL)
            setting_add(settings, beside, s->name, setting_text(&arena, plan, s),
                        plan->standard ? setting_text(&arena, plan->standard, s) : NULL);
    }
    for (int p = 0; method && p < method->parts; p++) {
        const Strategy *s = method->part[p];
        const double *value = strategy_values(&plan->values, s);
        for (int k = 0; k < s->option_count; k++) {
            const StrategyOption *o = &s->options[k];
            const double standard = o->standard;
            setting_add(settings, beside, o->name,
                        o->choices ? o->choices[(int)value[k]] : setting_real(&arena, value[k], false),
                        o->choices ? o->choices[(int)standard] : setting_real(&arena, standard, false));
        }
    }
    arena_free(&arena);
    return settings;
}
