"""A query object: a question that is stored, asked where the objects are, and keeps its answer."""

from dataclasses import dataclass

from emerge_wasm import EmergeFile, fs


@dataclass
class Article(EmergeFile):
    """One article in stock."""

    unit_price: float = 0.0
    on_hand: int = 0


@dataclass
class LowStock(EmergeFile):
    """Which articles have to be ordered."""

    below: int = 10

    def query(self, fs):
        """The names of the articles of which there are too few, the fewest first."""
        limit = self.below
        found = fs.search(lambda o: o.on_hand < limit, path="/stock", order_by="on_hand")
        return [{"name": article.name, "on_hand": article.on_hand} for article in found]


fs.storeall(
    Article(name=name, path="/stock", unit_price=price, on_hand=count)
    for name, price, count in [("bolt", 0.2, 500), ("nut", 0.1, 8), ("gear", 12.5, 3), ("axle", 40.0, 12)]
)
fs.store(LowStock(name="low", path="/questions", below=10))
print(fs.query("/questions/low"))  # asked now, on the node
print(fs.getobject("/questions/low").results)  # read again, without asking
