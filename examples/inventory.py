"""One line of stock: stored, run where it lives, and run here. The same file runs in a console cell of the page."""

from dataclasses import dataclass

from emerge_wasm import EmergeFile, fs


@dataclass
class InventoryItem(EmergeFile):
    """One line of stock."""

    unit_price: float = 0.0
    quantity_on_hand: int = 0

    def total_cost(self) -> float:
        return self.unit_price * self.quantity_on_hand


fs.store(InventoryItem(id="widget1", name="widget1", path="/inventory", unit_price=3.0, quantity_on_hand=10))
print(fs.run("/inventory/widget1", "total_cost"))  # on the node that holds it
print(fs.getobject("/inventory/widget1").total_cost())  # here
print([item.name for item in fs.search(lambda o: o.unit_price < 3.5 and "w" in o.name, path="/inventory")])
