// The two pictures that change while a run goes on, as SVG, by the rules of the report's charts (src/report/chart_bars.c,
// chart_curve.c, chart_panels.c): the same colours, the same whiskers, the same dashed line for the majority class.
// A picture is drawn anew into the elements that it has, so that a bar falls where the system lets things move.

import {el, percent} from './tools.js';

const NS = 'http://www.w3.org/2000/svg';
const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize);

const pen = document.createElement('canvas').getContext('2d');
function widthOf(words, size, bold) {
    pen.font = `${bold ? '700 ' : ''}${size}px ${getComputedStyle(document.body).fontFamily}`;
    return pen.measureText(words).width;
}
function wrap(words, room, size, bold) {
    const lines = [];
    for (const word of words.split(' ')) {
        const longer = lines.length ? `${lines.at(-1)} ${word}` : word;
        if (lines.length && widthOf(longer, size, bold) <= room) lines[lines.length - 1] = longer;
        else lines.push(word);
    }
    return lines.map(line => shorten(line, room, size, bold));
}
function shorten(words, room, size, bold) {
    if (widthOf(words, size, bold) <= room) return words;
    let n = words.length;
    while (n > 1 && widthOf(`${words.slice(0, n)}…`, size, bold) > room) n--;
    return `${words.slice(0, n)}…`;
}

export class Picture {
    constructor(place) {
        this.svg = document.createElementNS(NS, 'svg');
        this.svg.setAttribute('role', 'img');
        this.parts = new Map();
        this.round = 0;
        place.append(this.svg);
    }
    begin(width, height, label) {
        this.round++;
        this.last = null;
        for (const [name, value] of Object.entries({width, height, viewBox: `0 0 ${width} ${height}`, 'aria-label': label}))
            if (this.svg.getAttribute(name) !== String(value)) this.svg.setAttribute(name, value);
    }
    put(key, tag, attributes, words) {
        let part = this.parts.get(key);
        if (part && part.tag !== tag) {
            part.e.remove();
            part = null;
        }
        if (!part) {
            part = {e: document.createElementNS(NS, tag), tag, shown: {}};
            if (this.last) this.last.after(part.e);
            else this.svg.prepend(part.e);
            this.parts.set(key, part);
        }
        for (const [name, value] of Object.entries(attributes))
            if (part.shown[name] !== value) {
                part.shown[name] = value;
                if (value === undefined) part.e.removeAttribute(name);
                else part.e.setAttribute(name, value);
            }
        for (const name of Object.keys(part.shown))
            if (!(name in attributes)) {
                delete part.shown[name];
                part.e.removeAttribute(name);
            }
        if (words !== undefined && part.e.textContent !== words) part.e.textContent = words;
        part.round = this.round;
        this.last = part.e;
        return part.e;
    }
    line(key, x1, y1, x2, y2, attributes) {
        this.put(key, 'path', {d: `M${x1} ${y1}L${x2} ${y2}`, ...attributes});
    }
    end() {
        for (const [key, part] of this.parts)
            if (part.round !== this.round) {
                part.e.remove();
                this.parts.delete(key);
            }
    }
}

// A small sample beside a word. kind: 'bar', 'during', 'hatched', 'dashed', 'line'.
export function swatch(kind, colour, words, shape = 0) {
    const svg = document.createElementNS(NS, 'svg');
    const draw = (tag, attributes) => {
        const e = document.createElementNS(NS, tag);
        for (const [n, v] of Object.entries(attributes)) e.setAttribute(n, v);
        svg.append(e);
    };
    svg.setAttribute('width', 30);
    svg.setAttribute('height', 18);
    svg.setAttribute('aria-hidden', 'true');
    if (kind === 'bar') draw('rect', {x: 0, y: 1, width: 30, height: 16, fill: colour});
    if (kind === 'during')
        draw('rect', {x: 1, y: 2, width: 28, height: 14, fill: colour, 'fill-opacity': .45, stroke: colour, 'stroke-width': 2, 'stroke-dasharray': '5 3'});
    if (kind === 'hatched') {
        draw('rect', {x: 1, y: 2, width: 28, height: 14, fill: 'none', stroke: colour, 'stroke-width': 2});
        draw('path', {d: 'M3 15L13 3M11 15L21 3M19 15L28 4', stroke: colour, 'stroke-width': 2});
    }
    if (kind === 'dashed') draw('path', {d: 'M0 9H30', stroke: colour, 'stroke-width': 2.5, 'stroke-dasharray': '7 5'});
    if (kind === 'line') {
        draw('path', {d: 'M0 9H30', stroke: colour, 'stroke-width': 4});
        draw('path', {d: marker(shape, 15, 9, 6), fill: colour});
    }
    return el('span', {}, svg, words);
}

const hatch = 'M-2 2L2 -2M0 12L12 0M10 14L14 10';
function bar(p, key, b, x, y, width, height) {
    const box = {class: 'bar', x, y, width: Math.max(width, 0), height: Math.max(height, 0)};
    const edge = {stroke: b.colour, 'stroke-width': 2};
    let fill = b.colour, opacity, dash;
    if (b.hatched) {
        const id = `hatch-${b.colour.replace(/\W/g, '')}`;
        const pattern = p.put(`${key}-pattern`, 'pattern', {id, width: 12, height: 12, patternUnits: 'userSpaceOnUse'});
        if (!pattern.firstChild) {
            const e = document.createElementNS(NS, 'path');
            for (const [n, v] of Object.entries({d: hatch, stroke: b.colour, 'stroke-width': 3.5})) e.setAttribute(n, v);
            pattern.append(e);
        }
        fill = `url(#${id})`;
    } else if (b.during) {
        opacity = .45;
        dash = '7 4';
    }
    p.put(key, 'rect', {...box, ...edge, fill, 'fill-opacity': opacity, 'stroke-dasharray': dash});
}

function whisker(p, key, sideways, at, low, high, cap) {
    const d = sideways ? `M${low} ${at}H${high}M${low} ${at - cap}V${at + cap}M${high} ${at - cap}V${at + cap}`
        : `M${at} ${low}V${high}M${at - cap} ${low}H${at + cap}M${at - cap} ${high}H${at + cap}`;
    p.put(`${key}-halo`, 'path', {class: 'whisker', d, stroke: 'var(--paper)', 'stroke-width': 6, fill: 'none'});
    p.put(key, 'path', {class: 'whisker', d, stroke: 'var(--ink)', 'stroke-width': 2.5, fill: 'none'});
}

// spec: {majority, guess, label, pairs, groups: [{name, note, alarm, bars: [{accuracy, low, high, colour, during, hatched}]}]},
// as many bars in every group; null where there is none yet. pairs: some picture beside this one has two in a group, and
// all of them stand or lie.
export function drawBars(p, width, spec) {
    const r = rem(), slots = Math.max(1, ...spec.groups.map(g => g.bars.length));
    const left = 3.2 * r, right = width >= 34 * r ? 6.5 * r : .6 * r;
    const extent = (width - left - right) / Math.max(spec.groups.length, 1);
    if (extent >= (spec.pairs ? 11.5 : 6.5) * r) upright(p, width, spec, {r, left, right, extent, slots});
    else sideways(p, width, spec, {r, slots});
}

function upright(p, width, spec, {r, left, right, extent, slots}) {
    const names = spec.groups.map(g => wrap(g.name, extent - 12, 1.1 * r, true));
    const notes = spec.groups.map(g => g.note ? wrap(g.note, extent - 12, r, g.alarm) : []);
    const below = Math.max(...names.map((n, i) => n.length * 1.4 + notes[i].length * 1.3), 1) * r + .9 * r;
    const plot = Math.min(Math.max(width * .42, 15 * r), 24 * r), top = 1.6 * r, x1 = width - right;
    const y = share => top + plot * (1 - share);
    p.begin(width, Math.ceil(top + plot + below), spec.label);
    for (let k = 0; k <= 5; k++) {
        p.line(`grid-${k}`, left, y(k / 5), x1, y(k / 5), {stroke: k ? 'var(--grid)' : 'var(--soft)', 'stroke-width': 1.5});
        p.put(`tick-${k}`, 'text', {class: 'tick', x: left - 8, y: y(k / 5) + .3 * r, 'text-anchor': 'end'}, `${20 * k}%`);
    }
    const thick = Math.min(extent * (slots > 1 ? .38 : .5), 9 * r);
    const middle = (g, b) => left + extent * (g + .5) + (slots > 1 ? (b - (slots - 1) / 2) * (thick + 6) : 0);
    each(spec, (b, g, i) => bar(p, `bar-${g}-${i}`, b, middle(g, i) - thick / 2, y(b.accuracy), thick, y(0) - y(b.accuracy)));
    level(p, spec, 'majority', spec.majority, left, x1, y, right > 4 * r ? ['majority', 'class', percent(spec.majority)] : null, r);
    if (spec.guess !== null)
        level(p, spec, 'guess', spec.guess, left, x1, y, right > 4 * r ? ['your guess', `${Math.round(100 * spec.guess)}%`] : null, r);
    each(spec, (b, g, i) => {
        if (b.low === undefined) return;
        whisker(p, `whisker-${g}-${i}`, false, middle(g, i), y(b.low), y(b.high), Math.min(thick * .14, 10));
    });
    each(spec, (b, g, i) =>
        p.put(`value-${g}-${i}`, 'text', {class: 'value', x: middle(g, i), y: y(b.high ?? b.accuracy) - .5 * r, 'text-anchor': 'middle'}, percent(b.accuracy)));
    spec.groups.forEach((g, i) => {
        let at = y(0) + .5 * r;
        const x = left + extent * (i + .5);
        names[i].forEach((words, k) => p.put(`name-${i}-${k}`, 'text', {class: 'name', x, y: at += 1.25 * r, 'text-anchor': 'middle'}, words));
        notes[i].forEach((words, k) =>
            p.put(`note-${i}-${k}`, 'text', {class: g.alarm ? 'alarm' : 'soft', x, y: at += 1.3 * r, 'text-anchor': 'middle'}, words));
    });
    p.end();
}

function each(spec, f) {
    spec.groups.forEach((g, k) => g.bars.forEach((b, i) => { if (b) f(b, k, i); }));
}

function level(p, spec, key, share, left, right, y, words, r) {
    const dash = key === 'guess' ? '2 5' : '9 6';
    p.line(`${key}-halo`, left, y(share), right + 6, y(share), {stroke: 'var(--paper)', 'stroke-width': 5});
    p.line(key, left, y(share), right + 6, y(share), {stroke: key === 'guess' ? 'var(--purple)' : 'var(--black)', 'stroke-width': 2.5, 'stroke-dasharray': dash});
    const near = key === 'guess' && Math.abs(y(share) - y(spec.majority)) < 4.2 * r ? (share < spec.majority ? 3.2 * r : -2.4 * r) : 0;
    words?.forEach((line, i) =>
        p.put(`${key}-${i}`, 'text', {class: 'tick', x: right + 12, y: y(share) + (i - (words.length - 1) / 2) * 1.15 * r + .3 * r + near}, line));
}

function sideways(p, width, spec, {r, slots}) {
    const x0 = 2, x1 = width - 4.6 * r, x = share => x0 + (x1 - x0) * share, thick = 1.5 * r;
    const head = spec.groups.map(g => {
        const beside = widthOf(g.name, 1.1 * r, true) + widthOf(g.note ?? '', r, g.alarm) + r <= width;
        return {beside, notes: g.note ? beside ? [g.note] : wrap(g.note, width, r, g.alarm) : []};
    });
    const high = head.map(h => (1.7 + (h.beside ? 0 : 1.3 * h.notes.length) + slots * 1.65 + .9) * r);
    const top = .2 * r, bottom = top + high.reduce((a, b) => a + b, 0);
    p.begin(width, Math.ceil(bottom + 1.8 * r), spec.label);
    const ticks = (x1 - x0) / 5 > 3.2 * r ? 5 : 2;
    for (let k = 0; k <= ticks; k++) {
        p.line(`grid-${k}`, x(k / ticks), top, x(k / ticks), bottom, {stroke: k ? 'var(--grid)' : 'var(--soft)', 'stroke-width': 1.5});
        p.put(`tick-${k}`, 'text', {class: 'tick', x: x(k / ticks), y: bottom + 1.3 * r, 'text-anchor': k ? 'middle' : 'start'}, `${100 * k / ticks}%`);
    }
    const tops = [];
    high.reduce((at, h, i) => (tops[i] = at) + h, top);
    const middle = (g, i) => tops[g] + (1.7 + (head[g].beside ? 0 : 1.3 * head[g].notes.length)) * r + (i + .5) * 1.65 * r;
    each(spec, (b, g, i) => bar(p, `bar-${g}-${i}`, b, x(0), middle(g, i) - thick / 2, x(b.accuracy) - x(0), thick));
    for (const key of ['majority', 'guess']) {
        if (spec[key] === null) continue;
        p.line(`${key}-halo`, x(spec[key]), top, x(spec[key]), bottom, {stroke: 'var(--paper)', 'stroke-width': 5});
        p.line(key, x(spec[key]), top, x(spec[key]), bottom, {
            stroke: key === 'guess' ? 'var(--purple)' : 'var(--black)', 'stroke-width': 2.5, 'stroke-dasharray': key === 'guess' ? '2 5' : '9 6'});
    }
    each(spec, (b, g, i) => {
        if (b.low !== undefined) whisker(p, `whisker-${g}-${i}`, true, middle(g, i), x(b.low), x(b.high), .3 * r);
    });
    each(spec, (b, g, i) =>
        p.put(`value-${g}-${i}`, 'text', {class: 'value', x: x(b.high ?? b.accuracy) + 8, y: middle(g, i) + .4 * r}, percent(b.accuracy)));
    spec.groups.forEach((g, i) => {
        const at = tops[i] + 1.25 * r, {beside, notes} = head[i];
        const halo = {'paint-order': 'stroke', stroke: 'var(--paper)', 'stroke-width': 4};
        p.put(`name-${i}-0`, 'text', {class: 'name', x: x0, y: at, ...halo}, shorten(g.name, width, 1.1 * r, true));
        notes.forEach((words, k) => p.put(`note-${i}-${k}`, 'text', {
            class: g.alarm ? 'alarm' : 'soft', ...halo,
            x: beside ? width : x0, 'text-anchor': beside ? 'end' : 'start', y: at + (beside ? 0 : 1.3 * r * (k + 1))}, words));
    });
    p.end();
}

// ---- the curve of an earlier task, and the loss of the task that trains ----

function marker(shape, x, y, s) {
    switch (shape % 5) {
    case 0: return `M${x - s} ${y}a${s} ${s} 0 1 0 ${2 * s} 0a${s} ${s} 0 1 0 ${-2 * s} 0Z`;
    case 1: return `M${x - s * .9} ${y - s * .9}h${1.8 * s}v${1.8 * s}h${-1.8 * s}Z`;
    case 2: return `M${x} ${y - s * 1.15}L${x + s * 1.1} ${y + s * .85}H${x - s * 1.1}Z`;
    case 3: return `M${x} ${y - 1.25 * s}L${x + 1.25 * s} ${y}L${x} ${y + 1.25 * s}L${x - 1.25 * s} ${y}Z`;
    default: return `M${x} ${y + s * 1.15}L${x + s * 1.1} ${y - s * .85}H${x - s * 1.1}Z`;
    }
}

const nice = (high, most) => {
    let step = 10 ** Math.floor(Math.log10(high / most));
    for (const f of [2, 2.5, 2]) if (high / step > most) step *= f;
    return step;
};

const GAP = 2.2; // between accuracy and loss, in the size of the text
export const TOGETHER = 5; // methods in one panel, at most: as chart_panels.c

// spec: {label, majority, bands: [{from, to, name}], lines: [{name, colour, points: [{x, accuracy, low, high}],
// losses: [[{x, loss}]]}]}. Few lines share a panel; many have one each.
export function drawCurve(p, width, spec) {
    const r = rem(), together = spec.lines.length <= TOGETHER, axis = 3.4 * r, gap = 1.6 * r;
    const labels = together && width >= 42 * r;
    const room = labels ? Math.min(Math.max(...spec.lines.map(l => widthOf(endOf(l), 1.1 * r, true))) + 1.2 * r, 17 * r) : .8 * r;
    const columns = together ? 1 : Math.max(1, Math.min(4, Math.floor(width / (17 * r))));
    const panels = together ? [spec.lines] : spec.lines.map(l => [l]);
    const rows = Math.ceil(panels.length / columns), each = (width - axis - room + gap) / columns;
    const head = together ? .6 * r : 2.2 * r;
    const high = together ? Math.min(Math.max(width * .28, 12 * r), 20 * r) : 7 * r, low = together ? high * .5 : 3.5 * r;
    const full = head + high + GAP * r + low + 2.6 * r;
    p.begin(width, Math.ceil(rows * full), spec.label);
    const scale = scaleOf(spec);
    panels.forEach((lines, i) => {
        const x0 = axis + (i % columns) * each, top = Math.floor(i / columns) * full + head;
        panel(p, `p${i}`, spec, lines, scale, {r, x0, x1: x0 + each - gap, top, high, low, labels, first: i % columns === 0, title: together ? null : lines[0].name});
    });
    p.end();
}

const endOf = l => l.points.length ? `${l.name} ${percent(l.points.at(-1).accuracy)}` : l.name;

function scaleOf(spec) {
    let low = spec.majority, high = spec.majority, loss = .1;
    for (const l of spec.lines) {
        for (const q of l.points) {
            low = Math.min(low, q.low);
            high = Math.max(high, q.high);
        }
        for (const piece of l.losses) for (const q of piece) loss = Math.max(loss, q.loss);
    }
    low = Math.max(0, Math.floor(low * 10 - .2) / 10);
    high = Math.min(1, Math.ceil(high * 10 + .2) / 10);
    const step = nice(loss, 3);
    return {low, high, loss: Math.ceil(loss / step) * step, step, end: Math.max(1, ...spec.bands.map(b => b.to))};
}

function panel(p, key, spec, lines, scale, {r, x0, x1, top, high, low, labels, first, title}) {
    const x = v => x0 + (x1 - x0) * v / scale.end, bottom = top + high, second = bottom + GAP * r, end = second + low;
    const y = v => bottom - high * (v - scale.low) / (scale.high - scale.low), z = v => end - low * v / scale.loss;
    if (title) p.put(`${key}-title`, 'text', {class: 'name', x: x0, y: top - .6 * r}, shorten(title, x1 - x0, 1.1 * r, true));
    spec.bands.forEach((b, i) => {
        p.put(`${key}-band-${i}`, 'rect', {x: x(b.from), y: top, width: x(b.to) - x(b.from), height: end - top, fill: i % 2 ? 'var(--band)' : 'none'});
        p.put(`${key}-band-name-${i}`, 'text', {class: 'tick', x: (x(b.from) + x(b.to)) / 2, y: end + 1.4 * r, 'text-anchor': 'middle'},
            shorten(b.name, x(b.to) - x(b.from), .9 * r));
    });
    const step = scale.high - scale.low > .35 ? .2 : .1;
    for (let v = Math.ceil(scale.low / step - 1e-9) * step, i = 0; v <= scale.high + 1e-9; v += step, i++) {
        p.line(`${key}-y-${i}`, x0, y(v), x1, y(v), {stroke: 'var(--grid)', 'stroke-width': 1.5});
        if (first) p.put(`${key}-yt-${i}`, 'text', {class: 'tick', x: x0 - 8, y: y(v) + .3 * r, 'text-anchor': 'end'}, `${Math.round(100 * v)}%`);
    }
    for (let v = 0, i = 0; v <= scale.loss + 1e-9; v += scale.step, i++) {
        p.line(`${key}-z-${i}`, x0, z(v), x1, z(v), {stroke: 'var(--grid)', 'stroke-width': 1.5});
        if (first) p.put(`${key}-zt-${i}`, 'text', {class: 'tick', x: x0 - 8, y: z(v) + .3 * r, 'text-anchor': 'end'}, String(+v.toFixed(2)));
    }
    p.line(`${key}-majority`, x0, y(spec.majority), x1, y(spec.majority), {stroke: 'var(--black)', 'stroke-width': 2, 'stroke-dasharray': '9 6'});
    const many = lines.length > 1;
    lines.forEach((l, i) => {
        const d = l.points.map((q, k) => `${k ? 'L' : 'M'}${x(q.x).toFixed(1)} ${y(q.high).toFixed(1)}`).join('')
            + l.points.slice().reverse().map(q => `L${x(q.x).toFixed(1)} ${y(q.low).toFixed(1)}`).join('');
        if (l.points.length > 1) p.put(`${key}-area-${i}`, 'path', {d: `${d}Z`, fill: l.colour, 'fill-opacity': many ? .14 : .2});
    });
    if (!many && spec.pale && spec.pale !== lines[0])
        p.put(`${key}-pale`, 'path', {d: pathOf(spec.pale.points, q => x(q.x), q => y(q.accuracy)), stroke: 'var(--pale)', 'stroke-width': 2, fill: 'none'});
    lines.forEach((l, i) => {
        p.put(`${key}-line-${i}`, 'path', {d: pathOf(l.points, q => x(q.x), q => y(q.accuracy)), stroke: l.colour, 'stroke-width': 3.5, fill: 'none', 'stroke-linejoin': 'round'});
        p.put(`${key}-dots-${i}`, 'path', {d: l.points.map(q => marker(l.shape, x(q.x), y(q.accuracy), .32 * r)).join(''), fill: l.colour});
        l.losses.forEach((piece, k) =>
            p.put(`${key}-loss-${i}-${k}`, 'path', {d: pathOf(piece, q => x(q.x), q => z(q.loss)), stroke: l.colour, 'stroke-width': 2.5, fill: 'none', 'stroke-linejoin': 'round'}));
    });
    const caption = {class: 'tick', x: x0 + 6, 'paint-order': 'stroke', stroke: 'var(--paper)', 'stroke-width': 4};
    if (first && !title) {
        p.put(`${key}-what-1`, 'text', {...caption, y: top + r}, shorten(spec.above, x1 - x0 - 8, .9 * r));
        p.put(`${key}-what-2`, 'text', {...caption, y: second + r}, shorten(spec.below, x1 - x0 - 8, .9 * r));
    }
    if (!labels) return;
    const at = lines.map((l, i) => ({i, y: l.points.length ? y(l.points.at(-1).accuracy) : y(spec.majority)})).sort((a, b) => a.y - b.y);
    at.forEach((a, k) => { if (k && a.y < at[k - 1].y + 1.3 * r) a.y = at[k - 1].y + 1.3 * r; });
    for (const a of at)
        p.put(`${key}-label-${a.i}`, 'text', {class: 'name', x: x1 + .6 * r, y: a.y + .35 * r}, shorten(endOf(lines[a.i]), 16 * r, 1.1 * r, true));
}

const pathOf = (points, x, y) => points.map((q, k) => `${k ? 'L' : 'M'}${x(q).toFixed(1)} ${y(q).toFixed(1)}`).join('');
