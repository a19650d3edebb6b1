"""Check the rendered book: every page is there, figures are in it, links resolve, nothing comes from elsewhere.

    python tests/check_book.py [book/_build/html]

Exit status 1 and one line per fault; the last line counts the checks.
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml

ROOT = Path(__file__).resolve().parent.parent
LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src"}
CSS_URL = re.compile(r"""(?:url\(|@import\s+)\s*["']?(https?:|//)""")


class Page(HTMLParser):
    """What one page shows, loads and links to, gathered while it is read."""

    def __init__(self, path: Path):
        super().__init__()
        self.ids: set[str] = set()
        self.images: list[dict] = []
        self.loads: list[str] = []
        self.links: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list) -> None:
        values = {name: value or "" for name, value in attrs}
        self.ids.update(values[name] for name in ("id", "name") if name in values)
        if tag == "img":
            self.images.append(values)
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag == "link" and {"stylesheet", "icon", "preload"} & set(values.get("rel", "").split()):
            self.loads.append(values.get("href", ""))
        elif tag in LOADS and LOADS[tag] in values:
            self.loads.append(values[LOADS[tag]])


def figures(page: Page) -> list[dict]:
    """Images that a chapter computed (they carry their own data), or that the page shows from files; not the logo."""
    shown = [image for image in page.images if "logo" not in image.get("class", "")]
    return [image for image in shown if "_images" in image["src"] or image["src"].startswith("data:image/")]


def page_faults(name: str, path: Path, page: Page) -> list[str]:
    """What is wrong with one page, taken alone."""
    faults = [f"loads {source[:80]} from elsewhere" for source in page.loads if is_external(source)]
    if name.startswith("book/chapters/") and not figures(page):
        faults.append("is a chapter without a figure")
    for image in figures(page):
        alt = image.get("alt", "").strip()
        if not alt or alt.startswith(("_images", "../_images")) or alt.endswith((".png", ".svg")):
            faults.append(f"figure {image['src'][:80]} has no alt text that says what is to be seen")
        kept_apart = not is_external(image["src"]) and not image["src"].startswith("data:")
        if kept_apart and not (path.parent / unquote(image["src"])).exists():
            faults.append(f"figure {image['src']} is missing")
    return faults


def is_external(address: str) -> bool:
    return address.startswith(("http:", "https:", "//"))


def link_faults(path: Path, page: Page, read: dict[Path, Page]) -> list[str]:
    """Links inside the book that lead to no file or to no place in it."""
    faults = []
    for link in set(page.links):
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if not target.exists():
            faults.append(f"link {link} leads to no file")
        elif parts.fragment and target in read and unquote(parts.fragment) not in read[target].ids:
            faults.append(f"link {link} leads to no place on its page")
    return faults


def style_faults(html: Path) -> list[str]:
    """Style sheets that load fonts, images or other sheets from elsewhere."""
    sheets = [path for path in html.rglob("*.css") if CSS_URL.search(path.read_text(encoding="utf-8"))]
    return [f"{path.relative_to(html)} loads from elsewhere" for path in sheets]


def toc_files() -> list[str]:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    entries = [entry for part in toc["parts"] for entry in part["chapters"]]
    return [toc["root"], *(each["file"] for entry in entries for each in (entry, *entry.get("sections", [])))]


def check(html: Path) -> dict[str, list[str]]:
    """Faults by page of the table of contents, and by `style sheets`."""
    paths = {name: html.resolve() / f"{name}.html" for name in toc_files()}
    read = {path: Page(path) for path in html.resolve().rglob("*.html")}
    faults = {"style sheets": style_faults(html)}
    for name, path in paths.items():
        if path not in read:
            faults[name] = [f"{path.relative_to(html.resolve())} is missing"]
        else:
            faults[name] = page_faults(name, path, read[path]) + link_faults(path, read[path], read)
    return faults


def main(arguments: list[str]) -> int:
    """Print faults and counts; 0 if there is no fault."""
    html = Path(arguments[0]) if arguments else ROOT / "book/_build/html"
    if not (html / "index.html").exists():
        print(f"no book in {html}: run `make book` first")
        return 1
    faults = check(html)
    for name, found in faults.items():
        for fault in found:
            print(f"{name}: {fault}")
    n_failed = sum(bool(found) for found in faults.values())
    print(f"{len(faults) - n_failed} passed, {n_failed} failed")
    return int(n_failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
