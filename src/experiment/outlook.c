#include "state.h"

#include <string.h>

/* What a run says of itself while it goes on: which task of which method, what it is doing, and how long all of it will
 * take. The work of a training is counted in tokens, as a dry run does. */

static double time_tokens(const Experiment *x, const Method *method, int task);
static double survey_tokens(const Experiment *x, const Method *method, int task);

/* Before the first method, and between methods. */
static void outlook_say(Experiment *x, const char *what)
{
    progress_begin(&x->outlook.progress, x->plan->quiet, 0, "%s", "");
    progress_say(&x->outlook.progress, "%s", what);
}

static void outlook_said(Experiment *x) { progress_end(&x->outlook.progress); }

/* Of a method's training, evaluations and diagnostics of a task: a training that an earlier method has made already
 * costs nothing. */
static double outlook_work(const Experiment *x, int method, int task)
{
    const Method *m = x->plan->methods[method];
    double tokens = time_tokens(x, m, task) + survey_tokens(x, m, task);
    for (int k = 0; k < method; k++)
        if (training_is_shared(x->plan->methods[k], m, task)) tokens = 0;
    return tokens * step_passes(m) / ENCODER_PASSES;
}

static double outlook_work_of_method(const Experiment *x, int method)
{
    double work = 0;
    for (int task = 0; task < x->plan->task_count; task++) work += outlook_work(x, method, task);
    return work;
}

/* Counts what is to be done: all that no earlier process has finished. */
static void outlook_begin(Experiment *x)
{
    Outlook *o = &x->outlook;
    *o = (Outlook){.begun = clock_seconds()};
    for (int s = 0; s < x->plan->seed_count; s++)
        for (int m = 0; m < x->plan->method_count; m++)
            if (!journal_is_finished(&x->journal, x->plan->methods[m]->name, x->plan->seeds[s]))
                o->total += outlook_work_of_method(x, m);
}

static int outlook_place(const Experiment *x, const Method *method)
{
    int place = 0;
    while (x->plan->methods[place] != method) place++;
    return place;
}

/* The next task of a method begins: what the line on the terminal begins with. */
static void outlook_task(MethodRun *m)
{
    const Plan *plan = m->x->plan;
    Outlook *o = &m->x->outlook;
    int number = outlook_place(m->x, m->method) + 1;
    for (int s = 0; s < plan->seed_count && plan->seeds[s] != m->seed; s++) number += plan->method_count;
    Arena scratch = {0};
    const char *seed = plan->seed_count > 1 ? arena_printf(&scratch, " seed %u", m->seed) : "",
               *of = plan->seed_count * plan->method_count > 1
                         ? arena_printf(&scratch, " (%d of %d)", number, plan->seed_count * plan->method_count)
                         : "";
    snprintf(m->progress.label, sizeof m->progress.label, "%s%s%s, %s:", m->method->name, seed, of,
             m->x->tasks[m->task].data.name);
    arena_free(&scratch);
    o->before = m->step;
    o->work = outlook_work(m->x, outlook_place(m->x, m->method), m->task);
}

/* The task is done, with its evaluations and diagnostics. */
static void outlook_task_done(MethodRun *m)
{
    Outlook *o = &m->x->outlook;
    o->done += o->work;
    o->work = 0;
}

/* Seconds to the end of the run, by the work that is done; NAN: too early to say. */
static double outlook_left(const MethodRun *m)
{
    const Outlook *o = &m->x->outlook;
    const Training t = training_of(m->x, m->method, m->seed, m->task);
    const double elapsed = clock_seconds() - o->begun,
                 done = o->done + o->work * (m->step - o->before) / (1.0 + train_total_steps(&t));
    return elapsed > 2 && done > 0 && o->total >= done ? elapsed * (o->total - done) / done : NAN;
}

/* "sentiment 77.2%": the latest accuracy that is known of a task, for the line on the terminal. */
static void outlook_accuracy(MethodRun *m, int task, uint32_t correct, uint32_t rows)
{
    Arena scratch = {0};
    if (task == 0) /* what the run is about: does it keep its first task? */
        snprintf(m->x->outlook.accuracy, sizeof m->x->outlook.accuracy, ", %s %s", m->x->tasks[task].data.name,
                 format_percent(&scratch, (double)correct / rows));
    arena_free(&scratch);
}

/* "sentiment 77.2 to 67.2%, nli 48.8%": what a method has come to. */
static const char *outlook_result(MethodRun *m)
{
    const char *text = "";
    for (int j = 0; j < m->x->plan->task_count; j++) {
        const uint32_t rows = m->x->tasks[j].data.eval.rows;
        uint32_t own = 0, now = 0;
        for (uint32_t i = 0; i < rows; i++) {
            own += m->tasks[j].learned.right[i];
            now += m->tasks[j].latest.right[i];
        }
        const char *end = format_percent(&m->arena, (double)now / rows);
        text =
            text_join(&m->arena, text, ", ",
                      j + 1 == m->x->plan->task_count ? arena_printf(&m->arena, "%s %s", m->x->tasks[j].data.name, end)
                                                      : arena_printf(&m->arena, "%s %s to %s", m->x->tasks[j].data.name,
                                                                     format_share(&m->arena, (double)own / rows), end));
    }
    return text;
}
