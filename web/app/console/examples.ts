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

export const LOOK_AROUND = `for pointer in fs.list("/"):
    print(f"{pointer.name:24} {pointer.type:10} {pointer.class_name}")
`;

/** The same where Python cannot wait on its own (no JSPI): `afs` is `fs` to be awaited. */
export function awaited(code: string): string {
  return code
    .replace("import EmergeFile, fs", "import EmergeFile")
    .replace("\nfs.store", "\nawait afs.store")
    .replace("fs.getobject(\"/inventory/widget1\")", "(await afs.getobject(\"/inventory/widget1\"))")
    .replace("print(fs.run", "print(await afs.run")
    .replace("in fs.list", "in await afs.list");
}
