"""A page as a reader finds it: tables as rows of words, pictures with what is said of them, and all it refers to."""

from html.parser import HTMLParser


class Page(HTMLParser):
    """Parses at once.

    Attributes:
        tables: rows of cells each, the head first.
        images: attributes of each <img>.
        references: values of src, href, srcset and the like.
        headings, code: texts, in order.
        text: all that is said, spaces evened out.
    """

    def __init__(self, html: str):
        super().__init__()
        self.tables, self.images, self.references, self.headings, self.code, self.styles = [], [], [], [], [], []
        self._words, self._open = [], None
        self.feed(html)
        self.text = " ".join(" ".join(self._words).split())

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("th", "td"):
            self.tables[-1][-1].append("")
            self._open = "cell"
        elif tag in ("h1", "h2", "h3", "h4", "code", "style"):
            {"code": self.code, "style": self.styles}.get(tag, self.headings).append("")
            self._open = tag
        elif tag == "img":
            self.images.append(attrs)
        self.references += [v for k, v in attrs.items() if k in ("src", "href", "srcset", "data", "action", "poster")]

    def handle_endtag(self, tag):
        if tag in ("th", "td", "h1", "h2", "h3", "h4", "code", "style"):
            self._open = None

    def handle_data(self, data):
        if self._open == "style":
            self.styles[-1] += data
            return
        self._words.append(data)
        if self._open == "cell":
            self.tables[-1][-1][-1] += data
        elif self._open:
            (self.code if self._open == "code" else self.headings)[-1] += data

    def table(self, *head: str) -> list[dict[str, str]]:
        """The first table whose head has these words, as a dict a row."""
        for first, *rows in self.tables:
            if set(head) <= set(first):
                return [dict(zip(first, row, strict=True)) for row in rows]
        raise AssertionError(f"no table with {head}; there are {[t[0] for t in self.tables]}")
