"""The page of `lethe serve` in a real browser, as a person uses it. Called by ./build.sh browser:

    page.py LETHE [PICTURES]

Ends with one line as cmocka's programs do, so that tests add up. Pictures of every state go to the folder PICTURES."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.request

sys.path.insert(0, os.path.dirname(__file__))
import chromium  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
TINY = os.path.abspath(os.path.join(HERE, "../golden/interchange/bert"))  # a BERT of 16 columns: trains in a moment
WIDTHS = (360, 1280, 1920)

# What looks wrong to anybody: wider than the screen; texts of a picture that touch each other or leave it; text that does
# not stand out from its ground by 4.5 to 1.
LOOK = r"""
(() => {
    const wrong = [], root = document.documentElement;
    if (root.scrollWidth > innerWidth) wrong.push(`wider than the screen: ${root.scrollWidth} of ${innerWidth}`);
    for (const svg of document.querySelectorAll('#bars svg, #curve svg')) {
        if (!svg.checkVisibility()) continue;
        const frame = svg.getBoundingClientRect();
        const texts = [...svg.querySelectorAll('text')].filter(t => t.textContent).map(t => [t.textContent, t.getBoundingClientRect()]);
        texts.forEach(([words, a], i) => {
            if (a.left < frame.left - 5 || a.right > frame.right + 5 || a.bottom > frame.bottom + 5) wrong.push(`"${words}" leaves its picture`);
            for (const [other, b] of texts.slice(i + 1))
                if (a.left < b.right - 2 && b.left < a.right - 2 && a.top < b.bottom - 5 && b.top < a.bottom - 5) wrong.push(`"${words}" touches "${other}"`);
        });
    }
    const shade = c => {
        const m = c.match(/[\d.]+/g).map(Number);
        return {light: m.slice(0, 3).map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
            .reduce((s, v, i) => s + v * [.2126, .7152, .0722][i], 0), solid: m[3] === undefined || m[3] > .99};
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), seen = new Set();
    for (let n; (n = walker.nextNode());) {
        const e = n.parentElement;
        if (!n.data.trim() || seen.has(e) || !e.checkVisibility({visibilityProperty: true}) || e.closest(':disabled, option, .unseen, .skip, #charts')) continue;
        seen.add(e);
        const style = getComputedStyle(e);
        let ground = e;
        while (ground && !shade(getComputedStyle(ground).backgroundColor).solid) ground = ground.parentElement;
        const a = shade(e.closest('svg') ? style.fill : style.color).light, b = shade(getComputedStyle(ground ?? root).backgroundColor).light;
        const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
        if (ratio < 4.5) wrong.push(`"${n.data.trim().slice(0, 40)}" stands out by ${ratio.toFixed(2)} to 1`);
    }
    return wrong;
})()
"""


def check(yes, what):
    if not yes:
        raise chromium.Failed(what)


class Server:
    """`lethe serve` in a folder of its own."""

    def __init__(self, lethe, folder, *arguments):
        self.folder = folder
        self.process = subprocess.Popen([lethe, "serve", "--no-browser", *arguments], cwd=folder, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        self.said = ""
        for line in self.process.stdout:
            self.said += line
            found = re.search(r"http://[\w.\[\]:]+/[0-9a-f]{32}/", line)
            if found:
                self.url = found[0]
                return
        raise chromium.Failed(f"lethe serve ended: {self.said}")

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=20) as answer:
            return answer.read().decode()

    def post(self, path, body):
        token = self.url.split("/")[3]
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(),
                                         {"X-Lethe-Token": token, "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def close(self):
        """With the runs that it has started: they would go on."""
        for folder in json.loads(self.get("api/folders")):
            if folder["state"] == "running":
                self.post("api/stop", {"id": folder["id"]})
        self.process.terminate()
        self.process.wait(timeout=20)


class Tests:
    def __init__(self, lethe, pictures):
        self.lethe, self.pictures = lethe, pictures
        self.browser = chromium.Chromium(chromium.find())
        self.folder = tempfile.mkdtemp(prefix="lethe-page-")
        self.server = Server(lethe, self.folder, "--files", TINY)

    def close(self):
        self.browser.close()
        self.server.close()

    # ---- what several tests do ----

    def picture(self, page, name, whole=True):
        if self.pictures:
            page.picture(os.path.join(self.pictures, f"{name}.png"), whole)

    def fine(self, page):
        faults = page.faults_so_far(but=("/api/view",))  # 404 until there is something to show
        check(not faults, f"the console says: {faults}")
        strangers = [r for r in page.requests if not r.startswith((self.server.url, "data:", "about:"))]
        check(not strangers, f"asked for from elsewhere: {strangers}")

    def looks(self, page, name):
        """At every width, in both schemes, at both sizes of text."""
        for width in WIDTHS:
            for dark in (False, True):
                page.size(width, 740 if width < 500 else 900, dark=dark)
                time.sleep(0.4)  # charts follow the width
                wrong = page.js(LOOK)
                check(not wrong, f"{name}, {width} pixels, {'dark' if dark else 'light'}: {wrong[:6]}")
                self.picture(page, f"{name}-{width}-{'dark' if dark else 'light'}")
        page.size(1280, 800)
        nameless = [n for n in page.call("Accessibility.getFullAXTree")["nodes"]
                    if not n.get("ignored") and n.get("role", {}).get("value") in ("textbox", "combobox", "button", "checkbox", "radio", "link", "image", "spinbutton")
                    and not n.get("name", {}).get("value")]
        check(not nameless, f"{name}: without a name for a screen reader: {[n['role']['value'] for n in nameless]}")

    def set_up(self, page, methods, **options):
        page.open(self.server.url + "#setup")
        page.wait("document.querySelectorAll('#methods input').length > 3")
        page.write("#model-folder", TINY)
        for box in page.js("[...document.querySelectorAll('#methods input')].map(e => [e.value, e.checked])"):
            if box[1] != (box[0] in methods):
                page.click(f"#methods input[value={json.dumps(box[0])}]")
        page.js("document.querySelector('#options-rest').open = true")
        for name, value in options.items():
            name = name.replace("_", "-")
            if page.js(f"document.querySelector('#option-{name}').tagName") == "SELECT":
                page.choose(f"#option-{name}", value)
            else:
                page.write(f"#option-{name}", value)

    def ready(self, page):
        page.wait("document.querySelector('#check-busy').hidden && document.querySelector('#check-state').textContent === 'Ready to start.'", 60,
                  "the setup to be ready")

    # ---- from an empty folder to the report ----

    def test_from_nothing_to_the_report(self):
        page = self.browser.page()
        page.open(self.server.url)
        page.wait("document.querySelector('#page-setup')?.checkVisibility()", what="set up, in an empty folder")
        self.ready(page)
        check("lethe run" in page.text("#command"), "no command line")
        self.looks(page, "setup")
        self.set_up(page, ["full", "lora-seq"], epochs="many", train_rows="400", eval_rows="200", max_length="16", batch_size="1")
        page.wait("document.querySelector('.problem[data-field=epochs]')?.checkVisibility()", 60, "the refusal beside the field")
        check("epochs" in page.text(".problem[data-field=epochs]"), "the refusal is in other words than lethe's")
        check(page.js("document.querySelector('#start').disabled"), "it may be started nevertheless")
        check(page.js("document.querySelector('#option-epochs').getAttribute('aria-invalid')") == "true", "a screen reader does not hear it")
        self.picture(page, "setup-refused")
        page.write("#option-epochs", "4")
        self.ready(page)
        page.write("#out", "first")
        self.ready(page)
        check("--out first" in page.text("#command") and "--epochs 4" in page.text("#command"), page.text("#command"))
        page.click("#start")
        page.wait("location.hash.startsWith('#watch/')", 20)
        page.wait("document.querySelector('.state.running')", 20, "the run is running")
        page.wait("document.querySelector('#bars .bar')", 150, "the first bar")
        check("Too early to say" in page.text("#verdict-headline"), "a verdict before there is anything to say")
        self.picture(page, "watch-first-bar")
        self.reload_in_the_middle(page)
        self.two_browsers(page)
        self.stop_and_go_on(page)
        page.wait("document.querySelector('.state.finished')", 400, "the run is finished")
        page.wait("!document.querySelector('#verdict-headline').textContent.startsWith('Too early')", 20, "a verdict")
        check(not page.seen("#trouble"), f"there is trouble: {page.text('#trouble')}")
        self.looks(page, "watch")
        report = self.server.get(page.js("document.querySelector('#watch-buttons a[href^=report]').getAttribute('href')"))
        check("<h1" in report and "sentiment" in report, "no report")
        page.click("#charts-part summary")
        page.wait("document.querySelectorAll('#charts svg').length >= 3", 20, "the report's own charts")
        self.picture(page, "watch-charts")
        self.fine(page)

    def reload_in_the_middle(self, page):
        where = page.js("location.hash")
        page.reload()
        page.wait("document.querySelector('#bars .bar')", 20, "the bars after a reload")
        check(page.js("location.hash") == where, "another place after a reload")

    def two_browsers(self, page):
        other = self.browser.page(360, 740)
        other.open(self.server.url)
        other.wait("document.querySelector('#bars .bar')", 20, "a second browser shows the run")
        check(other.text("#watch-title") == page.text("#watch-title"), "two browsers, two runs")
        self.picture(other, "watch-second-browser")
        self.fine(other)
        self.other = other

    def stop_and_go_on(self, page):
        page.wait("document.querySelector('#bars-legend').textContent.includes('now')", 90, "the bar that falls")
        self.picture(page, "watch-falling", whole=False)
        page.click("#stop")
        page.wait("document.querySelector('.state.stopped')", 30, "the run is stopped")
        self.other.wait("document.querySelector('.state.stopped')", 10, "the other browser hears of it")
        self.picture(page, "watch-stopped")
        page.click("#go-on")
        page.wait("document.querySelector('.state.running')", 30, "the run goes on")

    # ---- ask ----

    def test_ask(self):
        page = self.browser.page()
        page.open(self.server.url + "#ask")
        page.wait("document.querySelector('#rows-count').textContent", 30)
        few = page.js("document.querySelector('#rows-count').textContent")
        page.choose("#rows-which", "all")
        page.wait(f"document.querySelector('#rows-count').textContent !== {json.dumps(few)} && document.querySelector('#rows button')", 20,
                  "rows to pick, which no longer move")
        page.click("#rows button")
        page.wait("document.querySelectorAll('.answer').length >= 2", 30, "the answers of several states")
        check("Its label" in page.text("#ask-truth"), "the row's label is not shown")
        page.write("#ask-text", "<img src=x onerror=alert(1)> <b>bold</b>")
        page.press("Enter")
        page.wait("document.querySelector('#ask-truth').textContent === '' && document.querySelector('.answer')", 20)
        check(not page.js("document.querySelector('main img, main b')"), "a text has become markup")
        sums = page.js("[...document.querySelectorAll('.answer')].map(a => [...a.querySelectorAll('.number')].reduce((s, n) => s + parseFloat(n.textContent), 0))")
        check(all(abs(s - 100) < 0.3 for s in sums), f"probabilities add up to {sums}")
        self.looks(page, "ask")
        page.choose("#ask-task", "2")
        page.wait("document.querySelector('#ask-pair-label').checkVisibility()", 20, "a field for the second text of a pair")
        page.write("#ask-text", "Ingrid has never been seasick.")
        page.write("#ask-pair", "It takes little to make Ingrid seasick.")
        page.click("#ask-form button")
        page.wait("document.querySelectorAll('.answer').length >= 1", 20, "answers to a pair")
        self.picture(page, "ask-pair")
        self.fine(page)

    # ---- own files ----

    def test_own_files_with_wrong_columns(self):
        table = os.path.join(self.folder, "own.csv")
        with open(table, "w", encoding="utf-8") as f:
            f.write("Comment,Stars,Extra\n")
            for i in range(60):
                f.write(f"\"<b>Row</b> {i}, {'a delight' if i % 2 else 'a bore'}\",{'good' if i % 2 else 'bad'},{i}\n")
        page = self.browser.page()
        self.set_up(page, ["full"], epochs="1", max_length="16", train_rows="0", eval_rows="0")
        page.choose("#task-add", "")
        page.click("#task-add-button")
        page.click("#task-0 .title button:last-child")
        page.wait("document.querySelector('#task-1 input[type=file]')", 10)
        files = page.call("DOM.querySelector", nodeId=page.call("DOM.getDocument")["root"]["nodeId"], selector="#task-1 input[type=file]")
        page.call("DOM.setFileInputFiles", nodeId=files["nodeId"], files=[table])
        page.wait("document.querySelector('#task-1 [data-key=train]')?.value", 20, "the file's place after it was chosen")
        page.wait("document.querySelector('.problem[data-field=\"tasks.1\"]')?.checkVisibility()", 60, "the refusal beside the file")
        words = page.text('.problem[data-field="tasks.1"]')
        check("Comment" in words, f"the refusal does not say which columns there are: {words}")
        self.picture(page, "own-wrong-columns")
        check(page.seen("#task-1 [data-column=text]"), "the columns cannot be named at once")
        page.write("#task-1 [data-column=text]", "Comment")
        page.write("#task-1 [data-column=label]", "Stars")
        self.ready(page)
        page.wait("document.querySelector('#task-1 .seen-here').textContent.includes('bad')", 20, "its classes")
        check("Comment" in page.text("#task-1 .seen-here"), "the columns that were recognised")
        page.click("#task-1 .seen-here summary")
        check("<b>Row</b>" in page.text("#task-1 .seen"), "the first rows, as they are")
        self.looks(page, "own-files")
        self.fine(page)

    # ---- the lesson ----

    def test_lesson(self):
        page = self.browser.page()
        page.open(self.server.url + "#lesson/1")
        page.wait("document.querySelectorAll('#lesson-steps a').length === 8", 20, "eight steps")
        for step in range(1, 9):
            page.wait(f"document.querySelector('#lesson-step-title')?.textContent.startsWith('{step}. ')", 10, f"step {step}")
            names = page.js("[...document.querySelectorAll('#lesson-step h3, #lesson-step summary')].map(e => e.textContent)")
            check(names == ["Run", "Look", "What will be seen", "Answer", "For the teacher"], f"step {step} has {names}")
            check(page.js("document.querySelector('#lesson-step .question').textContent.length > 20"), f"step {step} asks nothing")
            page.js("document.querySelectorAll('#lesson-step details').forEach(d => { d.open = true; })")
            check("**" not in page.text("#lesson-step") and "](" not in page.text("#lesson-step"), f"step {step} shows its markup")
            command = page.text("#lesson-step pre")
            check(command.startswith("lethe run "), f"step {step} runs {command}")
            if step in (1, 5):
                self.looks(page, f"lesson-{step}")
            if step < 8:
                page.click("#lesson-move a:last-child")
        page.open(self.server.url + "#lesson/1")
        page.write("#guess", "55")
        page.reload()
        page.wait("document.querySelector('#guess')?.value === '55'", 10, "the guess after a reload")
        page.click("#lesson-step button.main")
        page.wait("document.querySelector('#lesson-watch .state.running')", 60, "the run of the step, below it")
        page.wait("document.querySelector('#lesson-watch #bars')?.checkVisibility()", 90, "its bars, once it has begun")
        self.picture(page, "lesson-running", whole=False)
        page.click("#stop")
        page.wait("document.querySelector('#lesson-watch .state.stopped')", 60, "the run of the step is stopped")
        self.fine(page)

    # ---- a room ----

    def test_room(self):
        teacher = Server(self.lethe, self.folder, "--listen", "127.0.0.2")
        try:
            room = json.loads(teacher.get("api/start"))["room"]
            page = self.browser.page()
            page.open(teacher.url + "#lesson/1")
            page.wait("document.querySelector('#room')?.checkVisibility()", 20, "the code, for the front of the room")
            check(room["code"] in page.text("#room").replace(" ", ""), page.text("#room"))
            self.picture(page, "room-teacher", whole=False)
            viewer = self.browser.page(360, 740)
            viewer.open(room["address"])
            viewer.write("#digits", "%06d" % ((int(room["code"]) + 1) % 1000000))
            viewer.press("Enter")
            viewer.wait("document.querySelector('#said').textContent", 10, "a wrong code is told")
            self.picture(viewer, "room-door")
            viewer.write("#digits", room["code"])
            viewer.press("Enter")
            viewer.wait("document.querySelector('#bars .bar')", 30, "the viewer sees the run")
            check(not viewer.seen("#to-setup") and not viewer.seen("#stop") and not viewer.seen("#go-on"), "a viewer may change something")
            token = viewer.js("location.pathname.split('/')[1]")
            status = viewer.js(f"fetch('api/run', {{method: 'POST', headers: {{'X-Lethe-Token': '{token}'}}, body: '{{}}'}}).then(r => r.status)")
            check(status == 403, f"a viewer starts a run: {status}")
            self.picture(viewer, "room-viewer")
            viewer.js("location.hash = '#lesson/1'")
            viewer.wait("document.querySelector('#lesson-step .question')", 20)
            check("For the teacher" not in viewer.text("#lesson-step") and not viewer.js("document.querySelector('#lesson-step button')"), "viewers see what is the teacher's")
            viewer.js("location.hash = '#ask'")
            viewer.wait("document.querySelector('#rows-count')?.textContent", 20)
            viewer.write("#ask-text", "a delight from start to finish")
            viewer.press("Enter")
            viewer.wait("document.querySelector('.answer')", 20, "a viewer asks the model")
        finally:
            teacher.close()

    # ---- the keyboard, and what may not be ----

    def test_keyboard(self):
        page = self.browser.page()
        page.open(self.server.url + "#setup")
        self.ready(page)
        page.press("Tab")
        check(page.js("document.activeElement.id") == "skip", "the first Tab does not offer to skip to the content")
        page.press("Enter")
        check(page.js("document.activeElement.id") == "main", "skipping does not reach the content")
        seen = set()
        for _ in range(120):
            page.press("Tab")
            seen.add(page.js("document.activeElement.id || document.activeElement.value || document.activeElement.textContent"))
            check(page.js("document.activeElement === document.body || getComputedStyle(document.activeElement).outlineStyle !== 'none'"),
                  "the focus cannot be seen")
        check({"out", "start", "copy", "option-epochs", "full", "methods-more"} <= seen, f"Tab does not reach all of it: {sorted(seen)}")
        self.fine(page)

    def test_nothing_moves_when_the_system_asks(self):
        page = self.browser.page(still=False)
        page.open(self.server.url + "#watch")
        page.wait("document.querySelector('#bars .bar')", 20)
        moving = "getComputedStyle(document.querySelector('#bars .bar')).transitionDuration"
        check(page.js(moving) != "0s", "bars do not move where they may")
        page.size(1280, 800, still=True)
        check(page.js(moving) == "0s", "bars move where the system asks for stillness")

    def test_the_page_is_small(self):
        names = os.listdir(os.path.join(HERE, "../../src/serve/page"))
        total = sum(os.path.getsize(os.path.join(HERE, "../../src/serve/page", n)) for n in names)
        total += os.path.getsize(os.path.join(HERE, "../../docs/lesson.md"))
        check(total < 150_000, f"the page takes {total} bytes")


def main():
    lethe, pictures = os.path.abspath(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None
    wanted = sys.argv[3] if len(sys.argv) > 3 else ""
    if not chromium.find():
        print("[  SKIPPED ] 1 test(s): no Chromium on this machine, the page is not opened")
        return 0
    if pictures:
        os.makedirs(pictures, exist_ok=True)
    tests = Tests(lethe, pictures)
    names = [n for n in vars(Tests) if n.startswith("test_") and wanted in n]
    failed = []
    try:
        for name in names:
            began = time.monotonic()
            try:
                getattr(tests, name)()
                print(f"[       OK ] {name}, {time.monotonic() - began:.1f} s", flush=True)
            except Exception as e:  # whatever it is, the next test is run
                failed.append(name)
                print(f"[  FAILED  ] {name}: {e}", flush=True)
                if not isinstance(e, chromium.Failed):
                    traceback.print_exc()
    finally:
        tests.close()
    print(f"[  PASSED  ] {len(names) - len(failed)} test(s).")
    if failed:
        print(f"[  FAILED  ] {len(failed)} test(s), listed above")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
