/** Cells that a newcomer gets with one click. */

export const INVENTORY = `from dataclasses import dataclass
from emerge_wasm import EmergeFile, fs

@dataclass
class InventoryItem(EmergeFile):
    """One line of stock."""
    unit_price: float = 0.0
    quantity_on_hand: int = 0

    def total_cost(self) -> float:
        return self.unit_price * self.quantity_on_hand

fs.store(InventoryItem(id="widget1", name="widget1", path="/inventory", unit_price=3.0, quantity_on_hand=10))
print(fs.run("/inventory/widget1", "total_cost"))      # on the node that holds it
print(fs.getobject("/inventory/widget1").total_cost()) # here
`;

/** The same where Python cannot wait on its own (no JSPI). */
export const INVENTORY_AWAITED = INVENTORY.replace("\nfs.store", "\nawait fs.store")
  .replace("print(fs.run", "print(await fs.run")
  .replace('print(fs.getobject("/inventory/widget1")', 'print((await fs.getobject("/inventory/widget1"))');

export const LOOK_AROUND = `for pointer in fs.list("/")["entries"]:
    print(f"{pointer['name']:24} {pointer['type']:10} {pointer['class_name']}")
`;
