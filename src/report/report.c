#include "report.h"

#include <stdlib.h>
#include <string.h>

#include "load.c"
#include "load_events.c"
#include "load_files.c"
#include "verdict.c"
#include "verdict_compare.c"
#include "figures.c"
#include "forgotten.c"
#include "verdict_words.c"
#include "verdict_sentences.c"
#include "table.c"
#include "markdown.c"
#include "summary.c"
#include "canvas.c"
#include "chart.c"
#include "chart_bars.c"
#include "chart_loss.c"
#include "chart_matrix.c"

typedef bool Chart(Arena *arena, const Results *r, Str font, Canvas *canvas, Err *err);
static const struct {
    const char *file;
    Chart *draw;
} report_charts[] = {
    {"before_after.png", chart_before_after},
    {"loss.png", chart_loss},
    {"matrix.png", chart_matrix},
};

static bool report_write_markdown(const Results *results, const char *path, Err *err)
{
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    ASSERT(memory);
    markdown_write(results, memory);
    ASSERT(fclose(memory) == 0);
    const bool ok = file_write(path, (Str){text, size}, err);
    free(text);
    return ok;
}

bool report_write(const Results *results, const char *out_dir, Str font, Err *err)
{
    Arena arena = {0};
    const char *folder = arena_printf(&arena, "%s/charts", out_dir);
    bool ok = folder_make(folder, err) &&
              report_write_markdown(results, arena_printf(&arena, "%s/table.md", out_dir), err) &&
              file_write(arena_printf(&arena, "%s/summary.json", out_dir), summary_text(&arena, results), err);
    for (size_t i = 0; i < COUNT(report_charts) && ok; i++) {
        Arena picture = {0};
        Canvas canvas;
        ok = report_charts[i].draw(&picture, results, font, &canvas, err) &&
             canvas_write(&canvas, arena_printf(&picture, "%s/%s", folder, report_charts[i].file), err);
        arena_free(&picture);
    }
    arena_free(&arena);
    return ok;
}
