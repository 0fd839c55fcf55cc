"""Sections of a page in docs/ that a command writes anew, each between its marks."""

from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"


@dataclass(frozen=True)
class Section:
    """A section of a page by the name that its marks have; its text is whole lines.

    What looks for it on a page raises ValueError where it is not there.
    """

    page: Path
    name: str

    def marked(self, text: str) -> str:
        """A text between the marks."""
        return f"<!-- {self.name} -->\n{text}<!-- /{self.name} -->"

    def text(self) -> str:
        """What the page has between the marks."""
        return self.cut(self.page.read_text(encoding="utf-8"))[1]

    def cut(self, page: str) -> tuple[str, str, str]:
        """What a page has before the section, between its marks, and behind it."""
        begin, end = self.marked("").split("\n")
        before, found, rest = page.partition(f"{begin}\n")
        inside, closed, after = rest.partition(end)
        if not (found and closed):
            raise ValueError(f"docs/{self.page.name} has no section {self.name}")
        return before, inside, after

    def replaced(self, text: str) -> str:
        """The page with this text in the section."""
        before, _, after = self.cut(self.page.read_text(encoding="utf-8"))
        return before + self.marked(text) + after

    def write(self, text: str) -> None:
        """Put a text into the page's section."""
        self.page.write_text(self.replaced(text), encoding="utf-8")
