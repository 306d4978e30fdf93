// Ask the model: a text, or a pair, and what every kept state says of it; and the rows that were evaluated, to pick from.

import {$, count, el, fill, get, percent, post, show, text} from './tools.js';
import {folderName} from './page.js';

const MANY = 6; // classes that are shown; of more, the most probable

let page, tasks = [], pairs = new Map(), rows = [], total = 0, classNames = [], truth = null, shownFor = '';

export function begin(shared) {
    page = shared;
    $('ask-form').addEventListener('submit', e => {
        e.preventDefault();
        truth = null;
        ask();
    });
    $('ask-text').addEventListener('keydown', e => {
        if (e.key === 'Enter' && !e.shiftKey && !e.isComposing) {
            e.preventDefault();
            $('ask-form').requestSubmit();
        }
    });
    $('ask-task').addEventListener('change', () => taskChosen());
    $('rows-method').addEventListener('change', () => loadRows());
    $('rows-which').addEventListener('change', () => loadRows());
    $('rows-more').addEventListener('click', () => loadRows(true));
}

export async function enter() {
    const f = page.folder;
    if (!f) return empty('There is no run yet.');
    try {
        const [view, answer] = await Promise.all([get('api/view', {folder: f.id}), get('api/states', {folder: f.id})]);
        const states = Array.isArray(answer) ? answer : answer.states;
        if (page.folder?.id !== f.id) return;
        if (!states.length)
            return empty(f.state === 'running' ? 'No model is kept yet: the first one is there when the first method is finished.'
                : `No model is kept in ${folderName(f)} (--keep-models).`);
        const want = `${f.id} ${states.map(s => s.state)}`;
        if (shownFor === want) return;
        if (!shownFor.startsWith(`${f.id} `)) fill($('ask-answers'));
        shownFor = want;
        show($('ask-empty'), false);
        show($('ask-body'), true);
        drawChoices(view);
    } catch (e) {
        empty(e.message);
    }
}

export function again() {
    if (page.folder?.state === 'running') enter(); // a method more may be finished
}

function empty(words) {
    shownFor = '';
    fill($('ask-answers'));
    show($('ask-body'), false);
    show($('ask-empty'), true);
    fill($('ask-empty'), el('p', {}, words));
}

function drawChoices(view) {
    const before = $('ask-task').value, method = $('rows-method').value;
    tasks = view.tasks;
    fill($('ask-task'), tasks.map((t, i) => el('option', {value: t.number ?? i + 1}, t.name)));
    fill($('rows-method'), view.methods.map(m => el('option', {value: m.name}, m.label ?? m.name)));
    if (before && before <= tasks.length) $('ask-task').value = before;
    if ([...$('rows-method').options].some(o => o.value === method)) $('rows-method').value = method;
    if (!$('ask-answers').hasChildNodes()) taskChosen(); // answers stay
}

const task = () => Number($('ask-task').value) || 1;

function taskChosen() {
    fill($('ask-answers'));
    text($('ask-said'), '');
    text($('ask-truth'), '');
    const last = task() === tasks.length && tasks.length > 1;
    for (const o of $('rows-which').options) o.disabled = last && o.value !== 'all'; // nothing comes after the last task
    if (last) $('rows-which').value = 'all';
    else if ($('rows-which').value === 'all') $('rows-which').value = 'lost';
    loadRows();
}

function drawPair() {
    const pair = pairs.get(`${page.folder.id} ${task()}`) ?? tasks[task() - 1]?.pair ?? false;
    show($('ask-pair-label'), pair);
    text($('ask-text-name'), pair ? 'First text' : 'Text');
}

// ---- answers ----

async function ask() {
    const words = $('ask-text').value.trim();
    if (!words) {
        text($('ask-said'), 'Type a text first, or pick a row below.');
        return;
    }
    const asked = {folder: page.folder.id, task: task(), text: words};
    if (!$('ask-pair-label').hidden) asked.text_b = $('ask-pair').value.trim();
    const slow = setTimeout(() => text($('ask-said'), 'The models are being read…'), 400);
    try {
        const answer = await post('api/ask', asked);
        clearTimeout(slow);
        drawAnswers(answer);
    } catch (e) {
        clearTimeout(slow);
        text($('ask-said'), e.message);
    }
}

function drawAnswers({answers, class_names: names, ms}) {
    classNames = names;
    const said = answers.map(a => a.probabilities.indexOf(Math.max(...a.probabilities)));
    text($('ask-truth'), truth === null ? '' : `Its label: ${typeof truth === 'number' ? names[truth] ?? truth : truth}`);
    const right = truth === null ? -1 : typeof truth === 'number' ? truth : names.indexOf(truth);
    const methods = [...new Set(answers.map(a => a.method))];
    fill($('ask-answers'), methods.map(m => el('section', {class: 'method', 'aria-label': m}, el('h3', {}, m), el('div', {}, answers.map((a, i) =>
        a.method === m && drawAnswer(a, names, said[i], right))))));
    const kinds = new Set(said).size;
    text($('ask-said'), `${count(answers.length)} ${answers.length === 1 ? 'state has' : 'states have'} answered${ms !== undefined ? ` in ${Math.round(ms)} ms` : ''}; ${kinds === 1 ? `all say ${names[said[0]]}` : 'they do not agree'}.`);
}

function drawAnswer(a, names, said, right) {
    const shown = a.probabilities.map((p, k) => [k, p]);
    if (names.length > MANY) shown.sort((x, y) => y[1] - x[1]);
    return el('div', {class: right >= 0 && said !== right ? 'answer wrong' : 'answer', role: 'group', 'aria-label': a.words},
        el('h4', {}, a.words || `after task ${a.after_task}`),
        el('p', {class: 'said'}, names[said], right >= 0 && (said === right ? ' ✓ right' : ' ✗ wrong')),
        shown.slice(0, MANY).map(([k, p]) => {
            const bar = el('span');
            bar.style.width = `${100 * p}%`;
            return el('div', {class: 'meter'}, el('span', {}, names[k]), el('span', {class: 'track', 'aria-hidden': 'true'}, bar), el('span', {class: 'number'}, percent(p)));
        }));
}

// ---- rows ----

async function loadRows(further = false) {
    const id = page.folder.id, number = task();
    try {
        const answer = await get('api/rows', {folder: id, task: number, method: $('rows-method').value, which: $('rows-which').value, from: further ? rows.length : 0});
        if (page.folder?.id !== id || task() !== number) return;
        rows = further ? [...rows, ...answer.rows] : answer.rows;
        total = answer.count;
        classNames = answer.class_names ?? classNames;
        if (answer.pair !== undefined || rows.length) pairs.set(`${id} ${number}`, answer.pair ?? rows.some(r => r.text_b));
        drawRows(further ? rows.length - answer.rows.length : 0);
    } catch (e) {
        rows = [];
        fill($('rows'));
        text($('rows-count'), e.message);
        show($('rows-more'), false);
    }
    drawPair();
}

const className = c => typeof c === 'number' ? classNames[c] ?? String(c) : c ?? '';
const saidOf = x => x && x.class !== undefined && x.class !== null ? `${className(x.class)}${x.probability !== undefined && x.probability !== null ? ` (${percent(x.probability)})` : ''}` : 'not known';

function drawRows(from) {
    const items = rows.slice(from).map(r => el('li', {}, el('button', {type: 'button', on: {click: () => pick(r)}},
        el('span', {}, r.text, r.text_b && ` | ${r.text_b}`),
        el('span', {class: 'what'}, `Row ${r.row}, ${className(r.label)}. ${r.before ? `Said before: ${saidOf(r.before)}. ` : ''}${r.after ? `Said after: ${saidOf(r.after)}.` : ''}`))));
    if (from) $('rows').append(...items);
    else fill($('rows'), items);
    const which = $('rows-which').value;
    text($('rows-count'), total ? `${count(total)} ${total === 1 ? 'row' : 'rows'}` : which === 'lost' ? 'No row was forgotten.' : which === 'won' ? 'No row was won back.' : 'No rows.');
    show($('rows-more'), rows.length < total);
}

function pick(r) {
    $('ask-text').value = r.text;
    $('ask-pair').value = r.text_b ?? '';
    truth = r.label;
    ask();
    $('ask-form').scrollIntoView({block: 'start'});
    $('ask-text').focus({preventScroll: true});
}
