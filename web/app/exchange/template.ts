/** The cell that a new class begins with. */
export const NEW_CLASS = `from dataclasses import dataclass, field
from emerge_wasm import EmergeFile, fs

@dataclass
class Thing(EmergeFile):
    """What it is."""
    title: str = ""
    amount: float = 0.0
    tags: list[str] = field(default_factory=list)

    def describe(self) -> str:
        return f"{self.title}: {self.amount}"

fs.store(Thing(name="first", path="DIRECTORY", title="The first one"))
`;
