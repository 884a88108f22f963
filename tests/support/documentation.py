"""Tables of the documentation, so that tests can compare them with the code."""

from tools.supervisor import ROOT

DOCS = (ROOT / "docs" / "aws.md").read_text()


def table(heading: str) -> list[list[str]]:
    """Return the rows of the table below a heading of docs/aws.md, without the table's heading."""
    section = DOCS.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip()[1:-1].split("|") for line in section.splitlines() if line[:1] == "|"]
    return [[cell.strip() for cell in row] for row in rows[2:]]
