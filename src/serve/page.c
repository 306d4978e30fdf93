#include "state.h"

#include <string.h>

/* The page: files inside the binary. */

#define PAGE_FILES(X)                                                                     \
    X(index, "src/serve/page/", "index.html", "text/html; charset=utf-8", false)          \
    X(page_css, "src/serve/page/", "page.css", "text/css; charset=utf-8", true)           \
    X(page_js, "src/serve/page/", "page.js", "text/javascript; charset=utf-8", false)     \
    X(tools_js, "src/serve/page/", "tools.js", "text/javascript; charset=utf-8", false)   \
    X(charts_js, "src/serve/page/", "charts.js", "text/javascript; charset=utf-8", false) \
    X(setup_js, "src/serve/page/", "setup.js", "text/javascript; charset=utf-8", false)   \
    X(watch_js, "src/serve/page/", "watch.js", "text/javascript; charset=utf-8", false)   \
    X(ask_js, "src/serve/page/", "ask.js", "text/javascript; charset=utf-8", false)       \
    X(lesson_js, "src/serve/page/", "lesson.js", "text/javascript; charset=utf-8", false) \
    X(lesson_md, "docs/", "lesson.md", "text/plain; charset=utf-8", false)                \
    X(code_html, "src/serve/page/", "code.html", "text/html; charset=utf-8", true)        \
    X(code_js, "src/serve/page/", "code.js", "text/javascript; charset=utf-8", true)

#define PAGE_EMBED(id, folder, name, type, door) EMBED_FILE(serve_page_##id, folder name)
PAGE_FILES(PAGE_EMBED)

/* door: also for who has no code yet. */
#define PAGE_ROW(id, folder, name, type, door) {name, type, door, EMBEDDED(serve_page_##id)},
static const struct {
    const char *name, *type;
    bool door;
    Embedded file;
} page_files[] = {PAGE_FILES(PAGE_ROW)};

/* The file of a name; "" is the first page. false: there is none. */
static bool page_find(const char *name, bool door, ServeAnswer *answer)
{
    if (!*name) name = door ? "code.html" : "index.html";
    for (size_t i = 0; i < COUNT(page_files); i++)
        if (strcmp(page_files[i].name, name) == 0 && (page_files[i].door || !door)) {
            *answer = (ServeAnswer){
                .status = 200, .type = page_files[i].type, .body = {page_files[i].file.at, *page_files[i].file.size}};
            return true;
        }
    return false;
}
