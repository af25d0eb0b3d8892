"""The site as files: opened from the disk, with working links and no complaint."""

from __future__ import annotations

import re

from tests.e2e.browser.conftest import DESKTOP
from tests.e2e.conftest import sae


def test_the_pages_open_from_the_disk(chromium, site, tmp_path):
    folder = tmp_path / "exported"
    done = sae("export", folder, "--root", site.root)
    assert done.returncode == 0, done.stderr
    context = chromium.new_context(viewport=DESKTOP)
    page = context.new_page()
    complaints = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda asked: complaints.append(asked.url) if not asked.url.startswith("file://") else None)
    page.on("requestfailed", lambda asked: complaints.append(asked.url))
    page.goto((folder / "index.html").as_uri())
    page.get_by_role("link", name=site.first, exact=True).first.click()
    page.wait_for_load_state()  # the title is there before the pictures are
    assert site.first in page.title()
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    page.locator("svg a", has_text="Trainer").first.click()
    page.get_by_role("link", name=re.compile("model", re.IGNORECASE)).first.click()
    assert page.inner_text("h1")
    assert complaints == []
    context.close()
