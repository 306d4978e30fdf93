// What every part of the page needs: elements, requests, numbers for people.
// Texts of data files reach the page as textContent only; nothing here, or elsewhere, makes markup of a text.

export const $ = id => document.getElementById(id);

// el('p', {class: 'soft', on: {click: f}}, 'text', element, ...): undefined and false children are left out.
export function el(tag, attributes = {}, ...children) {
    const e = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (name === 'on') for (const [event, f] of Object.entries(value)) e.addEventListener(event, f);
        else if (name in e && typeof value === 'boolean') e[name] = value;
        else if (name === 'value') e.value = value;
        else if (value !== undefined && value !== null) e.setAttribute(name, value);
    }
    add(e, children);
    return e;
}
export function add(e, children) {
    for (const c of children.flat(Infinity)) if (c !== undefined && c !== null && c !== false) e.append(c);
}
export function fill(e, ...children) {
    e.replaceChildren();
    add(e, children);
    return e;
}
// Changes a text only where it differs, so that a screen reader hears what is new.
export function text(e, words) {
    if (e.textContent !== words) e.textContent = words;
}
// A command: a narrow page breaks it at spaces, and nowhere within "--out".
export const unbroken = words => words.split(/([ \n])/).map((w, i) => i % 2 ? w : el('span', {}, w));
export const show = (e, yes) => { e.hidden = !yes; };

// One short sentence to a screen reader, at a time when something has changed for good.
export const announce = words => text($('said'), words);

export class Refusal extends Error {
    constructor(words, field, status) {
        super(words);
        this.field = field;
        this.status = status;
    }
}

const token = location.pathname.split('/')[1] || '';

async function answer(response) {
    let body = null;
    try {
        body = await response.json();
    } catch { /* told below */ }
    if (!response.ok || body === null)
        throw new Refusal(body?.error ?? `the server answered ${response.status}`, body?.field ?? null, response.status);
    return body;
}
export async function get(path, parameters = {}, signal = undefined) {
    return answer(await fetch(address(path, parameters), {signal, cache: 'no-store'}));
}
export async function post(path, body, signal = undefined) {
    return answer(await fetch(path, {
        method: 'POST', signal,
        headers: {'X-Lethe-Token': token, 'Content-Type': 'application/json'},
        body: JSON.stringify(body),
    }));
}
export async function upload(file) {
    return answer(await fetch(address('api/upload', {name: file.name}), {
        method: 'POST',
        headers: {'X-Lethe-Token': token, 'Content-Type': 'application/octet-stream'},
        body: file,
    }));
}
export function address(path, parameters = {}) {
    const query = Object.entries(parameters).filter(([, v]) => v !== undefined && v !== null && v !== '')
        .map(([k, v]) => `${k}=${encodeURIComponent(v)}`).join('&');
    return query ? `${path}?${query}` : path;
}

// ---- numbers, as the report writes them ----

const minus = words => words.replace('-', '−');
export const percent = share => `${minus((100 * share).toFixed(1))}%`;
export const points = share => `${share > 0 ? '+' : ''}${minus((100 * share).toFixed(1))} points`;
export const count = n => Math.round(n).toString().replace(/\B(?=(\d{3})+$)/g, ',');
export function duration(seconds) {
    const s = Math.round(seconds);
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
    return `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;
}

// ---- what the browser keeps for this page, where it may ----

export function remembered(name) {
    try {
        return localStorage.getItem(`lethe ${name}`);
    } catch {
        return null;
    }
}
export function remember(name, value) {
    try {
        localStorage.setItem(`lethe ${name}`, value);
    } catch { /* then it does not */ }
}

// Calls f at once when it was not called for `pause` milliseconds, else when they are over. The shortest pause counts.
export function paced(f, pause) {
    let last = -Infinity, timer = 0, at = Infinity;
    const call = () => {
        timer = 0;
        at = Infinity;
        last = performance.now();
        f();
    };
    return (longer = pause) => {
        const due = last + longer, now = performance.now();
        if (timer && due >= at) return;
        clearTimeout(timer);
        if (due <= now) return call();
        at = due;
        timer = setTimeout(call, due - now);
    };
}
