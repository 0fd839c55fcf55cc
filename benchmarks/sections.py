"""Sections of docs/performance.md that commands of their own write anew, each between its marks."""

from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"


@dataclass(frozen=True)
class Section:
    """A section by the name that its marks have."""

    name: str

    def marked(self, text: str) -> str:
        """Lines as a section."""
        return f"<!-- {self.name} -->\n{text}<!-- /{self.name} -->"

    def cut(self, page: str) -> tuple[str, str, str]:
        """What a page has before the section, the section itself, and the rest. Raises ValueError without one."""
        begin, end = self.marked("").split("\n")
        before, found, rest = page.partition(begin)
        inside, closed, after = rest.partition(end)
        if not (found and closed):
            raise ValueError(f"the page has no section {self.name}")
        return before, begin + inside + end, after

    def write(self, marked: str) -> None:
        """Put it into docs/performance.md, in the place of the one that is there. Raises ValueError without one."""
        before, _, after = self.cut(PAGE.read_text(encoding="utf-8"))
        PAGE.write_text(before + marked + after, encoding="utf-8")
