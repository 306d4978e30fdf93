"""README's picture: the page of `lethe serve` while the default experiment is at work, as soon as the first task's bar has
fallen. Called by ./build.sh browser picture:  picture.py LETHE TO"""

import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(__file__))
import chromium  # noqa: E402
from page import Server  # noqa: E402


def main():
    lethe, to = os.path.abspath(sys.argv[1]), sys.argv[2]
    server = Server(lethe, tempfile.mkdtemp(prefix="lethe-picture-"))
    browser = chromium.Chromium(chromium.find() or sys.exit("no Chromium on this machine"))
    try:
        page = browser.page(1280, 720)
        page.open(server.url + "#setup")
        page.wait("document.querySelector('#check-busy')?.hidden && document.querySelector('#check-state').textContent === 'Ready to start.'", 120)
        page.click("#start")
        page.wait("document.querySelector('#bars-legend')?.textContent.includes('now')", 3600, "the first look at sentiment while nli trains")
        page.wait("+/step (\\d+)/.exec(document.querySelector('#watch-state').textContent)?.[1] >= 66", 3600, "the fourth look")
        page.wait("!document.querySelector('#trouble').checkVisibility()", 10)
        page.picture(to)
        print(f"{to}: {os.path.getsize(to)} bytes")
        page.click("#stop")
        page.wait("document.querySelector('.state.stopped')", 60)
    finally:
        browser.close()
        server.close()


if __name__ == "__main__":
    main()
