// The lesson: the steps of docs/lesson.md, word for word. What begins with a bold word and a full stop is a block of a
// step; a command among them is run by a button. Answers stay closed until somebody opens them.

import {$, announce, el, fill, post, remember, remembered, text, unbroken} from './tools.js';
import {folderName} from './page.js';
import {setupOf} from './setup.js';
import * as watch from './watch.js';

let page, steps = null, now = 0, drawn = '';

// ---- the little of Markdown that docs/lesson.md uses ----

function inline(words) {
    const parts = [];
    for (const piece of words.split(/(`[^`]+`|\*\*[^*]+\*\*|\*[^*]+\*|\[[^\]]*\]\([^)]*\))/)) {
        if (piece.startsWith('`')) parts.push(el('code', {}, piece.slice(1, -1)));
        else if (piece.startsWith('**')) parts.push(el('strong', {}, piece.slice(2, -2)));
        else if (piece.startsWith('*') && piece.length > 2) parts.push(el('em', {}, piece.slice(1, -1)));
        else if (piece.startsWith('[') && piece.includes('](')) parts.push(...inline(piece.slice(1, piece.indexOf(']('))));
        else if (piece) parts.push(piece);
    }
    return parts;
}

// Paragraphs, lists, tables and commands, in their order: [{kind, lines}].
function pieces(lines) {
    const list = [];
    for (const line of lines) {
        const kind = /^ {4}\S/.test(line) && list.at(-1)?.kind !== 'list' ? 'code' : /^\|/.test(line) ? 'table' : /^- /.test(line) ? 'list' : line.trim() ? 'text' : '';
        const last = list.at(-1), goesOn = kind === 'text' && last?.kind === 'list' && /^ /.test(line);
        if (goesOn) last.lines[last.lines.length - 1] += ` ${line.trim()}`;
        else if (last && last.kind === kind) last.lines.push(line);
        else list.push({kind, lines: [line]});
    }
    return list.filter(p => p.kind);
}

function cellsOf(line) {
    return line.replace(/^\||\|\s*$/g, '').split('|').map(c => c.trim());
}

function drawPiece({kind, lines}) {
    if (kind === 'code') return el('pre', {tabindex: '0'}, unbroken(lines.map(l => l.trim()).join('\n')));
    if (kind === 'list') return el('ul', {}, lines.map(l => el('li', {}, inline(l.slice(2)))));
    if (kind === 'table')
        return el('div', {class: 'scroll', tabindex: '0'}, el('table', {}, el('thead', {}, el('tr', {}, cellsOf(lines[0]).map(c => el('th', {scope: 'col'}, inline(c))))),
            el('tbody', {}, lines.slice(2).map(l => el('tr', {}, cellsOf(l).map((c, i) => el(i ? 'td' : 'th', i ? {} : {scope: 'row'}, inline(c))))))));
    return el('p', {}, inline(lines.map(l => l.trim()).join(' ')));
}

function read(words) {
    const found = [];
    let step = null;
    for (const line of words.split(/\r?\n/)) {
        const heading = /^## (?:Step \d+: )?(.*)$/.exec(line);
        if (heading) {
            step = line.startsWith('## Step') ? {title: heading[1], lines: []} : null;
            if (step) found.push(step);
        } else if (step) {
            step.lines.push(line);
        }
    }
    for (const s of found) {
        s.blocks = [];
        for (const p of pieces(s.lines)) {
            const begins = p.kind === 'text' && /^\*\*([^*]+)\.\*\*\s*/.exec(p.lines[0]);
            if (begins) {
                s.blocks.push({name: begins[1], pieces: []});
                p.lines[0] = p.lines[0].slice(begins[0].length);
                if (!p.lines[0]) p.lines.shift();
            }
            if (p.lines.length && s.blocks.length) s.blocks.at(-1).pieces.push(p);
        }
    }
    return found;
}

// ---- a step ----

const block = (s, name) => s.blocks.find(b => b.name === name);
const commandsOf = s => (block(s, 'Run')?.pieces ?? []).filter(p => p.kind === 'code').flatMap(p => p.lines.map(l => l.trim())).filter(c => c.startsWith('lethe run'));
const folderOf = command => /--out (\S+)/.exec(command)?.[1] ?? 'lesson';

// The folder that a step is about: that of its last command that has one.
function runOf(s) {
    return commandsOf(s).map(c => page.folderNamed(folderOf(c))).filter(Boolean).at(-1) ?? null;
}

function runButton(command, first) {
    const f = page.folderNamed(folderOf(command)), running = f?.state === 'running';
    const button = el('button', {type: 'button', class: first ? 'main' : undefined, disabled: running, 'aria-label': `Run: ${command}`, on: {click: async () => {
        button.disabled = true;
        text(button, 'Starting…');
        try {
            const {id} = await post('api/run', setupOf(command));
            await page.refreshFolders();
            page.folder = page.folders.find(f => f.id === id) ?? page.folder;
            announce('The run has begun');
            page.trouble('');
            draw();
            $('lesson-watch').scrollIntoView({block: 'nearest'});
        } catch (e) {
            page.trouble(e.message);
            button.disabled = false;
            text(button, 'Run this');
        }
    }}}, running ? 'Running' : 'Run this');
    return button;
}

function guessForm() {
    const input = el('input', {type: 'number', id: 'guess', min: '0', max: '100', step: '1', inputmode: 'numeric', value: remembered('guess') ?? ''});
    input.addEventListener('input', () => {
        remember('guess', input.value);
        watch.setGuess(guessed());
    });
    return el('p', {class: 'guess'}, el('label', {for: 'guess'}, 'Your guess: of 100 reviews '), input, ' are still right');
}
function guessed() {
    const n = parseFloat(remembered('guess') ?? '');
    return n >= 0 && n <= 100 ? n / 100 : null;
}

function drawBlock(s, b) {
    const inside = b.pieces.map(p => {
        const command = p.kind === 'code' ? p.lines.map(l => l.trim()).filter(c => c.startsWith('lethe run')) : [];
        if (b.name !== 'Run' || !command.length || page.start.read_only) return drawPiece(p);
        return el('div', {}, drawPiece(p), command.map((c, i) => runButton(c, i === 0)));
    });
    if (b.name === 'Question') {
        inside[0]?.classList.add('question');
        return el('div', {}, inside, s === steps[0] && guessForm());
    }
    if (b.name === 'Run' || b.name === 'Look') return el('div', {}, el('h3', {}, b.name), inside);
    if (b.name === 'For the teacher' && page.start.read_only) return null;
    return el('details', {}, el('summary', {}, b.name), inside);
}

function draw() {
    const s = steps[now], f = runOf(s);
    const want = `${now} ${page.folders.map(f => `${f.id} ${f.state}`)} ${page.start.read_only}`;
    if (drawn !== want) {
        const open = [...$('lesson-step').querySelectorAll('details')].map(d => d.open), same = drawn.split(' ')[0] === String(now);
        drawn = want;
        fill($('lesson-step'), el('h2', {id: 'lesson-step-title'}, `${now + 1}. ${s.title}`), s.blocks.map(b => drawBlock(s, b)));
        if (same) $('lesson-step').querySelectorAll('details').forEach((d, i) => { d.open = open[i]; });
    }
    fill($('lesson-steps'), steps.map((t, i) => el('a', {href: `#lesson/${i + 1}`, 'aria-current': i === now ? 'step' : undefined, 'aria-label': `Step ${i + 1}: ${t.title}`}, `${i + 1}`)));
    fill($('lesson-move'), now > 0 && el('a', {class: 'link', href: `#lesson/${now}`}, 'Back'),
        now + 1 < steps.length && el('a', {class: 'link', href: `#lesson/${now + 2}`}, `Next: ${steps[now + 1].title}`));
    watch.setGuess(guessed());
    watch.follow(f);
}

export function begin(shared) {
    page = shared;
}

export function again() {
    if (steps) draw();
}

export async function enter(rest = '') {
    if (!steps) {
        try {
            const response = await fetch('lesson.md');
            if (!response.ok) throw new Error(`the server answered ${response.status}`);
            steps = read(await response.text());
        } catch (e) {
            fill($('lesson-step'), el('p', {class: 'problem'}, `The lesson is missing: ${e.message}`));
            return;
        }
    }
    const wanted = parseInt(rest || remembered('step') || '1', 10) || 1, moved = wanted - 1 !== now;
    now = Math.min(Math.max(wanted - 1, 0), steps.length - 1);
    remember('step', String(now + 1));
    draw();
    if (moved && rest) $('lesson-step').focus({preventScroll: true});
}
