/* report.html: well-formed, harmless whatever the data hold, usable without eyes or mouse; and, where there is a
 * Chromium, as it shows it: as wide as a phone and as a desk, light and dark. */

/* ---- As a document ---- */

typedef struct PageCheck {
    const char *what, *text;
    const char *open[64]; /* names of the tags that are open */
    int depth, level, h1; /* level: of the last heading */
    int figures;
} PageCheck;

static void page_wrong(const PageCheck *c, const char *at, const char *message)
{
    fail_msg("%s: %s at \"%.60s\"", c->what, message, at);
}

static size_t page_name(const char *at)
{
    return strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
}

static bool page_is(const char *tag, const char *name)
{
    return strncmp(tag, name, strlen(name)) == 0 && page_name(tag) == strlen(name);
}

/* name="value" pairs up to ">" or "/>"; none may run or fetch anything. Returns where they end. */
static const char *page_attributes(PageCheck *c, const char *tag, const char *at)
{
    bool scope = false, role = false, label = false;
    while (*at == ' ') {
        const char *name = at + 1, *equals = name + strcspn(name, "=> \"");
        if (*equals != '=' || equals[1] != '"') page_wrong(c, tag, "an attribute without a value in quotes");
        const char *value = equals + 2, *end = value + strcspn(value, "\"<");
        if (*end != '"') page_wrong(c, tag, "a value that does not end");
        if (strncmp(name, "on", 2) == 0 || strncmp(name, "style", 5) == 0)
            page_wrong(c, tag, "an attribute that may not be");
        if ((strncmp(name, "href=", 5) == 0 || strncmp(name, "src=", 4) == 0) && *value != '#' &&
            strncmp(value, "data:,", 6) != 0)
            page_wrong(c, tag, "something from elsewhere");
        scope = scope || strncmp(name, "scope=", 6) == 0;
        role = role || strncmp(name, "role=\"img\"", 10) == 0;
        label = label || (strncmp(name, "aria-label=", 11) == 0 && end - value > 10);
        at = end + 1;
    }
    if (page_is(tag, "th") && !scope) page_wrong(c, tag, "a header without a scope");
    if (page_is(tag, "svg") && !(role && label)) page_wrong(c, tag, "a picture without words");
    c->figures += page_is(tag, "svg");
    return at;
}

static void page_heading(PageCheck *c, const char *tag)
{
    if (tag[0] != 'h' || tag[1] < '1' || tag[1] > '6') return;
    const int level = tag[1] - '0';
    if (level > c->level + 1) page_wrong(c, tag, "a heading that skips a level");
    c->level = level;
    c->h1 += level == 1;
}

static const char *page_tag(PageCheck *c, const char *at)
{
    static const char *const known[] = {
        "html",    "head",  "meta",    "link",    "title",  "style",      "body", "a",       "header", "h1",
        "h2",      "h3",    "p",       "nav",     "ul",     "li",         "main", "section", "div",    "table",
        "caption", "thead", "tbody",   "tfoot",   "tr",     "th",         "td",   "dl",      "dt",     "dd",
        "bdi",     "br",    "details", "summary", "figure", "figcaption", "svg",  "rect",    "path",   "circle",
        "text",    "pre",   "code",    "footer",  "input",  "label",      "span", "b"};
    const bool closing = at[1] == '/';
    const char *tag = at + 1 + closing, *end = tag + page_name(tag);
    bool found = false;
    for (size_t i = 0; i < COUNT(known); i++) found = found || page_is(tag, known[i]);
    if (!found) page_wrong(c, at, "a tag that may not be");
    if (closing) {
        const char *open = c->depth ? c->open[c->depth - 1] : "";
        if (page_name(open) != (size_t)(end - tag) || strncmp(open, tag, (size_t)(end - tag)) != 0 || *end != '>')
            page_wrong(c, at, "closes another tag");
        c->depth--;
        return end + 1;
    }
    page_heading(c, tag);
    end = page_attributes(c, tag, end);
    if (strncmp(end, "/>", 2) == 0) return end + 2;
    if (*end != '>' || c->depth == COUNT(c->open)) page_wrong(c, at, "a tag that does not end");
    c->open[c->depth++] = tag;
    return end + 1;
}

static void page_check(const char *what, const char *text)
{
    static const char doctype[] = "<!DOCTYPE html>\n";
    PageCheck c = {.what = what, .text = text};
    if (strncmp(text, doctype, strlen(doctype)) != 0) page_wrong(&c, text, "another document type");
    for (const char *at = text + strlen(doctype); *at;) {
        if (*at == '<') {
            at = page_tag(&c, at);
            continue;
        }
        if ((unsigned char)*at < ' ' && *at != '\n') page_wrong(&c, at, "a control character");
        if (*at == '&' && strncmp(at, "&amp;", 5) != 0 && strncmp(at, "&lt;", 4) != 0 && strncmp(at, "&gt;", 4) != 0 &&
            strncmp(at, "&quot;", 6) != 0 && strncmp(at, "&#39;", 5) != 0)
            page_wrong(&c, at, "an entity that may not be");
        at++;
    }
    if (c.depth || c.h1 != 1 || !c.figures)
        fail_msg("%s: %d tags are open, %d main headings, %d pictures", what, c.depth, c.h1, c.figures);
    if (strlen(text) > 3 << 19) fail_msg("%s: %zu bytes", what, strlen(text));
}

/* Each link within the page leads somewhere, and each label belongs to a button. */
static void page_check_links(Arena *arena, const char *what, const char *text)
{
    static const char *const begins[] = {"href=\"#", "for=\""};
    int found = 0;
    for (size_t i = 0; i < COUNT(begins); i++)
        for (const char *p = text; (p = strstr(p, begins[i])); found++) {
            p += strlen(begins[i]);
            const char *id = arena_printf(arena, "id=\"%.*s\"", (int)strcspn(p, "\""), p);
            if (!strstr(text, id)) fail_msg("%s: nothing has %s", what, id);
        }
    assert_true(found > 5);
}

/* The words that not everybody knows are explained where the page uses them; what it does not use is not. */
static void page_check_words(const char *what, const char *text)
{
    static const struct {
        const char *word, *id;
    } words[] = {{"Holm's", "holm"},           {">CKA", "cka"},           {"probe", "probe"},
                 {"McNemar", "mcnemar"},       {"sign-flip", "signflip"}, {"(p ", "p"},
                 {"Wilson", "wilson"},         {"LoRA", "adapter"},       {"most frequent", "majority"},
                 {"95% interval", "interval"}, {"Student", "t"},          {"seeds", "seed"}};
    const char *end = strstr(text, "<section id=\"words\"");
    if (!end) fail_msg("%s: no list of words", what);
    for (size_t i = 0; i < COUNT(words); i++) {
        char link[64], entry[64];
        snprintf(link, sizeof link, "href=\"#term-%s\"", words[i].id);
        snprintf(entry, sizeof entry, "id=\"term-%s\"", words[i].id);
        const char *body = strstr(text, "<main>"), *at = strstr(body, words[i].word);
        if (at && at < end && !strstr(text, link)) fail_msg("%s: %s is not explained", what, words[i].word);
        if (!strstr(text, link) != !strstr(text, entry)) fail_msg("%s: %s has no entry, or no use", what, words[i].id);
    }
}

/* ---- Pages to look at ---- */

static const struct {
    const char *name;
    Made made;
    bool hostile;
} page_cases[] = {
    {"page-3", {.tasks = 2, .methods = 3, .seeds = 1}, false},
    {"page-15", {.tasks = 2, .methods = 15, .seeds = 3}, false},
    {"page-chain", {.tasks = 5, .methods = 15, .seeds = 1}, true},
    {"page-bare", {.tasks = 1, .methods = 2, .seeds = 1, .bare = true}, false},
};

/* The names and texts of somebody who means harm; JSON as it stands in the file. */
static Str page_poison(Arena *arena, Str text)
{
    static const char *const poisons[][2] = {
        {"\"sentiment\"", "\"</title><script>alert(1)</script>\""},
        {"\"nli\"", "\"\\\" onload=\\\"alert(1)\\\" x='&amp;\""},
        {"\"trec\"", "\"مرحبا evil\""},
        {"\"full\"", "\"<img src=x onerror=alert(1)>\""},
        {"\"negative\"", "\"--></style><b>\""},
        {"\"text\":\"", "\"text\":\"\\u0001\\u001b[31m </td></table>\xe2\x80\xae ]]> <svg onload=alert(1)> "},
        {"\"device\":\"", "\"device\":\"<script>alert(1)</script>"},
        {"\"about\":\"",
         "\"about\":\"WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW<i>"},
    };
    for (size_t i = 0; i < COUNT(poisons); i++) text = charts_replace(arena, text, poisons[i][0], poisons[i][1]);
    return text;
}

/* Writes a case's report and returns its page. */
static Str page_write(Arena *arena, size_t i, Str font)
{
    Err err = {0};
    Str page = {0};
    Str text = made_results(arena, &page_cases[i].made);
    if (page_cases[i].hostile) text = page_poison(arena, text);
    const char *folder = arena_printf(arena, "%s", tmp_path(page_cases[i].name));
    if (!report_write(charts_results(arena, text), folder, font, &err)) fail_msg("%s", err.text);
    FILE *file = fopen(arena_printf(arena, "%s/report.html", folder), "rb"); /* file_read takes no HTML */
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    page.size = (size_t)ftell(file);
    rewind(file);
    char *bytes = arena_new(arena, char, page.size + 1);
    assert_int_equal(fread(bytes, 1, page.size, file), page.size);
    fclose(file);
    page.at = bytes;
    return page;
}

static void test_page(void **state)
{
    (void)state;
    Arena arena = {0};
    const Str font = charts_font(&arena);
    for (size_t i = 0; i < COUNT(page_cases); i++) {
        const Str page = page_write(&arena, i, font);
        if (memchr(page.at, 0, page.size)) fail_msg("%s holds a 0 byte", page_cases[i].name);
        const char *text = arena_copy(&arena, page.at, page.size);
        page_check(page_cases[i].name, text);
        page_check_links(&arena, page_cases[i].name, text);
        page_check_words(page_cases[i].name, text);
        if (!page_cases[i].made.cut && !strstr(text, ">10 min<")) fail_msg("%s: 600 s are", page_cases[i].name);
    }
    arena_free(&arena);
}

/* ---- In a browser ---- */

/* Tells the page around it what is wrong: too wide, or too faint (4.5 to 1; WCAG 2.2, 1.4.3). */
static const char page_measure[] =
    "<script>addEventListener('load',()=>{const d=document.documentElement,bad=[];"
    "const "
    "rgb=c=>c.match(/[\\d.]+/g).map(Number),lum=c=>rgb(c).slice(0,3).map(v=>(v/=255)<=.04045?v/12.92:((v+.055)/"
    "1.055)**2.4)"
    ".reduce((s,v,i)=>s+v*[.2126,.7152,.0722][i],0),ratio=(a,b)=>{const x=lum(a),y=lum(b);return "
    "(Math.max(x,y)+.05)/(Math.min(x,y)+.05)};"
    "const ground=e=>{for(;e;e=e.parentElement){const "
    "c=getComputedStyle(e).backgroundColor;if(rgb(c).length<4||rgb(c)[3]>0)return c}return 'rgb(255,255,255)'};"
    "if(d.scrollWidth>d.clientWidth)bad.push('the page is '+d.scrollWidth+' wide, the window '+d.clientWidth);"
    "for(const e of document.querySelectorAll('body *:not(svg *)')){const "
    "s=getComputedStyle(e),r=e.getBoundingClientRect();"
    "if(!e.closest('.scroll')&&!e.closest('pre')&&r.right>d.clientWidth+1)bad.push(e.tagName+' reaches '+r.right);"
    "if([...e.childNodes].some(n=>n.nodeType==3&&n.data.trim())&&ratio(s.color,ground(e))<4.5)bad.push(e.tagName+' is "
    "faint: '+ratio(s.color,ground(e)))}"
    "if(innerWidth<500)for(const e of document.querySelectorAll('.scroll'))if(e.scrollWidth>e.clientWidth+1)"
    "bad.push('cut: '+e.getAttribute('aria-label'));"
    "const shown=[...document.querySelectorAll('svg')].filter(e=>e.getClientRects().length);"
    "if(shown.length!=document.querySelectorAll('figure').length)bad.push(shown.length+' pictures are shown');"
    "for(const e of document.querySelectorAll('details'))e.open=true;"
    "for(const [m,k,rows] of [['m0-0','k0-0',/./],['m0-1','k0-0',/ m0[lw]/],['m0-1','k0-1',/ m0l/],['m0-0','k0-2',/ "
    "w( |$)/]]){const "
    "a=document.getElementById(m),b=document.getElementById(k);if(!a)continue;a.checked=b.checked=true;"
    "for(const t of document.querySelector('.changes').querySelectorAll('tr.r'))"
    "if((t.getClientRects().length>0)!=rows.test(t.className))bad.push(m+k+' and '+t.className)}"
    "for(const e of document.querySelectorAll('details'))e.open=false;"
    "for(const e of shown.flatMap(s=>[...s.querySelectorAll('text')])){if(e.getAttribute('fill').startsWith('var')&&"
    "ratio(getComputedStyle(e).fill,ground(e.ownerSVGElement))<4.5)bad.push('faint in a chart: '+e.textContent)}"
    "for(const e of shown)if(e.getBoundingClientRect().height<150)bad.push('a chart is "
    "flat');"
    "parent.postMessage(innerWidth+': '+(bad.slice(0,5).join('; ')||'fine'),'*')})</script></body>";

/* Around the page: the measured copy at both widths, and the page as it is. */
static const char page_around[] =
    "<!DOCTYPE html><meta charset=\"utf-8\"><body><pre></pre>"
    "<script>addEventListener('message',e=>{document.querySelector('pre').textContent+='['+e.data+']'})</script>"
    "<iframe style=\"width:400px;height:900px\" src=\"measured.html\"></iframe>"
    "<iframe style=\"width:1600px;height:900px\" src=\"measured.html\"></iframe>"
    "<iframe style=\"width:1600px;height:900px\" src=\"report.html\"></iframe>";

static void page_browse(Arena *arena, const char *browser, size_t i, Str page, bool dark)
{
    const char *name = page_cases[i].name;
    Str copy = charts_replace(arena, page, "default-src 'none'; style-src 'unsafe-inline'; img-src data:", "");
    copy = charts_replace(arena, copy, "</body>", page_measure);
    tmp_write(arena_printf(arena, "%s/measured.html", name), copy);
    tmp_write(arena_printf(arena, "%s/around.html", name), str(page_around));
    const Outcome *o =
        sh("%s --headless=new --no-sandbox --disable-gpu --no-first-run --user-data-dir=build/test-tmp/chromium "
           "--enable-logging=stderr --blink-settings=preferredColorScheme=%d --window-size=1800,1000 "
           "--virtual-time-budget=20000 "
           "--timeout=60000 --dump-dom \"file://$PWD/build/test-tmp/%s/around.html\" >build/test-tmp/dom; "
           "grep -o 'CONSOLE.*' build/test-tmp/err; grep -o '<pre>.*</pre>' build/test-tmp/dom",
           browser, dark ? 0 : 1, name);
    if (strstr(o->out, "CONSOLE") || !strstr(o->out, "[400: fine]") || !strstr(o->out, "[1600: fine]"))
        fail_msg("%s, %s: %s", name, dark ? "dark" : "light", o->out);
}

static void test_page_in_chromium(void **state)
{
    (void)state;
    static const char *const names[] = {"chromium", "chromium-browser", "google-chrome"};
    const char *browser = NULL;
    for (size_t i = 0; i < COUNT(names) && !browser; i++) /* Ubuntu's is a stub that asks for a snap */
        if (sh("%s --version", names[i])->code == 0) browser = names[i];
    if (!browser) {
        print_message("skipped: no Chromium on this machine, report.html is not opened\n");
        skip();
    }
    Arena arena = {0};
    const Str font = charts_font(&arena);
    for (size_t i = 0; i < COUNT(page_cases); i++) {
        const Str page = page_write(&arena, i, font);
        page_browse(&arena, browser, i, page, false);
        page_browse(&arena, browser, i, page, true);
    }
    arena_free(&arena);
}

/* 2,000 rows, 5 methods, 3 seeds: the page stays below a megabyte, says what it leaves out, and the file beside it has
 * every row of every run. */
static void test_page_of_many_rows(void **state)
{
    (void)state;
    enum { MANY_ROWS = 2000, MANY_METHODS = 5, MANY_SEEDS = 3 };
    Arena arena = {0};
    const Simulation s = {MANY_ROWS, MANY_SEEDS, 0.15, 0.3, 0.1};
    Results r = simulate(&arena, &s, SIMULATE_FORGETS, 1);
    const char *names[MANY_METHODS] = {"full", "ewc", "lwf", "replay", "lora-seq"};
    int changed = 0, lines = -1;
    Loader nothing = {.arena = &arena, .out = &r}; /* how it was made is not recorded */
    load_setup(&nothing);
    for (int j = 0; j < r.task_count; j++) load_task_facts(&nothing, NULL, &r.tasks[j]);
    r.arena = &arena;
    r.methods = names;
    r.method_count = MANY_METHODS;
    r.method_info = arena_new(&arena, ResultMethodInfo, MANY_METHODS);
    r.runs.count = r.runs.capacity = 0;
    r.runs.at = NULL;
    for (uint32_t k = 0; k < MANY_ROWS; k++)
        *dyn_push(&arena, &r.tasks[0].texts) =
            (ResultText){.row = k + 1,
                         .label = k % 2,
                         .text = arena_printf(&arena,
                                              "Row %u, which is as long as a sentence of a review usually is: it was a "
                                              "delight, and then it was not, or so they said.",
                                              k)};
    for (int m = 0; m < MANY_METHODS; m++)
        for (int seed = 0; seed < MANY_SEEDS; seed++) {
            ResultRun *run = dyn_push(&arena, &r.runs);
            const Results drawn = simulate(&arena, &s, SIMULATE_FORGETS, 10 + (uint32_t)m);
            *run = drawn.runs.at[seed];
            run->method = m;
            r.method_info[m] = (ResultMethodInfo){.base = names[m], .about = "", .cite = ""};
            ResultOld *old = run->old[2] = arena_new(&arena, ResultOld, 1);
            for (uint32_t k = 0; k < MANY_ROWS; k++) {
                const int kind = changes_kind(run->matrix[0].right, run->matrix[2].right, k);
                if (kind < 0) continue;
                ResultChanges *to = kind ? &old->won : &old->lost;
                if (!to->at) to->at = arena_new(&arena, ResultChanged, MANY_ROWS);
                to->at[to->count++] = (ResultChanged){k + 1, 0.9, 0.1, (k + 1) % 2};
                changed++;
            }
        }
    const Str page = html_page(&arena, &r, &(HtmlCharts){0});
    assert_true(page.size > 300 * 1024 && page.size < 1 << 20);
    const char *text = arena_copy(&arena, page.at, page.size);
    assert_non_null(strstr(text, "Shown are the first "));
    assert_non_null(strstr(text, "lost_and_won.tsv beside this page"));
    const char *file = printed(&arena, &r, changes_write);
    for (const char *p = file; *p; p++) lines += *p == '\n';
    assert_int_equal(lines, changed);
    /* fewer rows: all of them, and nothing is left out */
    for (size_t i = 0; i < r.runs.count; i++) r.runs.at[i].matrix[0].rows = r.runs.at[i].matrix[2].rows = MANY_ROWS;
    r.tasks[0].eval_rows = 100;
    for (size_t i = 0; i < r.runs.count; i++)
        for (int cell = 0; cell < 4; cell++) {
            Evaluation *e = &r.runs.at[i].matrix[cell];
            *e = e->right ? simulate_cell(&arena, e->right, 100) : *e;
        }
    for (size_t i = 0; i < r.runs.count; i++) r.runs.at[i].old[2] = NULL;
    const TaskChanges all = changes_of_task(&arena, &r, 0, 2000);
    assert_true(all.total > 20 && all.row_count == all.total);
    for (int i = 0; i < all.row_count; i++) /* each by each method, counted by hand */
        for (size_t k = 0; k < all.rows[i].by.count; k++)
            for (int kind = 0; kind < 2; kind++) {
                int runs = 0;
                for (size_t n = 0; n < r.runs.count; n++)
                    runs += r.runs.at[n].method == all.rows[i].by.at[k].method &&
                            r.runs.at[n].matrix[0].right[all.rows[i].row - 1] == !kind &&
                            r.runs.at[n].matrix[2].right[all.rows[i].row - 1] == kind;
                assert_int_equal(all.rows[i].by.at[k].fate[kind].count, runs);
            }
    arena_free(&arena);
}

static const struct CMUnitTest page_tests[] = {
    cmocka_unit_test(test_page_of_many_rows),
    cmocka_unit_test(test_page),
    cmocka_unit_test(test_page_in_chromium),
};
