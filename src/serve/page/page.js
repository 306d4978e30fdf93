// The page as a whole: which part is shown, which run it is about, and what all parts know.

import {$, el, fill, get, remember, remembered, Refusal, show, text} from './tools.js';
import * as setup from './setup.js';
import * as watch from './watch.js';
import * as ask from './ask.js';
import * as lesson from './lesson.js';

const parts = {setup, watch, ask, lesson};
const FOLDERS_EVERY = 5000; // milliseconds, while the page is seen

// What all parts share. `go` shows a part; `folder` is the entry of api/folders that is chosen, or null.
export const page = {
    start: null, folders: [], folder: null, part: '',
    go, choose, refreshFolders, trouble, folderNamed,
};

export const folderName = f => f.path.replace(/[/\\]+$/, '').split(/[/\\]/).pop() || f.path;
function folderNamed(name) {
    return page.folders.find(f => f.path === name) ?? page.folders.find(f => folderName(f) === name) ?? null;
}

// A line above everything while something is wrong; '' takes it away.
function trouble(words) {
    text($('trouble'), words);
    show($('trouble'), words !== '');
}

// ---- where we are: #setup, #watch/FOLDER, #ask/FOLDER, #lesson/STEP ----

function go(part, rest = '') {
    location.hash = rest ? `${part}/${rest}` : part;
}

function route() {
    const [part, ...more] = location.hash.replace(/^#/, '').split('/');
    const rest = decodeURIComponent(more.join('/'));
    let name = part in parts ? part : page.folders.some(f => f.state !== 'empty') ? 'watch' : 'setup';
    if (page.start.read_only && name === 'setup') name = 'watch';
    if ((name === 'watch' || name === 'ask') && rest) {
        const f = page.folders.find(f => f.id === rest);
        if (f) page.folder = f;
    }
    const moved = page.part !== name;
    page.part = name;
    for (const p of Object.keys(parts)) show($(`page-${p}`), p === name);
    for (const a of document.querySelectorAll('header nav a')) {
        const here = a.getAttribute('href').slice(1).split('/')[0] === name;
        if (here) a.setAttribute('aria-current', 'page');
        else a.removeAttribute('aria-current');
    }
    watch.place(name === 'lesson' ? 'lesson-watch' : 'page-watch');
    parts[name].enter(rest);
    const heading = document.querySelector(`#page-${name} h1`);
    document.title = `${heading.textContent} – lethe`;
    if (moved) scrollTo(0, 0);
    drawFolders();
}

// ---- the folders ----

function choose(folder) {
    if (page.folder?.id === folder?.id) return;
    page.folder = folder;
    if (page.part === 'ask' || page.part === 'watch') go(page.part, folder.id);
    else parts[page.part].enter();
    drawFolders();
}

function drawFolders() {
    const select = $('folder'), want = page.folders.map(f => `${f.id} ${f.path} ${f.state}`).join('\n');
    if (select.dataset.shown !== want) {
        select.dataset.shown = want;
        fill(select, page.folders.map(f => el('option', {value: f.id}, `${folderName(f)}: ${f.state}`)));
    }
    select.value = page.folder?.id ?? '';
    show(select.parentElement, page.folders.length > 0 && page.part !== 'setup');
}

async function refreshFolders() {
    const {folders} = await get('api/folders').then(a => Array.isArray(a) ? {folders: a} : a);
    page.folders = folders;
    if (page.folder) page.folder = folders.find(f => f.id === page.folder.id) ?? null;
    page.folder ??= folders.find(f => f.state === 'running') ?? folders.find(f => f.state !== 'empty') ?? null;
    drawFolders();
}

let lost = false;
async function lookAgain() {
    if (document.hidden) return;
    try {
        const before = page.folder?.id;
        await refreshFolders();
        if (lost) trouble('');
        lost = false;
        if (page.folder?.id !== before) parts[page.part].enter();
        else parts[page.part].again?.();
    } catch (e) {
        lost = true;
        trouble(e instanceof Refusal ? e.message : 'lethe does not answer: has "lethe serve" been ended? A run goes on without it.');
    }
}

// ---- the start ----

function larger(yes) {
    document.documentElement.classList.toggle('larger', yes);
    $('larger').setAttribute('aria-pressed', yes);
    remember('larger', yes ? '1' : '');
    dispatchEvent(new Event('resize'));
}

function drawRoom() {
    const room = page.start.room;
    show($('room'), !!room);
    if (room)
        fill($('room'), 'For the room: ', el('strong', {}, room.address), ' with the code ',
            el('strong', {class: 'code'}, room.code.replace(/(...)(...)/, '$1 $2')));
}

async function begin() {
    $('skip').addEventListener('click', e => {
        e.preventDefault();
        $('main').focus();
    });
    $('larger').addEventListener('click', () => larger($('larger').getAttribute('aria-pressed') !== 'true'));
    larger(remembered('larger') === '1');
    $('folder').addEventListener('change', e => choose(page.folders.find(f => f.id === e.target.value)));
    try {
        page.start = await get('api/start');
        await refreshFolders();
    } catch (e) {
        return trouble(e instanceof Refusal ? e.message : 'lethe does not answer: has "lethe serve" been ended?');
    }
    show($('to-setup'), !page.start.read_only);
    drawRoom();
    text($('foot'), `lethe ${page.start.version}. ${page.start.read_only ? 'Nothing of this leaves the room.' : 'Nothing leaves this computer.'}`);
    for (const part of Object.values(parts)) part.begin(page);
    addEventListener('hashchange', route);
    route();
    setInterval(lookAgain, FOLDERS_EVERY);
    document.addEventListener('visibilitychange', lookAgain);
}

begin();
