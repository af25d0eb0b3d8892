"""Names from the store that mean something to HTML, to addresses or to file systems stay text, and their links work."""

import html

import pytest

from pipeline.web import urls
from tests.builders.pages import Seen
from tests.builders.roots import STATE, Recorded

ODD = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "a/b", "a?b=c&d", "a#b", "..", ".", "../../etc/passwd", "a.json", "a.html", "~tilde", "a%2Fb", "a b", "a\\b",
    "javascript:alert(1)", "//evil.example/x", "latest", "latest~1", "🦊 für älle", "x" * 5000, "🦊" * 5000,
    "\u202eabc", "a\nb", "&amp;", "runs", "compare",
]  # fmt: skip


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A root with a run, and an artifact, of each name; and the artifacts' ids by name."""
    recorded = Recorded(tmp_path_factory.mktemp("odd"))
    made = {}
    for name in ODD:
        execution = recorded.writer.execution(name, name[:50], STATE.COMPLETE)
        made[name] = recorded.writer.artifact(execution, name[:200], f"/nowhere/{name}", **{name: name})
    return recorded.root, made


class TestOddNames:
    def test_the_lists(self, odd, ask):
        root, _ = odd
        for path in ("/", "/artifacts"):
            assert self.harmless(Seen(ask(root).get(path).text))

    @pytest.mark.parametrize("name", ODD, ids=lambda name: ascii(name[:20]))
    def test_a_run(self, odd, ask, name):
        root, made = odd
        client = ask(root)
        # From the page of the artifact to the run, to its node, and to its JSON, as links say.
        page = Seen(client.get(f"/artifacts/{made[name]}").text)
        run, node, *_ = (link for link in page.links if link.startswith("/runs/"))
        assert client.get(f"{run}.json").json()["run"]["row"]["id"] == name
        assert client.get(f"{node}.json").json()["node"]["node"] == name[:50]
        for path in (run, node):
            answer = client.get(path)
            assert answer.status_code == 200
            assert self.harmless(Seen(answer.text))

    @pytest.mark.parametrize("name", ODD, ids=lambda name: ascii(name[:20]))
    def test_an_artifact(self, odd, ask, name):
        root, made = odd
        client = ask(root)
        for path in (f"/artifacts/{made[name]}", f"/artifacts/{made[name]}/lineage"):
            answer = client.get(path)
            assert answer.status_code == 200
            assert self.harmless(Seen(answer.text))
        assert client.get(f"/artifacts/{made[name]}.json").json()["artifact"]["properties"][name] == name

    @staticmethod
    def harmless(page):
        """Whether there is no element and no address in it but those of the templates."""
        assert page.inline == []
        assert page.tags.count("script") == 1
        assert "img" not in page.tags
        assert all(link.startswith(("/", "#")) and not link.startswith("//") for link in page.links)
        return True

    def test_two_of_them_can_be_compared(self, odd, ask):
        client = ask(odd[0])
        values = [html.unescape(part.split('"')[0]) for part in client.get("/").text.split('name="run" value="')[1:]]
        assert "a?b=c&d" in values
        long = urls.segment("🦊" * 5000)
        assert long in values
        answer = client.get("/compare", params=[("run", "a?b=c&d"), ("run", long)])
        assert answer.status_code == 200
        assert self.harmless(Seen(answer.text))

    def test_a_wrong_name_is_said_back_as_text(self, site):
        answer = site.get("/runs/%3Cscript%3Ealert(1)%3C%2Fscript%3E")
        assert answer.status_code == 404
        assert self.harmless(Seen(answer.text))
        assert "<script>alert(1)</script>" in Seen(answer.text).text

    def test_an_error_with_markup_in_it_stays_text(self, site):
        assert "<b>broke</b>" in Seen(site.get("/runs/bad").text).text
        assert "&lt;b&gt;broke" in site.get("/runs/bad").text
