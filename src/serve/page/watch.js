// Watch: a run as it happens, or as it was. The events come line by line from results.jsonl; what is drawn and said comes
// from lethe (api/view), which is asked again when an event has changed it.

import {$, address, announce, count, duration, el, fill, get, paced, percent, post, Refusal, show, text, unbroken} from './tools.js';
import {drawBars, drawCurve, Picture, swatch, TOGETHER} from './charts.js';
import {folderName} from './page.js';

// Milliseconds between two views. A look, an evaluation or an end asks at once; steps alone seldom, since a view costs
// the machine that trains.
const PAUSE = 500, STEPS_PAUSE = 3000, VIEWERS_STEPS_PAUSE = 6000;

let page, source = null, folder = '', fault = '', view = null, state = null, progress = null, lastStep = null;
let troubled = false; // by a view that failed
let newest = 0; // the line of the last event that changes more than a loss
const pictures = {bars: new Map(), curve: null};
const announced = new Set();
let guess = null; // of the lesson: where the first task may end, as a share

export const colourOf = name => /^[a-z]+$/.test(name ?? '') ? `var(--${name})` : 'var(--blue)';
export const currentView = () => view;

export function begin(shared) {
    page = shared;
    $('curve-task').addEventListener('change', drawCurves);
    $('charts-part').addEventListener('toggle', drawCharts);
    new ResizeObserver(paced(draw, 100)).observe($('watch-body'));
    addEventListener('resize', paced(draw, 100));
}

// Where the run is shown: in its own part, or below a step of the lesson.
export function place(id) {
    const there = $(id);
    for (const piece of document.querySelectorAll('.head, #watch-empty, #watch-body'))
        if (piece.parentElement !== there) there.append(piece);
}

export function enter() {
    setGuess(null);
    follow(page.folder);
}

export function setGuess(share) {
    guess = share;
    if (view) drawAllBars();
}

// ---- following a folder ----

export function follow(f) {
    const id = f?.id ?? '';
    if (id === folder && source) return draw();
    source?.close();
    source = null;
    folder = id;
    view = state = progress = lastStep = null;
    fault = '';
    newest = 0;
    pictures.bars.clear();
    pictures.curve = null;
    fill($('bars'));
    fill($('curve'));
    fill($('charts'));
    if (!id) return draw();
    state = f;
    draw();
    refresh().then(() => listen(id));
}

function listen(id) {
    if (folder !== id || source) return;
    const events = source = new EventSource(address('api/events', {folder: id, after: view?.line}));
    events.onmessage = e => { if (source === events) happened(e.data, Number(e.lastEventId)); };
    events.addEventListener('reset', () => { if (source === events) soon(); }); // another run has taken the folder
    events.addEventListener('state', e => { if (source === events) changed(JSON.parse(e.data)); });
    events.addEventListener('progress', e => {
        if (source !== events) return;
        progress = JSON.parse(e.data);
        drawState();
    });
    events.onopen = () => page.trouble('');
    events.onerror = () => {
        if (source === events && events.readyState === EventSource.CLOSED)
            setTimeout(() => { // refused, or the server is gone: the browser does not try again by itself
                if (source !== events) return;
                source = null;
                refresh().then(() => listen(id));
            }, 3000);
    };
}

function happened(line, number) {
    let event;
    try {
        event = JSON.parse(line);
    } catch {
        return; // a line that is cut short
    }
    if (event.event === 'step') {
        lastStep = event;
        drawStep();
        soon(page.start.read_only ? VIEWERS_STEPS_PAUSE : STEPS_PAUSE);
    } else if (['run', 'eval', 'curve', 'method', 'done'].includes(event.event)) {
        newest = number || 0;
        soon();
    }
}

function changed(entry) {
    const before = state?.state;
    state = entry;
    drawState();
    if (before && before !== entry.state) {
        announce(`${folderName(entry)}: ${entry.state}`);
        page.refreshFolders();
        if (!view) refresh();
        soon();
    }
}

let asking = null;
async function refresh() {
    const id = folder;
    asking?.abort();
    const mine = asking = new AbortController();
    try {
        const answer = await get('api/view', {folder: id}, mine.signal);
        if (folder !== id) return;
        view = answer;
        fault = '';
        if (troubled) page.trouble('');
        troubled = false;
        draw();
        tell();
        if (view.line < newest) soon(2 * PAUSE); // it was of a moment before
    } catch (e) {
        if (e.name === 'AbortError' || folder !== id) return;
        const early = e instanceof Refusal && e.status === 404; // nothing to show yet, or again: a run goes on
        if (early && view) return soon(STEPS_PAUSE);
        if (view) {
            troubled = true;
            return page.trouble(e.message);
        }
        fault = early ? '' : e.message;
        draw();
    }
}
const soon = paced(() => { refresh(); }, PAUSE);

// To a screen reader: what is new for good, each once.
function tell() {
    const say = [];
    for (const m of view.methods)
        if (m.state === 'finished' && !announced.has(`${folder} ${m.name}`)) {
            announced.add(`${folder} ${m.name}`);
            if (state?.state === 'running') say.push(`${m.name} is finished. ${m.note ?? ''}`);
        }
    if (view.verdict?.sayable && !announced.has(`${folder} ${view.headline}`)) {
        announced.add(`${folder} ${view.headline}`);
        if (state?.state === 'running') say.push(view.headline ?? view.verdict.plain[0] ?? '');
    }
    if (say.length) announce(say.join(' '));
}

// ---- drawing ----

function draw() {
    const shown = !!view && view.methods?.length > 0;
    show($('watch-body'), shown);
    show($('watch-empty'), !shown);
    drawState();
    if (!shown) return drawEmpty();
    drawVerdict();
    drawAllBars();
    drawCurves();
    drawTable();
    drawAdvice();
    show($('charts-part'), (view.charts ?? []).length > 0);
    if (state?.state !== 'running') drawCharts();
}

function drawEmpty() {
    if (page.part === 'lesson') return fill($('watch-empty'), el('p', {}, 'The run of this step appears here.'));
    const running = state?.state === 'running';
    fill($('watch-empty'), el('p', {}, fault || (running ? 'The run has begun. The first numbers come soon.'
        : page.folder ? 'This folder holds no results yet.' : 'There is no run yet.')),
    !running && !page.start.read_only && el('a', {class: 'link', href: '#setup'}, 'Set up a run'));
}

const stateWords = {running: 'running', stopped: 'stopped', finished: 'finished', failed: 'failed', empty: 'empty', elsewhere: 'another program works in it'};

function drawState() {
    const s = state?.state;
    text($('watch-title'), state ? folderName(state) : 'Watch');
    show(document.querySelector('.head'), !!state || page.part !== 'lesson');
    const left = progress?.left_seconds ?? state?.left_seconds;
    const words = s === 'running' && progress ? [progress.words, left > 0 ? `about ${duration(left)} left` : ''].filter(Boolean).join(', ') : state?.words ?? '';
    const more = words === s ? '' : words, want = `${s} ${more}`;
    if ($('watch-state').dataset.shown !== want) {
        $('watch-state').dataset.shown = want;
        fill($('watch-state'), s && el('span', {class: `state ${s}`}, stateWords[s] ?? s), more);
    }
    drawStep();
    drawButtons(s);
}

function drawStep() {
    const running = state?.state === 'running' && lastStep;
    show($('watch-step'), !!running);
    if (running) text($('watch-step'), `loss ${lastStep.loss.toFixed(3)}`);
}

function drawButtons(s) {
    const want = `${folder} ${s} ${page.part}`;
    if ($('watch-buttons').dataset.shown === want) return;
    $('watch-buttons').dataset.shown = want;
    const may = !page.start.read_only, results = s && s !== 'empty';
    fill($('watch-buttons'),
        may && s === 'running' && el('button', {type: 'button', id: 'stop', on: {click: e => act(e.target, 'api/stop', 'Stopping…')}}, 'Stop'),
        may && (s === 'stopped' || s === 'failed') && el('button', {type: 'button', id: 'go-on', class: 'main', on: {click: e => act(e.target, 'api/go-on', 'Starting…')}}, 'Go on'),
        results && page.part !== 'lesson' && el('a', {class: 'link', href: `#ask/${folder}`}, 'Ask the model'),
        (s === 'finished' || s === 'stopped') && el('a', {class: 'link', href: address('report', {folder}), target: '_blank', rel: 'noopener'}, 'The whole report'));
}

async function act(button, path, words) {
    button.disabled = true;
    const before = button.textContent;
    text(button, words);
    try {
        await post(path, {id: folder});
        page.trouble('');
    } catch (e) {
        page.trouble(e.message);
        button.disabled = false;
        text(button, before);
    }
}

function drawVerdict() {
    const v = view.verdict ?? {};
    const first = v.sayable ? view.headline || v.plain?.[0] || '' : 'Too early to say.';
    text($('verdict-headline'), first);
    const plain = v.sayable ? (v.plain ?? []).filter(s => s !== first) : [];
    list($('verdict-plain'), plain);
    list($('verdict-detailed'), v.sayable ? v.detailed ?? [] : []);
    show($('verdict-more'), v.sayable && (v.detailed ?? []).length > 0);
}

function list(ul, sentences) {
    const want = sentences.join('\n');
    if (ul.dataset.shown === want) return;
    ul.dataset.shown = want;
    fill(ul, sentences.map(s => el('li', {}, s)));
}

// ---- bars ----

const bar = (m, task, moment) => m.bars.find(b => b.task === task && b.moment === moment);

// The bars of a method on a task: right after it, and where it is now.
function barsOf(m, task, last) {
    const after = bar(m, task, 'after itself'), end = bar(m, task, 'at the end'), during = bar(m, task, 'during');
    const first = after && {...after, colour: 'var(--blue)'};
    if (task === last) return [first ?? (end && {...end, colour: 'var(--blue)'}) ?? null];
    const now = end ?? during;
    return [first ?? null, now ? {...now, colour: 'var(--orange)', during: !end} : null];
}

function noteOf(m, task) {
    if (m.state === 'waiting') return 'has not begun';
    if (task === 1 && m.note) return m.note;
    return m.state === 'at work' ? 'training' : '';
}

function drawAllBars() {
    const last = view.tasks.length;
    const specs = view.tasks.map((t, i) => {
        const task = t.number ?? i + 1;
        return {task, name: t.name, spec: {
            majority: t.majority, guess: task === 1 ? guess : null, pairs: last > 1,
            groups: view.methods.map(m => ({name: m.label ?? m.name, note: noteOf(m, task), alarm: task === 1 && !!m.alarm, bars: barsOf(m, task, last)})),
        }};
    });
    $('bars').classList.toggle('two', view.methods.length <= 2);
    drawLegend(specs);
    for (const {task, name, spec} of specs) {
        let p = pictures.bars.get(task);
        if (!p) {
            const figure = el('figure', {}, el('figcaption', {}, ''));
            $('bars').append(figure);
            p = {figure, picture: new Picture(figure)};
            pictures.bars.set(task, p);
        }
        text(p.figure.firstChild, `${task}. ${name}`);
        spec.label = `${name}. ` + spec.groups.map(g => `${g.name}: ${g.bars.map(b => b ? `${percent(b.accuracy)}${b.during ? ' now' : ''}` : 'not yet').join(', then ')}${g.note ? ` (${g.note})` : ''}`).join('; ')
            + `. Always the most frequent class: ${percent(spec.majority)}.`;
        const width = p.figure.clientWidth;
        if (width > 0) drawBars(p.picture, width, spec);
    }
}

function drawLegend(specs) {
    const all = specs.flatMap(s => s.spec.groups.flatMap(g => g.bars)).filter(Boolean);
    const during = all.some(b => b.during), end = all.some(b => b.colour === 'var(--orange)' && !b.during), hatched = all.some(b => b.hatched);
    const want = `${during} ${end} ${hatched} ${guess}`;
    if ($('bars-legend').dataset.shown === want) return;
    $('bars-legend').dataset.shown = want;
    fill($('bars-legend'), swatch('bar', 'var(--blue)', 'just after its own training'),
        during && swatch('during', 'var(--orange)', 'now, while a later task trains'),
        end && swatch('bar', 'var(--orange)', 'after the last task'),
        hatched && swatch('hatched', 'var(--soft)', 'did not learn: shows no forgetting either way'),
        swatch('dashed', 'var(--black)', 'majority class'),
        guess !== null && swatch('dashed', 'var(--purple)', 'your guess'));
}

// ---- the curve ----

function drawCurves() {
    if (!view) return;
    const old = view.tasks.slice(0, -1), pick = $('curve-task');
    if (pick.options.length !== old.length)
        fill(pick, old.map((t, i) => el('option', {value: t.number ?? i + 1}, t.name)));
    show($('curve-pick'), old.length > 1);
    const task = Number(pick.value) || 1;
    const spec = old.length ? curveSpec(task) : null;
    show($('curve-part'), !!spec);
    if (!spec) return;
    const wanted = spec.lines.length > 1 && spec.lines.length <= TOGETHER;
    fill($('curve-legend'), wanted && spec.lines.map(l => swatch('line', l.colour, l.name, l.shape)));
    pictures.curve ??= new Picture($('curve'));
    const width = $('curve').clientWidth;
    if (width > 0) drawCurve(pictures.curve, width, spec);
    const t = view.tasks[task - 1];
    text($('curve-words'), `At both ends on all ${count(t.eval_rows)} rows, between on some of them; the band is the 95% interval of the rows. Dashed: always the most frequent class, ${percent(t.majority)}.`
        + (spec.squeezed ? ` ${spec.squeezed} takes more steps, shown in the same width.` : ''));
}

function curveSpec(task) {
    const later = view.tasks.filter((t, i) => (t.number ?? i + 1) > task).map((t, i) => ({number: t.number ?? task + i + 1, name: t.name, steps: t.steps}));
    const methods = view.methods.filter(m => m.curve?.some(q => (q.task ?? 1) === task));
    if (!methods.length) return null;
    const afterOf = q => q.after_task ?? later[0].number;
    const stepsOf = (m, after) => Math.max(0, ...m.curve.filter(q => (q.task ?? 1) === task && afterOf(q) === after).map(q => q.step),
        ...(m.loss ?? []).filter(q => (q.task ?? after) === after).map(q => q.step));
    let from = 0;
    for (const t of later) {
        const plain = methods.filter(m => m.kind !== 'ceiling');
        const seen = Math.max(0, ...(plain.length ? plain : methods).map(m => stepsOf(m, t.number)));
        t.from = from;
        t.to = from += Math.max(t.steps ?? 0, seen);
    }
    const bands = later.filter(t => t.to > t.from);
    let squeezed = '';
    const lines = methods.map(m => {
        const shape = view.methods.indexOf(m);
        const line = {name: m.label ?? m.name, shape, colour: methods.length > TOGETHER ? 'var(--blue)' : colourOf(m.colour), points: [], losses: []};
        for (const t of bands) {
            const own = stepsOf(m, t.number), width = t.to - t.from, pace = m.kind === 'ceiling' && own > width ? width / own : 1;
            if (pace < 1) squeezed = line.name;
            for (const q of m.curve) if ((q.task ?? 1) === task && afterOf(q) === t.number) line.points.push({...q, x: t.from + pace * q.step});
            const losses = (m.loss ?? []).filter(q => (q.task ?? t.number) === t.number);
            if (losses.length) line.losses.push(losses.map(q => ({x: t.from + pace * q.step, loss: q.loss})));
        }
        const start = bar(m, task, 'after itself'), end = bar(m, task, 'at the end');
        if (start && line.points[0]?.x > 0) line.points.unshift({...start, x: 0});
        if (end && bands.length && line.points.at(-1).x < bands.at(-1).to) line.points.push({...end, x: bands.at(-1).to});
        return line;
    });
    const name = view.tasks[task - 1].name, names = bands.map(t => t.name).join(', ');
    return {
        lines, squeezed, majority: view.tasks[task - 1].majority,
        pale: lines.find(l => l.name === 'full'),
        bands: bands.map(t => ({from: t.from, to: t.to, name: `${t.name}, ${count(t.to - t.from)} steps`})),
        above: `accuracy on ${name}`, below: `loss on ${names}`,
        label: `${name} while ${names} trains: ` + lines.filter(l => l.points.length).map(l => `${l.name} from ${percent(l.points[0].accuracy)} to ${percent(l.points.at(-1).accuracy)}`).join('; '),
    };
}

// ---- table, charts, advice ----

function drawTable() {
    const t = view.table, want = JSON.stringify(t);
    show($('table-part'), !!t && t.rows?.length > 0);
    if (!t || $('table').dataset.shown === want) return;
    $('table').dataset.shown = want;
    const words = t.head.map((_, i) => i > 0 && t.rows.some(row => row[i]?.length > 24));
    fill($('table'), el('table', {class: 'results'}, el('caption', {}, t.legend ?? ''),
        el('thead', {}, el('tr', {}, t.head.map((h, i) => el('th', {scope: 'col', class: words[i] ? 'words' : undefined}, h)))),
        el('tbody', {}, t.rows.map(row => el('tr', {}, row.map((cell, i) => i
            ? el('td', {class: words[i] ? 'words' : undefined, 'data-column': t.head[i]}, cell) : el('th', {scope: 'row'}, cell)))))));
}

function drawAdvice() {
    const advice = state?.state === 'running' ? [] : view.advice ?? [];
    show($('advice-part'), advice.length > 0);
    const want = JSON.stringify(advice);
    if ($('advice').dataset.shown === want) return;
    $('advice').dataset.shown = want;
    fill($('advice'), advice.map(a => el('li', {}, a.sentence, a.command && el('pre', {tabindex: '0'}, unbroken(a.command)))));
}

const svgTags = new Set(['svg', 'g', 'path', 'rect', 'line', 'circle', 'ellipse', 'polyline', 'polygon', 'text', 'tspan', 'title', 'desc']);
async function drawCharts() {
    if (!$('charts-part').open || !view) return;
    const id = folder, narrow = $('charts').clientWidth < 600;
    const want = `${id} ${view.line ?? ''} ${narrow} ${(view.charts ?? []).map(c => c.name ?? c)}`;
    if ($('charts').dataset.shown === want) return;
    $('charts').dataset.shown = want;
    const figures = (view.charts ?? []).map(c => ({name: c.name ?? c, title: c.title ?? c.name ?? c, see: c.see,
        figure: el('figure', {}, el('h3', {}, c.title ?? c.name ?? c), c.see && el('figcaption', {}, c.see))}));
    fill($('charts'), figures.map(f => f.figure));
    for (const f of figures) {
        try {
            const response = await fetch(address('api/chart.svg', {folder: id, name: f.name, width: Math.round($('charts').clientWidth), narrow: narrow ? 1 : undefined}));
            if (!response.ok) throw new Error(`the server answered ${response.status}`);
            const root = new DOMParser().parseFromString(await response.text(), 'image/svg+xml').documentElement;
            if (folder !== id) return;
            f.figure.append(drawn(root));
        } catch (e) {
            f.figure.append(el('p', {class: 'problem'}, `This chart is missing: ${e.message}`));
        }
    }
}

// A copy of an SVG with nothing but what draws: no script, no link, no style sheet.
function drawn(e) {
    if (!svgTags.has(e.localName)) return '';
    const copy = document.createElementNS('http://www.w3.org/2000/svg', e.localName);
    for (const a of e.attributes) if (!/^on|^style$|href/i.test(a.name) && !a.name.startsWith('xmlns')) copy.setAttribute(a.name, a.value);
    for (const child of e.childNodes)
        if (child.nodeType === 1) copy.append(drawn(child));
        else if (child.nodeType === 3) copy.append(child.data);
    return copy;
}
