#include "command.h"

#include <stdlib.h>
#include <string.h>

/* lethe plan: a run taken apart into jobs that know nothing of each other, one for each point of a grid of options, as
 * input for GNU parallel or as a Slurm job array. */

enum { PLAN_MAX_AXES = 16, PLAN_MAX_JOBS = 100000 };

typedef struct Axis {
    const char *option; /* of lethe run, without "--" */
    const char **values;
    int count;
} Axis;

typedef struct JobGrid {
    Arena *arena;
    Axis axes[PLAN_MAX_AXES];
    int axis_count;
    const char *target; /* "parallel" or "slurm" */
} JobGrid;

static Axis *plan_axis(JobGrid *grid, const char *option, int room)
{
    Axis *axis = &grid->axes[grid->axis_count++];
    *axis = (Axis){.option = option, .values = arena_new(grid->arena, const char *, (size_t)room)};
    return axis;
}

static bool plan_fail_axis(const char *text, const char *name, Err *err)
{
    const OptionRows *rows = run_options();
    Nearest near = nearest_to(str(name));
    for (size_t i = 0; i < rows->count; i++)
        if (rows->at[i]->type != OPTION_FLAG && rows->at[i]->type != OPTION_LIST)
            nearest_offer(&near, rows->at[i]->name);
    if (near.distance == 0) near.name = NULL; /* one that no grid varies */
    return fail_usage(err, "--grid %s: %s is not an option of lethe run that a grid can vary%s", str_show(str(text)),
                      str_show(str(name)), nearest_hint(&near, ""));
}

/* Texts as they stand, numbers by their value. */
static bool plan_same_value(const Option *option, const char *a, const char *b)
{
    double x, y;
    const bool numbers = option->type == OPTION_INT || option->type == OPTION_REAL;
    return strcmp(a, b) == 0 || (numbers && parse_double(str(a), &x) && parse_double(str(b), &y) && x == y);
}

/* --grid OPTION=VALUE,VALUE,... */
static bool plan_add_axis(JobGrid *grid, const char *text, Err *err)
{
    const char *equals = strchr(text, '=');
    if (!equals || !equals[1])
        return fail_usage(err, "--grid %s: write OPTION=VALUE,VALUE, as in --grid learning-rate=1e-5,5e-5",
                          str_show(str(text)));
    const char *name = arena_copy(grid->arena, text, (size_t)(equals - text));
    const Option *row = option_find(run_options(), name);
    if (!row || row->type == OPTION_FLAG || row->type == OPTION_LIST || strcmp(name, "out") == 0 ||
        strcmp(name, "config") == 0 || strcmp(name, "seeds") == 0)
        return plan_fail_axis(text, name, err);
    for (int i = 0; i < grid->axis_count; i++)
        if (strcmp(grid->axes[i].option, name) == 0) return fail_usage(err, "--grid: %s is named twice", name);
    if (grid->axis_count == PLAN_MAX_AXES - 2) return fail_usage(err, "--grid: at most %d options", PLAN_MAX_AXES - 2);
    Axis *axis = plan_axis(grid, name, (int)strlen(equals));
    Str rest = str(equals + 1), item;
    while (list_next(&rest, &item)) {
        if (!item.size) return fail_usage(err, "--grid %s: an empty value", str_show(str(text)));
        const char *value = arena_copy(grid->arena, item.at, item.size);
        for (int i = 0; i < axis->count; i++)
            if (plan_same_value(row, axis->values[i], value))
                return fail_usage(err, "--grid %s: %s is named twice", str_show(str(text)), str_show(item));
        axis->values[axis->count++] = value;
    }
    return true;
}

static const char *const plan_targets[] = {"parallel", "slurm", NULL};
static const Option plan_options[] = {
    {"for", OPTION_CHOICE, 0, 0, "WHAT", "parallel or slurm", .choices = plan_targets, .passing = true},
    {"grid", OPTION_LIST, 0, 0, "OPTION=VALUE,VALUE", "values that an option of run takes in turn; repeat for each",
     .passing = true},
};

/* Takes --for and --grid out of the options; the rest are lethe run's. */
static bool plan_take_own(JobGrid *grid, json_t *options, Err *err)
{
    size_t i;
    const json_t *axis;
    const char *target = option_text(options, "for");
    if (!target) return fail_usage(err, "plan: --for parallel or --for slurm is needed; see lethe help plan");
    double place;
    if (!option_number(&plan_options[0], target, &place, err)) return false;
    grid->target = plan_targets[(int)place];
    json_array_foreach(json_object_get(options, "grid"), i, axis)
    {
        if (!plan_add_axis(grid, json_string_value(axis), err)) return false;
    }
    json_object_del(options, "for");
    json_object_del(options, "grid");
    for (int k = 0; k < grid->axis_count; k++) {
        const char *name = grid->axes[k].option;
        const char *said = json_object_get(options, name)                                           ? name
                           : strcmp(name, "seed") == 0 && json_object_get(options, "seeds") != NULL ? "seeds"
                                                                                                    : NULL;
        if (said) return fail_usage(err, "--%s and --grid %s= say the same; give one of them", said, name);
    }
    return true;
}

/* Seeds and methods are axes of every grid. */
static bool plan_add_lists(JobGrid *grid, json_t *options, const Plan *plan, Err *err)
{
    bool seeds = false, methods = false;
    for (int i = 0; i < grid->axis_count; i++) {
        seeds = seeds || strcmp(grid->axes[i].option, "seed") == 0;
        methods = methods || strcmp(grid->axes[i].option, "method") == 0;
    }
    for (int i = 0; i < grid->axis_count; i++)
        for (int m = 0; m < plan->method_count; m++) {
            const char *own = arena_printf(grid->arena, "@%s=", grid->axes[i].option);
            if (strstr(plan->methods[m]->name, own))
                return fail_usage(err, "--grid %s: %s has a value of its own; leave one of them out",
                                  grid->axes[i].option, plan->methods[m]->name);
        }
    if (!methods) {
        Axis *axis = plan_axis(grid, "method", plan->method_count);
        for (; axis->count < plan->method_count; axis->count++)
            axis->values[axis->count] = plan->methods[axis->count]->name;
    }
    if (!seeds) {
        Axis *axis = plan_axis(grid, "seed", plan->seed_count);
        for (; axis->count < plan->seed_count; axis->count++)
            axis->values[axis->count] = arena_printf(grid->arena, "%u", plan->seeds[axis->count]);
    }
    json_object_del(options, "seeds");
    return true;
}

static const char *plan_word(Arena *arena, const char *line, const char *option, const json_t *value)
{
    if (json_is_true(value)) return arena_printf(arena, "%s --%s", line, option);
    return arena_printf(arena, "%s --%s %s", line, option, shell_word(arena, json_string_value(value)));
}

/* The command of one job; its folder below OUT is named after what varies. */
static const char *plan_command(Arena *arena, const json_t *options, const char *program)
{
    const char *line = arena_printf(arena, "%s run", shell_word(arena, program)), *name;
    json_t *value;
    json_object_foreach((json_t *)options, name, value)
    {
        size_t i;
        const json_t *item;
        json_array_foreach(value, i, item) { line = plan_word(arena, line, name, item); }
        if (!json_is_array(value)) line = plan_word(arena, line, name, value);
    }
    return line;
}

static void plan_print(const JobGrid *grid, int job, int jobs, const char *command)
{
    const bool slurm = strcmp(grid->target, "slurm") == 0;
    if (slurm && job == 0)
        printf("#!/bin/sh\n#SBATCH --job-name=lethe\n#SBATCH --array=0-%d\n#SBATCH --requeue\n"
               "case $SLURM_ARRAY_TASK_ID in\n",
               jobs - 1);
    if (slurm)
        printf("%d) exec %s ;;\n%s", job, command, job == jobs - 1 ? "esac\n" : "");
    else
        puts(command);
}

/* The options of job `job`, its folder below `out` among them. An option that changes nothing of the job's method is
 * left out. *again: it is the same job as one with another value of such an option. */
static bool plan_job(const JobGrid *grid, Arena *arena, json_t *options, const char *out, int64_t job, bool *again,
                     Err *err)
{
    Plan plan;
    const char *folder = out, *values[PLAN_MAX_AXES];
    bool varies[PLAN_MAX_AXES];
    int first[PLAN_MAX_AXES];
    for (int i = grid->axis_count - 1; i >= 0; i--) {
        first[i] = (int)(job % grid->axes[i].count);
        values[i] = grid->axes[i].values[first[i]];
        job /= grid->axes[i].count;
        json_object_set_new(options, grid->axes[i].option, json_string(values[i]));
    }
    json_object_set_new(options, "out", json_string(out));
    if (!run_plan(&plan, arena, options, err)) return false;
    *again = false;
    for (int i = 0, named = 0; i < grid->axis_count; i++) {
        varies[i] = plan_option_changes(option_find(run_options(), grid->axes[i].option), plan.methods[0]);
        *again = *again || (!varies[i] && first[i] > 0);
        if (!varies[i]) json_object_del(options, grid->axes[i].option);
        if (varies[i])
            folder = arena_printf(arena, "%s%s%s=%s", folder, named++ ? "," : "/", grid->axes[i].option, values[i]);
    }
    for (char *p = (char *)folder + strlen(out) + 1; *p; p++)
        if (!sys_name_may_have(*p)) *p = '_';
    json_object_set_new(options, "out", json_string(folder));
    return true;
}

static bool plan_jobs(JobGrid *grid, json_t *options, const char *out, const char *program, Err *err)
{
    int64_t jobs = 1;
    int count = 0, printed = 0;
    for (int i = 0; i < grid->axis_count; i++)
        if ((jobs *= grid->axes[i].count) > PLAN_MAX_JOBS)
            return fail_usage(err, "--grid: more than %d jobs", PLAN_MAX_JOBS);
    for (int check = 1; check >= 0; check--) /* nothing is printed before every job has been found to make sense */
        for (int64_t job = 0; job < jobs; job++) {
            Arena scratch = {0};
            bool again = false;
            const bool ok = plan_job(grid, &scratch, options, out, job, &again, err);
            if (ok && check && !again) count++;
            if (ok && !check && !again) plan_print(grid, printed++, count, plan_command(&scratch, options, program));
            arena_free(&scratch);
            if (!ok) return false;
        }
    return true;
}

bool command_plan(int argc, char **argv, Err *err)
{
    Arena arena = {0};
    Plan plan;
    JobGrid grid = {.arena = &arena};
    json_t *options = json_object();
    char program[SYS_PATH_BYTES];
    if (!sys_program(program)) snprintf(program, sizeof program, "lethe");
    bool ok = run_parse(argc, argv, plan_options, COUNT(plan_options), options, err) &&
              plan_take_own(&grid, options, err) && run_plan(&plan, &arena, options, err) &&
              plan_add_lists(&grid, options, &plan, err);
    if (ok) {
        /* many jobs with an encoder each would fill a disk */
        if (!option_text(options, "keep-models")) json_object_set_new(options, "keep-models", json_string("adapters"));
        const char *out = arena_copy(&arena, plan.out, strlen(plan.out)); /* options, which own it, will change */
        ok = plan_jobs(&grid, options, out, program, err);
    }
    json_decref(options);
    arena_free(&arena);
    return ok;
}
