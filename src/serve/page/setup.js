// Set up a run: tasks, model, methods, options. Whatever is changed goes to lethe, which says what it would read, need and
// refuse (api/check); its words stand beside the field that they are about.

import {$, announce, count, el, fill, get, percent, post, remember, remembered, Refusal, show, text, unbroken, upload} from './tools.js';

const CHECK_AFTER = 500; // milliseconds without a further change
const elsewhere = new Set(['task', 'task-option', 'model', 'method', 'out', 'config', 'quiet', 'json', 'dry-run', 'force', 'seed', 'words']);

let page, checked = null, checking = null, timer = 0;
const setup = {tasks: [], model: '', methods: [], more: '', options: {}, seeds: '', out: ''};

// ---- what is asked of lethe ----

function split(list) {
    return list.split(',').map(s => s.trim()).filter(Boolean);
}

function body() {
    const options = {...setup.options};
    const seeds = split(setup.seeds);
    const asked = {
        tasks: setup.tasks.map(t => t.builtin ? {builtin: t.builtin} : {
            name: t.name.trim(), train: t.train.trim(), eval: t.eval.trim(),
            ...(Object.values(t.columns).some(Boolean) ? {columns: Object.fromEntries(Object.entries(t.columns).filter(([, v]) => v))} : {}),
        }),
        methods: [...setup.methods, ...split(setup.more)],
        seeds: [], options, out: setup.out.trim(),
    };
    if (setup.model.trim()) asked.model = setup.model.trim();
    if (seeds.every(s => /^\d{1,10}$/.test(s))) asked.seeds = seeds.map(Number);
    else options.seeds = setup.seeds; // lethe says what is wrong with it
    return asked;
}

// The setup of a command line as lethe's pages print them: `lethe run --method full --out lesson`.
export function setupOf(command) {
    const words = command.trim().split(/\s+/).slice(2);
    const asked = {tasks: page.start.builtin_tasks.map(t => ({builtin: t.name})), methods: [], seeds: [], options: {}, out: ''};
    for (let i = 0; i < words.length; i++) {
        const name = words[i].replace(/^--/, ''), row = page.start.options.find(o => o.name === name);
        const value = row?.type === 'flag' ? 'true' : words[++i] ?? '';
        if (name === 'task') asked.tasks = (words.indexOf('--task') === i - 1 ? [] : asked.tasks).concat({builtin: value});
        else if (name === 'method') asked.methods = split(value);
        else if (name === 'seeds' || name === 'seed') asked.seeds = split(value).map(Number);
        else if (name === 'out') asked.out = value;
        else if (name === 'model') asked.model = value;
        else asked.options[name] = value;
    }
    return asked;
}

function changed() {
    remember('setup', JSON.stringify(setup));
    clearTimeout(timer);
    checking?.abort();
    busy(true);
    $('start').disabled = true;
    timer = setTimeout(check, CHECK_AFTER);
}

// What is being looked at is seen, and not read out: only what comes of it is.
function busy(yes) {
    show($('check-busy'), yes);
    $('check-state').classList.toggle('unseen', yes);
}

async function check() {
    if (!setup.tasks.length) return problems([{field: 'tasks', words: 'Add a task.'}]);
    const half = setup.tasks.findIndex(t => !t.builtin && !(t.name.trim() && t.train.trim() && t.eval.trim()));
    if (half >= 0) return problems([{field: `tasks.${half}`, words: 'This task wants a name, a training file, and an evaluation file or a share such as 20%.'}]);
    if (!body().methods.length) return problems([{field: 'methods', words: 'Choose a method.'}]);
    const mine = checking = new AbortController();
    try {
        checked = await post('api/check', body(), mine.signal);
        if (mine.signal.aborted) return;
        drawChecked();
    } catch (e) {
        if (e.name !== 'AbortError') problems([{field: e.field ?? null, words: e.message}]);
    }
}

function drawChecked() {
    const bad = checked.problems ?? [];
    fill($('command'), unbroken(checked.command ?? ''));
    drawFacts();
    (checked.tasks ?? []).forEach((t, i) => drawSeen(i, t));
    problems(bad, checked.ok && !bad.length);
}

function drawFacts() {
    const e = checked.estimate, facts = [];
    if (e) {
        facts.push(['It takes', e.words]);
    }
    fill($('check-facts'), facts.filter(f => f[1]).map(([name, words]) => [el('dt', {}, name), el('dd', {}, words)]));
}

// ---- problems, each beside its field ----

function problems(list, ok = false) {
    busy(false);
    for (const e of document.querySelectorAll('#setup-form .problem')) {
        e.hidden = true;
        text(e, '');
    }
    for (const e of document.querySelectorAll('#setup-form [aria-invalid]')) {
        e.removeAttribute('aria-invalid');
        e.removeAttribute('aria-describedby');
    }
    const left = [];
    for (const p of list) {
        const place = p.field && document.querySelector(`#setup-form .problem[data-field="${CSS.escape(p.field)}"]`);
        if (!place) {
            left.push(p.words);
            continue;
        }
        text(place, place.textContent ? `${place.textContent} ${p.words}` : p.words);
        place.hidden = false;
        place.id ||= `problem-${p.field.replace(/\W/g, '-')}`;
        for (const e of place.parentElement.querySelectorAll('input[type=text], select'))
            if (!e.closest('details') || place.closest('.option')) {
                e.setAttribute('aria-invalid', 'true');
                e.setAttribute('aria-describedby', place.id);
            }
        place.closest('details')?.setAttribute('open', '');
        if (p.field.startsWith('tasks.')) place.parentElement.querySelector('details')?.setAttribute('open', '');
    }
    fill($('check-problems'), left.map(words => el('li', {}, words)));
    $('start').disabled = !ok;
    text($('check-state'), ok ? 'Ready to start.' : list.length === 1 ? 'One thing is missing or wrong.' : `${list.length} things are missing or wrong.`);
}

// ---- tasks ----

const isShare = words => /^\s*[\d.]+\s*%\s*$/.test(words);

function drawTasks() {
    fill($('tasks'), setup.tasks.map((t, i) => t.builtin ? builtinCard(t, i) : ownCard(t, i)));
    const select = $('task-add');
    fill(select, page.start.builtin_tasks.map(b => el('option', {value: b.name}, `${b.name}, built in`)), el('option', {value: ''}, 'own files'));
    const free = page.start.builtin_tasks.find(b => !setup.tasks.some(t => t.builtin === b.name));
    select.value = free ? free.name : '';
}

function moveButtons(i, name) {
    const move = (to, words) => el('button', {type: 'button', disabled: to < 0 || to >= setup.tasks.length, 'aria-label': `${words}: ${name}`, on: {click: () => {
        const [t] = setup.tasks.splice(i, 1);
        setup.tasks.splice(to, 0, t);
        tasksChanged();
        announce(`${name} is now task ${to + 1}`);
    }}}, words);
    return el('div', {class: 'row'}, move(i - 1, 'Earlier'), move(i + 1, 'Later'),
        el('button', {type: 'button', 'aria-label': `Remove: ${name}`, on: {click: () => {
            setup.tasks.splice(i, 1);
            tasksChanged();
            announce(`${name} is removed`);
            $('task-add').focus();
        }}}, 'Remove'));
}
function tasksChanged() {
    drawTasks();
    changed();
}

const card = (i, title, ...more) => el('li', {id: `task-${i}`},
    el('div', {class: 'title'}, el('h3', {}, `${i + 1}. ${title}`), moveButtons(i, title)),
    ...more, el('p', {class: 'problem', 'data-field': `tasks.${i}`, hidden: true}), el('div', {class: 'seen-here'}));

function builtinCard(t, i) {
    const b = page.start.builtin_tasks.find(b => b.name === t.builtin);
    return card(i, t.builtin, el('p', {class: 'soft'}, `${b?.what ?? ''}${b ? ` Built in: ${Array.isArray(b.classes) ? b.classes.length : b.classes} classes, ${count(b.train_rows)} rows to train, ${count(b.eval_rows)} to evaluate.` : ''}`));
}

function ownCard(t, i) {
    const field = (key, words, hint) => el('label', {class: 'wide'}, words, el('input', {type: 'text', value: t[key], placeholder: hint, autocomplete: 'off', spellcheck: 'false',
        'data-key': key, on: {input: e => {
            t[key] = e.target.value;
            changed();
        }}}));
    const file = (key, words) => el('label', {}, words, el('input', {type: 'file', accept: '.tsv,.csv,.json,.jsonl,.zst', on: {change: e => take(e.target.files[0], t, key)}}));
    const column = (key, words) => el('label', {class: 'wide'}, words, el('input', {type: 'text', value: t.columns[key] ?? '', 'data-column': key, autocomplete: 'off', spellcheck: 'false', on: {input: e => {
        t.columns[key] = e.target.value;
        changed();
    }}}));
    const e = card(i, t.name || 'own files',
        field('name', 'Name of the task', 'reviews'),
        field('train', 'Training file (.tsv, .csv, .json; drop it here, or its path)', 'reviews_train.csv'), file('train', 'or choose it '),
        field('eval', 'Evaluation file, or a share of the first file', 'reviews_test.csv, or 20%'), file('eval', 'or choose it '),
        el('details', {open: Object.values(t.columns).some(Boolean)}, el('summary', {}, 'Columns by name'),
            column('text', 'Column of the text'), column('text_b', 'Column of the second text, of pairs'), column('label', 'Column of the label')));
    e.classList.add('drop');
    droppable(e, files => takeAll(files, t));
    return e;
}

async function take(file, t, key) {
    if (!file) return;
    announce(`${file.name} is being read`);
    try {
        t[key] = (await upload(file)).path;
        t.name ||= file.name.replace(/[._-]?(train|training)?(\.\w+)+$/i, '').replace(/[^\w-]+/g, '_') || 'own';
        if (key === 'train' && !t.eval) t.eval = '20%';
        tasksChanged();
    } catch (e) {
        problems([{field: `tasks.${setup.tasks.indexOf(t)}`, words: e.message}]);
    }
}
async function takeAll(files, t) {
    const evaluates = f => /eval|test|dev|valid/i.test(f.name);
    for (const f of [...files].slice(0, 2).sort((a, b) => evaluates(a) - evaluates(b)))
        await take(f, t, files.length > 1 && evaluates(f) ? 'eval' : t.train && files.length === 1 && !isShare(t.eval) && !t.eval ? 'eval' : 'train');
}

function droppable(e, f) {
    e.addEventListener('dragover', event => {
        event.preventDefault();
        e.classList.add('over');
    });
    e.addEventListener('dragleave', () => e.classList.remove('over'));
    e.addEventListener('drop', event => {
        event.preventDefault();
        event.stopPropagation();
        e.classList.remove('over');
        if (event.dataTransfer.files.length) f(event.dataTransfer.files);
    });
}

const own = () => ({name: '', train: '', eval: '', columns: {}});

// What lethe reads of a task: columns, classes, first rows.
function drawSeen(i, t) {
    const place = document.querySelector(`#task-${i} .seen-here`);
    if (!place || !t) return;
    const c = t.columns ?? {}, rows = t.first_rows ?? [], pair = rows.some(r => r.text_b);
    const named = [c.text && `text “${c.text}”`, c.text_b && `second text “${c.text_b}”`, c.label && `label “${c.label}”`].filter(Boolean);
    const total = (t.classes ?? []).reduce((sum, k) => sum + k.rows, 0);
    fill(place,
        t.train_rows !== undefined && el('p', {}, `${count(t.train_rows)} rows to train, ${count(t.eval_rows)} to evaluate.`),
        named.length > 0 && el('p', {}, `Columns: ${named.join(', ')}.`),
        t.classes?.length > 0 && el('p', {}, 'Classes: ', t.classes.slice(0, 12).map(k => `${k.name} ${count(k.rows)} (${percent(k.rows / total)})`).join(', '),
            t.classes.length > 12 ? `, and ${t.classes.length - 12} more` : '', '.'),
        (t.notes ?? []).map(note => el('p', {}, el('strong', {}, note))),
        rows.length > 0 && el('details', {}, el('summary', {}, 'First rows'), el('div', {class: 'scroll'}, el('table', {class: 'seen'},
            el('thead', {}, el('tr', {}, ['text', ...(pair ? ['second text'] : []), 'label'].map(h => el('th', {scope: 'col'}, h)))),
            el('tbody', {}, rows.map(r => el('tr', {}, el('td', {}, r.text), pair && el('td', {}, r.text_b ?? ''), el('td', {}, r.label))))))));
}

// ---- model, methods, options ----

function drawModels() {
    const folder = el('input', {type: 'text', id: 'model-folder', value: setup.model, placeholder: 'a folder such as roberta-base/', autocomplete: 'off', spellcheck: 'false', 'aria-label': 'Folder of the model'});
    const radio = (mine, checked, words) => el('label', {}, el('input', {type: 'radio', name: 'model', checked, value: mine, on: {change: () => {
        setup.model = mine === 'folder' ? folder.value : '';
        if (mine === 'folder') folder.focus();
        changed();
    }}}), el('span', {}, words));
    folder.addEventListener('input', () => {
        document.querySelector('#models input[value=folder]').checked = true;
        setup.model = folder.value;
        changed();
    });
    fill($('models'), radio('', !setup.model, page.start.builtin_models[0]),
        radio('folder', !!setup.model, 'A Hugging Face folder of a BERT, RoBERTa, DistilBERT, XLM-RoBERTa, CamemBERT or ELECTRA'), folder);
}

function drawMethods() {
    fill($('methods'), page.start.methods.map(m => el('label', {}, el('input', {type: 'checkbox', value: m.name, checked: setup.methods.includes(m.name), on: {change: e => {
        setup.methods = page.start.methods.map(m => m.name).filter(n => n === m.name ? e.target.checked : setup.methods.includes(n));
        drawOptions();
        changed();
    }}}), el('span', {}, el('strong', {}, m.name), ' ', el('span', {class: 'what'}, m.sentence)))));
}

const optionInput = (o, value, set) => {
    const id = `option-${o.name}`, on = {input: e => set(e.target.value.trim())};
    const choices = o.choices ?? (o.name === 'device' ? page.start.devices?.map(d => d.name ?? d) : null);
    if (o.type === 'flag')
        return el('input', {type: 'checkbox', id, checked: value === 'true', on: {change: e => set(e.target.checked ? 'true' : '')}});
    if (choices?.length && o.type !== 'choices' && o.type !== 'text' || o.name === 'device' && choices)
        return el('select', {id, on: {change: e => set(e.target.value)}}, el('option', {value: ''}, `${o.default ?? ''} (as usual)`),
            choices.filter(c => c !== o.default).map(c => el('option', {value: c, selected: c === value}, c)));
    return el('input', {type: 'text', id, value: value ?? '', placeholder: o.default ?? '', inputmode: o.type === 'integer' ? 'numeric' : o.type === 'real' ? 'decimal' : undefined,
        autocomplete: 'off', spellcheck: 'false', on});
};

function optionField(o) {
    const seeds = o.name === 'seeds';
    const set = value => {
        if (seeds) setup.seeds = value;
        else if (value === '' || value === o.default) delete setup.options[o.name];
        else setup.options[o.name] = value;
        changed();
    };
    const device = o.name === 'device' && page.start.devices?.map(d => d.words).filter(Boolean).join('; ');
    return el('div', {class: 'option'}, el('label', {for: `option-${o.name}`}, o.title || o.name.replaceAll('-', ' ')),
        optionInput(o, seeds ? setup.seeds : setup.options[o.name], set),
        el('p', {class: 'soft'}, device || o.help || ''), el('p', {class: 'problem', 'data-field': o.name, hidden: true}));
}

// The method whose own option it is: its name begins with that of the method.
function ownersOf(o) {
    const stem = m => m.replace(/\+*$/, '');
    return page.start.methods.map(m => m.name).filter(m => o.name.startsWith(`${stem(m)}-`) && !m.startsWith('lora')).slice(-1);
}

function drawOptions() {
    const all = page.start.options.filter(o => !elsewhere.has(o.name));
    const used = new Set([...setup.methods, ...split(setup.more)].flatMap(m => m.split('@')[0].split('+')));
    const common = o => o.common || o.name === 'seeds';
    fill($('options-common'), all.filter(common).map(optionField));
    fill($('options-other'), all.filter(o => !common(o) && ownersOf(o).every(m => used.has(m))).map(optionField));
}

// ---- the part as a whole ----

function restore() {
    setup.tasks = page.start.builtin_tasks.map(t => ({builtin: t.name}));
    setup.methods = ['full', 'lora', 'lora-seq'].filter(n => page.start.methods.some(m => m.name === n));
    setup.out = page.start.out ?? '';
    try {
        const kept = JSON.parse(remembered('setup') ?? 'null');
        if (kept && Array.isArray(kept.tasks) && Array.isArray(kept.methods)) Object.assign(setup, kept, {out: setup.out});
    } catch { /* what it is by default */ }
}

async function submit(e) {
    e.preventDefault();
    $('start').disabled = true;
    text($('check-state'), 'Starting…');
    try {
        const {id} = await post('api/run', body());
        await page.refreshFolders();
        page.folder = page.folders.find(f => f.id === id) ?? page.folder;
        announce('The run has begun');
        page.go('watch', id);
    } catch (e) {
        problems([{field: e.field ?? null, words: e.message}]);
        $('start').disabled = false;
    }
}

export function begin(shared) {
    page = shared;
    if (page.start.read_only) return;
    restore();
    drawTasks();
    drawModels();
    drawMethods();
    drawOptions();
    $('methods-more').value = setup.more;
    $('out').value = setup.out;
    $('methods-more').addEventListener('input', e => {
        setup.more = e.target.value;
        drawOptions();
        changed();
    });
    $('out').addEventListener('input', e => {
        setup.out = e.target.value;
        changed();
    });
    $('task-add-button').addEventListener('click', () => {
        const name = $('task-add').value;
        setup.tasks.push(name ? {builtin: name} : own());
        tasksChanged();
        document.querySelector(`#task-${setup.tasks.length - 1} :is(input, button:not(:disabled))`)?.focus();
    });
    droppable($('setup-tasks'), files => {
        const t = own();
        setup.tasks.push(t);
        drawTasks();
        takeAll(files, t);
    });
    $('setup-form').addEventListener('submit', submit);
    $('copy').addEventListener('click', async () => {
        try {
            await navigator.clipboard.writeText($('command').textContent);
            announce('Copied');
            text($('copy'), 'Copied');
            setTimeout(() => text($('copy'), 'Copy'), 2000);
        } catch {
            getSelection().selectAllChildren($('command')); // the browser does not let it: ready for Ctrl-C
        }
    });
}

export async function enter() {
    if (page.start.read_only) return;
    try { // a free folder's name may have been taken meanwhile
        const {out} = await get('api/start');
        if (out && setup.out === page.start.out) $('out').value = setup.out = page.start.out = out;
    } catch { /* told by the page */ }
    changed();
}
